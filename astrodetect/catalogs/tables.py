"""Recordings as rows of tables: names, types, ids and order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.catalogs.blocks import Parts
from astrodetect.core.columns import (
    DETECTION_COLUMNS,
    OPTIONAL_TRACK_COLUMNS,
    RECORDING_COLUMNS,
    TRACK_COLUMNS,
    Column,
)
from astrodetect.core.data import stable_id
from astrodetect.core.detections import ROW, Detections, full_column
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.results import RecordingBlock

#: Columns of one table by name, all of one length.
Table = dict[str, NDArray[Any]]
#: Columns of each table by name of table and of column.
Schema = dict[str, dict[str, Column]]

SUMMARY = Column("summary", "str", "", "statistics of the stages, JSON")
#: What each table always has. The name is the path of the group.
DECLARED: Mapping[str, tuple[Column, ...]] = {
    "recordings": (*RECORDING_COLUMNS, SUMMARY),
    "detections": DETECTION_COLUMNS,
    "tracks": TRACK_COLUMNS,
    "camera/detections": DETECTION_COLUMNS,
    "camera/tracks": TRACK_COLUMNS,
}
_ROW_TYPES = {bool: "bool", int: "int64", float: "float64", str: "str"}


def rows_of(header: Mapping[str, Any], parts: Mapping[str, Parts]) -> dict[str, Table]:
    """Give the rows that a block (`blocks.decode_parts`) adds to each table, in the order of the catalog."""
    row = {**header["recording"], "summary": json.dumps(header["summary"], sort_keys=True)}
    rows = {"recordings": {name: _single(value) for name, value in row.items()}}
    recording_id = int(row["recording_id"])
    for kind, part in parts.items():
        prefix = "" if kind == "detections" else "camera/"
        rows[f"{prefix}detections"], rows[f"{prefix}tracks"] = _with_ids(part, recording_id, kind)
    return rows


def _single(value: Any) -> NDArray[Any]:
    if isinstance(value, str):
        text = np.empty(1, dtype=object)
        text[0] = value
        return text
    return np.asarray([value])


def _with_ids(part: Parts, recording_id: int, kind: str) -> tuple[Table, Table]:
    columns = dict(part.columns)
    n = length_of(columns)
    if "detection_id" not in columns:
        columns["detection_id"] = np.array(
            [stable_id(recording_id, kind, i) for i in range(n)], dtype=np.int64
        )
    columns["recording_id"] = np.full(n, recording_id, dtype=np.int64)
    order = np.lexsort(
        [columns[name] for name in ("detection_id", "x_start", "frame_start") if name in columns]
    )
    rank, counted = np.empty(n, dtype=np.int64), np.arange(n)
    rank[order] = counted
    in_order = np.array_equal(order, counted)
    table = columns if in_order else {name: values[order] for name, values in columns.items()}
    tracks = {name: values for name, values in part.tracks.items() if name != ROW}
    if part.tracks:
        row = part.tracks[ROW]
        frames = tracks.get("frame", np.zeros(len(row)))
        points = np.lexsort([frames, rank[row]])
        tracks["detection_id"] = columns["detection_id"][row]
        tracks = {name: values[points] for name, values in tracks.items()}
    return table, tracks


def block_of(rows: Mapping[str, Table], cutouts: tuple[Any, Any] | None = None) -> RecordingBlock:
    """Give the block that rows (of `rows_of`) belong to; `cutouts` are detection ids and pictures."""
    recording = {name: values[0] for name, values in rows["recordings"].items()}
    recording = {
        name: value.item() if isinstance(value, np.generic) else value for name, value in recording.items()
    }
    summary = json.loads(recording.pop("summary", "") or "{}")
    detections = _without_ids(rows.get("detections", {}), rows.get("tracks", {}))
    if cutouts is not None and np.isin(ids := rows["detections"]["detection_id"], cutouts[0]).all():
        order = np.argsort(cutouts[0])
        own = order[np.searchsorted(cutouts[0], ids, sorter=order)]
        detections = replace(detections, cutouts=cutouts[1][own])
    found = rows.get("camera/detections", {})
    camera = _without_ids(found, rows.get("camera/tracks", {})) if length_of(found) else None
    return RecordingBlock(recording, detections, camera, summary)


def _without_ids(table: Table, points: Table) -> Detections:
    if not length_of(table):
        return Detections.empty()
    tracks = dict(points)
    ids = tracks.pop("detection_id", np.empty(0, dtype=np.int64))
    if tracks:
        order = np.argsort(table["detection_id"])
        tracks[ROW] = order[np.searchsorted(table["detection_id"], ids, sorter=order)]
    return Detections(table, tracks)


def length_of(table: Mapping[str, Any]) -> int:
    """Give the number of rows."""
    return len(next(iter(table.values()))) if table else 0


def schema_of_header(header: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Give the types of the columns that a block adds to each table, from its header alone."""
    types: dict[str, dict[str, str]] = {"recordings": {}}
    for name, value in header["recording"].items():
        types["recordings"][name] = _ROW_TYPES[type(value)]
    for kind, described in header["tables"].items():
        prefix = "" if kind == "detections" else "camera/"
        for table, part in (("detections", "columns"), ("tracks", "tracks")):
            columns = {name: dtype for name, dtype, _ in described[part] if name != ROW}
            types[prefix + table] = {name: _native(dtype) for name, dtype in columns.items()}
    return types


