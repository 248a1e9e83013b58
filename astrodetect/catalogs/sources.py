"""What a catalog is put together from: segments of a journal, and finished catalogs."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from astrodetect.catalogs import blocks
from astrodetect.catalogs.tables import (
    DECLARED,
    Schema,
    Table,
    described,
    join_schemas,
    lengths_of_header,
    rows_of,
    schema_of_header,
)
from astrodetect.core.columns import Column
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.results import RecordingBlock

#: Rows of a finished catalog that are read at once.
_READ_ROWS = 65536


class Entry(NamedTuple):
    """One recording of a source."""

    recording_id: int
    path: str
    root: str
    status: str
    lengths: Mapping[str, int]
    place: Any


class BlockSource(Protocol):
    """Gives recordings one by one."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Its recordings, in the order in which they were written."""

    @property
    def schema(self) -> Schema:
        """The columns of its tables."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """How it was made."""

    def rows(self, entry: Entry) -> dict[str, Table]:
        """Give the rows of a recording."""

    def cutouts(self, entry: Entry) -> tuple[Any, Any] | None:
        """Give detection ids and cutouts of a recording, or None."""


class Segments:
    """The journal folder, one segment per run that wrote to it.

    Parameters
    ----------
    folder : Path
        ``night.h5.parts``.

    Attributes
    ----------
    headers : list of dict
        What each run wrote first: ``provenance``, ``columns``, ``replaces``.
    notes : list of str
        One line about each stretch that is no whole block.
    """

    def __init__(self, folder: Path) -> None:
        self.entries: list[Entry] = []
        self.headers: list[dict[str, Any]] = []
        self.notes: list[str] = []
        types: dict[str, dict[str, dict[str, str]]] = {}
        for segment in segment_paths(folder):
            self._read(segment, types)
        declared = [Column(*column) for header in self.headers for column in header.get("columns", ())]
        self.schema = join_schemas([described(found, declared) for found in types.values()])
        self.provenance: Mapping[str, str] = self.headers[-1]["provenance"] if self.headers else {}

    def _read(self, segment: Path, types: dict[str, dict[str, dict[str, str]]]) -> None:
        with segment.open("rb") as stream:
            for found in blocks.scan(stream):
                if isinstance(found, str):
                    self.notes.append(f"{segment.parent.name}/{segment.name}: {found}")
                    continue
                stream.seek(found.offset)
                header = blocks.header_of(stream.read(found.length))
                if "provenance" in header:
                    self.headers.append(header)
                    continue
                row = header["recording"]
                kinds = schema_of_header(header)
                types.setdefault(json.dumps(kinds, sort_keys=True), kinds)
                self.entries.append(
                    Entry(
                        int(row["recording_id"]),
                        str(row["path"]),
                        str(row.get("root", "")),
                        str(row.get("status", "done")),
                        lengths_of_header(header),
                        (segment, found),
                    )
                )

    def _payload(self, entry: Entry) -> bytes:
        segment, located = entry.place
        with segment.open("rb") as stream:
            stream.seek(located.offset)
            return bytes(stream.read(located.length))

    def block(self, entry: Entry) -> RecordingBlock:
        """Give a recording as it was appended."""
        return blocks.decode(self._payload(entry))

    def rows(self, entry: Entry) -> dict[str, Table]:
        """Give the rows of a recording."""
        return rows_of(*blocks.decode_parts(self._payload(entry)))

    def cutouts(self, entry: Entry) -> tuple[Any, Any] | None:
        """Give detection ids and cutouts of a recording, or None."""
        if not entry.lengths.get("patches"):
            return None
        part = blocks.decode_parts(self._payload(entry))[1]["detections"]
        return part.columns["detection_id"], part.cutouts


def segment_paths(folder: Path) -> list[Path]:
    """Give the segments of a journal in the order in which they were written."""
    found = [path for path in folder.glob("*.journal") if segment_number(path) > 0]
    return sorted(found, key=lambda path: (segment_number(path), path.name))


def segment_name(number: int) -> str:
    """Give a name that was never used: a reader never takes one segment for another."""
    return f"{number:04d}-{secrets.token_hex(4)}.journal"


def segment_number(path: Path) -> int:
    """Give the number of a segment by its name; 0 if it is none."""
    number = path.stem.partition("-")[0]
    return int(number) if number.isdecimal() else 0


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
        It is damaged.
    """

    def __init__(self, file: Any, name: str) -> None:
        from astrodetect.catalogs import hdf5

        self.file, self._name, self._hdf5 = file, name, hdf5
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
        try:
            self.entries = self._index()
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, what: str) -> AstrodetectError:
        what = " ".join(what.split())
        return AstrodetectError(f"{self._name}: damaged ({what}); `astrodetect catalog verify` says more")

    def _index(self) -> list[Entry]:
        names = ("recording_id", "path", "root", "status")
        columns = self._datasets["recordings"]
        ids, paths, roots, states = (self._hdf5.read_column(columns[name]) for name in names)
        rows: dict[str, Any] = {"recordings": _places(np.arange(len(ids)), len(ids))}
        order = np.argsort(ids)
        for prefix in ("", "camera/"):
            self._index_detections(prefix, ids, order, rows)
        cutouts = self._index_cutouts(ids, order)
        entries = []
        for i, values in enumerate(zip(ids.tolist(), paths, roots, states, strict=True)):
            places = {table: places[i] for table, places in rows.items()}
            lengths = {table: len(place) for table, place in places.items()}
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
            detection_ids = self._hdf5.read_column(columns["detection_id"])
            detection = _look_up(group["detection_id"][...], detection_ids, np.argsort(detection_ids))
            owner = _look_up(self._hdf5.read_column(columns["recording_id"]), ids, order)[detection]
            rows = enumerate(_places(owner, len(ids)))
            places.update((i, (name, np.sort(place))) for i, place in rows if len(place))
        return places

    def _index_detections(self, prefix: str, ids: Any, order: Any, rows: dict[str, Any]) -> None:
        columns = self._datasets[f"{prefix}detections"]
        if not columns:
            return
        owner = _look_up(self._hdf5.read_column(columns["recording_id"]), ids, order)
        detection_ids = self._hdf5.read_column(columns["detection_id"])
        points = self._datasets[f"{prefix}tracks"]
        track_ids = self._hdf5.read_column(points["detection_id"]) if points else np.empty(0, dtype=np.int64)
        detection = _look_up(track_ids, detection_ids, np.argsort(detection_ids))
        rows[f"{prefix}detections"] = _places(owner, len(ids))
        rows[f"{prefix}tracks"] = _places(owner[detection], len(ids))

    def rows(self, entry: Entry) -> dict[str, Table]:
        """Give the rows of a recording."""
        try:
            return {
                table: self._rows(table, place) for table, place in entry.place.items() if table in DECLARED
            }
        except (OSError, RuntimeError, ValueError) as error:
            raise self._damaged(str(error)) from error

    def _rows(self, table: str, place: Any) -> Table:
        first, last = (int(place[0]), int(place[-1]) + 1) if len(place) else (0, 0)
        start, stop, buffer = self._buffers.get(table, (0, 0, {}))
        if last > first and not (start <= first and last <= stop):
            start, stop = first, max(last, first + _READ_ROWS)
            buffer = {
                name: self._hdf5.read_column(dataset, slice(start, stop))
                for name, dataset in self._datasets[table].items()
            }
            self._buffers[table] = (start, stop, buffer)
        if last == first:
            return {}
        return {name: values[place - start] for name, values in buffer.items()}

    def cutouts(self, entry: Entry) -> tuple[Any, Any] | None:
        """Give detection ids and cutouts of a recording, or None."""
        if not entry.lengths.get("patches"):
            return None
        group = self.file["patches"][entry.place["patches"][0]]
        rows = entry.place["patches"][1]
        return group["detection_id"][rows], group["data"][rows]


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


