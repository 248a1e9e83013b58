"""Cut patches out of full-resolution images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from astrodetect.core.geometry import clip_box

Array = NDArray[Any]


def extract_patches(images: Array, corners_yx: Array, size: tuple[int, int], fill: float = 0) -> Array:
    """Cut K patches out of each of B images.

    Parameters
    ----------
    images : (B, C, H, W) array
        Any type and layout.
    corners_yx : (B, K, 2) int array
        First pixel of each patch, in y and x; may be negative or beyond the image.
    size : (int, int)
        Height h and width w of a patch.
    fill : float
        Value of pixels outside the image; the type of the images must hold it.

    Returns
    -------
    (B, K, C, h, w) array
        A copy of the pixels, in the type of the images.

    Raises
    ------
    ValueError
        Shapes do not fit, corners are no integers, or the type cannot hold `fill`.

    Examples
    --------
    >>> image = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3)
    >>> extract_patches(image, np.array([[[-1, 1]]]), (2, 2), fill=9)[0, 0, 0].tolist()
    [[9, 9], [1, 2]]
    """
    check_arguments(images, corners_yx, size)
    outside = fill_value(fill, images.dtype)
    corners_yx = corners_yx.astype(np.int64, copy=False)
    last = np.array(images.shape[2:]) - size
    inside = np.all((corners_yx >= 0) & (corners_yx <= last), axis=-1)
    if last.min() >= 0:
        out = _cut_inside(images, np.clip(corners_yx, 0, last), size)
    else:
        out = np.empty((*corners_yx.shape[:2], images.shape[1], *size), images.dtype)
    for number in np.flatnonzero(~inside.all(axis=1)):
        edge = np.flatnonzero(~inside[number])
        _cut_at_edges(images[number], corners_yx[number, edge], size, out[number], edge, outside)
    return out


def _cut_inside(images: Array, corners_yx: Array, size: tuple[int, int]) -> Array:
    """Cut patches that lie in their images, all at once."""
    # Every patch of every image is a view (B, H - h + 1, W - w + 1, C, h, w): pick some of them.
    batch, plane, row, column = images.strides
    n_images, n_planes, height, width = images.shape
    shape = (n_images, height - size[0] + 1, width - size[1] + 1, n_planes, *size)
    windows = as_strided(images, shape, (batch, row, column, plane, row, column), writeable=False)
    return windows[np.arange(n_images)[:, None], corners_yx[..., 0], corners_yx[..., 1]]


def _cut_at_edges(
    image: Array, corners: Array, size: tuple[int, int], patches: Array, numbers: Array, outside: np.generic
) -> None:
    """Copy the part of each patch that lies in the image, and fill the rest; no padded image is made."""
    height, width = size
    for number, (y, x) in zip(numbers.tolist(), corners.tolist(), strict=True):
        rows, patch_rows = clip_box(y, height, image.shape[1])
        columns, patch_columns = clip_box(x, width, image.shape[2])
        patch = patches[number]
        patch.fill(outside)
        if rows.start < rows.stop and columns.start < columns.stop:
            patch[:, patch_rows, patch_columns] = image[:, rows, columns]


def fill_value(fill: float, dtype: np.dtype[Any]) -> np.generic:
    """Give `fill` in a type.

    Raises
    ------
    ValueError
        The type cannot hold it.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        value: np.generic = np.full(1, fill).astype(dtype)[0]
    if dtype.kind in "uib" and float(value) != fill:
        raise ValueError(f"fill = {fill:g} outside the frame: pixels of type {dtype} cannot hold it")
    return value


def check_arguments(images: Array, corners_yx: Array, size: tuple[int, int]) -> None:
    """Refuse images, corners and sizes that do not fit.

    Raises
    ------
    ValueError
        Saying what does not.
    """
    if images.ndim != 4:
        raise ValueError(f"images must be (B, C, H, W), not {images.shape}")
    if corners_yx.ndim != 3 or corners_yx.shape[0] != len(images) or corners_yx.shape[2] != 2:
        raise ValueError(f"corners must be (B, K, 2) with B = {len(images)}, not {corners_yx.shape}")
    if corners_yx.dtype.kind not in "iu":
        raise ValueError(
            f"corners must be integers, not {corners_yx.dtype}: they are first pixels, not centres"
        )
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"a patch needs a height and a width of at least 1, not {size}")
