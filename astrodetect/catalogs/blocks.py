"""One block of the journal: a recording's results as bytes that check themselves.

A frame is ``magic (8) | length of payload (8) | BLAKE2b of payload (16) | payload``, little-endian.
A payload is ``length of header (8) | header (JSON) | arrays, each padded to 8 bytes``. Nothing in it
is ever executed: no pickle.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from astrodetect.core.columns import RECORDING_COLUMNS
from astrodetect.core.detections import Detections
from astrodetect.core.results import RecordingBlock

#: First bytes of a frame; not text, and changed by a transfer that rewrites line ends.
MAGIC = b"\x8aADBLK\r\n"
_FRAME = struct.Struct("<8sQ16s")
_LENGTH = struct.Struct("<Q")
#: No frame is larger: a length beyond it is damage, and is not allocated.
_LARGEST = 1 << 34


class Located(NamedTuple):
    """Where a payload lies in a segment."""

    offset: int
    length: int


def clean_text(text: object) -> str:
    """Give text that HDF5 can store: UTF-8 without NUL; what cannot be encoded is escaped.

    Examples
    --------
    >>> clean_text("caf\\u00e9 \\udcff")
    'café \\\\udcff'
    """
    plain = str(text)
    if plain.isascii() and "\0" not in plain:
        return plain
    return plain.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


_ROW_TYPES = {column.name: column.dtype for column in RECORDING_COLUMNS}
_PYTHON_TYPES: dict[str, Callable[[Any], Any]] = {"int64": int, "float64": float, "str": clean_text}


def clean_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row of Python's own types: what is None left out, text cleaned.

    Raises
    ------
    ValueError
        A column of the contract has a value of another type.
    """
    plain: dict[str, Any] = {}
    for name, value in row.items():
        if value is None:
            continue
        dtype = _ROW_TYPES.get(name)
        try:
            plain[name] = _PYTHON_TYPES[dtype](value) if dtype is not None else _plain_value(value)
            if dtype == "int64":
                np.int64(plain[name])
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"recordings column {name!r}: {value!r} is no {dtype}") from error
    return plain


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    whole = isinstance(value, int) and not -(1 << 63) <= value < 1 << 63
    return value if isinstance(value, bool | int | float) and not whole else clean_text(value)


def frame(payload: bytes) -> bytes:
    """Give the payload with what proves it whole."""
    return _FRAME.pack(MAGIC, len(payload), hashlib.blake2b(payload, digest_size=16).digest()) + payload


def _read_at(stream: Any, offset: int, length: int) -> bytes:
    stream.seek(offset)
    data: bytes = stream.read(length)
    return data


def scan(stream: Any) -> Iterator[Located | str]:
    """Find the whole frames of a segment.

    Parameters
    ----------
    stream : binary file
        Open for reading.

    Yields
    ------
    Located or str
        Each whole payload, and a line about each stretch that is none: the tail that a killed
        process leaves, or damage, after which the search goes on at the next magic.
    """
    size = stream.seek(0, 2)
    offset = 0
    while offset < size:
        payload = _payload_at(stream, offset, size)
        if payload is not None:
            yield payload
            offset = payload.offset + payload.length
            continue
        following = _next_frame(stream, offset + 1, size)
        what = "an unfinished block at the end" if following == size else "a damaged block"
        yield f"{what} is left out ({following - offset} bytes at {offset})"
        offset = following


def _payload_at(stream: Any, offset: int, size: int) -> Located | None:
    head = _read_at(stream, offset, _FRAME.size)
    if len(head) < _FRAME.size:
        return None
    magic, length, digest = _FRAME.unpack(head)
    if magic != MAGIC or length > _LARGEST or offset + _FRAME.size + length > size:
        return None
    payload = _read_at(stream, offset + _FRAME.size, length)
    if hashlib.blake2b(payload, digest_size=16).digest() != digest:
        return None
    return Located(offset + _FRAME.size, length)


def _next_frame(stream: Any, offset: int, size: int) -> int:
    """Give the offset of the next whole frame at or after `offset`, or `size`."""
    step = 1 << 20
    while offset < size:
        data = _read_at(stream, offset, step + len(MAGIC) - 1)
        found = data.find(MAGIC)
        while found >= 0:
            if _payload_at(stream, offset + found, size) is not None:
                return offset + found
            found = data.find(MAGIC, found + 1)
        offset += step
    return size


