"""The light of cells in single frames, compiled: the bits of `astrodetect.methods.bins`.

Of use only with numba (extra ``fast``). A frame is read once, two rows at a time, and what is made of
them stays in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.compiled import compiled, read_only

Array = NDArray[Any]
Floats = NDArray[np.float32]

#: Types of pixels for which there is machine code.
TYPES = ("uint8", "uint16", "int16")


@compiled
def _touch(words: NDArray[np.uint32]) -> int:
    """Bring two rows into the cache, one after the other, as the memory likes to be read.

    Read side by side they arrive at less than half the speed.
    """
    seen = np.uint32(0)
    for i in range(len(words)):
        seen |= words[i]
    return int(seen)


@compiled
def _significance(
    upper: Array, lower: Array, usual: Floats, weight: Floats, ends: tuple[np.float32, np.float32], z: Floats
) -> None:
    """Sum two by two pixels, and give by how much they exceed what is usual."""
    for i in range(len(z)):
        total = np.int32(upper[2 * i]) + np.int32(lower[2 * i])
        total += np.int32(upper[2 * i + 1]) + np.int32(lower[2 * i + 1])
        z[i] = min(max((np.float32(np.int32(total)) - usual[i]) * weight[i], ends[0]), ends[1])


@compiled
def _add_distance(upper: Array, lower: Array, usual: Floats, distance: Floats) -> None:
    for i in range(len(distance)):
        total = np.int32(upper[2 * i]) + np.int32(lower[2 * i])
        total += np.int32(upper[2 * i + 1]) + np.int32(lower[2 * i + 1])
        distance[i] += abs(np.float32(np.int32(total)) - usual[i])


@compiled
def _add(row: Floats, total: Floats) -> None:
    for i in range(len(total)):
        total[i] += row[i]


@compiled
def _highest_squares(one: Floats, other: Floats, highest: Floats) -> None:
    """Compare with the sums of two by two neighbours in two rows; the last of a row has none."""
    n = len(highest) - 1
    one_next, other_next = one[1:], other[1:]
    for i in range(n):
        highest[i] = max(highest[i], (one[i] + one_next[i]) + (other[i] + other_next[i]))
    highest[n] = max(highest[n], one[n] + other[n])


@compiled
def _in_cells(total: Floats, highest: Floats, cell: int, common: Floats, brightest: Floats) -> None:
    """Join columns of a row of cells, from left to right."""
    for number in range(len(common)):
        first = number * cell
        summed, most = total[first], highest[first]
        for i in range(first + 1, min(first + cell, len(total))):
            summed += total[i]
            most = max(most, highest[i])
        common[number] = summed
        brightest[number] = most


@compiled
def light_of_cells(
    frames: Array,
    words: NDArray[np.uint32],
    first: int,
    last: int,
    usual: Floats,
    weight: Floats,
    ends: tuple[np.float32, np.float32],
    cell: int,
    common: Floats,
    brightest: Floats,
) -> int:
    """Give for each cell the sum of its bins, and the highest sum of two by two bins that begin in it.

    Parameters
    ----------
    frames : (T, H, W) array
        C-contiguous, of one of `TYPES`, H and W even.
    words : (T, H / 2, n) uint32 array
        The same memory, see `as_words`.
    first, last : int
        Frames to work on.
    usual, weight : (H / 2, W / 2) arrays
        Sum of two by two pixels of the background, and one over their noise.
    ends : (float32, float32)
        A bin counts from the first to the second.
    cell : int
        Side of a cell in bins.
    common, brightest : (T, h, w) arrays
        Written to.

    Returns
    -------
    int
        Nothing of use: it keeps the compiler from leaving out what only fills the cache.
    """
    height, width = usual.shape
    touched = 0
    z, above, nothing = np.empty(width, np.float32), np.empty(width, np.float32), np.zeros(width, np.float32)
    total, highest = np.empty(width, np.float32), np.empty(width, np.float32)
    for t in range(first, last):
        for row in range(height):
            touched |= _touch(words[t, row])
            above, z = z, above
            _significance(frames[t, 2 * row], frames[t, 2 * row + 1], usual[row], weight[row], ends, z)
            if row:  # squares begin in the row above
                _highest_squares(above, z, highest)
            if row % cell:
                _add(z, total)
                continue
            if row:
                done = row // cell - 1
                _in_cells(total, highest, cell, common[t, done], brightest[t, done])
            total[:] = z
            highest[:] = np.float32(-np.inf)
        _highest_squares(z, nothing, highest)
        _in_cells(total, highest, cell, common[t, -1], brightest[t, -1])
    return touched


@compiled
def distances(
    frames: Array, words: NDArray[np.uint32], chosen: NDArray[np.int64], usual: Floats, total: Floats
) -> int:
    """Add to `total` (H / 2, W / 2) how far the bins of some frames are from usual; see `light_of_cells`."""
    touched = 0
    for t in chosen:
        for row in range(len(usual)):
            touched |= _touch(words[t, row])
            _add_distance(frames[t, 2 * row], frames[t, 2 * row + 1], usual[row], total[row])
    return touched


def as_words(frames: Array) -> tuple[Array, NDArray[np.uint32]]:
    """Give frames (T, H, W) as the functions take them: read only, and two rows each as longer numbers."""
    n, height, width = frames.shape
    given = read_only(frames)
    return given, given.reshape(n, height // 2, 2 * width).view(np.uint32)


def warm_up(dtype: str) -> None:
    """Make or load the machine code for a type of pixel."""
    frames, words = as_words(np.zeros((1, 2, 2), dtype))
    bins, cells = np.zeros((1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    distances(frames, words, np.zeros(1, np.int64), bins, bins.copy())
    light_of_cells(frames, words, 0, 1, bins, bins, (np.float32(0), np.float32(1)), 1, cells, cells.copy())
