"""Atmospheric refraction, by the two formulas that meteor networks use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from astrodetect.core.calibration import Floats

#: Pressure (hPa) and temperature (degrees Celsius) for which the formulas hold as they stand.
PRESSURE, TEMPERATURE = 1010.0, 10.0
#: Below this altitude (deg) the formulas turn over; the shift is held at its value there.
_LOWEST = -0.5


def density(pressure: float = PRESSURE, temperature: float = TEMPERATURE) -> float:
    """Give the factor by which refraction grows with the density of the air.

    Parameters
    ----------
    pressure : float
        At the camera (hPa).
    temperature : float
        Of the air (degrees Celsius).
    """
    return pressure / PRESSURE * (273.0 + TEMPERATURE) / (273.0 + temperature)


def standard_pressure(elevation: float) -> float:
    """Give the pressure (hPa) at an elevation (m; NaN: at the sea), ICAO standard atmosphere from 1010 hPa.

    Examples
    --------
    >>> round(standard_pressure(1000.0))
    896
    """
    height = 0.0 if np.isnan(elevation) else elevation
    return float(PRESSURE * max(0.0, 1 - 2.25577e-5 * height) ** 5.25588)


def apparent_altitude(altitude: ArrayLike, factor: float = 1.0) -> Floats:
    """Give the altitude at which an object is seen (Saemundsson 1986).

    Parameters
    ----------
    altitude : (n,) array
        Altitude without refraction (deg).
    factor : float
        `density` of the air.

    Returns
    -------
    (n,) float64 array
        Degrees; below -0.5 degrees the shift is that at -0.5 degrees.

    Examples
    --------
    >>> round(float(apparent_altitude(45.0)) - 45.0, 4)
    0.0169
    """
    true = np.asarray(altitude, dtype=np.float64)
    held = np.maximum(true, _LOWEST)
    shift: Floats = 1.02 / np.tan(np.radians(held + 10.3 / (held + 5.11))) / 60
    return true + factor * shift


def seen_altitude(altitude: ArrayLike, factor: float = 1.0) -> Floats:
    """Give the altitude whose `true_altitude` is the one given: its exact inverse.

    Parameters
    ----------
    altitude : (n,) array
        Altitude without refraction (deg).
    factor : float
        `density` of the air.
    """
    true = np.asarray(altitude, dtype=np.float64)
    seen = apparent_altitude(true, factor)
    for _ in range(14):  # each turn wins a digit above the horizon, and half of one below it
        seen = seen + true - true_altitude(seen, factor)
    return seen


def moved(points: Floats, altitude: Callable[[Floats], Floats]) -> Floats:
    """Change the altitude of vectors over the horizon, and not their azimuth.

    Parameters
    ----------
    points : (n, 3) float64 array
        Unit vectors north, east, up.
    altitude : callable
        Gives new altitudes (deg) for old ones.

    Returns
    -------
    (n, 3) float64 array
    """
    flat = np.hypot(points[..., 0], points[..., 1])
    new = np.radians(altitude(np.degrees(np.arctan2(points[..., 2], flat))))
    stretch = np.cos(new) / np.maximum(flat, 1e-300)
    return np.stack([points[..., 0] * stretch, points[..., 1] * stretch, np.sin(new)], axis=-1)


def true_altitude(altitude: ArrayLike, factor: float = 1.0) -> Floats:
    """Give the altitude without refraction of what is seen at an altitude (Bennett 1982).

    Not the exact inverse of `apparent_altitude`: the two agree to 0.1 arcmin.

    Parameters
    ----------
    altitude : (n,) array
        Apparent altitude (deg).
    factor : float
        `density` of the air.

    Returns
    -------
    (n,) float64 array
        Degrees; below -0.5 degrees the shift is that at -0.5 degrees.

    Examples
    --------
    >>> round(45.0 - float(true_altitude(45.0)), 4)
    0.0166
    """
    apparent = np.asarray(altitude, dtype=np.float64)
    held = np.maximum(apparent, _LOWEST)
    shift: Floats = 1.0 / np.tan(np.radians(held + 7.31 / (held + 4.4))) / 60
    return apparent - factor * shift
