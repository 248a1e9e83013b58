"""How bright the sky is: dark sky, towns, twilight, moonlight, Milky Way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from astrodetect.core.calibration import Floats
from astrodetect.core.magnitudes import air_mass
from astrodetect.sky import frames

#: Extinction in clear air (mag per air mass), as the brightness models below take it.
EXTINCTION = 0.25
#: Brightness of the twilight sky at the zenith (mag per square arcsec) by altitude of the Sun (deg);
#: after Patat et al. 2006, A&A 455, 385.
_SUN, _TWILIGHT = (-18.0, -16.0, -14.0, -12.0, -10.0, -8.0, -6.0), (22.0, 21.3, 20.2, 18.6, 16.7, 14.6, 12.4)


@dataclass(frozen=True)
class SkyLight:
    """What lights the sky of a recording.

    Attributes
    ----------
    zenith : float
        Brightness of the zenith without Moon and twilight (mag per square arcsec).
    towns : tuple of (azimuth, strength, width)
        Glow over the horizon: degrees, brightness at the horizon in units of the zenith's, degrees.
    sun : (float, float) or None
        Azimuth and altitude of the Sun (deg) in twilight.
    moon : (float, float) or None
        Azimuth and altitude of the Moon (deg).
    phase : float
        Phase angle of the Moon (deg): 0 full.
    milky_way : float
        Brightness of the Milky Way in units of a zenith of 21.6 mag per square arcsec.
    """

    zenith: float = 21.5
    towns: tuple[tuple[float, float, float], ...] = ()
    sun: tuple[float, float] | None = None
    moon: tuple[float, float] | None = None
    phase: float = 0.0
    milky_way: float = 0.5

    def surface(self, azimuth: Floats, altitude: Floats, latitude: Floats) -> Floats:
        """Give the light of the sky where cameras look, in units of magnitude 0 per square arcsec.

        Parameters
        ----------
        azimuth, altitude : (n,) float64 array
            Degrees.
        latitude : (n,) float64 array
            Galactic latitude there (deg).
        """
        altitude = np.maximum(altitude, 0.0)
        light = 10 ** (-0.4 * self.zenith) * (airglow(altitude) + self.town_light(azimuth, altitude))
        milky = self.milky_way * 10 ** (-0.4 * 21.6) * np.exp(-np.abs(latitude) / 9.0)
        light = light + milky * transmission(altitude)
        if self.sun is not None:
            light = light + twilight(azimuth, altitude, *self.sun)
        if self.moon is not None:
            light = light + moonlight(azimuth, altitude, *self.moon, self.phase)
        return np.asarray(light, dtype=np.float64)

    def town_light(self, azimuth: Floats, altitude: Floats) -> Floats:
        """Give the glow over towns, in units of the dark zenith."""
        total = np.zeros_like(altitude)
        for at, strength, width in self.towns:
            away = (azimuth - at + 180.0) % 360.0 - 180.0
            total += strength * np.exp(-0.5 * (away / width) ** 2) * np.exp(-altitude / (0.35 * width))
        return total


def transmission(altitude: ArrayLike, extinction: float = EXTINCTION) -> Floats:
    """Give the part of starlight that the clear air lets through at an altitude (deg)."""
    passed: Floats = 10 ** (-0.4 * extinction * air_mass(altitude))
    return passed


def airglow(altitude: Floats) -> Floats:
    """Give the light of the air by its brightness at the zenith: van Rhijn's layer at 90 km, dimmed.

    Parameters
    ----------
    altitude : (n,) float64 array
        Degrees.
    """
    layer = 1 / np.sqrt(1 - (np.cos(np.radians(altitude)) * 6371 / (6371 + 90)) ** 2)
    # Light that the air takes from one direction it scatters in from others: half of it is back.
    glow: Floats = layer * (transmission(np.maximum(altitude, 5.0)) / float(transmission(90.0))) ** 0.5
    return glow


def twilight(azimuth: Floats, altitude: Floats, sun_azimuth: float, sun_altitude: float) -> Floats:
    """Give the light of twilight: brighter towards the Sun and, there, towards the horizon.

    Parameters
    ----------
    azimuth, altitude : (n,) float64 array
        Where (deg).
    sun_azimuth, sun_altitude : float
        The Sun (deg), under the horizon.
    """
    zenith = 10 ** (-0.4 * float(np.interp(sun_altitude, _SUN, _TWILIGHT)))
    towards = 0.5 * (1 + np.cos(np.radians(azimuth - sun_azimuth))) * np.cos(np.radians(altitude))
    light: Floats = zenith * (
        0.7 + np.exp(3.0 * towards * (1 - altitude / 90.0)) - 0.7 * np.exp(-altitude / 8)
    )
    return light


def moon_magnitude(phase: float) -> float:
    """Give the magnitude of the Moon at a phase angle (deg); Krisciunas and Schaefer 1991, eq. 9."""
    return -12.73 + 0.026 * abs(phase) + 4e-9 * phase**4


def moonlight(
    azimuth: Floats, altitude: Floats, moon_azimuth: float, moon_altitude: float, phase: float
) -> Floats:
    """Give the moonlight that clear air scatters (Krisciunas and Schaefer 1991, PASP 103, 1033).

    Parameters
    ----------
    azimuth, altitude : (n,) float64 array
        Where (deg).
    moon_azimuth, moon_altitude : float
        The Moon (deg).
    phase : float
        Phase angle (deg).

    Returns
    -------
    (n,) float64 array
        In units of magnitude 0 per square arcsec.
    """
    apart = frames.vectors(azimuth, altitude) @ frames.vectors(moon_azimuth, moon_altitude)
    rho = np.degrees(np.arccos(np.clip(apart, -1, 1)))
    rho = np.maximum(rho, 0.3)
    scattered = 10**5.36 * (1.06 + apart**2)
    scattered = scattered + np.where(rho < 10, 6.2e7 * rho**-2, 10 ** (6.15 - rho / 40))
    source = 10 ** (-0.4 * (moon_magnitude(phase) + 16.57))
    nanolamberts = scattered * source * float(transmission(moon_altitude)) * (1 - transmission(altitude))
    # Garstang 1989: V = (20.7233 - ln(B / 34.08)) / 0.92104.
    light: Floats = 10 ** (-0.4 * (20.7233 - np.log(nanolamberts / 34.08)) / 0.92104)
    return light
