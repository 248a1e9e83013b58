"""The shower of a meteor that one camera saw, from its path, its speed and the date.

A meteor belongs to a shower if the radiant lies on the great circle of its path, behind its beginning and
above the horizon, at a date when the shower is active, and if it moves as fast on the sky as a meteor of
the shower's speed does at that altitude and that distance from the radiant, somewhere between 70 and
130 km (Gural 2009, WGN 37, 44; Rendtel 2014, IMO Handbook).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Site
from astrodetect.events.directions import (
    Floats,
    celestial_to_earth,
    earth_to_horizontal,
    separation,
    solar_longitude,
    unit,
    unit_vector,
)

#: Code of a meteor that belongs to no shower of the table.
SPORADIC = "SPO"
#: Speed of escape at 100 km, and of the turning Earth at the equator (km/s).
_ESCAPE = 11.09
_ROTATION = 0.4651
_EARTH_RADIUS = 6371.0
#: Slack of the angular test (deg): a radiant may stand this far below the horizon, or ahead of the beginning.
_SLACK = 3.0


@dataclass(frozen=True)
class Shower:
    """One line of the table of showers.

    Attributes
    ----------
    number, code, name : int, str, str
        As in the list of the IAU Meteor Data Center.
    begin, peak, end : float
        Solar longitudes of its activity (deg, J2000); `end` may be below `begin`.
    ra, dec : float
        Geocentric radiant at the peak (deg, J2000).
    ra_drift, dec_drift : float
        Its motion per degree of solar longitude (deg).
    speed : float
        Geocentric speed (km/s).
    source : str
        Where the numbers are from.
    """

    number: int
    code: str
    name: str
    begin: float
    peak: float
    end: float
    ra: float
    dec: float
    ra_drift: float
    dec_drift: float
    speed: float
    source: str

    def is_active(self, longitude: float) -> bool:
        """Tell whether the shower is active at a solar longitude (deg)."""
        return (longitude - self.begin) % 360.0 <= (self.end - self.begin) % 360.0

    def radiant(self, longitude: float) -> tuple[float, float]:
        """Give RA and Dec (deg, J2000) of the geocentric radiant at a solar longitude (deg)."""
        elapsed = (longitude - self.peak + 180.0) % 360.0 - 180.0
        dec = self.dec + self.dec_drift * elapsed
        return (self.ra + self.ra_drift * elapsed) % 360.0, max(-90.0, min(90.0, dec))


@dataclass(frozen=True)
class Rules:
    """How near a meteor must come to what is expected of a shower."""

    #: Largest distance (deg) of the radiant from the great circle of the path. The error of the path,
    #: carried to the radiant, is added to it.
    radius: float = 4.0
    #: Lowest and highest beginning (km) that may explain the angular speed.
    heights: tuple[float, float] = (70.0, 130.0)


@dataclass(frozen=True)
class Path:
    """What one camera saw of a meteor.

    Attributes
    ----------
    begin, end : (3,) array
        Directions in the Earth's frame (`astrodetect.events.directions`).
    pole : (3,) array
        Pole of its great circle.
    pole_error : float
        Standard error of the great circle as a whole (deg): scatter of the points across it.
    site : Site
        Where the camera stands.
    time : float
        UTC Unix seconds of the beginning.
    duration : float
        Seconds from `begin` to `end`; NaN if unknown: the speed is not asked about then.
    """

    begin: Floats
    end: Floats
    pole: Floats
    pole_error: float
    site: Site
    time: float
    duration: float


@cache
def shower_table() -> tuple[Shower, ...]:
    """Give the showers of the package: `showers.csv`, which names its sources."""
    text = files("astrodetect.events").joinpath("showers.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    words = ("code", "name", "source")
    made = []
    for row in rows:
        values: dict[str, Any] = {k: v if k in words else float(v) for k, v in row.items()}
        made.append(Shower(**{**values, "number": int(row["number"])}))
    return tuple(made)


def shower_named(code: str) -> Shower:
    """Give a shower by its code.

    Raises
    ------
    KeyError
        It is not in the table.
    """
    for shower in shower_table():
        if shower.code == code:
            return shower
    raise KeyError(code)


def apparent_radiant(
    ra: float, dec: float, speed: float, time: float, site: Site
) -> tuple[NDArray[np.float64], float]:
    """Give where a geocentric radiant stands for an observer, and the speed at which meteors come in.

    Zenith attraction and diurnal aberration are added (Ceplecha 1987, Bull. Astron. Inst. Czech. 38, 222,
    in the form of Schiaparelli for the first).

    Parameters
    ----------
    ra, dec : float
        Geocentric radiant (deg, J2000).
    speed : float
        Geocentric speed (km/s).
    time : float
        UTC Unix seconds.
    site : Site
        Of the observer.

    Returns
    -------
    direction : (3,) array
        Unit vector in the Earth's frame, toward the radiant.
    speed : float
        Relative to the air (km/s).
    """
    radiant = celestial_to_earth(ra, dec, time)
    fast = float(np.hypot(speed, _ESCAPE))
    up = unit_vector(site.longitude, site.latitude)
    zenith = float(separation(radiant, up))
    moved = 2.0 * np.degrees(np.arctan((fast - speed) / (fast + speed) * np.tan(np.radians(zenith) / 2.0)))
    toward = np.radians(zenith - moved)
    across = unit(radiant - (radiant @ up) * up) if 1e-6 < zenith < 180.0 - 1e-6 else np.zeros(3)
    attracted = np.cos(toward) * up + np.sin(toward) * across
    east = unit_vector(site.longitude + 90.0, 0.0)
    turning = _ROTATION * np.cos(np.radians(site.latitude)) * east
    motion = -fast * attracted - turning  # of the meteor, relative to the turning air
    return unit(-motion), float(np.linalg.norm(motion))


def associate(path: Path, rules: Rules | None = None, showers: Sequence[Shower] | None = None) -> str:
    """Give the code of the shower that a meteor belongs to; ``"SPO"`` if it belongs to none.

    Of several that fit, the one whose radiant and speed fit best.

    Examples
    --------
    A meteor overhead in Greenwich that moves away from the radiant of the Perseids, in their night:

    >>> from astrodetect.events.directions import horizontal_to_earth
    >>> site = Site(51.48, 0.0, 0.0)
    >>> radiant, _ = apparent_radiant(48.2, 58.1, 59.1, 1723334400.0, site)
    >>> begin = horizontal_to_earth([150.0], [70.0], site)[0]
    >>> pole = unit(np.cross(radiant, begin))
    >>> end = begin * np.cos(0.16) + np.cross(pole, begin) * np.sin(0.16)
    >>> associate(Path(begin, end, pole, 0.01, site, 1723334400.0, 0.4))
    'PER'
    """
    rules = rules or Rules()
    if not np.all(np.isfinite(path.pole)):
        return SPORADIC
    longitude = float(solar_longitude(path.time))
    best, cost = SPORADIC, np.inf
    for shower in shower_table() if showers is None else showers:
        if shower.is_active(longitude):
            found = _misfit(path, shower, longitude, rules)
            if found < cost:
                best, cost = shower.code, found
    return best


def _misfit(path: Path, shower: Shower, longitude: float, rules: Rules) -> float:
    """Give how badly a shower fits: below 2 of the two tests; infinite where one fails."""
    ra, dec = shower.radiant(longitude)
    radiant, speed = apparent_radiant(ra, dec, shower.speed, path.time, path.site)
    if float(earth_to_horizontal(radiant, path.site)[1]) < -_SLACK:
        return np.inf
    behind = _behind(path, radiant)
    length = float(separation(path.begin, path.end))
    if behind < -_SLACK or behind + length > 180.0:
        return np.inf
    # An error across the path of length L grows to this at the distance of the radiant.
    error = path.pole_error * (1.0 + 2.0 * abs(np.sin(np.radians(behind + length / 2))) / np.radians(length))
    away = abs(90.0 - float(separation(path.pole, radiant))) / float(np.hypot(rules.radius, 2.0 * error))
    if away > 1.0:
        return np.inf
    return away + _speed_misfit(path, max(behind, 0.0), length, speed, rules)


def _behind(path: Path, radiant: Floats) -> float:
    """Give how far along the great circle the beginning is from the radiant, in (-180, 180] degrees."""
    foot = unit(radiant - (radiant @ path.pole) * path.pole)
    forward = float(path.pole @ np.cross(foot, path.begin))
    return float(np.degrees(np.arctan2(forward, foot @ path.begin)))


def _speed_misfit(path: Path, behind: float, length: float, speed: float, rules: Rules) -> float:
    """Give 0 to 1 for an angular speed that a beginning within the heights explains; else infinity.

    A meteor that covers s km from the range r, at the angle b from its radiant, covers the angle L:
    sin(L) / s = sin(b + L) / r.
    """
    if not path.duration > 0 or not length > 0:
        return 0.0
    b, angle = np.radians(behind), np.radians(length)
    distance = speed * path.duration * np.sin(b + angle) / np.sin(angle)
    altitude = np.radians(float(earth_to_horizontal(path.begin, path.site)[1]))
    ground = _EARTH_RADIUS + path.site.elevation / 1000.0
    height = float(
        np.sqrt(ground**2 + distance**2 + 2 * ground * distance * np.sin(altitude)) - _EARTH_RADIUS
    )
    low, high = rules.heights
    # Near the radiant a small error of the place is a large one of the speed.
    slack = (high - low) * min(1.0, 0.1 + np.radians(rules.radius) / 4 / max(np.sin(b + angle), 1e-3))
    if not low - slack <= height <= high + slack:
        return np.inf
    return float(abs(height - (low + high) / 2) / (high - low + 2 * slack))
