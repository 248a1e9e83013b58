"""VOTable: tables of detections and tracks for the tools of the Virtual Observatory."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.columns import DETECTION_COLUMNS, TRACK_COLUMNS, Column
from astrodetect.core.data import Site
from astrodetect.core.detections import ROW, Detections, full_column
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import NAN, Content, Observed
from astrodetect.exchange.structured import check_xml
from astrodetect.exchange.text import decode, read_bytes

_BOX = ("x_min", "y_min", "x_max", "y_max")
#: What is said of the recording in every row, with the type and how it is got.
_RECORDING = {
    "path": ("str", "recording"), "camera": ("str", "station or camera"),
    "site_latitude": ("float64", "degrees north"), "site_longitude": ("float64", "degrees east"),
    "site_elevation": ("float64", "metres"), "recording_start": ("float64", "UTC Unix seconds of frame 0"),
    "frame_rate": ("float64", "frames per second"), "width": ("int64", "frame width"),
    "height": ("int64", "frame height"), "recording_frames": ("int64", "frames of the recording"),
}  # fmt: skip


class VOTable(Format):
    """VOTable with the columns of our catalogs: ``detections``, and ``tracks`` where they were written.

    A table with other columns is read if it has boxes, or ends, or positions on the sky
    (``ra_start, dec_start``, or ``ra, dec``).
    """

    name = "votable"
    description = "VOTable with the columns of our catalogs: detections and tracks"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the root element."""
        return b"<VOTABLE" in head.replace(b"\0", b"")

    def read(self, path: Path) -> Content:
        """Read the tables.

        Raises
        ------
        AstrodetectError
            It is no VOTable, is cut off, declares entities, or has no column that places a detection.
        """
        tables = _tables(path)
        named = {str(name): table for name, table in tables}
        first = named.get("detections", tables[0][1] if tables else {})
        if not first:
            raise AstrodetectError(f"{path}: no table in it")
        detections = _detections(path, dict(first))
        groups = _groups(path, first)
        points = named.get("tracks", {})
        recordings = []
        for key, rows in groups.items():
            part = detections.take(rows)
            recordings.append(_observed(key, first, rows, _with_tracks(part, first, rows, points)))
        return Content(tuple(recordings))

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give one file with both tables."""
        from astropy.io.votable.tree import Resource, TableElement, VOTableFile

        file = VOTableFile()
        resource = Resource()
        file.resources.append(resource)
        stream = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # strangers' columns may have names that make no ID
            for name, table in zip(("detections", "tracks"), _joined(content), strict=True):
                if table.colnames:
                    element = TableElement.from_table(file, table)
                    element.name = name
                    resource.tables.append(element)
            file.to_xml(stream)
        yield "detections.vot", stream.getvalue()


def _tables(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    from astropy.io.votable import parse

    data = read_bytes(path)
    check_xml(path, decode(data))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tables = list(parse(io.BytesIO(data), verify="ignore").iter_tables())
            return [
                (str(t.name or t.ID or ""), _columns(t.to_table(use_names_over_ids=True))) for t in tables
            ]
    except Exception as error:  # the parser of a library, fed by strangers, raises what it likes
        text = " ".join(str(error).split())[:120]
        raise AstrodetectError(f"{path}: no VOTable, or cut off: {text}") from None


def _columns(table: Any) -> dict[str, Any]:
    columns = {}
    for name in table.colnames:
        values = table[name]
        if hasattr(values, "filled"):
            blank: Any = np.nan if values.dtype.kind == "f" else "" if values.dtype.kind in "OUS" else -1
            values = values.filled(blank)
        columns[name] = np.asarray(values)
    return columns


def _detections(path: Path, columns: dict[str, Any]) -> Detections:
    for ours, theirs in (("ra_start", "ra"), ("dec_start", "dec")):
        if ours not in columns and theirs in columns:
            columns[ours] = columns[theirs]
    n = len(next(iter(columns.values())))
    if not any(name in columns for name in (*_BOX, "x_start", "ra_start")):
        raise AstrodetectError(
            f"{path}: no column places a detection; expected x_min y_min x_max y_max, or x_start y_start, "
            f"or ra dec; there are {', '.join(columns)[:200]}"
        )
    known = [c for c in DETECTION_COLUMNS if c.name not in ("detection_id", "recording_id")]
    taken = {c.name: columns.get(c.name, full_column(c, n)) for c in known}
    special = {*_RECORDING, "recording_id", "detection_id", "row"}
    taken.update(
        {name: v for name, v in columns.items() if name not in taken and name not in special and v.ndim == 1}
    )
    if "label" not in columns:
        taken["label"] = ["unknown"] * n
    for name, value in (("probability", 1.0), ("accepted", True)):
        if name not in columns:
            taken[name] = np.full(n, value)
    try:
        if not all(name in columns for name in _BOX):
            x, y = (np.asarray(taken[f"{a}_start"], dtype=float) for a in "xy")
            for axis, values in (("x", x), ("y", y)):
                low = np.where(np.isfinite(values), np.floor(np.nan_to_num(values) + 0.5), 0.0)
                taken[f"{axis}_min"], taken[f"{axis}_max"] = low, low + 1
        return Detections(taken)
    except (ValueError, TypeError) as error:
        raise AstrodetectError(f"{path}: {error}") from None


def _groups(path: Path, columns: Mapping[str, Any]) -> dict[str, Any]:
    key = next((name for name in ("path", "recording_id") if name in columns), None)
    n = len(next(iter(columns.values())))
    if key is None:
        return {path.stem: np.arange(n)}
    texts = np.asarray(columns[key]).astype(str)
    return {name: np.flatnonzero(texts == name) for name in dict.fromkeys(texts.tolist())}


def _observed(key: str, columns: Mapping[str, Any], rows: Any, detections: Detections) -> Observed:
    def value(name: str, default: Any) -> Any:
        if name not in columns:
            return default
        try:
            return type(default)(columns[name][rows[0]])
        except (TypeError, ValueError, OverflowError):
            return default

    place = [value(name, NAN) for name in ("site_latitude", "site_longitude", "site_elevation")]
    return Observed(
        key, detections, camera=value("camera", ""),
        site=None if any(map(math.isnan, place)) else Site(*place), time_start=value("recording_start", NAN),
        frame_rate=value("frame_rate", NAN), width=value("width", -1), height=value("height", -1),
        n_frames=value("recording_frames", -1),
    )  # fmt: skip


def _with_tracks(
    part: Detections, columns: Mapping[str, Any], rows: Any, points: Mapping[str, Any]
) -> Detections:
    if ROW not in points or "row" not in columns:
        return part
    numbers = np.asarray(columns["row"])[rows]
    order = np.argsort(numbers)
    owner = np.asarray(points[ROW])
    kept = np.isin(owner, numbers)
    tracks = {name: values[kept] for name, values in points.items()}
    tracks[ROW] = order[np.searchsorted(numbers, owner[kept], sorter=order)]
    return Detections(part.columns, tracks)


def _joined(content: Content) -> tuple[Any, Any]:
    from astropy.table import Table

    parts = [recording.detections for recording in content.recordings]
    joined = Detections.concatenate(parts)
    owners = [recording for recording in content.recordings for _ in range(len(recording.detections))]
    told: dict[str, list[Any]] = {name: [] for name in _RECORDING}
    for recording in owners:
        place = recording.site or (NAN, NAN, NAN)
        values = (recording.path, recording.camera, *place, recording.time_start, recording.frame_rate,
                  recording.width, recording.height, recording.n_frames)  # fmt: skip
        for name, value in zip(_RECORDING, values, strict=True):
            told[name].append(value)
    described = [Column(name, kind, "", text) for name, (kind, text) in _RECORDING.items()]
    detections = {"row": np.arange(len(joined)), **told, **joined.columns}
    skipped = {"detection_id", "recording_id"}
    return (
        _table(Table, detections, [*described, *DETECTION_COLUMNS], skipped),
        _table(Table, joined.tracks, TRACK_COLUMNS, {"detection_id"}),
    )


def _table(make: Any, columns: Mapping[str, Any], known: Any, skipped: set[str]) -> Any:
    declared = {column.name: column for column in known}
    table = make()
    for name, values in columns.items():
        if name in skipped:
            continue
        array = np.asarray(values)
        table[name] = array.astype(str) if array.dtype == object else array
        if name in declared:
            table[name].description = declared[name].description
            if declared[name].unit:
                table[name].unit = declared[name].unit
    return table
