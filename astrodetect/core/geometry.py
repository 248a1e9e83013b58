"""Where things are: cells of a score map, corners of patches, boxes.

Everything that turns one kind of position into another stands here. Arrays are indexed ``[y, x]``,
(0, 0) is the centre of the first pixel, a box is half open and covers the pixels whose centres lie
in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def patch_corners(centres_yx: ArrayLike, size: tuple[int, int]) -> NDArray[np.int64]:
    """Give the corners of patches about centres.

    Parameters
    ----------
    centres_yx : (..., 2) array
        Centres in pixels.
    size : (int, int)
        Height and width of a patch.

    Returns
    -------
    (..., 2) int64 array
        ``floor(c - (s - 1)/2 + 1/2)`` for each axis.

    Examples
    --------
    >>> patch_corners([10.0, 20.0], (5, 4)).tolist()
    [8, 19]
    """
    half = (np.asarray(size, dtype=np.float64) - 1) / 2
    corners: NDArray[np.int64] = np.floor(np.asarray(centres_yx) - half + 0.5).astype(np.int64)
    return corners


def cell_centres(
    indices: ArrayLike, shape: tuple[int, int], stride: tuple[float, float], origin_yx: tuple[float, float]
) -> NDArray[np.float64]:
    """Give the image positions of cells of a score map.

    Parameters
    ----------
    indices : (K,) int array
        Indices into the flat map.
    shape : (int, int)
        Shape of the map.
    stride : (float, float)
        Pixels between cells in y and x.
    origin_yx : (float, float)
        Centre of cell (0, 0) in pixels.

    Returns
    -------
    (K, 2) float64 array
        ``origin_yx + stride * (i, j)``.
    """
    rows, columns = np.unravel_index(np.asarray(indices, dtype=np.int64), shape)
    cells = np.stack([rows, columns], axis=-1).astype(np.float64)
    centres: NDArray[np.float64] = np.asarray(origin_yx) + np.asarray(stride) * cells
    return centres


def tie_order(n: int, first: int = 0) -> NDArray[np.float32]:
    """Give numbers by which cells of equal score are told apart, the same for all maps.

    Multiples of the golden ratio, without their whole part: near cells get different numbers, and the
    highest within some distance of each other lie evenly spread.

    Parameters
    ----------
    n : int
        How many.
    first : int
        Index of the first cell in its flat map.

    Returns
    -------
    (n,) float32 array
        Between 0 and 1.
    """
    ratio = (5**0.5 - 1) / 2
    order: NDArray[np.float32] = ((np.arange(first, first + n) * ratio) % 1.0).astype(np.float32)
    return order


def pixel_box(ys: NDArray[Any], xs: NDArray[Any]) -> tuple[float, float, float, float]:
    """Give the half-open box ``(x_min, y_min, x_max, y_max)`` of pixels.

    Examples
    --------
    >>> pixel_box(np.array([7]), np.array([5]))
    (5.0, 7.0, 6.0, 8.0)
    """
    return float(xs.min()), float(ys.min()), float(xs.max()) + 1.0, float(ys.max()) + 1.0


def clip_box(corner: int, size: int, length: int) -> tuple[slice, slice]:
    """Give where a span lies in an axis, and where in the span that is.

    Parameters
    ----------
    corner, size : int
        First pixel and extent of the span; may lie outside.
    length : int
        Extent of the axis.

    Returns
    -------
    slice, slice
        In the axis, and in the span; both empty where they do not meet.

    Examples
    --------
    >>> clip_box(-2, 5, 10)
    (slice(0, 3, None), slice(2, 5, None))
    """
    first = min(max(corner, 0), length)
    last = max(min(corner + size, length), first)
    return slice(first, last), slice(first - corner, last - corner)


def boxes_overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    """Tell whether two ``(x_min, y_min, x_max, y_max)`` boxes share a pixel."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
