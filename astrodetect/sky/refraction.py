"""Atmospheric refraction, by the two formulas that meteor networks use."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from astrodetect.core.calibration import Floats

#: Pressure (hPa) and temperature (degrees Celsius) for which the formulas hold as they stand.
PRESSURE, TEMPERATURE = 1010.0, 10.0
#: Below these altitudes (deg) the formulas turn over: Bennett's is steepest, Saemundsson's has a pole.
_LOWEST_APPARENT, _LOWEST_TRUE = -0.5, -1.0


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
    """Give the pressure (hPa) at an elevation (m), ICAO standard atmosphere, 1010 hPa at the sea.

    Examples
    --------
    >>> round(standard_pressure(1000.0))
    896
    """
    return PRESSURE * max(0.0, 1 - 2.25577e-5 * elevation) ** 5.25588


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
        Degrees; below -1 degree the shift is that at -1 degree.

    Examples
    --------
    >>> round(float(apparent_altitude(45.0)) - 45.0, 4)
    0.0168
    """
    true = np.asarray(altitude, dtype=np.float64)
    held = np.maximum(true, _LOWEST_TRUE)
    shift: Floats = 1.02 / np.tan(np.radians(held + 10.3 / (held + 5.11))) / 60
    return true + factor * shift


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
    0.0164
    """
    apparent = np.asarray(altitude, dtype=np.float64)
    held = np.maximum(apparent, _LOWEST_APPARENT)
    shift: Floats = 1.0 / np.tan(np.radians(held + 7.31 / (held + 4.4))) / 60
    return apparent - factor * shift
