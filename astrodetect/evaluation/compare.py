"""The comparison: which objects were found, which detections are false, and what they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrodetect.evaluation.matching import NEAR, frames_overlap, match
from astrodetect.evaluation.rates import Frequency, Rate, hours_of
from astrodetect.evaluation.truth import IGNORED, TruthObject

#: Columns of the detections that are looked at, where they are there.
_COLUMNS = (
    "detection_id", "frame_start", "frame_end", "x_start", "y_start", "x_end", "y_end", "x_min", "y_min",
    "x_max", "y_max", "label", "probability", "accepted", "reason", "speed", "snr",
)  # fmt: skip
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """An object of the wanted class, and what became of it.

    Attributes
    ----------
    truth : TruthObject
        The object, as far as it lies in the recording.
    path : str
        Recording, as in the catalog.
    detection : mapping or None
        The accepted detection that it is.
    candidate : mapping or None
        If there is none: the detection that was not accepted.
    size : (int, int)
        Width and height of the recording's frames; 0: not known.
    """

    truth: TruthObject
    path: str
    detection: Row | None = None
    candidate: Row | None = None
    size: tuple[int, int] = (0, 0)

    @property
    def place(self) -> tuple[float, float]:
        """Where the middle of its path lies: parts of the width and the height; NaN if not known."""
        if min(self.size) <= 0 or not self.truth.has_ends:
            return math.nan, math.nan
        x0, y0, x1, y1 = self.truth.ends
        return (0.5 * (x0 + x1) + 0.5) / self.size[0], (0.5 * (y0 + y1) + 0.5) / self.size[1]

    @property
    def outcome(self) -> str:
        """``found``, ``found as LABEL: REASON`` or ``missed``."""
        if self.detection is not None:
            return "found"
        if self.candidate is None:
            return "missed"
        reason = str(self.candidate.get("reason", "")) or "not accepted"
        return f"found as {self.candidate.get('label', '')}: {reason}"


@dataclass(frozen=True)
class FalseAlarm:
    """An accepted detection that is no object of the wanted class.

    Attributes
    ----------
    path : str
        Recording.
    detection : mapping
        Its columns.
    explanation : str
        Label of the object that it overlaps; ``duplicate of LABEL``, ``badly placed LABEL``, or ``nothing``.
    """

    path: str
    detection: Row
    explanation: str


@dataclass(frozen=True)
class Evaluation:
    """What a comparison gave.

    Attributes
    ----------
    labels : tuple of str
        Classes that were looked for.
    objects : tuple of Judged
        Every object of these classes in a recording of the catalog.
    false_alarms : tuple of FalseAlarm
        Accepted detections that are none of them.
    not_in_catalog, not_in_truth : tuple of str
        Recordings that only the truth, or only the catalog has.
    objects_left_out : int
        Objects of these classes in recordings that the catalog does not have: not counted.
    outside : tuple of TruthObject
        Objects that lie wholly outside of their recording's frames: not counted.
    n_recordings : int
        Recordings that were compared.
    failed : tuple of str
        Those of them that could not be read; objects in them are missed.
    hours : float
        How long they are together; 0 if that is not known.
    """

    labels: tuple[str, ...]
    objects: tuple[Judged, ...]
    false_alarms: tuple[FalseAlarm, ...]
    not_in_catalog: tuple[str, ...] = ()
    not_in_truth: tuple[str, ...] = ()
    objects_left_out: int = 0
    outside: tuple[TruthObject, ...] = ()
    n_recordings: int = 0
    failed: tuple[str, ...] = ()
    hours: float = 0.0

    @property
    def alarms_per_hour(self) -> Frequency:
        """How often there is a false alarm."""
        return Frequency(len(self.false_alarms), self.hours)

    @property
    def found(self) -> list[Judged]:
        """Objects that are an accepted detection."""
        return [item for item in self.objects if item.detection is not None]

    @property
    def recall(self) -> Rate:
        """Fraction of the objects that were found."""
        return Rate(len(self.found), len(self.objects))

    @property
    def candidate_recall(self) -> Rate:
        """Fraction of the objects that are a detection, accepted or not."""
        seen = sum(item.detection is not None or item.candidate is not None for item in self.objects)
        return Rate(seen, len(self.objects))

    @property
    def precision(self) -> Rate:
        """Fraction of the accepted detections that are objects of the wanted classes."""
        found = len(self.found)
        return Rate(found, found + len(self.false_alarms))

    def recall_where(self, column: str, low: float, high: float = math.inf) -> Rate:
        """Give the recall of objects whose ``peak_snr``, ``speed``, ... lies in [low, high)."""
        chosen = [item for item in self.objects if low <= getattr(item.truth, column) < high]
        return Rate(sum(item.detection is not None for item in chosen), len(chosen))

    def precision_where(self, column: str, low: float, high: float = math.inf) -> Rate:
        """Give the precision of accepted detections with measured ``snr`` or ``speed`` in [low, high)."""
        right = [item.detection for item in self.found if item.detection is not None]
        wrong = [item.detection for item in self.false_alarms]
        hits, misses = (
            sum(low <= float(row.get(column, math.nan)) < high for row in rows) for rows in (right, wrong)
        )
        return Rate(hits, hits + misses)


def evaluate(
    detections: Any,
    recordings: Any,
    truth: Sequence[TruthObject],
    labels: Sequence[str] = ("meteor",),
    *,
    ignore_unlisted: bool = False,
) -> Evaluation:
    """Compare detections with truth.

    An object is found when an accepted detection with one of `labels` matches it (see `matching.match`);
    pairs are one to one, so a second detection of an object is a false alarm.

    Parameters
    ----------
    detections, recordings : table or mapping of str to array
        As in the catalog; `detections` with ``recording_id``, label and positions, `recordings` with
        ``recording_id`` and ``path``. ``accepted`` is taken as true where it is missing.
    truth : sequence of TruthObject
        Objects of all classes; those of other classes explain false alarms, those with the label
        ``ignore`` excuse them. If no object has a label, all are taken as wanted.
    labels : sequence of str
        Classes that are looked for.
    ignore_unlisted : bool
        Leave out recordings of which the truth names nothing; otherwise they are taken as empty.
    """
    paths, shapes, failed = _recordings(recordings)
    by_recording = _rows_by_recording(detections)
    located, not_in_catalog, left_out = _locate(truth, paths, labels)
    unlisted = tuple(path for path in sorted(paths) if path not in located)
    judged: list[Judged] = []
    alarms: list[FalseAlarm] = []
    outside: list[TruthObject] = []
    compared = [path for path in sorted(paths) if path in located or not ignore_unlisted]
    any_label = not any(item.label for item in truth)
    for path in compared:
        inside: list[TruthObject] = []
        for item in located.get(path, []):
            part = item.clipped(*shapes[path])
            if part is not None:
                inside.append(part)
            elif any_label or item.label in labels:
                outside.append(item)
        rows = [row for number in paths[path] for row in by_recording.get(number, [])]
        wanted = [item for item in inside if any_label or item.label in labels]
        others = [item for item in inside if not any_label and item.label not in labels]
        found, wrong = _judge(path, shapes[path][1:], rows, wanted, others, labels)
        judged.extend(found)
        alarms.extend(wrong)
    return Evaluation(
        tuple(labels),
        tuple(judged),
        tuple(alarms),
        not_in_catalog,
        unlisted,
        left_out,
        tuple(outside),
        len(compared),
        tuple(path for path in compared if path in failed),
        hours_of(recordings, compared),
    )


def _judge(
    path: str,
    size: tuple[int, int],
    rows: Sequence[Row],
    wanted: Sequence[TruthObject],
    others: Sequence[TruthObject],
    labels: Sequence[str],
) -> tuple[list[Judged], list[FalseAlarm]]:
    """Compare one recording."""
    accepted = [row for row in rows if row["accepted"] and row["label"] in labels]
    pairs = {column: row for row, column in match(accepted, wanted)}
    used = set(pairs.values())
    missed = [column for column in range(len(wanted)) if column not in pairs]
    rest = [row for row in rows if not any(row is accepted[number] for number in used)]
    candidates = {missed[column]: rest[row] for row, column in match(rest, [wanted[i] for i in missed])}
    judged = [
        Judged(item, path, accepted[pairs[column]] if column in pairs else None, candidates.get(column), size)
        for column, item in enumerate(wanted)
    ]
    alarms = [
        FalseAlarm(path, row, explain(row, wanted, others, set(pairs)))
        for number, row in enumerate(accepted)
        if number not in used and not _is_ignored(row, others)
    ]
    return judged, alarms


def _is_ignored(row: Row, others: Sequence[TruthObject]) -> bool:
    """Say whether a detection lies on what the truth says is neither right nor false."""
    ignored = [item for item in others if item.label == IGNORED and frames_overlap(row, item)]
    return any(not item.has_ends or _near(row, item) for item in ignored)


def explain(
    detection: Row, wanted: Sequence[TruthObject], others: Sequence[TruthObject], found: set[int]
) -> str:
    """Say what a false alarm is.

    Parameters
    ----------
    detection : mapping
        Columns of the detection.
    wanted : sequence of TruthObject
        Objects of the wanted classes in its recording.
    others : sequence of TruthObject
        Objects of other classes.
    found : set of int
        Indices of `wanted` that have their detection.
    """
    for number, item in enumerate(wanted):
        if frames_overlap(detection, item) and _near(detection, item):
            word = "duplicate of" if number in found else "badly placed"
            return f"{word} {item.label or 'object'}"
    at_the_time = [item for item in others if frames_overlap(detection, item)]
    sources = [item for item in at_the_time if item.has_ends and not math.isnan(item.peak_snr)]
    # Lightning and headlights are larger than their centre says; time alone must do.
    large = [item for item in at_the_time if item.has_ends and math.isnan(item.peak_snr)]
    nearest = next((item for item in [*sources, *large] if _near(detection, item)), None)
    if nearest is not None:
        return nearest.label
    during = next((item.label for item in large if item.label in {"lightning", "flash"}), None)
    return f"nothing (during {during})" if during else "nothing"


def _near(detection: Row, item: TruthObject) -> bool:
    """Say whether a detection and an object were within 10 pixels of each other in some frame."""
    start, end = (float(detection.get(name, math.nan)) for name in ("frame_start", "frame_end"))
    names = ("x_start", "y_start", "x_end", "y_end")
    x0, y0, x1, y1 = (float(detection.get(name, math.nan)) for name in names)
    if math.isnan(x0 + y0 + x1 + y1):
        left, top, right, bottom = (
            float(detection.get(n, math.nan)) for n in ("x_min", "y_min", "x_max", "y_max")
        )
        x0, y0, x1, y1 = left, top, right - 1, bottom - 1
    if math.isnan(start + end):
        start, end = item.frame_first, item.frame_last
    low, high = max(start, math.floor(item.frame_first)), min(end, math.ceil(item.frame_last))
    if math.isnan(low + high):
        return False
    for frame in np.linspace(low, high, min(200, max(2, int(high - low) + 1))):
        part = (frame - start) / (end - start) if end > start else 0.5
        x, y = item.position(float(frame))
        if math.hypot(x0 + part * (x1 - x0) - x, y0 + part * (y1 - y0) - y) <= NEAR:
            return True
    return False


def _names(table: Any) -> set[str]:
    return set(table.keys())


def _recordings(
    table: Any,
) -> tuple[dict[str, list[int]], dict[str, tuple[int, int, int]], set[str]]:
    """Give the ids and the (frames, width, height) of each path, and the paths that failed."""
    names = _names(table)
    paths: dict[str, list[int]] = {}
    shapes: dict[str, tuple[int, int, int]] = {}
    failed: set[str] = set()
    n = len(table["path"])
    status = [str(value) for value in table["status"]] if "status" in names else [""] * n
    sizes = [
        np.asarray(table[name]) if name in names else np.zeros(n) for name in ("n_frames", "width", "height")
    ]
    for row, (path, number) in enumerate(zip(table["path"], np.asarray(table["recording_id"]), strict=True)):
        paths.setdefault(str(path), []).append(int(number))
        frames, width, height = (int(size[row]) for size in sizes)
        if status[row] == "failed":
            failed.add(str(path))
            frames = 0  # How far it got says nothing about how long it is.
        shapes[str(path)] = frames, width, height
    return paths, shapes, failed


def _rows_by_recording(table: Any) -> dict[int, list[Row]]:
    names = [name for name in _COLUMNS if name in _names(table)]
    columns = {name: np.asarray(table[name]) for name in names}
    rows: dict[int, list[Row]] = {}
    for at, number in enumerate(np.asarray(table["recording_id"])):
        row = {
            name: values[at].item() if hasattr(values[at], "item") else values[at]
            for name, values in columns.items()
        }
        row.setdefault("accepted", True)
        rows.setdefault(int(number), []).append(row)
    return rows


def _locate(
    truth: Sequence[TruthObject], paths: Iterable[str], labels: Sequence[str]
) -> tuple[dict[str, list[TruthObject]], tuple[str, ...], int]:
    """Sort objects by recording; tell which recordings are absent, and how many wanted objects with them."""
    located, absent = locate(truth, paths)
    wanted = sum(item.label in labels or not item.label for item in absent)
    return located, tuple(sorted({item.path for item in absent})), wanted


def locate(
    truth: Sequence[TruthObject], paths: Iterable[str]
) -> tuple[dict[str, list[TruthObject]], list[TruthObject]]:
    """Sort objects by the path of their recording: the full one, else an unambiguous last part of it.

    Parameters
    ----------
    truth : sequence of TruthObject
        Objects.
    paths : iterable of str
        Recordings that there are.

    Returns
    -------
    dict of str to list of TruthObject, list of TruthObject
        By path; and those whose recording is not there.
    """
    known = set(paths)
    by_name: dict[str, list[str]] = {}
    for path in known:
        by_name.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    located: dict[str, list[TruthObject]] = {}
    absent: list[TruthObject] = []
    for item in truth:
        path = item.path if item.path in known else ""
        if not path:
            same = by_name.get(item.path.rsplit("/", 1)[-1], [])
            path = same[0] if len(same) == 1 else ""
        if path:
            located.setdefault(path, []).append(item)
        else:
            absent.append(item)
    return located, absent
