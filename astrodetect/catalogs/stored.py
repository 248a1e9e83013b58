"""A finished catalog as a source of recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from astrodetect.catalogs import hdf5, index
from astrodetect.catalogs.sources import BlockSource, Entry
from astrodetect.catalogs.tables import DECLARED, Table, join_schemas
from astrodetect.core.errors import AstrodetectError

#: Rows of a finished catalog that are read at once.
_READ_ROWS = 65536


class StoredCatalog:
    """A finished catalog, recording by recording.

    Parameters
    ----------
    file : h5py.File
        From `hdf5.open_catalog`.
    name : str
        For messages.

    Raises
    ------
    AstrodetectError
        By each of its attributes: it is damaged.
    """

    def __init__(self, file: Any, name: str) -> None:
        self.file, self._name, self._read = file, name, index.read_column
        self.provenance: Mapping[str, str] = hdf5.read_provenance(file)
        self._datasets = {table: hdf5.table_columns(file, table) for table in DECLARED}
        self._buffers: dict[str, tuple[int, int, Table]] = {}
        self.schema = join_schemas(
            [
                {
                    table: {name: hdf5.column_of(name, d) for name, d in c.items()}
                    for table, c in self._datasets.items()
                }
            ]
        )

    def statuses(self) -> dict[int, str]:
        """Give the status of each recording by its id."""
        columns = self._datasets["recordings"]
        with self._told():
            ids, states = (self._read(columns[name]) for name in ("recording_id", "status"))
        return dict(zip(ids.tolist(), states, strict=True))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            what = " ".join(str(error).split())
            raise AstrodetectError(
                f"{self._name}: damaged ({what}); `astrodetect catalog verify` says more"
            ) from error

    @cached_property
    def entries(self) -> list[Entry]:
        """Its recordings, in order."""
        with self._told():
            return self._index()

    def _index(self) -> list[Entry]:
        names = ("recording_id", "path", "root", "status")
        columns = self._datasets["recordings"]
        ids, paths, roots, states = (self._read(columns[name]) for name in names)
        rows: dict[str, Any] = {"recordings": _places(np.arange(len(ids)), len(ids))}
        order = np.argsort(ids)
        for prefix in ("", "camera/"):
            self._index_detections(prefix, ids, order, rows)
        cutouts = self._index_cutouts(ids, order)
        entries = []
        for i, values in enumerate(zip(ids.tolist(), paths, roots, states, strict=True)):
            places = {table: places[i] for table, places in rows.items()}
            lengths = {table: place_length(place) for table, place in places.items()}
            if i in cutouts:
                places["patches"] = cutouts[i]
                lengths["patches"] = len(cutouts[i][1])
            entries.append(Entry(*values, lengths, places))
        return entries

    def _index_cutouts(self, ids: Any, order: Any) -> dict[int, tuple[str, Any]]:
        """Give the group and the rows in it of each recording that has cutouts."""
        places: dict[int, tuple[str, Any]] = {}
        columns = self._datasets["detections"]
        for name, group in self.file.get("patches", {}).items():
            detection_ids = self._read(columns["detection_id"])
            detection = _look_up(group["detection_id"][...], detection_ids, np.argsort(detection_ids))
            owner = _look_up(self._read(columns["recording_id"]), ids, order)[detection]
            rows = enumerate(_places(owner, len(ids)))
            places.update((i, (name, rows_at(place))) for i, place in rows if place_length(place))
        return places

    def _index_detections(self, prefix: str, ids: Any, order: Any, rows: dict[str, Any]) -> None:
        columns = self._datasets[f"{prefix}detections"]
        if not columns:
            return
        first, owner = _runs(self._read(columns["recording_id"]), ids, order)
        n = len(columns["recording_id"])
        rows[f"{prefix}detections"] = _places(owner, len(ids), first, n)
        points = self._datasets[f"{prefix}tracks"]
        if not points or not len(points["detection_id"]):
            rows[f"{prefix}tracks"] = [slice(0, 0)] * len(ids)
            return
        detection_ids = self._read(columns["detection_id"])
        begin, detection = _runs(self._read(points["detection_id"]), detection_ids, np.argsort(detection_ids))
        owner = np.repeat(owner, np.diff([*first, n]))[detection]
        rows[f"{prefix}tracks"] = _places(owner, len(ids), begin, len(points["detection_id"]))

    def rows(self, entry: Entry) -> dict[str, Table]:
        """Give the rows of a recording."""
        with self._told():
            return {
                table: self._rows(table, place) for table, place in entry.place.items() if table in DECLARED
            }

    def span(self, first: Entry, last: Entry) -> Iterator[dict[str, Table]]:
        """Give the rows of all recordings from one to another that `follows` has found adjacent."""
        for table, place in first.place.items():
            if table not in DECLARED:
                continue
            stop = last.place[table].stop
            for start in range(place.start, stop, _READ_ROWS):
                part = slice(start, min(start + _READ_ROWS, stop))
                with self._told():
                    yield {table: {name: self._read(d, part) for name, d in self._datasets[table].items()}}

    def _rows(self, table: str, place: Any) -> Table:
        if not place_length(place):
            return {}
        place = rows_at(place)
        first, last = int(place[0]), int(place[-1]) + 1
        start, stop, buffer = self._buffers.get(table, (0, 0, {}))
        if not (start <= first and last <= stop):
            start, stop = first, max(last, first + _READ_ROWS)
            buffer = {
                name: self._read(dataset, slice(start, stop))
                for name, dataset in self._datasets[table].items()
            }
            self._buffers[table] = (start, stop, buffer)
        return {name: values[place - start] for name, values in buffer.items()}

    def cutouts(self, entry: Entry) -> tuple[Any, Any] | None:
        """Give detection ids and cutouts of a recording, or None."""
        if not entry.lengths.get("patches"):
            return None
        group = self.file["patches"][entry.place["patches"][0]]
        rows = entry.place["patches"][1]
        return group["detection_id"][rows], group["data"][rows]


def follows(former: Entry, entry: Entry) -> bool:
    """Tell whether the rows of one recording of a stored catalog come right after those of another."""
    return all(
        isinstance(place, slice)
        and isinstance(after := entry.place.get(table), slice)
        and after.start == place.stop
        for table, place in former.place.items()
        if table in DECLARED
    )


def place_length(place: Any) -> int:
    """Give the number of rows of a place."""
    return place.stop - place.start if isinstance(place, slice) else len(place)


def rows_at(place: Any) -> Any:
    """Give the rows of a place, rising."""
    return np.arange(place.start, place.stop) if isinstance(place, slice) else np.sort(place)


def _runs(values: Any, ids: Any, order: Any) -> tuple[Any, Any]:
    """Give where each run of equal values begins, and the index of its value in `ids`."""
    first = np.flatnonzero(np.diff(values, prepend=~values[:1]) != 0)
    return first, _look_up(values[first], ids, order)


def _look_up(values: Any, ids: Any, order: Any) -> Any:
    """Give the index of each value in `ids`, of which `order` is the sorting."""
    if not len(values):
        return np.empty(0, dtype=np.int64)
    if not len(ids):
        raise ValueError("rows that belong to nothing")
    index = order[np.minimum(np.searchsorted(ids, values, sorter=order), len(ids) - 1)]
    if not np.array_equal(ids[index], values):
        raise ValueError("rows that belong to nothing")
    return index


def _places(owner: Any, n: int, first: Any = None, total: int = 0) -> list[Any]:
    """Give, for each of `n` owners, the rows that are its own: a slice, or an array if they are scattered.

    Run k of rows, from ``first[k]``, belongs to ``owner[k]``; without `first` every run is one row.
    """
    if first is None:
        first, total = np.arange(len(owner)), len(owner)
    if (np.diff(owner) >= 0).all():
        bounds = [*first.tolist(), total]
        cuts = np.searchsorted(owner, np.arange(n + 1)).tolist()
        return [slice(bounds[cuts[i]], bounds[cuts[i + 1]]) for i in range(n)]
    owner = np.repeat(owner, np.diff([*first, total]))
    order = np.argsort(owner, kind="stable")
    cuts = np.searchsorted(owner[order], np.arange(n + 1))
    return [order[cuts[i] : cuts[i + 1]] for i in range(n)]


def iterate_rows(chosen: Sequence[tuple[BlockSource, Entry]]) -> Iterator[dict[str, Table]]:
    """Give the rows of recordings in order, those that lie together in a stored catalog together."""
    start = 0
    while start < len(chosen):
        source, entry = chosen[start]
        stop = start + 1
        if isinstance(source, StoredCatalog):
            while (
                stop < len(chosen)
                and chosen[stop][0] is source
                and follows(chosen[stop - 1][1], chosen[stop][1])
            ):
                stop += 1
        if stop - start > 1:
            yield from source.span(entry, chosen[stop - 1][1])  # type: ignore[attr-defined]
        else:
            yield source.rows(entry)
        start = stop
