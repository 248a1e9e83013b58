"""Cut patches out of full-resolution images."""

from __future__ import annotations

from typing import Any

import numpy as np
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
    (n_images, n_planes, *_), n_patches = images.shape, corners_yx.shape[1]
    out = np.empty((n_images, n_patches, n_planes, *size), images.dtype)
    for image, corners, patches in zip(images, corners_yx, out, strict=True):
        _cut(image, corners, size, patches, outside)
    return out


def _cut(image: Array, corners: Array, size: tuple[int, int], patches: Array, outside: np.generic) -> None:
    """Copy the part of each patch that lies in the image, and fill the rest; no padded image is made."""
    height, width = size
    top, right = image.shape[1] - height, image.shape[2] - width
    for number, (y, x) in enumerate(corners.tolist()):
        if 0 <= y <= top and 0 <= x <= right:
            patches[number] = image[:, y : y + height, x : x + width]
            continue
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
