"""The temporal reduction, compiled: the same planes as the NumPy tier, bit for bit, several times faster.

Of use only with numba (extra ``fast``). Each block of pixels is copied into rows that fit
the cache; groups of 16 rows are sorted in registers, the groups are merged by a table of comparators,
and the middle is taken from the last two sorted lists without merging them. Nothing but the table
depends on the number of frames, so the machine code is made once per type of pixel and kept on disk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.compiled import compiled, read_only
from astrodetect.methods.fast_select import (
    dated_highest_16,
    highest_16,
    lower_32,
    lower_64,
    upper_32,
    upper_64,
)
from astrodetect.methods.fast_sort import P, merge_16, sort_16

Array = NDArray[Any]

#: Types of pixels for which there is machine code.
TYPES = ("uint8", "uint16", "int16", "float32")
#: Longer windows are left to the NumPy tier.
MOST_FRAMES = 65

#: Bytes of each frame that are brought into the cache together.
TOUCHED = 16384


def layout(n_frames: int) -> tuple[int, int, int]:
    """Say how frames fill the rows that are sorted.

    Rows that are left over hold the smallest or the largest value of the type, so many of each that
    the two middle frames are the two middle rows.

    Returns
    -------
    n_rows : int
        16, 32 or 64.
    n_low : int
        Rows below the frames.
    spare : int
        1 if the last frame is in no row, else 0.

    Examples
    --------
    >>> layout(65), layout(63), layout(40), layout(9)
    ((64, 0, 1), (64, 0, 0), (64, 12, 0), (16, 3, 0))
    """
    spare = int(n_frames in (17, 33, 65))
    held = n_frames - spare
    n_rows = next(size for size in (16, 32, 64) if size >= held)
    return n_rows, n_rows // 2 - (held + 1) // 2, spare


@compiled
def _copy_4(frames: Array, t: int, start: int, n: int, rows: Array) -> None:
    one, two = frames[t, start : start + n], frames[t + 1, start : start + n]
    three, four = frames[t + 2, start : start + n], frames[t + 3, start : start + n]
    for i in range(n):
        rows[i] = one[i]
        rows[P + i] = two[i]
        rows[2 * P + i] = three[i]
        rows[3 * P + i] = four[i]


@compiled
def _copy(source: Array, row: Array) -> None:
    for i in range(len(source)):
        row[i] = source[i]


@compiled
def _touch(frames: Array, start: int, stop: int) -> int:
    """Bring a part of all frames into the cache: row by row, as the memory likes to be read.

    The blocks are so short that reading them from so many frames at once would wait for each.
    """
    total = 0
    line = 64 // frames.itemsize
    for t in range(len(frames)):
        source = frames[t]
        for i in range(start, stop, line):
            total += int(source[i])
    return total


@compiled
def _gather(frames: Array, start: int, n: int, rows: Array) -> None:
    """Copy a block of all frames into rows."""
    t = 0
    while t + 4 <= len(frames):
        _copy_4(frames, t, start, n, rows[t * P : (t + 4) * P])
        t += 4
    while t < len(frames):
        _copy(frames[t, start : start + n], rows[t * P : (t + 1) * P])
        t += 1


@compiled
def _take_highest(rows: Array, n_rows: int, highest: Array, when: Array, dated: bool) -> None:
    """Take the maximum of the rows and the spare one; rows without a frame hold the smallest value."""
    highest[:] = rows[n_rows * P : (n_rows + 1) * P]
    if not dated:
        for k in range(0, n_rows, 16):
            highest_16(rows[k * P : (k + 16) * P], highest)
        return
    highest[:] = rows[:P]
    when[:] = 0
    for k in range(0, n_rows, 16):
        dated_highest_16(rows[k * P : (k + 16) * P], highest, when, k)
    spare = rows[n_rows * P : (n_rows + 1) * P]
    last = np.uint8(n_rows)
    for i in range(P):
        when[i] = last if spare[i] > highest[i] else when[i]
        highest[i] = max(highest[i], spare[i])


@compiled
def _take_middle(rows: Array, n_rows: int, both: bool) -> None:
    """Sort, and put the two middle values (or the lower one) into the rows after the spare one."""
    for k in range(0, n_rows, 16):
        sort_16(rows[k * P : (k + 16) * P])
    if n_rows == 16:
        rows[17 * P : 18 * P] = rows[7 * P : 8 * P]
        rows[18 * P : 19 * P] = rows[8 * P : 9 * P]
    elif n_rows == 32:
        lower_32(rows)
        if both:
            upper_32(rows)
    else:
        merge_16(rows[: 32 * P])
        merge_16(rows[32 * P : 64 * P])
        lower_64(rows)
        if both:
            upper_64(rows)


@compiled
def _moments(frames: Array, start: int, stop: int, pivot: Array, total: Array, squares: Array) -> None:
    """Sum differences to the pivot and their squares, in the order and precision of the NumPy tier."""
    n = stop - start
    for i in range(P):
        total[i] = np.float32(0)
        squares[i] = np.float32(0)
    for t in range(len(frames)):
        source = frames[t, start:stop]
        for i in range(n):
            value = np.float32(source[i]) - pivot[i]
            total[i] += value
            squares[i] += value * value


@compiled
def _finish_moments(
    n_frames: int, pivot: Array, total: Array, squares: Array, mean: Array, std: Array
) -> None:
    count = np.float32(n_frames)
    for i in range(len(mean)):
        mean[i] = pivot[i] + total[i] / count
    for i in range(len(std)):
        average = total[i] / count
        std[i] = np.sqrt(max(squares[i] / count - average * average, np.float32(0)))


@compiled
def _not_finite(frames: Array, start: int, stop: int, bad: Array) -> None:
    for i in range(stop - start):
        bad[start + i] = False
    for t in range(len(frames)):
        source = frames[t, start:stop]
        for i in range(stop - start):
            bad[start + i] |= not np.isfinite(source[i])


@compiled
def _middle_of(rows: Array, n_rows: int, spare: int, even: bool, middle: Array) -> None:
    """Write the median of a block, as float32 for an even number of frames."""
    extra = rows[n_rows * P : (n_rows + 1) * P]
    low, high = rows[(n_rows + 1) * P : (n_rows + 2) * P], rows[(n_rows + 2) * P :]
    n = len(middle)
    if spare:
        for i in range(n):
            middle[i] = max(low[i], min(high[i], extra[i]))
    elif even:
        for i in range(n):
            middle[i] = (np.float32(low[i]) + np.float32(high[i])) / np.float32(2)
    else:
        for i in range(n):
            middle[i] = low[i]


@compiled
def _difference(highest: Array, middle: Array, image: Array) -> None:
    for i in range(len(image)):
        image[i] = np.float32(highest[i]) - np.float32(middle[i])


@compiled
def reduce_range(
    frames: Array,
    first: int,
    last: int,
    rows_of: tuple[int, int, int],
    ends: Array,
    largest: Array,
    argmax: NDArray[np.uint8],
    middle: Array,
    image: NDArray[np.float32],
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    bad: NDArray[np.bool_],
) -> int:
    """Reduce a range of pixels; planes of length 0 are not wanted.

    Parameters
    ----------
    frames : (T, N) array
        Frames as rows of pixels.
    first, last : int
        Pixels to work on.
    rows_of : (int, int, int)
        See `layout`.
    ends : (2,) array
        The smallest and the largest value of the type.
    largest, argmax, middle, image, mean, std : (N,) arrays
        Written to.
    bad : (N,) bool array
        Written to, for floating point: pixels that are not finite in some frame.

    Returns
    -------
    int
        Nothing of use: it keeps the compiler from leaving out what only fills the cache.
    """
    n_rows, n_low, spare = rows_of
    rows = np.empty((n_rows + 3) * P, frames.dtype)
    highest = np.zeros(P, frames.dtype)
    when = np.zeros(P, np.uint8)
    pivot, total, squares = np.empty(P, np.float32), np.empty(P, np.float32), np.empty(P, np.float32)
    end = n_low + len(frames) - spare
    even = len(frames) % 2 == 0
    ahead = TOUCHED // frames.itemsize
    rows[:] = ends[0]
    touched = 0
    for start in range(first, last, P):
        stop = min(start + P, last)
        n = stop - start
        if (start - first) % ahead == 0:
            touched += _touch(frames, start, min(start + ahead, last))
        rows[: n_low * P] = ends[0]
        rows[end * P : n_rows * P] = ends[0]
        _gather(frames, start, n, rows[n_low * P :])
        _take_highest(rows, n_rows, highest, when, len(argmax) > 0)
        if len(largest):
            largest[start:stop] = highest[:n]
        if len(argmax):
            for i in range(n):
                argmax[start + i] = max(when[i], n_low) - n_low
        if len(middle):
            rows[end * P : n_rows * P] = ends[1]
            _take_middle(rows, n_rows, even or spare == 1)
            _middle_of(rows, n_rows, spare, even, middle[start:stop])
        if len(image):
            _difference(highest, middle[start:stop], image[start:stop])
        if len(mean) or len(std):
            for i in range(n):
                pivot[i] = np.float32(middle[start + i]) if len(middle) else np.float32(frames[0, start + i])
            _moments(frames, start, stop, pivot, total, squares)
            _finish_moments(len(frames), pivot, total, squares, mean[start:stop], std[start:stop])
        if len(bad):
            _not_finite(frames, start, stop, bad)
    return touched


def reduce_frames(
    frames: Array, out: dict[str, Array], first: int, last: int, bad: NDArray[np.bool_] | None = None
) -> None:
    """Reduce a range of pixels of T frames into planes.

    Parameters
    ----------
    frames : (T, N) array
        C-contiguous, of one of `TYPES`, 2 to `MOST_FRAMES` frames.
    out : dict of str to (N,) array
        Planes to write: ``max``, ``argmax``, ``background``, ``image``, ``mean``, ``std``, of the types that
        `astrodetect.methods.reduction.reduce_window` gives them. ``image`` asks for ``max`` and
        ``background``.
    first, last : int
        Pixels to work on.
    bad : (N,) bool array, optional
        For floating point: where to tell of pixels that are not finite in some frame.
    """
    dtype = frames.dtype
    whole = dtype.kind != "f"
    ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max] if whole else [-np.inf, np.inf], dtype=dtype)
    none: dict[str, Any] = {"max": dtype, "argmax": np.uint8, "background": dtype}
    if len(frames) % 2 == 0:
        none["background"] = np.float32
    planes: tuple[Any, ...] = tuple(
        out[name] if name in out else np.empty(0, none.get(name, np.float32))
        for name in ("max", "argmax", "background", "image", "mean", "std")
    )
    flags = np.empty(0, np.bool_) if bad is None else bad
    arguments: tuple[Any, ...] = (read_only(frames), first, last, layout(len(frames)), ends, *planes, flags)
    reduce_range(*arguments)


def warm_up(dtype: str, n_frames: int) -> None:
    """Make or load the machine code for a type of pixel, for odd or even numbers of frames."""
    n_frames = 2 + n_frames % 2
    middle = dtype if n_frames % 2 else np.float32
    reduce_frames(np.zeros((n_frames, 1), dtype), {"background": np.empty(1, middle)}, 0, 1)
