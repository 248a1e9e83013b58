"""One columnar result that every model returns, checked at birth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.core.columns import DETECTION_COLUMNS, REQUIRED_COLUMNS, TRACK_COLUMNS, Column

if TYPE_CHECKING:
    from astropy.table import QTable
    from pandas import DataFrame

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_TYPES = {column.name: column.dtype for column in DETECTION_COLUMNS}
_TRACK_TYPES = {column.name: column.dtype for column in TRACK_COLUMNS}
#: Column of `Detections.tracks` that holds the row of the detection.
ROW = "detection"


@dataclass(frozen=True)
class Detections:
    """A table of detections with their tracks.

    Attributes
    ----------
    columns : mapping of str to (n,) array
        At least ``x_min, y_min, x_max, y_max, label, probability``; names, types and units as in
        `astrodetect.core.columns.DETECTION_COLUMNS`, and any column a stage declares. Text columns
        are object arrays of str.
    tracks : mapping of str to (m,) array
        Points of all tracks: ``detection`` is the row they belong to, the others as in
        ``TRACK_COLUMNS``.
    cutouts : (n, C, h, w) array or None
        A small image of each.

    Raises
    ------
    ValueError
        Columns are missing or of different lengths, a box is empty, a probability lies outside
        [0, 1], a label is empty, or a track point belongs to no row.
    """

    columns: Mapping[str, Any]
    tracks: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    cutouts: Any = None

    def __post_init__(self) -> None:
        columns = {name: _column(values, _TYPES.get(name)) for name, values in self.columns.items()}
        tracks = {name: _column(values, _TRACK_TYPES.get(name)) for name, values in self.tracks.items()}
        object.__setattr__(self, "columns", MappingProxyType(columns))
        object.__setattr__(self, "tracks", MappingProxyType(tracks))
        _check(columns, tracks, self.cutouts)

    @classmethod
    def empty(cls) -> Detections:
        """Give a table without rows."""
        return cls({name: [] for name in REQUIRED_COLUMNS})

    def __len__(self) -> int:
        return len(self.columns["label"])

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in range(len(self)):
            yield {name: values[row] for name, values in self.columns.items()}

    def __reduce__(self) -> tuple[type[Detections], tuple[Any, ...]]:
        return Detections, (dict(self.columns), dict(self.tracks), self.cutouts)  # proxies do not travel

    def __repr__(self) -> str:
        labels, counts = np.unique(self.columns["label"].astype(str), return_counts=True)
        text = ", ".join(f"{count} {label}" for label, count in zip(labels, counts, strict=True))
        return f"<Detections: {text or 'none'}>"

    def track(self, row: int) -> dict[str, Any]:
        """Give the points of one detection's track, in order of frames."""
        if not self.tracks:
            return {}
        chosen = np.flatnonzero(self.tracks[ROW] == row)
        if "frame" in self.tracks:
            chosen = chosen[np.argsort(self.tracks["frame"][chosen], kind="stable")]
        return {name: values[chosen] for name, values in self.tracks.items() if name != ROW}

    def with_columns(self, **columns: ArrayLike) -> Detections:
        """Give the same table with columns added or replaced."""
        return Detections({**self.columns, **columns}, self.tracks, self.cutouts)

    def take(self, rows: ArrayLike) -> Detections:
        """Give the table of some rows, in the order given, with their tracks.

        Parameters
        ----------
        rows : (k,) int or (n,) bool array
            Which rows.
        """
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        new_row = np.full(len(self), -1, dtype=np.int64)
        new_row[index] = np.arange(len(index))
        tracks: dict[str, Any] = {}
        if self.tracks:
            rows_of_points = new_row[self.tracks[ROW]]
            kept = rows_of_points >= 0
            tracks = {name: values[kept] for name, values in self.tracks.items()}
            tracks[ROW] = rows_of_points[kept]
        cutouts = None if self.cutouts is None else self.cutouts[index]
        return Detections({name: values[index] for name, values in self.columns.items()}, tracks, cutouts)

    @staticmethod
    def concatenate(parts: Sequence[Detections]) -> Detections:
        """Join tables; a column that only some have is filled with its missing value."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return Detections.empty()
        lengths = [len(part) for part in parts]
        columns = _join([part.columns for part in parts], lengths, DETECTION_COLUMNS)
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        track_parts = [
            {**part.tracks, ROW: part.tracks[ROW] + offset}
            for part, offset in zip(parts, offsets, strict=True)
            if part.tracks
        ]
        tracks = _join(track_parts, [len(part[ROW]) for part in track_parts], TRACK_COLUMNS)
        cutouts = None
        if all(part.cutouts is not None for part in parts) and len({p.cutouts.shape[1:] for p in parts}) == 1:
            cutouts = np.concatenate([part.cutouts for part in parts])
        return Detections(columns, tracks, cutouts)

    def _repr_html_(self) -> str:
        from astrodetect.core.showing import table

        first = ("label", "probability", "accepted", "reason", "frame_start", "frame_end", "speed", "snr")
        names = [name for name in (*first, *REQUIRED_COLUMNS[:4]) if name in self.columns]
        return table({name: self.columns[name] for name in names}, len(self), repr(self)[1:-1])

    def to_pandas(self) -> DataFrame:
        """Give a `pandas.DataFrame` of the columns.

        Raises
        ------
        AstrodetectError
            pandas is not installed.
        """
        from astrodetect.core.showing import to_pandas

        return to_pandas(self.columns)

    def to_table(self) -> QTable:
        """Give an `astropy.table.QTable` with units."""
        from astropy.table import QTable  # heavy; only on request

        units = {column.name: column.unit for column in DETECTION_COLUMNS}
        table = QTable()
        for name, values in self.columns.items():
            table[name] = values.astype(str) if values.dtype == object else values
            if units.get(name):
                table[name].unit = units[name]
        return table


def missing_value(dtype: str) -> Any:
    """Give what stands for "not known" in a column: NaN, -1, False or an empty string."""
    if dtype == "str":
        return ""
    kind = np.dtype(dtype).kind
    return {"f": np.nan, "b": False}.get(kind, -1)


def full_column(column: Column, n: int) -> Any:
    """Give a column of `n` missing values."""
    return np.full(n, missing_value(column.dtype), dtype=object if column.dtype == "str" else column.dtype)


def with_all_columns(found: Detections) -> Detections:
    """Give detections with every column of a catalog; what is not known is missing."""
    absent = {c.name: full_column(c, len(found)) for c in DETECTION_COLUMNS if c.name not in found}
    return found.with_columns(**absent)


def _column(values: Any, declared: str | None) -> NDArray[Any]:
    array = np.asarray(values)
    if declared == "str" or (declared is None and array.dtype.kind in "US"):
        text = np.empty(len(array), dtype=object)
        text[:] = [str(value) for value in array]
        return text
    if declared is not None:
        array = array.astype(declared, copy=False)
    return array


def _check(columns: Mapping[str, Any], tracks: Mapping[str, Any], cutouts: Any) -> None:
    absent = [name for name in REQUIRED_COLUMNS if name not in columns]
    if absent:
        raise ValueError(f"detections lack the columns {', '.join(absent)}")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1 or any(values.ndim != 1 for values in columns.values()):
        raise ValueError(f"columns must be one-dimensional and of one length, not {lengths}")
    if not np.all((columns["x_max"] > columns["x_min"]) & (columns["y_max"] > columns["y_min"])):
        raise ValueError("a box is empty, or not a number: x_max > x_min and y_max > y_min must hold")
    if not np.all((columns["probability"] >= 0) & (columns["probability"] <= 1)):
        raise ValueError("probabilities must lie in [0, 1]")
    if not all(columns["label"]):
        raise ValueError("a label is empty")
    n = len(columns["label"])
    if tracks:
        if len({len(values) for values in tracks.values()}) != 1 or ROW not in tracks:
            raise ValueError(f"tracks need a column {ROW!r} and columns of one length")
        if len(tracks[ROW]) and not (tracks[ROW].min() >= 0 and tracks[ROW].max() < n):
            raise ValueError("a track point belongs to no row")
    if cutouts is not None and len(cutouts) != n:
        raise ValueError(f"{len(cutouts)} cutouts for {n} detections")


def _join(
    parts: Sequence[Mapping[str, Any]], lengths: Sequence[int], known: Sequence[Column]
) -> dict[str, Any]:
    declared = {column.name: column for column in known}
    names = list(dict.fromkeys(name for part in parts for name in part))
    joined: dict[str, Any] = {}
    for name in names:
        sample = next(part[name] for part in parts if name in part)
        fallback = Column(name, "str" if sample.dtype == object else str(sample.dtype), "", "")
        column = declared.get(name, fallback)
        joined[name] = np.concatenate(
            [
                part[name] if name in part else full_column(column, n)
                for part, n in zip(parts, lengths, strict=True)
            ]
        )
    return joined
