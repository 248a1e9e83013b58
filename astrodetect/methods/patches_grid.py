"""Cut the patches of a whole grid, a line of it at a time: every cell of a score map, say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from astrodetect.core.geometry import clip_box
from astrodetect.methods.patches import check_arguments, fill_value

Array = NDArray[Any]


def grid_patches(
    image: Array, rows: Array, columns: Array, size: tuple[int, int], fill: float = 0
) -> Iterator[Array]:
    """Cut patches at all crossings of some rows and columns.

    Memory beyond the image is one strip of it and the patches of one line of the grid, whatever the
    number of lines; the order of reading is that of memory.

    Parameters
    ----------
    image : (C, H, W) array
        Any type and layout.
    rows, columns : (m,), (n,) int arrays
        First row, and first column, of the patches; may be negative or beyond the image.
    size : (int, int)
        Height h and width w of a patch.
    fill : float
        Value of pixels outside the image; the type of the image must hold it.

    Yields
    ------
    (n, C, h, w) array
        The patches of one line of the grid. Its memory is used again for the next: copy what is to stay.

    Raises
    ------
    ValueError
        Shapes do not fit, rows or columns are no integers, or the type cannot hold `fill`.

    Examples
    --------
    >>> image = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    >>> rows, columns = np.array([0, 2]), np.array([-1, 2])
    >>> [line[:, 0].tolist() for line in grid_patches(image, rows, columns, (1, 2), fill=9)]
    [[[[9, 0]], [[2, 3]]], [[[9, 8]], [[10, 11]]]]
    """
    rows, columns = np.asarray(rows), np.asarray(columns)
    if image.ndim != 3 or rows.ndim != 1 or columns.ndim != 1:
        raise ValueError(
            f"expected an image (C, H, W), rows (m,) and columns (n,),"
            f" not {image.shape}, {rows.shape} and {columns.shape}"
        )
    for places in (rows, columns):
        check_arguments(image[None], np.broadcast_to(places[:, None], (len(places), 2))[None], size)
    return _lines(image, rows, columns, size, fill_value(fill, image.dtype))


def _lines(
    image: Array, rows: Array, columns: Array, size: tuple[int, int], outside: np.generic
) -> Iterator[Array]:
    (n_planes, n_rows, n_columns), (height, width) = image.shape, size
    first = int(columns.min()) if len(columns) else 0
    span = (int(columns.max()) if len(columns) else 0) - first + width
    strip = np.full((n_planes, height, span), outside, image.dtype)
    inside, strip_columns = clip_box(first, span, n_columns)
    windows = sliding_window_view(strip, width, axis=2)
    step = np.unique(np.diff(columns))
    even = len(step) == 1 and step[0] > 0
    chosen = slice(None, None, int(step[0])) if even else columns - first
    patches = np.empty((len(columns), n_planes, height, width), image.dtype)
    for row in rows.tolist():
        there, strip_rows = clip_box(row, height, n_rows)
        if there.stop - there.start < height:
            strip.fill(outside)
        if there.start < there.stop and inside.start < inside.stop:
            strip[:, strip_rows, strip_columns] = image[:, there, inside]
        if len(columns):
            np.copyto(patches, windows[:, :, chosen].transpose(2, 0, 1, 3))
        yield patches
