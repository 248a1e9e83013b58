"""Between our catalogs and the files of others."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from astrodetect import __version__
from astrodetect.catalogs.journal import Journal, check_free
from astrodetect.catalogs.reader import Catalog
from astrodetect.core.columns import Column, site_columns
from astrodetect.core.data import Site, stable_id
from astrodetect.core.detections import ROW, Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.results import RecordingBlock
from astrodetect.exchange.joining import read_together
from astrodetect.exchange.model import NAN, Content, Observed

#: Columns that files of others add to those of the contract.
_COLUMNS = (
    Column("calibration", "str", "", "what the file says of its calibration"),
    Column("rho", "float64", "pix", "distance of the line from the centre of the frame"),
    Column("phi", "float64", "deg", "angle of the normal of the line"),
)


def content_of(
    catalog: Catalog, *, accepted: bool = True, rows: Any = None, site: Site | None = None
) -> Content:
    """Give the detections of a catalog as a content that a format can write.

    Parameters
    ----------
    catalog : Catalog
        Open.
    accepted : bool
        Only accepted detections.
    rows : (n,) int array, optional
        Only these rows of ``/detections``, as `Catalog.select` gives them.
    site : Site or None
        Where cameras stand of which the catalog does not say it.
    """
    chosen = catalog.select() if rows is None else np.asarray(rows)
    if accepted:
        chosen = chosen[catalog.read_columns(["accepted"], rows=chosen)["accepted"]]
    if not len(chosen):
        return Content()
    found = catalog.read_columns(list(catalog.columns()), rows=chosen)
    points = _rows_of(catalog, "tracks", "detection_id", found["detection_id"])
    recordings = _rows_of(catalog, "recordings", "recording_id", found["recording_id"])
    row_of = {number: row for row, number in enumerate(found["detection_id"].tolist())}
    points[ROW] = np.array([row_of[number] for number in points.pop("detection_id").tolist()], dtype=np.int64)
    detections = Detections(found, points if len(points[ROW]) else {})
    made = []
    for row, number in enumerate(recordings["recording_id"].tolist()):
        part = detections.take(np.flatnonzero(found["recording_id"] == number))
        made.append(_observed({name: values[row] for name, values in recordings.items()}, part, site))
    return Content(tuple(made))


def _rows_of(catalog: Catalog, table: str, key: str, wanted: Any) -> dict[str, Any]:
    """Give the columns of the rows of a table that belong to some ids; only these are read."""
    rows = np.flatnonzero(np.isin(catalog.read_columns([key], table)[key], np.unique(wanted)))
    return catalog.read_columns(list(catalog.columns(table)), table, rows)


def _observed(row: Mapping[str, Any], detections: Detections, site: Site | None) -> Observed:
    """Give one recording of a catalog; `site` counts where the catalog does not say it."""
    place = [float(row.get(name, NAN)) for name in site_columns(None)]
    stated = None if any(map(math.isnan, place)) else Site(*place)
    return Observed(
        str(row["path"]),
        detections,
        camera=str(row.get("camera", "")),
        site=stated or site,
        time_start=float(row.get("time_start", NAN)),
        frame_rate=float(row.get("frame_rate", NAN)),
        width=int(row.get("width", -1)),
        height=int(row.get("height", -1)),
        n_frames=int(row.get("n_frames", -1)),
        meta={"source": str(row.get("source", ""))},
    )


class Imported(NamedTuple):
    """What became of files of others.

    Attributes
    ----------
    n_recordings, n_detections : int
        What the catalog holds.
    notes : list of str
        What was wrong in the files and could be read all the same, one line each.
    failures : list of str
        Why files could not be read, one line each.
    """

    n_recordings: int
    n_detections: int
    notes: list[str]
    failures: list[str]


def import_files(
    paths: Sequence[Path],
    out: Path,
    *,
    format: str | None = None,  # noqa: A002
    site: Site | None = None,
    overwrite: bool = False,
    command: str = "",
) -> Imported:
    """Make a catalog of the files of others. All of them are read before anything is written.

    A file that cannot be read costs itself only.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    out : Path
        The catalog.
    format : str or None
        Their format; found by looking at each if not given.
    site : Site or None
        Where cameras stand of which the files do not say it.
    overwrite : bool
        Replace a catalog that is there.
    command : str
        For ``/provenance``.

    Raises
    ------
    AstrodetectError
        `out` exists, or no file holds a recording.
    """
    check_free(out, overwrite)
    blocks: dict[int, RecordingBlock] = {}
    notes: list[str] = []
    failures: list[str] = []
    for read in read_together(paths, format, lambda error: failures.append(str(error))):
        notes += [f"{read.path}: {fault}" for fault in read.content.faults]
        if read.observes:
            blocks |= {b.recording_id: b for b in _blocks(read.content, read.path, read.format, site)}
    if not blocks:
        empty = f"{', '.join(map(str, paths))}: no recording in it"
        raise AstrodetectError(f"{'; '.join(failures) or empty}; nothing is written")
    provenance = {
        "pipeline": "", "pipeline_name": "import", "versions": json.dumps({"astrodetect": __version__}),
        "command": command, "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    with Journal.open(out, provenance, fresh=True, columns=_COLUMNS) as journal:
        for block in blocks.values():
            journal.append(block)
        journal.finish()
    n_detections = sum(len(block.detections) for block in blocks.values())
    return Imported(len(blocks), n_detections, notes, failures)


def _blocks(content: Content, path: Path, kind: str, site: Site | None) -> Iterator[RecordingBlock]:
    fingerprint = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    for number, recording in enumerate(_together(content.recordings)):
        recording_id = stable_id(recording.path, fingerprint, number)
        place = recording.site or site
        times = np.asarray(recording.detections.columns.get("time_end", ()), dtype=float)
        ends = times[np.isfinite(times)]
        row: dict[str, Any] = {
            "recording_id": recording_id, "path": recording.path, "root": str(path.resolve().parent),
            "source": kind, "camera": recording.camera, "fingerprint": fingerprint,
            "time_start": float(recording.time_start), "time_end": float(ends.max()) if len(ends) else NAN,
            "frame_rate": float(recording.frame_rate), "width": int(recording.width),
            "height": int(recording.height), "n_frames": int(recording.n_frames), "n_windows": 0,
            "n_candidates": 0, "status": "done", "message": "", "seconds": 0.0,
        }  # fmt: skip
        row |= {"calibration": "", **site_columns(place)}
        ids = [stable_id(recording_id, rank) for rank in range(len(recording.detections))]
        detections = recording.detections.with_columns(detection_id=np.array(ids, dtype=np.int64))
        yield RecordingBlock(row, detections, summary=_plain(recording.meta))


def _together(recordings: Iterable[Observed]) -> list[Observed]:
    """Join what a file says in several places of one recording."""
    joined: dict[tuple[str, str, Site | None], Observed] = {}
    for recording in recordings:
        key = (recording.path, recording.camera, recording.site)
        former = joined.get(key)
        if former is None:
            joined[key] = recording
        else:
            both = Detections.concatenate([former.detections, recording.detections])
            joined[key] = replace(former, detections=both)
    return list(joined.values())


def _plain(meta: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in meta.items() if isinstance(value, str | int | float | bool)}
    return {"file": kept} if kept else {}
