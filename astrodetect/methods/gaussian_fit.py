"""Fit elliptical Gaussians to all sources of an image together: the last word on flux, axes, angle and place.

In the map of an interferometer sources and noise are smoothed by the same beam. Divided by the beam in the
Fourier plane the noise is white, and least squares have the best weights that there are (generalised least
squares): axes and angles of sources no larger than the beam come out far better than from the pixels as they
are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.methods.ellipses import axes_of, moments_of

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]

#: Side of the square in which a source is fitted (px); what has a longer axis than this part of it is not.
_SIDE, _LONGEST = 28, 0.4
#: Largest step of x, y (px), flux (part of it), and second moments (square px).
_LARGEST = np.array([0.5, 0.5, 0.5, 1.0, 1.0, 1.0])
#: Least moments of a source before convolution, square px: a point has no angle.
_POINT = 0.005
#: Least transfer of the beam that is divided by; below, rounding of the pixels would be all that is seen.
_TRANSFER = 0.003
#: Sources that are computed at once: bounds the memory.
_BATCH = 512


class Shapes(NamedTuple):
    """Sources: centres (px), fluxes (sum of pixels), axes as seen (FWHM, px), angles (degrees, +x to +y)."""

    x: FloatArray
    y: FloatArray
    flux: FloatArray
    major: FloatArray
    minor: FloatArray
    theta: FloatArray


@dataclass(frozen=True)
class GaussianFit:
    """Elliptical Gaussians convolved with a beam, fitted to an image.

    All sources move at once, each by a Gauss-Newton step in a square about it; where several share the light
    of a pixel, each sees the part of what is left over that is its own (the separable bounds of De Pierro
    1995, IEEE Trans. Med. Imaging 14, 132), so that no step makes the fit of blended sources worse.

    Parameters
    ----------
    beam : (float, float, float)
        Major and minor full width at half maximum (px) and angle (degrees from +x towards +y).
    sharpen : bool
        The noise is as smooth as the beam: divide image and sources by it. False: the noise is white.
    steps : int
        Steps of the fit.
    allowed : tuple of float
        By how much values may differ from the start where pixels say nothing (deviation of a prior): x and y
        (px), flux (part of it), moments (square px).
    """

    beam: tuple[float, float, float]
    sharpen: bool = True
    steps: int = 8
    allowed: tuple[float, float, float] = (0.7, 0.4, 0.4)

    def __call__(self, image: ArrayLike, start: Shapes) -> tuple[Shapes, FloatArray]:
        """Fit.

        Parameters
        ----------
        image : (H, W) array
            Background taken away. Where it is no number, nothing is fitted.
        start : Shapes
            Where to begin: all sources of the image.

        Returns
        -------
        shapes : Shapes
            As `start` for what cannot be fitted: values that are not known, very large sources, no pixels.
        snr : (n,) float64 array
            Fluxes over their errors if all else is known, neighbours left out of account; NaN if the values
            are not known.
        """
        pixels = np.pad(np.asarray(image, np.float64), _SIDE, mode="reflect")
        seen = np.isfinite(pixels)
        values, rows = self._start(start, seen)
        data, noise = self._whitened(pixels, seen)
        snr = self._snr_of_large(start, noise)
        if not len(rows):
            return start, snr
        values[:, 2] /= noise
        first = values.copy()
        for _ in range(self.steps):
            values = self._step(values, first, data / noise, seen)
        for part in _parts(len(values)):
            light = self._squares(values[part], 1)[0]
            snr[rows[part]] = np.sqrt(np.square(light).sum(axis=(1, 2, 3)))
        values[:, 2] *= noise
        return _merged(start, rows, values, moments_of(*self.beam)), snr

    def _snr_of_large(self, shapes: Shapes, noise: float) -> FloatArray:
        """Give fluxes over their errors for sources that are much larger than a pixel."""
        beam = moments_of(*self.beam) if self.sharpen else 0.0
        moments = moments_of(shapes.major, shapes.minor, np.nan_to_num(shapes.theta)) - beam
        xx, yy, xy = _possible(moments).T
        return np.asarray(shapes.flux / noise / np.sqrt(4 * np.pi * np.sqrt(xx * yy - xy**2)))

    def _start(self, start: Shapes, seen: NDArray[np.bool_]) -> tuple[FloatArray, NDArray[np.int64]]:
        """Give x, y, flux and moments before convolution of what is to be fitted (n, 6), and their rows."""
        known = np.isfinite(np.stack(start)[:5]).all(axis=0)
        at = [np.clip(np.round(np.nan_to_num(v)).astype(int) + _SIDE, 0, n - 1)
              for v, n in zip((start.y, start.x), seen.shape, strict=True)]  # fmt: skip
        good = known & (np.nan_to_num(start.major) <= _LONGEST * _SIDE) & (start.flux > 0)
        rows = np.flatnonzero(good & seen[at[0], at[1]])
        own = Shapes(*(column[rows] for column in start))
        moments = moments_of(own.major, own.minor, np.nan_to_num(own.theta)) - moments_of(*self.beam)
        return np.concatenate([np.stack(own[:3], axis=1), _possible(moments)], axis=1), rows

    def _whitened(self, pixels: FloatArray, seen: NDArray[np.bool_]) -> tuple[FloatArray, float]:
        """Give the image that is fitted, 0 where there is none, and the deviation of its noise."""
        from scipy import ndimage

        flat = self._divided(np.where(seen, pixels, 0.0))
        if self.sharpen and not seen.all():
            seen &= ~ndimage.binary_dilation(~seen, iterations=_SIDE // 2)
        inside = flat[_SIDE:-_SIDE, _SIDE:-_SIDE][seen[_SIDE:-_SIDE, _SIDE:-_SIDE]]
        noise = 1.4826 * float(np.median(np.abs(inside))) if inside.size else 0.0
        return np.where(seen, flat, 0.0), noise or 1.0

    def _divided(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Give images (..., H, W) divided by the beam, or as they are."""
        if not self.sharpen:
            return pixels
        from scipy import fft

        height, width = pixels.shape[-2:]
        fx, fy = np.fft.rfftfreq(width), np.fft.fftfreq(height)[:, None]
        xx, yy, xy = moments_of(*self.beam)
        passed = np.exp(-2 * np.pi**2 * (xx * fx**2 + yy * fy**2 + 2 * xy * fx * fy))
        spectrum = fft.rfft2(pixels)
        spectrum *= (passed / (passed**2 + _TRANSFER**2)).astype(pixels.dtype)
        return np.asarray(fft.irfft2(spectrum, (height, width)))

    def _squares(self, values: FloatArray, n: int = 7) -> tuple[SingleArray, NDArray[np.int64]]:
        """Give the light of sources and its six derivatives, the first `n` of them, in squares about them.

        Returns
        -------
        squares : (n_sources, n, side, side) float32 array
            Divided by the beam; the derivative by the flux is that by its logarithm.
        corner : (n_sources, 2) int64 array
            Column and row of their first pixels in the padded image.
        """
        corner = np.round(values[:, :2]).astype(np.int64) - _SIDE // 2
        along = np.arange(_SIDE) + (corner - values[:, :2])[:, :, None]
        dx, dy = along[:, 0, None, :], along[:, 1, :, None]
        xx, yy, xy = (
            (values[:, 3 + k] + beam)[:, None, None] for k, beam in enumerate(moments_of(*self.beam))
        )
        det = xx * yy - xy**2
        u, v = (yy * dx - xy * dy) / det, (xx * dy - xy * dx) / det
        light = values[:, 2, None, None] * np.exp(-(u * dx + v * dy) / 2) / (2 * np.pi * np.sqrt(det))
        made = [light]
        if n > 1:
            made += [u * light, v * light, light, (u * u - yy / det) / 2 * light,
                     (v * v - xx / det) / 2 * light, (u * v + xy / det) * light]  # fmt: skip
        return self._divided(np.stack(made, axis=1).astype(np.float32)), corner + _SIDE

    def _step(
        self, values: FloatArray, first: FloatArray, data: FloatArray, seen: NDArray[np.bool_]
    ) -> FloatArray:
        """Give the values after a step; pixels and fluxes are in units of the noise."""
        model, total = np.zeros(data.size), np.full(data.size, 1e-9)
        for part in _parts(len(values)):
            squares, corner = self._squares(values[part], 1)
            light, pixels = squares.ravel(), _pixels(corner, data.shape[1]).ravel()
            model += np.bincount(pixels, light, data.size)
            total += np.bincount(pixels, np.abs(light), data.size)
        left = np.where(seen.ravel(), data.ravel() - model, 0.0).astype(np.float32)
        moved = values.copy()
        for part in _parts(len(values)):
            squares, corner = self._squares(values[part])
            pixels = _pixels(corner, data.shape[1])
            share = np.maximum(np.abs(squares[:, 0]) / total[pixels], 1e-3).astype(np.float32)
            slopes = np.where(seen.ravel()[pixels][:, None], squares[:, 1:], 0.0).reshape(len(corner), 6, -1)
            moved[part] = self._moved(values[part], first[part], slopes, share, left[pixels])
        return moved

    def _moved(
        self,
        values: FloatArray,
        first: FloatArray,
        slopes: SingleArray,
        share: SingleArray,
        left: SingleArray,
    ) -> FloatArray:
        """Give the values of sources after a step from slopes (n, 6, pixels) and what is left over."""
        place, flux, shape = self.allowed
        prior = np.array([place, place, flux, shape, shape, shape]) ** -2.0
        away = values - first
        away[:, 2] = np.log(values[:, 2] / first[:, 2])
        weighted = slopes / share.reshape(len(values), 1, -1)
        curvature = weighted @ slopes.swapaxes(1, 2) + np.diag(prior)
        pull = (slopes @ left.reshape(len(values), -1, 1))[:, :, 0] - prior * away
        step = np.linalg.solve(curvature, pull[:, :, None])[:, :, 0]
        step = np.clip(step, -_LARGEST, _LARGEST)
        moved: FloatArray = values + step
        moved[:, 2] = values[:, 2] * np.exp(step[:, 2])
        moved[:, 3:] = _possible(moved[:, 3:])
        return moved


