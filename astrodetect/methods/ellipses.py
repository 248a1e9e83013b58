"""Elliptical Gaussians: axes and angle, second moments, boxes.

The axes are full widths at half maximum in pixels. The angle `theta` is that of the major axis, in
degrees from +x towards +y, in [0, 180): as photutils and SExtractor count it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

#: Sigmas of a Gaussian in its full width at half maximum.
FWHM_IN_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


def moments_of(major: ArrayLike, minor: ArrayLike, theta: ArrayLike) -> FloatArray:
    """Give the second moments of elliptical Gaussians.

    Parameters
    ----------
    major, minor : (n,) array
        Full widths at half maximum (px).
    theta : (n,) array
        Degrees from +x towards +y.

    Returns
    -------
    (n, 3) float64 array
        ``xx, yy, xy`` in square pixels. Those of a convolution are the sum of both.
    """
    a = (np.asarray(major, float) / FWHM_IN_SIGMA) ** 2
    b = (np.asarray(minor, float) / FWHM_IN_SIGMA) ** 2
    twice = 2 * np.radians(np.asarray(theta, float))
    mean, half = (a + b) / 2, (a - b) / 2
    columns = mean + half * np.cos(twice), mean - half * np.cos(twice), half * np.sin(twice)
    return np.stack(np.broadcast_arrays(*columns), -1)


def axes_of(moments: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give major and minor axis (FWHM, px) and angle (degrees) of second moments.

    Parameters
    ----------
    moments : (n, 3) array
        As `moments_of` gives them.

    Returns
    -------
    three (n,) float64 arrays
        The angle of what is round is 0.

    Examples
    --------
    >>> [float(np.round(v[0], 6)) for v in axes_of(moments_of([4.0], [2.0], [150.0]))]
    [4.0, 2.0, 150.0]
    """
    xx, yy, xy = np.moveaxis(np.asarray(moments, float), -1, 0)
    mean, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    theta = np.degrees(np.arctan2(2 * xy, xx - yy)) / 2 % 180.0
    theta = np.where((half <= 1e-12 * mean) | (theta >= 180.0), 0.0, theta)
    minor = FWHM_IN_SIGMA * np.sqrt(np.maximum(mean - half, 0.0))
    return FWHM_IN_SIGMA * np.sqrt(mean + half), minor, theta


def boxes_of(x: ArrayLike, y: ArrayLike, moments: ArrayLike, scale: float) -> FloatArray:
    """Give the boxes that hold ellipses.

    Parameters
    ----------
    x, y : (n,) array
        Centres; (0, 0) is the centre of the first pixel.
    moments : (n, 3) array
        As `moments_of` gives them.
    scale : float
        Axes of the ellipse in units of the full width at half maximum.

    Returns
    -------
    (n, 4) float64 array
        ``x_min, y_min, x_max, y_max``, half open.
    """
    values = np.asarray(moments, float)
    half = scale * FWHM_IN_SIGMA / 2 * np.sqrt(values[..., :2])
    centre = np.stack([np.asarray(x, float), np.asarray(y, float)], -1) + 0.5
    return np.concatenate([centre - half, centre + half], -1)


def angle_between(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Give the angle between two axes, in degrees, 0 to 90: an axis turned by 180 degrees is the same.

    Examples
    --------
    >>> float(angle_between(179.0, 1.0)), float(angle_between(10.0, 100.0))
    (2.0, 90.0)
    """
    difference = np.mod(np.asarray(a, float) - np.asarray(b, float), 180.0)
    return np.asarray(np.minimum(difference, 180.0 - difference))