def encode(block: RecordingBlock) -> bytes:
    """Give the payload of a block.

    Raises
    ------
    ValueError
        A column holds what a catalog cannot store, or detections have no ``detection_id``.
    """
    if len(block.detections) and "detection_id" not in block.detections:
        raise ValueError(f"{block.path}: detections without detection_id cannot be stored")
    arrays: list[bytes] = []
    tables: dict[str, Any] = {"detections": _encode_detections(block.detections, arrays)}
    if block.camera is not None:
        tables["camera"] = _encode_detections(block.camera, arrays)
    row = {
        **clean_row(block.recording),
        "n_detections": len(block.detections),
        "n_accepted": _count_accepted(block.detections),
    }
    header = json.dumps({"recording": row, "summary": dict(block.summary), "tables": tables}, default=_plain)
    text = header.encode("ascii")
    text += b" " * (-len(text) % 8)
    return b"".join([_LENGTH.pack(len(text)), text, *arrays])


def _count_accepted(detections: Detections) -> int:
    return int(np.count_nonzero(detections["accepted"])) if "accepted" in detections else 0


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)


def _encode_detections(detections: Detections, arrays: list[bytes]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "columns": [_encode_array(name, values, arrays) for name, values in detections.columns.items()],
        "tracks": [_encode_array(name, values, arrays) for name, values in detections.tracks.items()],
    }
    if detections.cutouts is not None:
        described["cutouts"] = _encode_array("cutouts", np.asarray(detections.cutouts), arrays)
    return described


def _encode_array(name: str, values: Any, arrays: list[bytes]) -> list[Any]:
    if values.dtype == object:
        return _encode_text(name, values.tolist(), arrays)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"column {name!r} is {values.dtype}; a catalog holds numbers, booleans and text")
    _put(values, arrays)
    return [name, values.dtype.str, list(values.shape)]


def _encode_text(name: str, values: list[str], arrays: list[bytes]) -> list[Any]:
    """Encode text: as it is, or where it recurs each once and the number of each row's."""
    number = {value: i for i, value in enumerate(dict.fromkeys(values))}
    if 2 * len(number) > len(values):
        return [name, "str", [clean_text(value) for value in values]]
    _put(np.fromiter(map(number.__getitem__, values), "<u4", len(values)), arrays)
    return [name, "text", [len(values), [clean_text(value) for value in number]]]


def _put(values: Any, arrays: list[bytes]) -> None:
    data = values.tobytes()
    arrays.append(data)
    if len(data) % 8:
        arrays.append(b"\0" * (-len(data) % 8))


class _Arrays:
    """Takes the arrays of a payload one after the other."""

    def __init__(self, payload: bytes, offset: int) -> None:
        self.payload, self.offset = payload, offset

    def columns(self, described: list[list[Any]]) -> dict[str, Any]:
        return {name: self.take(dtype, what) for name, dtype, what in described}

    def take(self, dtype: str, what: Any) -> Any:
        if dtype == "str":
            text = np.empty(len(what), dtype=object)
            text[:] = what
            return text
        if dtype == "text":
            known = np.empty(len(what[1]), dtype=object)
            known[:] = what[1]
            return known[self.take("<u4", what[:1])]
        kind = np.dtype(dtype)
        count = math.prod(what)
        values = np.frombuffer(self.payload, kind, count, self.offset).reshape(what)
        self.offset += values.nbytes + -values.nbytes % 8
        return values


def header_of(payload: bytes) -> dict[str, Any]:
    """Give the header of a payload alone: the row, the summary, the columns."""
    (length,) = _LENGTH.unpack_from(payload)
    header: dict[str, Any] = json.loads(payload[_LENGTH.size : _LENGTH.size + length])
    return header


class Parts(NamedTuple):
    """The arrays of one kind of detections, as they were written."""

    columns: dict[str, Any]
    tracks: dict[str, Any]
    cutouts: Any


def decode_parts(payload: bytes) -> tuple[dict[str, Any], dict[str, Parts]]:
    """Give the header of a payload, and its arrays by kind (``detections``, ``camera``), unchecked."""
    (length,) = _LENGTH.unpack_from(payload)
    header = header_of(payload)
    arrays = _Arrays(payload, _LENGTH.size + length)
    parts = {}
    for name, described in header["tables"].items():  # in the order in which they were written
        columns = arrays.columns(described["columns"])
        tracks = arrays.columns(described["tracks"])
        parts[name] = Parts(
            columns, tracks, arrays.take(*described["cutouts"][1:]) if "cutouts" in described else None
        )
    return header, parts


def decode(payload: bytes) -> RecordingBlock:
    """Give the block of a payload, as it was given to `encode` (text cleaned, rows counted)."""
    header, parts = decode_parts(payload)
    tables = {name: Detections(*part) for name, part in parts.items()}
    return RecordingBlock(header["recording"], tables["detections"], tables.get("camera"), header["summary"])
