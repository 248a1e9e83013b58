"""Sightings as arrays: where the cameras stand, where the tracks begin and end, on which great circles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astrodetect.events.directions import Floats, celestial_to_earth, horizon_axes, position, unit
from astrodetect.events.sightings import Sighting
from astrodetect.sky.frames import vectors

Ints = NDArray[np.int64]

#: Scatter of directions (rad) that is assumed at least: a minute of arc.
_LEAST_SCATTER = 3e-4
#: Tracks that are shorter (rad) have no great circle.
_SHORTEST = 2e-6
#: The precession is computed so often (s): it changes by 4 arcsec.
_MONTH = 30 * 86400.0


@dataclass(frozen=True)
class Shapes:
    """What the test needs of n sightings.

    Attributes
    ----------
    begin, end : (n,) float64 array
        UTC Unix seconds.
    site : (n, 3) float64 array
        Positions (m) in the Earth's frame; NaN where unknown.
    rays : (n, 2, 3) float64 array
        Directions of the beginning and the end, moved onto the great circle; NaN where unknown.
    poles : (n, 3) float64 array
        Of the great circles.
    tilts : (n,) float64 array
        Standard error (rad) by which a great circle may turn about the middle of its track.
    cameras : (n,) int64 array
        Which camera, as a number.
    """

    begin: Floats
    end: Floats
    site: Floats
    rays: Floats
    poles: Floats
    tilts: Floats
    cameras: Ints

    @property
    def located(self) -> NDArray[np.bool_]:
        """Which sightings have a geometry (n,)."""
        found: NDArray[np.bool_] = np.all(np.isfinite(self.poles), axis=1) & np.isfinite(self.site[:, 0])
        return found


def shapes_of(sightings: Sequence[Sighting]) -> Shapes:
    """Give the arrays that the test of pairs needs, all sightings at once."""
    n = len(sightings)
    begin = np.array([s.begin for s in sightings], dtype=np.float64)
    end = np.array([s.end for s in sightings], dtype=np.float64)
    names = [sighting.camera or f"\0{i}" for i, sighting in enumerate(sightings)]
    cameras = (
        np.unique(np.array(names), return_inverse=True)[1].astype(np.int64) if n else np.zeros(0, np.int64)
    )
    site, rays, poles = np.full((n, 3), np.nan), np.full((n, 2, 3), np.nan), np.full((n, 3), np.nan)
    tilts = np.zeros(n)
    rows = np.array([i for i, s in enumerate(sightings) if s.site is not None], dtype=np.int64)
    if len(rows):
        chosen = [sightings[i] for i in rows]
        site[rows] = _positions(chosen)
        rays[rows], poles[rows], tilts[rows] = _great_circles(chosen)
    return Shapes(begin, end, site, rays, poles, tilts, cameras)


def _positions(sightings: Sequence[Sighting]) -> Floats:
    known = {s.site: position(s.site) for s in sightings if s.site is not None}
    return np.array([known[s.site] for s in sightings if s.site is not None])


def _great_circles(sightings: Sequence[Sighting]) -> tuple[Floats, Floats, Floats]:
    """Give rays (n, 2, 3) of begin and end, poles (n, 3) and tilts (n,) of sightings with a site."""
    counts = np.array([len(s.points["time"]) for s in sightings])
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    last = first + counts - 1
    directions = _directions(sightings, counts)
    outer = np.add.reduceat(directions[:, :, None] * directions[:, None, :], first)
    with np.errstate(invalid="ignore", divide="ignore"):
        sound = np.all(np.isfinite(outer), axis=(1, 2)) & (counts > 1)
        poles = np.linalg.eigh(np.where(sound[:, None, None], outer, np.eye(3)))[1][:, :, 0]
        length = np.linalg.norm(directions[last] - directions[first], axis=1)
        turn = np.sum(poles * np.cross(directions[first], directions[last]), axis=1)
        poles = np.where((sound & (length > _SHORTEST))[:, None], poles * np.sign(turn)[:, None], np.nan)
        ends = np.stack([directions[first], directions[last]], axis=1)
        off = np.sum(ends * poles[:, None], axis=2, keepdims=True)
        across = np.add.reduceat(np.sum(directions * np.repeat(poles, counts, axis=0), axis=1) ** 2, first)
        scatter = np.hypot(np.sqrt(across / np.maximum(counts - 2, 1)), _LEAST_SCATTER)
        tilts = scatter * np.sqrt(12.0 / counts) / length
    return unit(ends - off * poles[:, None]), poles, np.where(np.isfinite(tilts), tilts, 0.0)


def _directions(sightings: Sequence[Sighting], counts: Ints) -> Floats:
    """Give the directions of all points, in a row: by azimuth and altitude, or else by RA and Dec."""
    az, alt, ra, dec, time = (
        np.concatenate([s.points[name] for s in sightings]) for name in ("az", "alt", "ra", "dec", "time")
    )
    places: dict[object, int] = {}
    which = np.array([places.setdefault(s.site, len(places)) for s in sightings])
    axes = np.array([horizon_axes(site[0], site[1]) for site in places])  # type: ignore[index]
    directions: Floats = np.einsum("ni,nij->nj", vectors(az, alt), axes[np.repeat(which, counts)])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    lacking = np.repeat(np.isnan(np.add.reduceat(az + alt, starts)), counts)
    month = np.floor(time / _MONTH)
    for value in np.unique(month[lacking]):
        rows = lacking & (month == value)
        directions[rows] = celestial_to_earth(ra[rows], dec[rows], time[rows])
    return directions


def directions_at(shapes: Shapes, rows: Ints, times: Floats) -> Floats:
    """Give the directions (k, m, 3) of sightings at times (k, m), great circles continued at their speed."""
    begin, side = shapes.rays[rows, 0], np.cross(shapes.poles[rows], shapes.rays[rows, 0])
    end = shapes.rays[rows, 1]
    length = np.arctan2(np.sum(end * side, axis=1), np.sum(end * begin, axis=1))
    duration = shapes.end[rows] - shapes.begin[rows]
    rate = np.where(duration > 0, length / np.where(duration > 0, duration, 1.0), 0.0)
    phase = np.clip((times - shapes.begin[rows][:, None]) * rate[:, None], -1.0, 1.0)[..., None]
    directions: Floats = np.cos(phase) * begin[:, None] + np.sin(phase) * side[:, None]
    return directions
