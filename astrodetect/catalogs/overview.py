"""What a catalog holds, as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from astrodetect.catalogs.pipelines import pipeline_name
from astrodetect.catalogs.reader import Catalog
from astrodetect.core.printing import printable

__all__ = ["csv_lines", "detection_lines", "iso", "overview", "printable"]
_SHOWN = (
    "time_start", "recording_id", "label", "probability", "accepted", "reason", "frame_start", "frame_end",
    "x_start", "y_start", "x_end", "y_end", "speed", "snr",
)  # fmt: skip
_RECORDING = (
    "time_start", "time_end", "n_frames", "n_windows", "n_candidates",
)  # fmt: skip


def overview(
    catalog: Catalog,
    *,
    accepted: bool | None = True,
    label: str | None = None,
    all_recordings: bool = False,
    limit: int | None = None,
) -> Iterator[str]:
    """Give the lines that say what a catalog holds.

    Parameters
    ----------
    catalog : Catalog
        Open.
    accepted : bool or None
        Which detections to list: accepted ones, rejected ones, or all.
    label : str or None
        List only these.
    all_recordings : bool
        Name also the recordings that were read with warnings.
    limit : int or None
        List only the first so many detections.
    """
    recordings = catalog.read_columns(_RECORDING, "recordings")
    for name in ("status", "message"):
        codes, texts = catalog.coded(name, "recordings")
        recordings[name] = texts[codes] if len(texts) else texts
    found = _Found(catalog)
    yield from _heading(catalog, recordings)
    yield from _labels(found)
    yield ""
    n = found.count(accepted, label)
    if n:
        rows = catalog.select(accepted=accepted, label=label, limit=limit)
        yield from detection_lines(catalog, rows, with_reason=accepted is not True)
        if len(rows) < n:
            yield f"... and {n - len(rows)} more; --limit 0 lists all, `astrodetect catalog query` chooses"
    else:
        yield _nothing(accepted, label)
    if not found.count(True, None):
        yield from _why_nothing(catalog, found, recordings)
    yield from _troubles(catalog, recordings, all_recordings)


class _Found:
    """How many detections there are of each label, accepted and rejected."""

    def __init__(self, catalog: Catalog) -> None:
        counts = catalog.label_counts()
        self.rejected = {label: rejected for label, (rejected, _) in counts.items()}
        self.accepted = {label: accepted for label, (_, accepted) in counts.items()}
        self.n = sum(map(sum, counts.values()))

    def count(self, accepted: bool | None, label: str | None) -> int:
        """Give how many there are, accepted or not (or both), with a label (or any)."""
        kinds = [self.accepted] * (accepted is not False) + [self.rejected] * (accepted is not True)
        return sum(sum(kind.values()) if label is None else kind.get(label, 0) for kind in kinds)


def failures(catalog: Catalog) -> Iterator[str]:
    """Give a line for each recording that failed, in the order of paths, after one with their number."""
    recordings = catalog.read_columns(("path", "status", "message"), "recordings")
    failed = np.flatnonzero(np.asarray(recordings["status"] == "failed", dtype=bool))
    total = _count(len(recordings["path"]), "recording")
    yield f"{printable(str(catalog.path))}: {len(failed)} of {total} failed"
    for i in failed:
        yield f"{printable(recordings['path'][i])}: {printable(recordings['message'][i])}"


def _heading(catalog: Catalog, recordings: dict[str, Any]) -> Iterator[str]:
    counts = Counter(recordings["status"].tolist())
    states = ", ".join(f"{counts[status]} {printable(status)}" for status in sorted(counts))
    yield f"{printable(str(catalog.path))}: {_count(len(recordings['status']), 'recording')}" + (
        f" ({states})" if states else ""
    )
    if catalog.unfinished:
        yield "unfinished: a run is writing it or was broken off; the same command takes it up"
    yield from (f"journal: {printable(note)}" for note in catalog.notes)
    yield f"pipeline: {printable(pipeline_name(catalog.provenance))}"
    frames = int(np.maximum(recordings["n_frames"], 0).sum())
    times = np.concatenate([recordings["time_start"], recordings["time_end"]])
    times = times[np.isfinite(times)]
    span = f", {iso(times.min())} to {iso(times.max())} UTC" if len(times) else ", no recording has a time"
    yield f"frames: {frames}{span}"


def _labels(found: _Found) -> Iterator[str]:
    yield f"detections: {found.count(True, None)} accepted, {found.count(False, None)} rejected"
    if not found.n:
        return
    rows = [
        (printable(label), str(found.accepted[label]), str(found.rejected[label]))
        for label in sorted(found.accepted)
        if found.count(None, label)
    ]
    yield ""
    yield from _columns(("label", "accepted", "rejected"), rows)


def detection_lines(catalog: Catalog, rows: Any, *, with_reason: bool) -> Iterator[str]:
    """Give a table of some rows of ``/detections`` as lines, `with_reason` also what became of each."""
    detections = catalog.read_columns(_SHOWN, rows=rows)
    ids = catalog.read_columns(["recording_id"], "recordings")["recording_id"]
    owners = np.flatnonzero(np.isin(ids, detections["recording_id"]))
    paths = catalog.read_columns(["path"], "recordings", owners)["path"]
    path_of = dict(zip(ids[owners].tolist(), paths, strict=True))
    head = ["time (UTC)", "label", "prob", "frames", "x,y start", "x,y end", "px/frame", "snr"]
    lines = []
    for i in range(len(rows)):
        row = {name: values[i] for name, values in detections.items()}
        cells = [
            iso(row["time_start"]),
            printable(row["label"]),
            f"{row['probability']:.2f}",
            f"{row['frame_start']}-{row['frame_end']}",
            f"{_number(row['x_start'])},{_number(row['y_start'])}",
            f"{_number(row['x_end'])},{_number(row['y_end'])}",
            _number(row["speed"]),
            _number(row["snr"]),
        ]
        if with_reason:
            cells.append("accepted" if row["accepted"] else printable(row["reason"]))
        lines.append((*cells, printable(path_of.get(int(row["recording_id"]), "?"))))
    yield from _columns([*head, *(["outcome"] if with_reason else []), "recording"], lines)


def csv_lines(catalog: Catalog, rows: Any, columns: Sequence[str]) -> Iterator[str]:
    """Give some columns of some rows of ``/detections`` as lines of CSV, control characters escaped."""
    yield ",".join(columns)
    values = catalog.read_columns(columns, rows=rows)
    for cells in zip(*(values[name].tolist() for name in columns), strict=True):
        yield ",".join(_cell(cell) for cell in cells)


def _cell(value: Any) -> str:
    text = printable(str(value))
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text


def _nothing(accepted: bool | None, label: str | None) -> str:
    kind = {True: "accepted ", False: "rejected ", None: ""}[accepted]
    return f"No {kind}detection" + (f" with label {printable(label)}." if label else ".")


def _why_nothing(catalog: Catalog, found: _Found, recordings: dict[str, Any]) -> Iterator[str]:
    """Say where everything went."""
    if found.n:
        codes, texts = catalog.coded("reason")
        counts = zip(texts.tolist(), np.bincount(codes, minlength=len(texts)).tolist(), strict=True)
        reasons = {reason or "no reason given": count for reason, count in counts if count}
        yield f"Why: {_count(found.n, 'detection')}, all rejected:"
        yield from (
            f"  {count} {printable(reason)}" for reason, count in sorted(reasons.items(), key=_by_count)
        )
        return
    windows, candidates = (int(np.maximum(recordings[n], 0).sum()) for n in ("n_windows", "n_candidates"))
    if not len(recordings["status"]):
        yield "Why: no recording has been looked at."
    elif windows == 0:
        yield "Why: no window could be examined; see the recordings below."
    else:
        shown = _count(candidates, "candidate")
        yield f"Why: {_count(windows, 'window')} examined, {shown}, none became a detection."


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _troubles(catalog: Catalog, recordings: dict[str, Any], all_recordings: bool) -> Iterator[str]:
    states, messages = recordings["status"], recordings["message"]
    shown = np.flatnonzero((states != "done") | ((messages != "") & all_recordings))
    if len(shown):
        yield ""
        yield "Recordings with trouble:" if not all_recordings else "Recordings with trouble or warnings:"
    paths = catalog.read_columns(["path"], "recordings", shown)["path"]
    for i, path in zip(shown, paths, strict=True):
        what = printable(messages[i]) or "no message"
        yield f"  {printable(states[i])}: {printable(path)}: {what}"
    warned = int(np.count_nonzero((states == "done") & (messages != "")))
    if warned and not all_recordings:
        yield ""
        yield f"{_count(warned, 'recording')} with warnings; --all names them."


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align cells in columns; the last one is as wide as it is."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head) - 1)]
    for row in (head, *rows):
        yield "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]
        ).rstrip()


def iso(seconds: float) -> str:
    """Give UTC Unix seconds as ISO text to the millisecond, ``-`` if not known.

    Examples
    --------
    >>> iso(0.25), iso(float("nan"))
    ('1970-01-01T00:00:00.250', '-')
    """
    try:
        moment = datetime.fromtimestamp(round(float(seconds), 3), UTC)
    except (ValueError, OverflowError, OSError):
        return "-"
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")


def _number(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "-"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
