"""Writes the columns of a table chunk by chunk, and the index that lets queries skip chunks."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import h5py
import numpy as np

from astrodetect.catalogs.tables import Table, gather, length_of
from astrodetect.core.columns import Column

#: Rows per chunk: the least that is read, and the step of the index.
CHUNK_ROWS = 16384
#: In tables of so many rows a text that recurs is stored once.
SHARED_ROWS = 1 << 20
#: More different texts than this are not worth a dictionary.
MOST_VALUES = 65535
#: A dictionary is given up where it is larger than this and more than half of a chunk is new to it.
_FEW_VALUES = 256
_PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
_TEXT = h5py.string_dtype("utf-8")
#: Bytes of a variable-length text in a chunk: its length, and where the heap holds it.
_REFERENCE = 16


def update_digest(digest: Any, values: Any) -> None:
    """Add the values of a column to its digest: little-endian numbers, or text ended by NUL."""
    if values.dtype == object:
        digest.update(b"".join([value.encode("utf-8", "surrogateescape") + b"\0" for value in values]))
    else:
        digest.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes())


def extremes(values: Any) -> tuple[Any, Any]:
    """Give the least and the largest value that is not NaN; NaN twice if there is none."""
    if values.dtype.kind == "f":
        values = values[~np.isnan(values)]
        if not len(values):
            return np.nan, np.nan
    return values.min(), values.max()


def pack(values: Any, rows: int, *, shuffle: bool = True) -> bytes:
    """Give the bytes of a chunk of `rows` rows as HDF5's filters shuffle and gzip make them."""
    size = values.dtype.itemsize
    stored = np.zeros((rows, size), dtype=np.uint8)
    stored[: len(values)] = values.view(np.uint8).reshape(len(values), size)
    return zlib.compress((stored.T if shuffle else stored).tobytes(), 1)