def fitted(columns: Mapping[str, Any], image: ArrayLike, beam: Sequence[float]) -> dict[str, FloatArray]:
    """Fit sources of a table in an image whose noise is as smooth as its beam.

    Parameters
    ----------
    columns : mapping of str to (n,) array
        With ``x, y, flux, major, minor, theta`` as in `Shapes`.
    image : (H, W) array
        Background taken away; NaN where it is to be ignored.
    beam : (float, float, float)
        As in `GaussianFit`.

    Returns
    -------
    dict
        The same columns after the fit, and ``snr``.
    """
    major, minor, theta = beam
    start = Shapes(*(np.asarray(columns[name], np.float64) for name in Shapes._fields))
    shapes, snr = GaussianFit((major, minor, theta))(image, start)
    return {**shapes._asdict(), "snr": snr}


def check_beam(beam: Sequence[float]) -> None:
    """Refuse what is no beam.

    Raises
    ------
    ValueError
        Neither empty nor major axis, minor axis and angle.
    """
    if beam and not (len(beam) == 3 and 0 < beam[1] <= beam[0]):
        raise ValueError(
            f"fit_beam is {list(beam)}; expected major and minor full width at half maximum (pixels) and "
            "angle (degrees), or nothing"
        )


def _parts(n: int) -> list[slice]:
    return [slice(first, first + _BATCH) for first in range(0, n, _BATCH)]


