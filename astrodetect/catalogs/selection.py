"""Rows of a catalog that meet a condition: first by the index, then by the values of what is left."""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from astrodetect.catalogs import hdf5, index
from astrodetect.catalogs.expressions import Comparison, Cone, Every, Node, Opposite, Some
from astrodetect.core.columns import Column

#: Chunks that are read at once.
_STEP = 64
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Selector:
    """Finds rows of ``/detections``.

    Parameters
    ----------
    file : h5py.File
        A catalog.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._detections = hdf5.table_columns(file, "detections")
        self._recordings = hdf5.table_columns(file, "recordings")
        first = self._detections["detection_id"]
        self._n, self._size = len(first), index.chunk_rows(first)
        self._n_chunks = -(-self._n // self._size)
        self._coded: dict[str, Any] = {}

    @cached_property
    def columns(self) -> dict[str, Column]:
        """What may be asked for: the columns of detections, and those of their recordings."""
        both = {**self._recordings, **self._detections}
        return {name: hdf5.column_of(name, dataset) for name, dataset in both.items()}

    def rows(self, node: Node, limit: int | None = None) -> Any:
        """Give the rows (n,) int64, rising, that meet a condition; the first `limit` of them."""
        found: list[Any] = []
        count = 0
        for start, stop in self._candidates(node):
            rows = start + np.flatnonzero(self._matches(node, start, stop))
            found.append(rows)
            count += len(rows)
            if limit is not None and count >= limit:
                break
        rows = np.concatenate(found) if found else np.empty(0, dtype=np.int64)
        return rows if limit is None else rows[:limit]

    def owners(self, rows: Any) -> Any:
        """Give the rows of the recordings that rows of ``/detections`` belong to; ``...`` is all."""
        rows = np.arange(self._n) if rows is ... else rows
        return np.searchsorted(self._offsets, rows, side="right") - 1

    def _candidates(self, node: Node) -> Iterator[tuple[int, int]]:
        """Give stretches of rows whose chunks the index does not rule out."""
        chunks = np.flatnonzero(self._may(node)[0])
        start = 0
        while start < len(chunks):
            stop = start + 1
            while stop < len(chunks) and chunks[stop] == chunks[stop - 1] + 1 and stop - start < _STEP:
                stop += 1
            yield int(chunks[start]) * self._size, min((int(chunks[stop - 1]) + 1) * self._size, self._n)
            start = stop

    def _may(self, node: Node) -> tuple[Any, Any]:
        """Tell of each chunk whether some row may match, and whether all of them do."""
        if isinstance(node, Opposite):
            may, must = self._may(node.part)
            return ~must, ~may
        none, every = np.zeros(self._n_chunks, dtype=bool), np.ones(self._n_chunks, dtype=bool)
        if isinstance(node, Every | Some):
            if not node.parts:
                return (every, every) if isinstance(node, Every) else (none, none)
            join = np.logical_and if isinstance(node, Every) else np.logical_or
            parts = [self._may(part) for part in node.parts]
            return join.reduce([part[0] for part in parts]), join.reduce([part[1] for part in parts])
        if isinstance(node, Cone):
            near = Some(
                tuple(
                    Every(
                        (
                            Comparison(f"dec_{end}", ">=", (node.dec - node.radius,)),
                            Comparison(f"dec_{end}", "<=", (node.dec + node.radius,)),
                        )
                    )
                    for end in ("start", "end")
                )
            )
            return self._may(near)[0], none
        if node.column not in self._detections:
            return self._chunks_of(self._chosen(node)), none
        dataset = self._detections[node.column]
        if index.is_text(dataset):
            return (every if self._codes(node) is None or self._codes(node).any() else none), none
        found = index.extremes_of(dataset)
        if found is None:
            return every, none
        values = tuple(float(_of_type(v, dataset)) if dataset.dtype.kind == "f" else v for v in node.values)
        return _overlaps(replace(node, values=values), found[:, 0], found[:, 1]), none

    def _chunks_of(self, chosen: Any) -> Any:
        """Tell which chunks hold rows of chosen recordings."""
        marks = np.zeros(self._n_chunks + 1, dtype=np.int64)
        first, last = self._offsets[:-1][chosen], self._offsets[1:][chosen]
        there = last > first
        np.add.at(marks, first[there] // self._size, 1)
        np.add.at(marks, (last[there] - 1) // self._size + 1, -1)
        return np.cumsum(marks[:-1]) > 0

    def _matches(self, node: Node, start: int, stop: int) -> Any:
        """Tell of each row from `start` to `stop` whether it matches."""
        if isinstance(node, Opposite):
            return ~self._matches(node.part, start, stop)
        if isinstance(node, Every | Some):
            done = isinstance(node, Some)
            matching = np.full(stop - start, not done)
            for part in node.parts:
                found = self._matches(part, start, stop)
                matching = matching | found if done else matching & found
                if (matching == done).all():
                    break
            return matching
        if isinstance(node, Cone):
            near = [self._near(node, end, start, stop) for end in ("start", "end")]
            return near[0] | near[1]
        if node.column not in self._detections:
            return self._chosen(node)[self.owners(np.arange(start, stop))]
        codes = self._codes(node)
        if codes is not None:
            return codes[self._coded[node.column][0][start:stop]]
        return _compare(node, index.read_column(self._detections[node.column], slice(start, stop)))

    def _near(self, cone: Cone, end: str, start: int, stop: int) -> Any:
        ra, dec = (np.deg2rad(self._detections[f"{name}_{end}"][start:stop]) for name in ("ra", "dec"))
        ra0, dec0 = np.deg2rad(cone.ra), np.deg2rad(cone.dec)
        # haversine: exact for small angles too
        half = np.sin((dec - dec0) / 2) ** 2 + np.cos(dec) * np.cos(dec0) * np.sin((ra - ra0) / 2) ** 2
        return 2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))) <= np.deg2rad(cone.radius)

    def _codes(self, node: Comparison) -> Any:
        """Tell of each text of the dictionary whether it matches; None if the column has none."""
        if node.column not in self._coded:
            self._coded[node.column] = index.codes_of(self._detections[node.column])
        found = self._coded[node.column]
        return None if found is None else _compare(node, found[1])

    @cached_property
    def _offsets(self) -> Any:
        """The first row of each recording, and the end: rows are in the order of recordings."""
        counts = self._recordings["n_detections"][...]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        if offsets[-1] != self._n or (counts < 0).any():
            raise ValueError("n_detections are not those of /detections")
        return offsets

    def _chosen(self, node: Comparison) -> Any:
        """Tell of each recording whether it matches."""
        dataset = self._recordings[node.column]
        if node.column == "path" and node.operator == "=":
            return self._at_paths(dataset, node.values)
        return _compare(node, index.read_column(dataset))

    def _at_paths(self, dataset: Any, paths: tuple[str, ...]) -> Any:
        """Find recordings by their paths, by which they are sorted."""
        listed = dataset.asstr(errors="surrogateescape")
        chosen = np.zeros(len(dataset), dtype=bool)
        for path in paths:
            row = bisect_left(_Lazy(listed, len(dataset)), path)
            while row < len(dataset) and listed[row] == path:
                chosen[row] = True
                row += 1
        return chosen


class _Lazy:
    """A column of text of which only what is looked at is read."""

    def __init__(self, texts: Any, n: int) -> None:
        self._texts, self._n = texts, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: int) -> str:
        return str(self._texts[row])


def _overlaps(node: Comparison, least: Any, largest: Any) -> Any:
    """Tell of each chunk whether a value between its extremes meets a comparison."""
    if node.operator == "=":
        return np.logical_or.reduce([(least <= value) & (largest >= value) for value in node.values])
    if node.operator == "!=":
        return np.ones(len(least), dtype=bool)
    return _COMPARE[node.operator](least if node.operator in ("<", "<=") else largest, node.values[0])


def _compare(node: Comparison, values: Any) -> Any:
    if node.operator in _COMPARE:
        return _COMPARE[node.operator](values, _of_type(node.values[0], values))
    hits = np.zeros(len(values), dtype=bool)
    for value in node.values:
        hits |= np.asarray(values == _of_type(value, values), dtype=bool)
    return hits if node.operator == "=" else ~hits


def _of_type(value: Any, values: Any) -> Any:
    """Give a number in the precision of a column, so that 0.9 is the 0.9 that is stored."""
    return values.dtype.type(value) if values.dtype.kind == "f" else value


def conditions(given: Mapping[str, Any]) -> list[Node]:
    """Give the conditions that the arguments of `Catalog.query` stand for; what is None is left out."""
    found: list[Node] = []
    for column, argument in (("label", "label"), ("camera", "camera"), ("path", "recording")):
        value = given.get(argument)
        if value is not None:
            found.append(Comparison(column, "=", (value,) if isinstance(value, str) else tuple(value)))
    simple = (("accepted", "=", "accepted"), ("probability", ">=", "probability"))
    for column, sign, argument in (*simple, ("time_start", ">=", "after"), ("time_start", "<", "before")):
        if given.get(argument) is not None:
            found.insert(0, Comparison(column, sign, (given[argument],)))
    if given.get("box") is not None:
        x0, y0, x1, y1 = (float(value) for value in given["box"])
        edges = (("x_max", ">", x0), ("x_min", "<", x1), ("y_max", ">", y0), ("y_min", "<", y1))
        found += [Comparison(column, sign, (value,)) for column, sign, value in edges]
    if given.get("cone") is not None:
        found.append(Cone(*(float(value) for value in given["cone"])))
    return found
