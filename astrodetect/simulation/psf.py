"""Point sources and trails, integrated over pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.methods.ellipses import FWHM_IN_SIGMA

FloatArray = NDArray[np.float64]
FloatImage = NDArray[np.float32]

#: Sources are cut off this many sigmas out (6e-5 of the flux lies beyond).
_CUT_SIGMAS = 4.0


def add_points(image: NDArray[Any], x: ArrayLike, y: ArrayLike, flux: ArrayLike, fwhm: float) -> None:
    """Add Gaussian point sources to an image, each integrated over every pixel.

    Parameters
    ----------
    image : (H, W) float array, contiguous
        Changed in place.
    x, y : (n,) array
        Positions; (0, 0) is the centre of the first pixel. What lies outside is left out.
    flux : (n,) array
        Sum of each.
    fwhm : float
        Full width at half maximum, in pixels.
    """
    x, y, flux = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float)), np.atleast_1d(flux)
    reach = math.ceil(_CUT_SIGMAS * fwhm / FWHM_IN_SIGMA)
    height, width = image.shape
    near = (x > -reach - 1) & (x < width + reach) & (y > -reach - 1) & (y < height + reach) & (flux != 0)
    if not near.any():
        return
    indices, stamps = point_stamps(x[near], y[near], flux[near], fwhm, (height, width))
    np.add.at(image.reshape(-1), indices.ravel(), stamps.astype(image.dtype).ravel())


def point_stamps(
    x: FloatArray, y: FloatArray, flux: FloatArray, fwhm: float, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], FloatArray]:
    """Give the pixels of Gaussian point sources, each integrated over every pixel.

    Parameters
    ----------
    x, y, flux : (n,) float64 array
        Positions, and the sum of each.
    fwhm : float
        Full width at half maximum, in pixels.
    shape : (int, int)
        Height and width of the image.

    Returns
    -------
    indices : (n, s, s) int64 array
        Places in the flat image; what lies outside is held at the edge, with weight 0.
    light : (n, s, s) float64 array
    """
    sigma = fwhm / FWHM_IN_SIGMA
    reach = math.ceil(_CUT_SIGMAS * sigma)
    height, width = shape
    rows, in_y = _weights(y, reach, sigma, height)
    columns, in_x = _weights(x, reach, sigma, width)
    stamps = (in_y * flux[:, None])[:, :, None] * in_x[:, None, :]
    return rows[:, :, None] * width + columns[:, None, :], stamps


def _weights(centre: FloatArray, reach: int, sigma: float, size: int) -> tuple[NDArray[np.int64], FloatArray]:
    from scipy.special import ndtr

    edges = np.floor(centre + 0.5)[:, None] + np.arange(-reach, reach + 2)
    weights = np.diff(ndtr((edges - 0.5 - centre[:, None]) / sigma), axis=1)
    pixels = edges[:, :-1].astype(np.int64)
    weights[(pixels < 0) | (pixels >= size)] = 0.0
    return np.clip(pixels, 0, size - 1), weights


def add_streak(
    image: NDArray[Any], start_xy: tuple[float, float], end_xy: tuple[float, float], flux: float, fwhm: float
) -> None:
    """Add a straight trail of even brightness to an image, anti-aliased.

    Parameters
    ----------
    image : (H, W) float array, contiguous
        Changed in place.
    start_xy, end_xy : (float, float)
        Ends, x before y, in pixels.
    flux : float
        Sum over the whole trail.
    fwhm : float
        Full width at half maximum across, in pixels.
    """
    length = math.hypot(end_xy[0] - start_xy[0], end_xy[1] - start_xy[1])
    n = max(1, math.ceil(3 * length))
    steps = (np.arange(n) + 0.5) / n
    x = start_xy[0] + steps * (end_xy[0] - start_xy[0])
    y = start_xy[1] + steps * (end_xy[1] - start_xy[1])
    add_points(image, x, y, np.full(n, flux / n), fwhm)


def streak_flux(snr: float, length: float, fwhm: float, noise: float) -> float:
    """Give the flux of an even streak for a signal-to-noise in an aperture of 2 FWHM diameter on its middle.

    Parameters
    ----------
    snr : float
        Signal-to-noise.
    length : float
        Distance of the ends, in pixels.
    fwhm : float
        Full width at half maximum across, in pixels.
    noise : float
        Spread of one pixel of the background.

    Returns
    -------
    float
        Sum over the whole streak, for `add_streak`.
    """
    along = (np.arange(501) / 500 - 0.5) * length
    caught = float(aperture_fraction(along, fwhm).mean())
    return snr * noise * math.sqrt(math.pi) * fwhm / caught


def aperture_fraction(distance: ArrayLike, fwhm: float) -> FloatArray:
    """Give the fraction of a source's flux within one FWHM of a place.

    Parameters
    ----------
    distance : (n,) array
        Distance of the source from the aperture's centre, in pixels.
    fwhm : float
        Full width at half maximum; the aperture has 2 FWHM diameter.

    Returns
    -------
    (n,) float64 array
        The distribution function of the non-central chi-square with two degrees of freedom.

    Examples
    --------
    >>> round(float(aperture_fraction(0.0, 2.0)), 4)
    0.9375
    """
    from scipy.special import chndtr

    sigma = fwhm / FWHM_IN_SIGMA
    fraction: FloatArray = chndtr((fwhm / sigma) ** 2, 2.0, (np.asarray(distance, float) / sigma) ** 2)
    return fraction