def _places(owner: Any, n: int) -> list[Any]:
    """Give, for each of `n` owners, the rows that are its own."""
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(n + 1))
    return [order[bounds[i] : bounds[i + 1]] for i in range(n)]


def choose(sources: Sequence[BlockSource]) -> list[tuple[BlockSource, Entry]]:
    """Give each recording once, in the order of the catalog.

    What comes later replaces what came before: the same recording, and the same file whose content
    has changed since; but a failure does not replace what had been read.
    """
    chosen: dict[int, tuple[BlockSource, Entry]] = {}
    at: dict[tuple[str, str], int] = {}
    for source in sources:
        for entry in source.entries:
            place = (entry.root, entry.path)
            former = (
                entry.recording_id if entry.recording_id in chosen else at.get(place) if entry.root else None
            )
            if former in chosen:
                if entry.status == "failed" and chosen[former][1].status != "failed":
                    continue
                del chosen[former]
            chosen[entry.recording_id] = (source, entry)
            at[place] = entry.recording_id
    return sorted(chosen.values(), key=lambda item: (item[1].path, item[1].recording_id))


def total_lengths(chosen: Sequence[tuple[BlockSource, Entry]]) -> Counter[str]:
    """Give the number of rows of each table."""
    total: Counter[str] = Counter()
    for _, entry in chosen:
        total.update(entry.lengths)
    return total


def iterate_rows(chosen: Sequence[tuple[BlockSource, Entry]]) -> Iterator[dict[str, Table]]:
    """Give the rows of recordings, one recording at a time."""
    for source, entry in chosen:
        yield source.rows(entry)


def history_of(provenances: Sequence[Mapping[str, str]], pipeline: str) -> list[dict[str, Any]]:
    """Give the runs that made something, each once, in order.

    A run names its ``pipeline`` only where that is not the given one.
    """
    runs: list[dict[str, Any]] = []
    for provenance in provenances:
        earlier: list[dict[str, Any]] = []
        with suppress(ValueError):
            earlier = json.loads(provenance.get("history", "[]"))
        own = {name: value for name, value in provenance.items() if name != "history"}
        used = provenance.get("pipeline", "")
        for run in ({"pipeline": used, **run} for run in [*earlier, own]):
            if run["pipeline"] == pipeline:
                del run["pipeline"]
            if run and run not in runs:
                runs.append(run)
    return runs