def lengths_of_header(header: Mapping[str, Any]) -> dict[str, int]:
    """Give the number of rows that a block adds to each table, from its header alone."""
    lengths = {"recordings": 1}
    for kind, described in header["tables"].items():
        prefix = "" if kind == "detections" else "camera/"
        for table, part in (("detections", "columns"), ("tracks", "tracks")):
            columns = described[part]
            lengths[prefix + table] = _described_length(columns[0]) if columns else 0
    cutouts = header["tables"].get("detections", {}).get("cutouts")
    lengths["patches"] = _described_length(cutouts) if cutouts else 0
    return lengths


def _described_length(described: Sequence[Any]) -> int:
    _, dtype, what = described
    return len(what) if dtype == "str" else int(what[0])


@cache
def _native(dtype: str) -> str:
    return "str" if dtype in ("str", "text") else np.dtype(dtype).newbyteorder("=").name


def join_schemas(schemas: Iterable[Schema]) -> Schema:
    """Join the columns of several sources: what is declared first, then the others by name.

    A column that is of different types becomes one that holds both; a unit or description that only
    some give is kept.
    """
    joined: Schema = {
        table: {column.name: column for column in declared} for table, declared in DECLARED.items()
    }
    extra: Schema = {table: {} for table in DECLARED}
    for schema in schemas:
        for table, columns in schema.items():
            for name, column in columns.items():
                if name not in joined[table]:
                    extra[table][name] = _join_columns(extra[table].get(name, column), column)
    return {table: {**columns, **dict(sorted(extra[table].items()))} for table, columns in joined.items()}


def _join_columns(a: Column, b: Column) -> Column:
    if "str" in (a.dtype, b.dtype):
        dtype = "str"
    else:
        dtype = str(np.result_type(np.dtype(a.dtype), np.dtype(b.dtype)))
    return Column(a.name, dtype, a.unit or b.unit, a.description or b.description)


def gather(tables: Sequence[Table], columns: Mapping[str, Column]) -> Table:
    """Give the rows of several tables as one that has all `columns`, in their types.

    Where a table has no such column, its rows have missing values.
    """
    lengths = [length_of(table) for table in tables]
    gathered: Table = {}
    for name, column in columns.items():
        dtype = np.dtype(object if column.dtype == "str" else column.dtype)
        parts = [table.get(name) for table in tables]
        if all(part is None for part in parts):
            gathered[name] = full_column(column, sum(lengths))
        else:
            filled = (
                full_column(column, n) if part is None else _as_type(part, dtype)
                for part, n in zip(parts, lengths, strict=True)
            )
            gathered[name] = np.concatenate(list(filled))
    return gathered


def _as_type(values: Any, dtype: np.dtype[Any]) -> Any:
    if values.dtype == dtype:
        return values
    if dtype.kind != "O":
        return values.astype(dtype)
    text = np.empty(len(values), dtype=object)
    text[:] = [str(value) for value in values]
    return text


def described(types: Mapping[str, Mapping[str, str]], declared: Iterable[Column]) -> Schema:
    """Give columns for bare types, with the units and descriptions that stages declare."""
    stages = stage_columns((*OPTIONAL_TRACK_COLUMNS, *declared))
    schema: Schema = {}
    for table, columns in types.items():
        schema[table] = {}
        known = {column.name: column for column in stages.get(table, ())}
        for name, dtype in columns.items():
            column = known.get(name, Column(name, dtype, "", ""))
            held = Column(name, dtype, "", "")
            schema[table][name] = column if _fits(dtype, column.dtype) else _join_columns(column, held)
    return schema


def _fits(dtype: str, declared: str) -> bool:
    """Tell whether values of a type can be stored in a column of the declared one."""
    if "str" in (dtype, declared):
        return declared == "str"
    return np.can_cast(dtype, declared, "same_kind")


def check_units(where: str, there: Schema, now: Mapping[str, Iterable[Column]], advice: str) -> None:
    """Refuse columns that a catalog has in another unit.

    Parameters
    ----------
    where : str
        The catalog, for the message.
    there : dict
        Its columns by table.
    now : mapping of str to iterable of Column
        What is to be added, by table.
    advice : str
        End of the message.

    Raises
    ------
    AstrodetectError
        A column differs.
    """
    for table, columns in now.items():
        for column in columns:
            known = there.get(table, {}).get(column.name, column)
            if known.unit and column.unit and known.unit != column.unit:
                units = f"in {known.unit} there, in {column.unit} now"
                raise AstrodetectError(f"{where}: /{table}/{column.name} is {units}; {advice}")


def stage_columns(columns: Iterable[Column]) -> dict[str, list[Column]]:
    """Give the columns that stages declare by the tables that they may be in."""
    listed = list(columns)
    return {
        table: [column for column in listed if column.name not in {known.name for known in declared}]
        for table, declared in DECLARED.items()
        if table != "recordings"
    }
