"""The index of a catalog: what lets a reader skip chunks, and read text without reading every text.

``/index/<table>`` has the attribute ``chunk_rows`` and, of each column of numbers, the least and the
largest value in each chunk of so many rows, NaN left out. Of a column of text with few different
values it has ``values`` and ``codes``: the number of each row's text among them; of the labels of
detections also ``tally``: how many rows with each were not accepted, and how many were. The index may be
missing, in whole or in part (older catalogs, text without repetition); readers then read more.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np


def is_text(dataset: Any) -> bool:
    """Tell whether a column holds text."""
    return h5py.check_string_dtype(dataset.dtype) is not None


def _entry(dataset: Any) -> Any:
    return dataset.file.get(f"index{dataset.name}")


def codes_of(dataset: Any) -> tuple[Any, Any] | None:
    """Give the codes (dataset) and the values (object array) of a column of text, or None."""
    group = _entry(dataset)
    if not isinstance(group, h5py.Group) or "codes" not in group or "values" not in group:
        return None
    codes = group["codes"]
    if codes.shape != dataset.shape:
        return None
    return codes, group["values"].asstr(errors="surrogateescape")[...]


def tally_of(dataset: Any) -> dict[str, tuple[int, int]] | None:
    """Give how many rows with each text were not accepted, and how many were; None if not counted."""
    group = _entry(dataset)
    if not isinstance(group, h5py.Group) or "tally" not in group or "values" not in group:
        return None
    counts, values = group["tally"][...], group["values"].asstr(errors="surrogateescape")[...]
    if counts.shape != (len(values), 2) or counts.sum() != len(dataset):
        return None
    return {value: (int(no), int(yes)) for value, (no, yes) in zip(values, counts.tolist(), strict=True)}


def read_column(dataset: Any, rows: Any = ...) -> Any:
    """Give a column, or some rows of it; text as an object array of str.

    Of a large table text is read by its codes; of a small one as it is, since there somebody may have
    changed it in place.

    Parameters
    ----------
    dataset : h5py.Dataset
        The column.
    rows : slice or Ellipsis
        Which rows.
    """
    if not is_text(dataset):
        return dataset[rows]
    coded = codes_of(dataset) if "heap" in (_entry(dataset) or ()) else None
    if coded is None:
        return dataset.asstr(errors="surrogateescape")[rows]
    codes, values = coded
    return values[codes[rows]] if len(values) else np.empty(0, dtype=object)


def chunk_rows(dataset: Any) -> int:
    """Give the rows per chunk of a table, by one of its columns."""
    group = _entry(dataset)
    if group is not None and (rows := int(group.parent.attrs.get("chunk_rows", 0))) > 0:
        return rows
    return int(dataset.chunks[0]) if dataset.chunks else max(1, len(dataset))


def extremes_of(dataset: Any) -> Any:
    """Give least and largest value (n_chunks, 2) of a column of numbers by chunk, or None."""
    found = _entry(dataset)
    n_chunks = -(-len(dataset) // chunk_rows(dataset))
    if not isinstance(found, h5py.Dataset) or found.shape != (n_chunks, 2):
        return None
    return found[...]


def read_rows(dataset: Any, rows: Any) -> Any:
    """Give some rows of a column; only the chunks that hold them are read.

    Parameters
    ----------
    dataset : h5py.Dataset
        The column.
    rows : (n,) int64 array
        Rising.
    """
    size = chunk_rows(dataset)
    if not len(rows):
        return read_column(dataset, slice(0, 0))
    chunks = rows // size
    # one reading for each run of chunks without a gap
    bounds = np.flatnonzero(np.diff(chunks) > 1) + 1
    parts = []
    for part in np.split(rows, bounds):
        start, stop = int(part[0]), int(part[-1]) + 1
        values = read_column(dataset, slice(start, stop))
        parts.append(values if len(part) == stop - start else values[part - start])
    return np.concatenate(parts) if len(parts) > 1 else parts[0]
