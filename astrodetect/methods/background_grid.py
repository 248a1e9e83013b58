"""The background of an image that is not whole in memory: on a grid, made band by band."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
#: A box of which this share or less is left after clipping is filled from its neighbours.
_LEAST = 0.2


@dataclass(frozen=True)
class BackgroundGrid:
    """Background and noise of an image at the centres of boxes.

    Between the centres hold bicubic splines, beyond the outermost their values.

    Attributes
    ----------
    levels, noises : (h, w) float array
        Of the boxes.
    side : int
        Of a box (px).
    shape : (int, int)
        Of the image.
    """

    levels: NDArray[Any]
    noises: NDArray[Any]
    side: int
    shape: tuple[int, int]

    def background(self, rows: slice, columns: slice) -> Floats:
        """Give the background (h, w) float32 of a part of the image."""
        return self._at(self._splines[0], rows, columns)

    def noise(self, rows: slice, columns: slice) -> Floats:
        """Give the standard deviation (h, w) float32 of a part of the image, no less than of any box."""
        return np.maximum(self._at(self._splines[1], rows, columns), np.float32(self.noises.min()))

    def _at(self, spline: Any, rows: slice, columns: slice) -> Floats:
        places = []
        for cut, centres in zip((rows, columns), self._centres, strict=True):
            places.append(np.clip(np.arange(cut.start, cut.stop), centres[0], centres[-1]))
        return np.asarray(spline(*places), dtype=np.float32)

    @property
    def _centres(self) -> list[NDArray[np.float64]]:
        return [(np.arange(n, dtype=np.float64) + 0.5) * self.side - 0.5 for n in self.levels.shape]

    @cached_property
    def _splines(self) -> tuple[Any, Any]:
        return _spline(self._centres, self.levels), _spline(self._centres, self.noises)


def _spline(centres: list[NDArray[np.float64]], values: NDArray[Any]) -> Any:
    from scipy.interpolate import RectBivariateSpline

    # A spline needs two places: an axis of one box is given the same value at both ends of it.
    for axis, places in enumerate(centres):
        if len(places) == 1:
            centres = [*centres[:axis], np.array([places[0] - 0.5, places[0] + 0.5]), *centres[axis + 1 :]]
            values = np.repeat(values, 2, axis=axis)
    degrees = [min(3, len(places) - 1) for places in centres]
    return RectBivariateSpline(*centres, values, kx=degrees[0], ky=degrees[1], s=0)


def background_grid(plane: Any, mask: Any = None, *, side: int, band: int = 8) -> BackgroundGrid:
    """Estimate background and noise on boxes, reading the image once in bands.

    Parameters
    ----------
    plane : (H, W) array or lazy plane
        Any numeric type, cut as ``plane[y0:y1, x0:x1]``; NaN and infinities are ignored.
    mask : (H, W) bool array or lazy plane, optional
        True = ignore.
    side : int
        Of a box (px), at most that of the image.
    band : int
        Rows of boxes that are in memory at a time.

    Returns
    -------
    BackgroundGrid
        Zeros where there is no pixel to estimate from.

    Notes
    -----
    The values are those of photutils' ``Background2D`` with boxes of that side, ``exclude_percentile=80``
    and a 3 x 3 median filter: sigma-clipped mode and standard deviation of each box (Bertin & Arnouts 1996,
    A&AS 117, 393), boxes with too few pixels by inverse distance from their neighbours.
    """
    height, width = plane.shape
    levels, noises = [], []
    for top in range(0, height, band * side):
        # Narrow enough that memory does not follow the width of the image.
        parts = [
            _box_statistics(plane, mask, slice(top, min(top + band * side, height)), columns, side)
            for columns in _columns(width, side)
        ]
        levels.append(np.concatenate([part[0] for part in parts], axis=1))
        noises.append(np.concatenate([part[1] for part in parts], axis=1))
    grids = [_smoothed(np.concatenate(values)) for values in (levels, noises)]
    return BackgroundGrid(grids[0], grids[1], side, (height, width))


def _columns(width: int, side: int) -> Iterator[slice]:
    step = max(1, 4096 // side) * side
    return (slice(left, min(left + step, width)) for left in range(0, width, step))


def _box_statistics(
    plane: Any, mask: Any, rows: slice, columns: slice, side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give mode and deviation of the boxes of a part; NaN where too little is left of one."""
    from astropy.stats import SigmaClip
    from astropy.utils.exceptions import AstropyUserWarning
    from photutils.background import SExtractorBackground, StdBackgroundRMS

    values = np.asarray(plane[rows, columns], dtype=np.float32)
    values = np.where(np.isfinite(values), values, np.float32(np.nan))
    if mask is not None:
        values[np.asarray(mask[rows, columns])] = np.nan
    down, right = (-(-length // side) for length in values.shape)
    padded = np.full((down * side, right * side), np.float32(np.nan))
    padded[: values.shape[0], : values.shape[1]] = values
    boxes = padded.reshape(down, side, right, side).swapaxes(1, 2).reshape(down, right, side * side)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", AstropyUserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        clipped = SigmaClip(sigma=3.0, maxiters=10)(boxes, axis=-1, masked=False, copy=False)
        level = np.array(SExtractorBackground(sigma_clip=None)(clipped, axis=-1), dtype=np.float32)
        noise = np.array(StdBackgroundRMS(sigma_clip=None)(clipped, axis=-1), dtype=np.float32)
    few = np.count_nonzero(np.isfinite(clipped), axis=-1) <= _LEAST * side * side
    level[few] = noise[few] = np.nan
    return level, noise


def _smoothed(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Fill boxes without a value from their neighbours, then take the median of 3 x 3."""
    from scipy.ndimage import generic_filter

    known = np.isfinite(values)
    if not known.any():
        return np.zeros(values.shape)
    filled = values.astype(np.float64)
    if not known.all():
        from photutils.utils import ShepardIDWInterpolator

        nearest = ShepardIDWInterpolator(np.argwhere(known), values[known])
        filled[~known] = nearest(np.argwhere(~known), n_neighbors=10, power=1.0)
    median = generic_filter(filled, np.nanmedian, size=3, mode="constant", cval=np.nan)
    return np.asarray(median, dtype=np.float64)