class TableWriter:
    """Writes one table, and its index if it has more than one chunk.

    Parameters
    ----------
    file : h5py.File
        Where.
    table : str
        Path of the group.
    columns : mapping of str to Column
        What every row has.
    n_rows : int
        How many rows will come.
    """

    def __init__(self, file: Any, table: str, columns: Mapping[str, Column], n_rows: int) -> None:
        self._columns = columns
        self._chunk = max(1, min(n_rows, CHUNK_ROWS))
        group, index = file.require_group(table), None
        if n_rows > self._chunk:  # of one chunk nothing can be skipped
            index = file.require_group(f"index/{table}")
            index.attrs["chunk_rows"] = self._chunk
        self._writers: dict[str, _Numbers | _Text] = {
            name: (_Text if column.dtype == "str" else _Numbers)(group, index, column, n_rows, self._chunk)
            for name, column in columns.items()
        }
        #: Of which rows have been accepted; for the tally of labels.
        self._accepted: list[Any] | None = [] if index and {"label", "accepted"} <= set(columns) else None
        self._pending: list[Table] = []
        self._packing: tuple[int, dict[str, Future[bytes]]] = (0, {})
        self._n_pending = self._n_written = 0
        self._pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="astrodetect-pack")

    def append(self, table: Table) -> None:
        """Take rows."""
        n = length_of(table)
        if n:
            self._pending.append(table)
            self._n_pending += n
        if self._n_pending >= CHUNK_ROWS:
            self._write(self._n_pending // self._chunk * self._chunk)

    def _write(self, n: int) -> None:
        """Write the first `n` rows of those that wait, a whole number of chunks but at the end."""
        if not n:
            return
        gathered = gather(self._pending, self._columns)
        for start in range(0, n, self._chunk):
            part = {name: values[start : min(start + self._chunk, n)] for name, values in gathered.items()}
            self._write_chunk(self._n_written + start, part)
        self._n_written += n
        self._n_pending -= n
        self._pending = [{name: values[n:] for name, values in gathered.items()}] if self._n_pending else []

    def _write_chunk(self, start: int, part: Table) -> None:
        """Write a chunk; its numbers are packed in other threads while the next one is put together."""
        self._write_packed()
        if self._accepted is not None:
            self._accepted.append(part["accepted"])
        packing: dict[str, Future[bytes]] = {}
        for name, writer in self._writers.items():
            if isinstance(writer, _Numbers):
                packing[name] = self._pool.submit(writer.prepare, part[name])
        self._packing = start, packing
        for name, writer in self._writers.items():
            if isinstance(writer, _Text):
                writer.write(start, part[name])

    def _write_packed(self) -> None:
        start, packing = self._packing
        for name, packed in packing.items():
            self._writers[name].write(start, packed.result())
        self._packing = 0, {}

    def close(self) -> None:
        """Write what is left, the digests and the index."""
        self._write(self._n_pending)
        self._write_packed()
        self._pool.shutdown()
        if self._accepted is not None:
            labels: Any = self._writers["label"]
            labels.tally(np.concatenate(self._accepted))
        for writer in self._writers.values():
            writer.close()


def _create(group: Any, column: Column, n_rows: int, chunk: int) -> Any:
    text = column.dtype == "str"  # HDF5 does not shuffle what is of variable length
    dataset = group.create_dataset(
        column.name,
        shape=(n_rows,),
        maxshape=(None,),
        chunks=(chunk,),
        dtype=_TEXT if text else column.dtype,
        **{**_PACKED, "shuffle": not text},
    )
    dataset.attrs["unit"] = column.unit
    dataset.attrs["description"] = column.description
    return dataset


class _Numbers:
    """A column of numbers or booleans; the index holds the extremes of each chunk."""

    def __init__(self, group: Any, index: Any, column: Column, n_rows: int, chunk: int) -> None:
        self._dataset = _create(group, column, n_rows, chunk)
        self._index, self._name, self._chunk = index, column.name, chunk
        self._digest = hashlib.blake2b(digest_size=16)
        self._extremes: list[tuple[Any, Any]] = []

    def prepare(self, values: Any) -> bytes:
        """Do what needs no HDF5; chunks come in order, each when the one before is written."""
        update_digest(self._digest, values)
        self._extremes.append(extremes(values))
        return pack(np.ascontiguousarray(values, self._dataset.dtype), self._chunk)

    def write(self, start: int, data: bytes) -> None:
        self._dataset.id.write_direct_chunk((start,), data)

    def close(self) -> None:
        self._dataset.attrs["digest"] = self._digest.hexdigest()
        if self._index is None:
            return
        kind = "float64" if self._dataset.dtype.kind == "f" else "int64"
        kind = "uint64" if self._dataset.dtype.kind == "u" else kind
        self._index.create_dataset(self._name, data=np.array(self._extremes, kind).reshape(-1, 2))


class _Text:
    """A column of text; the index holds a dictionary and the number of each row's text in it.

    In a table of `SHARED_ROWS` rows or more a text that recurs is stored once: all its rows refer to
    one object of the file's heap, which HDF5 reads like any other, but of which a row may not be
    changed in place. The dictionary of the index has copies of its own.
    """

    def __init__(self, group: Any, index: Any, column: Column, n_rows: int, chunk: int) -> None:
        self._dataset = _create(group, column, n_rows, chunk)
        self._index = None if index is None else index.create_group(column.name)
        self._chunk = chunk
        self._digest = hashlib.blake2b(digest_size=16)
        self._number: dict[str, int] = {}
        self._encoded: list[bytes] = []
        self._codes: list[Any] = []
        self._few = index is not None
        self._heap = _Heap(self._index) if self._few and n_rows >= SHARED_ROWS else None

    def write(self, start: int, values: Any) -> None:
        codes = self._encode(values) if self._few else None
        if codes is None:
            self._few = False
            update_digest(self._digest, values)
        else:
            self._codes.append(codes)
            self._digest.update(b"".join([self._encoded[code] for code in codes.tolist()]))
        if codes is None or self._heap is None:
            self._dataset[start : start + len(values)] = values
        else:
            stored = pack(self._heap.references(codes), self._chunk, shuffle=False)
            self._dataset.id.write_direct_chunk((start,), stored)

    def _encode(self, values: Any) -> Any:
        """Give the number of each text in the dictionary, or None if they are too many."""
        listed = values.tolist()
        new = [value for value in dict.fromkeys(listed) if value not in self._number]
        n = len(self._number) + len(new)
        if n > MOST_VALUES or (n > _FEW_VALUES and 2 * len(new) > len(listed)):
            return None
        self._number.update({value: n - len(new) + i for i, value in enumerate(new)})
        self._encoded += [value.encode("utf-8", "surrogateescape") + b"\0" for value in new]
        if new and self._heap is not None:
            self._heap.add(new)
        return np.fromiter(map(self._number.__getitem__, listed), np.uint16, len(listed))

    def close(self) -> None:
        self._dataset.attrs["digest"] = self._digest.hexdigest()
        if not self._few or self._index is None:
            return
        codes = np.concatenate(self._codes) if self._codes else np.zeros(0, np.uint16)
        kind = np.uint8 if len(self._number) <= 256 else np.uint16
        chunks = {"maxshape": (None,), "chunks": (self._chunk,)}
        self._index.create_dataset("codes", data=codes.astype(kind), **chunks, **_PACKED)
        self._index.create_dataset("values", data=np.array(list(self._number), dtype=object), dtype=_TEXT)

    def tally(self, accepted: Any) -> None:
        """Count the rows of each text: those that were not accepted, and those that were."""
        if self._few and self._index is not None:
            counts = np.bincount(2 * np.concatenate(self._codes) + accepted, minlength=2 * len(self._number))
            self._index.create_dataset("tally", data=counts.reshape(-1, 2))


class _Heap:
    """Texts in the file's heap, and the references by which rows find them."""

    def __init__(self, group: Any) -> None:
        self._dataset = group.create_dataset("heap", (0,), _TEXT, maxshape=(None,), chunks=(_FEW_VALUES,))
        self._references = np.zeros((0, _REFERENCE), np.uint8)

    def add(self, texts: list[str]) -> None:
        """Store texts once each, and look up where."""
        first, last = len(self._references), len(self._references) + len(texts)
        self._dataset.resize(last, axis=0)
        self._dataset[first:] = np.array(texts, dtype=object)
        begin = first // _FEW_VALUES * _FEW_VALUES
        found = [
            np.frombuffer(self._dataset.id.read_direct_chunk((at,))[1], np.uint8).reshape(-1, _REFERENCE)
            for at in range(begin, last, _FEW_VALUES)
        ]
        self._references = np.concatenate([self._references[:begin], *found])[:last]

    def references(self, codes: Any) -> Any:
        """Give the bytes of rows with these texts."""
        return np.ascontiguousarray(self._references[codes]).view(f"V{_REFERENCE}").reshape(-1)
