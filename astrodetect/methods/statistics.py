"""Statistics of one tile of frames that a selection network does not give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Pixels at a time in floating point: four rows of them stay in the cache.
_CHUNK = 32768


def first_maximum(
    rows: Sequence[Array], largest: Array, out: Array, scratch: Sequence[NDArray[np.uint8]]
) -> None:
    """Write the index of the first row that has the maximum.

    The index is the number of rows before it: one comparison and two operations on bytes per row.

    Parameters
    ----------
    rows : sequence of T arrays
        Values, of one shape.
    largest : array
        Their maximum.
    out : array
        Integer type that holds T - 1.
    scratch : sequence of at least 2 uint8 arrays
        Rows of at least as many bytes as there are values; longer tiles get their own.
    """
    size, shape = largest.size, largest.shape
    if len(scratch[0]) < size:
        scratch = [np.empty(size, np.uint8) for _ in range(2)]
    before, differs = (row[:size].reshape(shape) for row in scratch[:2])
    flags = differs.view(np.bool_)
    before.fill(1)
    out.fill(0)
    for row in rows[:-1]:
        np.not_equal(row, largest, out=flags)
        np.bitwise_and(before, differs, out=before)
        np.add(out, before, out=out)


def mean_and_std(rows: Sequence[Array], pivot: Array, mean: Array | None, std: Array | None) -> None:
    """Write mean and population standard deviation.

    Sums are taken of the differences to `pivot`, so that float32 serves for values of up to 16 bits.

    Parameters
    ----------
    rows : sequence of T arrays
        Values, of one shape.
    pivot : array
        A value near the mean of each pixel.
    mean, std : float32 array or None
        Where to write.
    """
    small = rows[0].dtype.itemsize <= (4 if rows[0].dtype.kind == "f" else 2)
    kind = np.float32 if small else np.float64
    step = max(1, _CHUNK // max(1, rows[0][:1].size))
    for start in range(0, len(rows[0]), step):
        part = slice(start, start + step)
        centre = pivot[part].astype(kind)
        value = np.empty_like(centre)
        total, squares = np.zeros_like(centre), np.zeros_like(centre)
        for row in rows:
            np.copyto(value, row[part], casting="same_kind")
            np.subtract(value, centre, out=value)
            np.add(total, value, out=total)
            if std is not None:
                np.multiply(value, value, out=value)
                np.add(squares, value, out=squares)
        total /= len(rows)
        if mean is not None:
            np.add(centre, total, out=mean[part], casting="same_kind")
        if std is not None:
            squares /= len(rows)
            np.subtract(squares, np.multiply(total, total, out=total), out=squares)
            np.sqrt(np.maximum(squares, 0, out=squares), out=std[part], casting="same_kind")


def frame_medians(stack: NDArray[np.float32], *, whole: bool = False) -> NDArray[np.float32]:
    """Give the median of each frame, as `numpy.median` in half its time or less.

    Parameters
    ----------
    stack : (T, h, w) float32 array
        Finite.
    whole : bool
        They are whole numbers: then it is faster to count them, if they are not too far apart.

    Returns
    -------
    (T, 1, 1) float32 array
    """
    rows = stack.reshape(len(stack), -1)
    n = rows.shape[1]
    if whole and (counted := _counted_medians(rows)) is not None:
        return counted[:, None, None]
    ordered = np.partition(rows, n // 2, axis=1)
    middle = ordered[:, n // 2]
    if n % 2 == 0:
        middle = (ordered[:, : n // 2].max(axis=1) + middle) / np.float32(2)
    return middle[:, None, None]


def _counted_medians(rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
    lowest = rows.min()
    if rows.max() - lowest >= rows.shape[1]:
        return None
    places = [(rows.shape[1] - 1) // 2, rows.shape[1] // 2]
    out = np.empty((len(rows), 2), np.float32)
    for row, middle in zip(rows - lowest, out, strict=True):
        counts = np.bincount(row.astype(np.intp))
        middle[...] = np.searchsorted(np.cumsum(counts), places, side="right")
    out += lowest
    return (out[:, 0] + out[:, 1]) / np.float32(2)


def frame_percentiles(
    stack: NDArray[np.float32], first: float, second: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give two percentiles of each frame, as `numpy.percentile` in two thirds of its time.

    Parameters
    ----------
    stack : (T, h, w) float32 array
        Finite.
    first, second : float
        Percent, `first` the lower.

    Returns
    -------
    (T, 1, 1), (T, 1, 1) float64 arrays
    """
    rows = stack.reshape(len(stack), -1)
    n = rows.shape[1]
    low, high = (int((n - 1) * (percent / 100)) for percent in (first, second))
    ordered = np.partition(rows, low, axis=1)
    upper = np.partition(ordered[:, low:], high - low, axis=1)
    return _between(ordered, low, n, first), _between(upper, high - low, n, second)


def _between(ordered: NDArray[np.float32], place: int, n: int, percent: float) -> NDArray[np.float64]:
    """Interpolate between the value at its place in sorted order and the next, the lowest behind it."""
    below = ordered[:, place]
    above = ordered[:, place + 1 :].min(axis=1, initial=np.inf) if place + 1 < ordered.shape[1] else below
    part = np.array((n - 1) * (percent / 100) % 1)
    step = above - below
    out = below + step * part if part < 0.5 else above - step * (1 - part)
    return np.asarray(out, np.float64)[:, None, None]


def observed_statistics(values: Array) -> dict[str, Array]:
    """Give the statistics of the finite values of each pixel.

    Parameters
    ----------
    values : (T, N) float array
        NaN and infinities are not observed.

    Returns
    -------
    dict of str to (N,) array
        ``max``, ``argmax``, ``background``, ``image``, ``mean``, ``std``; NaN (``argmax`` 0) where
        there is no finite value.
    """
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    ordered = np.sort(np.where(finite, values, np.nan), axis=0)
    at_least_one = np.maximum(count, 1)

    def ranked(rank: NDArray[np.int64]) -> Array:
        chosen: Array = np.take_along_axis(ordered, rank[None], axis=0)[0]
        return chosen

    largest = ranked(at_least_one - 1)
    middle = (ranked((at_least_one - 1) // 2) + ranked(at_least_one // 2)) / 2
    mean = np.where(finite, values, 0).sum(axis=0, dtype=np.float64) / at_least_one
    squares = (np.where(finite, values - mean, 0) ** 2).sum(axis=0) / at_least_one
    unseen = count == 0
    return {
        "max": largest,
        "argmax": np.argmax(finite & (values == largest), axis=0),
        "background": middle,
        "image": largest - middle,
        "mean": np.where(unseen, np.nan, mean),
        "std": np.where(unseen, np.nan, np.sqrt(squares)),
    }
