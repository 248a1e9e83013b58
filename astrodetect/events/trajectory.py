"""A first look at the trajectory of an event: where the planes of its cameras cut.

The straight line nearest to all planes (Ceplecha 1987, Bull. Astron. Inst. Czech. 38, 222). It serves to
judge an event, to name its shower and to choose what to solve; it is no orbit, and has no errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from astrodetect.events.directions import (
    Floats,
    celestial_to_earth,
    earth_to_celestial,
    geodetic,
    separation,
    solar_longitude,
    unit,
)
from astrodetect.events.shapes import Ints, Shapes
from astrodetect.events.showers import SPORADIC, apparent_radiant, shower_table
from astrodetect.events.sightings import Sighting

NAN = float("nan")
#: Planes that cut at a smaller angle (deg) give no line.
_LEAST_ANGLE = 3.0
#: A radiant belongs to a shower within this distance (deg), and with this relative difference of the speed.
_RADIUS, _SPEED = 5.0, 0.2


@dataclass(frozen=True)
class Trajectory:
    """The path of a meteor through the air; NaN where the planes do not give it.

    Attributes
    ----------
    convergence : float
        Largest angle between two of the planes (deg).
    begin, end : (float, float, float)
        Latitude, longitude (deg) and height (km) of the highest and the lowest place that was seen.
    speed : float
        Mean speed relative to the ground (km/s).
    ra, dec : float
        Apparent radiant (deg, J2000): neither zenith attraction nor the turning of the Earth is removed.
    residual : float
        Root mean square distance of the lines of sight from the path, seen from the cameras (deg).
    clocks : tuple of float
        Seconds by which the clock of each member is ahead of the median of all.
    """

    convergence: float = NAN
    begin: tuple[float, float, float] = (NAN, NAN, NAN)
    end: tuple[float, float, float] = (NAN, NAN, NAN)
    speed: float = NAN
    ra: float = NAN
    dec: float = NAN
    residual: float = NAN
    clocks: tuple[float, ...] = ()


def trajectory_of(members: Sequence[int], shapes: Shapes) -> Trajectory:
    """Give the trajectory that the sightings `members` define together."""
    located = shapes.located
    rows = np.array([i for i in members if located[i]], dtype=np.int64)
    nothing = (NAN,) * len(members)
    if len(rows) < 2:
        return Trajectory(clocks=nothing)
    poles = shapes.poles[rows]
    between = separation(poles[:, None], poles[None])
    convergence = float(np.minimum(between, 180.0 - between).max())
    if convergence < _LEAST_ANGLE:
        return Trajectory(convergence, clocks=nothing)
    weights = 1.0 / np.maximum(shapes.tilts[rows], 1e-3)
    along = np.linalg.svd(poles * weights[:, None])[2][-1]
    moved = shapes.rays[rows, 1] - shapes.rays[rows, 0]
    along = along if np.sum(moved @ along) > 0 else -along
    heights = np.sum(poles * shapes.site[rows], axis=1)
    point = np.linalg.lstsq(poles * weights[:, None], heights * weights, rcond=1e-9)[0]
    return _measured(members, rows, shapes, (point, along), convergence)


def _measured(
    members: Sequence[int], rows: Ints, shapes: Shapes, line: tuple[Floats, Floats], convergence: float
) -> Trajectory:
    point, along = line
    way, angle = _on_line(shapes.site[rows], shapes.rays[rows], point, along)
    lengths, seconds = way[:, 1] - way[:, 0], shapes.end[rows] - shapes.begin[rows]
    timed = (seconds > 0) & (lengths > 0)
    if not timed.any():
        return Trajectory(convergence, clocks=(NAN,) * len(members))
    speed = float(lengths[timed].sum() / seconds[timed].sum())
    offsets = (shapes.begin[rows] + shapes.end[rows]) / 2 - way.mean(axis=1) / speed
    ahead = dict(zip(rows.tolist(), (offsets - np.median(offsets)).tolist(), strict=True))
    begin, end = (point + along * value for value in (way.min(), way.max()))
    moment = float(np.median(shapes.begin[rows]))
    ra, dec = earth_to_celestial(-along, np.array(moment))
    return Trajectory(
        convergence, _place(begin), _place(end), speed / 1000.0, float(ra), float(dec),
        float(np.sqrt(np.mean(angle**2))), tuple(ahead.get(i, NAN) for i in members),
    )  # fmt: skip


def _on_line(site: Floats, rays: Floats, point: Floats, along: Floats) -> tuple[Floats, Floats]:
    """Give where on a line (m from `point`) rays (n, 2, 3) come nearest to it, and the angle they miss by."""
    apart = point - site[:, None]
    cosine = rays @ along
    way = (cosine * np.sum(rays * apart, axis=2) - apart @ along) / (1.0 - cosine**2)
    nearest = unit(apart + way[..., None] * along)
    return way, separation(nearest, rays)


def _place(where: Floats) -> tuple[float, float, float]:
    lat, lon, height = geodetic(where)
    return float(lat), float(lon), float(height) / 1000.0


def shower_of_trajectory(found: Trajectory, first: Sighting) -> str:
    """Give the shower that has the radiant and the speed of a trajectory, ``SPO``, or nothing without one."""
    if first.site is None or not math.isfinite(found.speed):
        return ""
    longitude = float(solar_longitude(first.begin))
    seen = celestial_to_earth(found.ra, found.dec, first.begin)
    best, cost = SPORADIC, 1.0
    for shower in shower_table():
        if shower.is_active(longitude):
            ra, dec = shower.radiant(longitude)
            expected, speed = apparent_radiant(ra, dec, shower.speed, first.begin, first.site)
            away = float(separation(expected, seen)) / _RADIUS
            other = abs(found.speed / float(speed) - 1.0) / _SPEED
            if max(away, other) < cost:
                best, cost = shower.code, max(away, other)
    return best
