"""The shower of a meteor that one camera saw, from its path, its speed and the date.

A meteor belongs to a shower if the radiant lies on the great circle of its path, behind its beginning and
above the horizon, at a date when the shower is active, and if it moves as fast on the sky as a meteor of
the shower's speed does at that altitude and that distance from the radiant, somewhere between 70 and
130 km (Gural 2009, WGN 37, 44; Rendtel 2014, IMO Handbook).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.events.directions import Floats, celestial_to_earth, separation, solar_longitude, unit
from astrodetect.sky.frames import vectors

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

    def is_active(self, longitude: ArrayLike) -> NDArray[np.bool_]:
        """Tell whether the shower is active at solar longitudes (deg)."""
        active: NDArray[np.bool_] = (np.asarray(longitude) - self.begin) % 360.0 <= (
            self.end - self.begin
        ) % 360
        return active

    def radiant(self, longitude: ArrayLike) -> tuple[Floats, Floats]:
        """Give RA and Dec (deg, J2000) of the geocentric radiant at solar longitudes (deg).

        Examples
        --------
        >>> ra, dec = shower_named("PER").radiant(142.0)
        >>> round(float(ra), 2), round(float(dec), 2)
        (51.0, 58.62)
        """
        elapsed = (np.asarray(longitude, dtype=np.float64) - self.peak + 180.0) % 360.0 - 180.0
        dec = np.clip(self.dec + self.dec_drift * elapsed, -90.0, 90.0)
        return (self.ra + self.ra_drift * elapsed) % 360.0, dec


@dataclass(frozen=True)
class Rules:
    """How near a meteor must come to what is expected of a shower."""

    #: Largest distance (deg) of the radiant from the great circle of the path. The error of the circle at the
    #: radiant is added, and may at most make it half as large again.
    radius: float = 4.0
    #: Lowest and highest beginning (km) that may explain the angular speed.
    heights: tuple[float, float] = (70.0, 130.0)


@dataclass(frozen=True)
class Paths:
    """What single cameras saw of n meteors.

    Attributes
    ----------
    begin, end : (n, 3) array
        Directions in the Earth's frame (`astrodetect.events.directions`).
    pole : (n, 3) array
        Poles of the great circles; NaN where there is none.
    tilt : (n,) array
        Standard error by which a great circle may turn about the middle of its track (rad).
    site : (n, 3) array
        Degrees north, degrees east, metres.
    time : (n,) array
        UTC Unix seconds of the beginning.
    duration : (n,) array
        Seconds from `begin` to `end`; NaN or 0 if unknown: the speed is not asked about then.
    """

    begin: Floats
    end: Floats
    pole: Floats
    tilt: Floats
    site: Floats
    time: Floats
    duration: Floats

    def take(self, rows: Any) -> Paths:
        """Give some of them."""
        return Paths(*(getattr(self, field.name)[rows] for field in fields(self)))


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
    ra: ArrayLike, dec: ArrayLike, speed: float, time: ArrayLike, site: ArrayLike
) -> tuple[Floats, Floats]:
    """Give where a geocentric radiant stands for an observer, and the speed at which meteors come in.

    Zenith attraction and diurnal aberration are added (Ceplecha 1987, Bull. Astron. Inst. Czech. 38, 222,
    in the form of Schiaparelli for the first).

    Parameters
    ----------
    ra, dec : float or (n,) array
        Geocentric radiant (deg, J2000).
    speed : float
        Geocentric speed (km/s).
    time : float or (n,) array
        UTC Unix seconds.
    site : (3,) or (n, 3) array
        Of the observer: degrees north, degrees east, metres.

    Returns
    -------
    direction : (3,) or (n, 3) array
        Unit vector in the Earth's frame, toward the radiant.
    speed : float or (n,) array
        Relative to the air (km/s).
    """
    lat, lon, _ = np.moveaxis(np.asarray(site, dtype=np.float64), -1, 0)
    radiant = celestial_to_earth(ra, dec, time)
    fast = float(np.hypot(speed, _ESCAPE))
    up = vectors(lon, lat)
    zenith = separation(radiant, up)
    moved = 2.0 * np.degrees(np.arctan((fast - speed) / (fast + speed) * np.tan(np.radians(zenith) / 2.0)))
    toward = np.radians(zenith - moved)[..., None]
    across = radiant - np.sum(radiant * up, axis=-1, keepdims=True) * up
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    attracted = np.cos(toward) * up + np.sin(toward) * across
    turning = _ROTATION * np.cos(np.radians(lat))[..., None] * vectors(lon + 90.0, 0.0 * lat)
    coming_from = fast * attracted + turning  # against the motion relative to the turning air
    return unit(coming_from), np.linalg.norm(coming_from, axis=-1)


def associate(
    paths: Paths, rules: Rules | None = None, showers: Sequence[Shower] | None = None
) -> NDArray[np.str_]:
    """Give the codes (n,) of the showers that meteors belong to; ``"SPO"`` for those that belong to none.

    Of several that fit, the one whose radiant and speed fit best.

    Parameters
    ----------
    paths : Paths
        What was seen.
    rules : Rules, optional
        How near it must come.
    showers : sequence of Shower, optional
        Others than those of the package.
    """
    rules = rules or Rules()
    codes = np.full(len(paths.time), SPORADIC, dtype="<U8")
    best = np.full(len(paths.time), np.inf)
    longitude = solar_longitude(paths.time)
    sane = np.all(np.isfinite(paths.pole), axis=1)
    for shower in shower_table() if showers is None else showers:
        rows = np.flatnonzero(shower.is_active(longitude) & sane)
        if len(rows):
            cost = _misfit(paths.take(rows), shower, longitude[rows], rules)
            better = cost < best[rows]
            codes[rows[better]], best[rows[better]] = shower.code, cost[better]
    return codes


def _misfit(paths: Paths, shower: Shower, longitude: Floats, rules: Rules) -> Floats:
    """Give how badly a shower fits (n,): below 2, of two tests; infinite where one fails."""
    ra, dec = shower.radiant(longitude)
    radiant, speed = apparent_radiant(ra, dec, shower.speed, paths.time, paths.site)
    up = vectors(paths.site[:, 1], paths.site[:, 0])
    elevation = 90.0 - separation(radiant, up)
    behind = _behind(paths, radiant)
    length = separation(paths.begin, paths.end)
    above = (elevation >= -_SLACK) & (behind >= -_SLACK) & (behind + length <= 180.0)
    # A great circle that may turn by this much about its track misses the radiant by so much.
    error = np.degrees(2.0 * paths.tilt) * np.abs(np.sin(np.radians(behind + length / 2)))
    allowed = np.hypot(rules.radius, np.minimum(error, rules.radius))
    away = np.abs(90.0 - separation(paths.pole, radiant)) / allowed
    slow = _speed_misfit(paths, np.maximum(behind, 0.0), length, speed, rules)
    return np.where(above & (away <= 1.0), away + slow, np.inf)


def _behind(paths: Paths, radiant: Floats) -> Floats:
    """Give how far along the great circles the beginnings are from the radiant, in (-180, 180] degrees."""
    foot = unit(radiant - np.sum(radiant * paths.pole, axis=1, keepdims=True) * paths.pole)
    forward = np.sum(paths.pole * np.cross(foot, paths.begin), axis=1)
    angle: Floats = np.degrees(np.arctan2(forward, np.sum(foot * paths.begin, axis=1)))
    return angle


def _speed_misfit(paths: Paths, behind: Floats, length: Floats, speed: Floats, rules: Rules) -> Floats:
    """Give 0 to 1 for an angular speed that a beginning within the heights explains; else infinity.

    A meteor that covers s km from the range r, at the angle b from its radiant, covers the angle L:
    sin(L) / s = sin(b + L) / r.
    """
    b, angle = np.radians(behind), np.radians(length)
    up = vectors(paths.site[:, 1], paths.site[:, 0])
    ground = _EARTH_RADIUS + paths.site[:, 2] / 1000.0
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = speed * paths.duration * np.sin(b + angle) / np.sin(angle)
        sine = np.sum(paths.begin * up, axis=1)
        height = np.sqrt(ground**2 + distance**2 + 2 * ground * distance * sine) - _EARTH_RADIUS
        low, high = rules.heights
        # Near the radiant a small error of the place is a large one of the speed.
        slack = np.radians(rules.radius) / 4 / np.maximum(np.sin(b + angle), 1e-3)
        slack = (high - low) * np.minimum(1.0, 0.1 + slack)
        fits = (height >= low - slack) & (height <= high + slack)
        misfit = np.abs(height - (low + high) / 2) / (high - low + 2 * slack)
        unknown = ~(paths.duration > 0) | ~(length > 0)
    return np.where(unknown, 0.0, np.where(fits, misfit, np.inf))