def _pixels(corner: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Give the numbers (n, side, side) of the pixels of squares in an image, row by row."""
    side = np.arange(_SIDE)
    return np.asarray((corner[:, 1, None, None] + side[:, None]) * width + corner[:, 0, None, None] + side)


def _possible(own: FloatArray) -> FloatArray:
    """Give the nearest second moments (n, 3) that a source can have."""
    mean, half = (own[:, 0] + own[:, 1]) / 2, np.hypot((own[:, 0] - own[:, 1]) / 2, own[:, 2])
    low, high = np.maximum(mean - half, _POINT), np.maximum(mean + half, _POINT)
    shrink = (high - low) / 2 / np.maximum(half, 1e-12)
    columns = (own[:, 0] - mean) * shrink, (own[:, 1] - mean) * shrink, own[:, 2] * shrink
    middle = (high + low) / 2
    return np.stack([middle + columns[0], middle + columns[1], columns[2]], axis=1)


def _merged(start: Shapes, rows: NDArray[np.int64], values: FloatArray, beam: FloatArray) -> Shapes:
    """Give the shapes at the start with those rows replaced by what was fitted."""
    fitted = *values[:, :3].T, *axes_of(values[:, 3:] + beam)
    merged = [np.array(column, np.float64) for column in start]
    for column, new in zip(merged, fitted, strict=True):
        column[rows] = new
    return Shapes(*merged)
