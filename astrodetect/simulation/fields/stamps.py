"""Gaussians drawn in small squares about their centres, many at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Sources are cut off between so many deviations: at the first, 3e-4 of the flux lies beyond.
_NEAREST, _FARTHEST = 4.0, 7.0
#: ... where they are below this part of the smallest value that matters.
_NEGLIGIBLE = 0.02
#: Pixels drawn at once, which bounds the memory.
_AT_ONCE = 1 << 21


def add_gaussians(
    image: NDArray[Any],
    x: ArrayLike,
    y: ArrayLike,
    peak: ArrayLike,
    moments: ArrayLike,
    faintest: float = 0.0,
) -> None:
    """Add elliptical Gaussians to an image, with the values that they have at the centres of pixels.

    Parameters
    ----------
    image : (H, W) float array, contiguous
        Changed in place.
    x, y : (n,) array
        Centres; (0, 0) is the centre of the first pixel. They may lie outside.
    peak : (n,) array
        Values at the centres.
    moments : (n, 3) array
        As `astrodetect.methods.ellipses.moments_of` gives them; from a deviation of 0.8 pixels on, the sum
        over pixels is the integral to 1 part in a million.
    faintest : float
        Value that matters, such as the noise: sources reach as far as they are more than 2 % of it, at
        least 4 deviations and at most 7. 0: 7 deviations.

    Notes
    -----
    The squares come in a few sizes, and those of one size are computed together.
    """
    x, y, peak = (np.atleast_1d(np.asarray(values, float)) for values in (x, y, peak))
    moments = np.asarray(moments, float).reshape(-1, 3)
    reach = _reach(peak, moments, faintest)
    height, width = image.shape
    inside = (x > -reach - 1) & (x < width + reach) & (y > -reach - 1) & (y < height + reach) & (peak != 0)
    for radius in np.unique(reach[inside]):
        rows = np.flatnonzero(inside & (reach == radius))
        step = max(1, _AT_ONCE // int(2 * radius + 1) ** 2)
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            _add(image, x[part], y[part], peak[part], moments[part], int(radius))


def _reach(peak: NDArray[Any], moments: NDArray[Any], faintest: float) -> NDArray[np.int64]:
    """Give half sides of squares: all whole numbers to 8, then every quarter of a power of two."""
    if faintest > 0:
        ratio = np.maximum(np.abs(peak) / (_NEGLIGIBLE * faintest), 1.0)
        sigmas = np.clip(np.sqrt(2 * np.log(ratio)), _NEAREST, _FARTHEST)
    else:
        sigmas = np.full(len(peak), _FARTHEST)
    exact = sigmas * np.sqrt(moments[:, :2].max(axis=1)) + 0.5
    step = 2.0 ** np.maximum(np.floor(np.log2(exact)) - 2, 0)
    return np.asarray(np.ceil(exact / step) * step, np.int64)


def _add(
    image: NDArray[Any],
    x: NDArray[Any],
    y: NDArray[Any],
    peak: NDArray[Any],
    moments: NDArray[Any],
    radius: int,
) -> None:
    height, width = image.shape
    offsets = np.arange(-radius, radius + 1)
    columns = np.rint(x).astype(np.int64)[:, None] + offsets
    rows = np.rint(y).astype(np.int64)[:, None] + offsets
    dx, dy = (columns - x[:, None]).astype(np.float32), (rows - y[:, None]).astype(np.float32)
    xx, yy, xy = moments.T
    scale = (-0.5 / (xx * yy - xy**2)).astype(np.float32)[:, None]
    along_x = scale * yy.astype(np.float32)[:, None] * dx**2
    along_y = (
        scale * xx.astype(np.float32)[:, None] * dy**2 + np.log(np.abs(peak)).astype(np.float32)[:, None]
    )
    along_x[(columns < 0) | (columns >= width)] = -np.inf
    along_y[(rows < 0) | (rows >= height)] = -np.inf
    stamps = (-2 * scale * xy.astype(np.float32)[:, None] * dy)[:, :, None] * dx[:, None, :]
    stamps += along_y[:, :, None]
    stamps += along_x[:, None, :]
    np.exp(stamps, out=stamps)
    stamps *= np.sign(peak).astype(np.float32)[:, None, None]
    places = np.clip(rows, 0, height - 1)[:, :, None] * width + np.clip(columns, 0, width - 1)[:, None, :]
    np.add.at(image.reshape(-1), places.ravel(), stamps.ravel())
