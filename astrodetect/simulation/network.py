"""Meteors over a network of cameras, as sightings with truth: to try how events are found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from astrodetect.core.data import Site
from astrodetect.events.directions import (
    Floats,
    earth_to_horizontal,
    geodetic,
    horizon_axes,
    position,
    unit,
)
from astrodetect.events.showers import apparent_radiant, shower_named
from astrodetect.events.sightings import POINTS, Sighting
from astrodetect.sky.frames import vectors

#: Cameras see a meteor above this altitude (deg), and nearer than this (km).
_LOWEST, _FARTHEST = 12.0, 450.0
_FRAME_RATE = 25.0


@dataclass(frozen=True)
class Network:
    """A network and its night.

    Attributes
    ----------
    sites : sequence of Site
        Where its cameras stand.
    clocks : sequence of float
        Seconds by which the clock of each is ahead.
    noise : float
        Standard deviation of a direction along one axis (deg).
    field : float
        Share of the meteors above the horizon that fall into a camera's field and are found.
    """

    sites: Sequence[Site]
    clocks: Sequence[float]
    noise: float = 0.02
    field: float = 0.6


def random_network(rng: np.random.Generator, n: int, *, clock: float = 0.3, size: float = 3.0) -> Network:
    """Give n cameras in a square of `size` degrees about 52 N, 1 W, with clocks off by `clock` s (sigma)."""
    place = rng.uniform(-size / 2, size / 2, (n, 2)) * (1.0, 1.6)
    sites = [Site(52.0 + north, -1.0 + east, 100.0) for north, east in place.tolist()]
    return Network(sites, rng.normal(0.0, clock, n).tolist())


def observe(
    network: Network, rng: np.random.Generator, times: Floats, shower: str = ""
) -> Iterator[tuple[int, Sighting]]:
    """Give what the cameras see of meteors that begin at `times` (UTC Unix seconds), with their numbers.

    Parameters
    ----------
    network : Network
        The cameras.
    rng : numpy.random.Generator
        What decides.
    times : (n,) array
        One meteor each.
    shower : str
        Code of the shower that all belong to; sporadics from all directions if empty.

    Yields
    ------
    number : int
        Which of the meteors.
    sighting : Sighting
        With azimuth and altitude, and the site.
    """
    extent = np.array([site[:2] for site in network.sites])
    low, high = extent.min(axis=0) - 1.0, extent.max(axis=0) + 1.0
    for number, time in enumerate(np.asarray(times).tolist()):
        lat, lon = rng.uniform(low, high)
        radiant, speed = _radiant(rng, float(lat), float(lon), time, shower)
        if radiant is None:
            continue
        begin = position(Site(float(lat), float(lon), float(rng.uniform(85e3, 110e3))))
        duration = float(np.clip(rng.lognormal(-0.9, 0.5), 0.12, 1.6))
        moments = np.arange(max(4, round(duration * _FRAME_RATE))) / _FRAME_RATE
        path = begin - radiant * (speed * 1e3 * moments)[:, None]
        if float(geodetic(path[-1])[2]) > 55e3:
            yield from ((number, s) for s in _seen(network, rng, path, time + moments))


def _radiant(
    rng: np.random.Generator, lat: float, lon: float, time: float, shower: str
) -> tuple[Floats | None, float]:
    """Give the direction from which a meteor comes, and its speed; None if that is below the horizon."""
    up = vectors(lon, lat)
    if shower:
        known = shower_named(shower)
        place = (lat, lon, 0.0)
        radiant, speed = apparent_radiant(known.ra, known.dec, known.speed, time, place)
        return (radiant if radiant @ up > 0.15 else None), float(speed)
    direction = unit(rng.normal(size=3))
    direction = direction if direction @ up > 0 else -direction
    return (direction if direction @ up > 0.3 else None), float(rng.uniform(14.0, 68.0))


def _seen(network: Network, rng: np.random.Generator, path: Floats, time: Floats) -> Iterator[Sighting]:
    for i, (site, clock) in enumerate(zip(network.sites, network.clocks, strict=True)):
        apart = path - position(site)
        if np.linalg.norm(apart[0]) > _FARTHEST * 1e3 or rng.random() > network.field:
            continue
        rays = unit(apart)
        up = horizon_axes(site.latitude, site.longitude)[2]
        if np.degrees(np.arcsin(min(rays[0] @ up, rays[-1] @ up))) < _LOWEST:
            continue
        rays = unit(rays + rng.normal(0.0, np.radians(network.noise), rays.shape))
        az, alt = earth_to_horizontal(rays, site)
        points = {name: np.full(len(az), np.nan) for name in POINTS}
        points.update(time=time + clock, az=az, alt=alt)
        yield Sighting("simulated", f"C{i:03d}", str(time[0]), f"C{i:03d}", site, "catalog", points)
