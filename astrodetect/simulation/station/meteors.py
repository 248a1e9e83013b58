"""Meteors of a station: trajectories in the atmosphere, seen from the ground."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.station.ablation import (
    Flight,
    Meteoroid,
    Release,
    absolute_magnitude,
    fly,
    total_power,
)
from astrodetect.simulation.station.sources import Body, Swarm
from astrodetect.simulation.station.view import Generator, View, at_height, vertical_at
from astrodetect.sky import frames

#: Height at which flights begin (km).
_BEGIN = 140.0
#: Highest and lowest of the brightness that is drawn (magnitudes), and mean excess over the faintest seen.
BRIGHTEST, FAINTEST, _EXCESS = -12.0, 6.5, 1.8
#: A meteor moves, and half of the field is darker than its middle: it has to be so much brighter than a star.
_BRIGHTER = 1.0
#: Times of a body's track in a frame.
_PER_FRAME = 6
#: Time (s) in which the glow that a meteor leaves behind fades by a factor e, and its part of the light.
_TRAIN = (0.25, 1.5)


@dataclass(frozen=True)
class MeteorWish:
    """What is asked of a meteor; None is drawn at random.

    Attributes
    ----------
    magnitude : float or None
        At its brightest, as seen from the station, above the air.
    speed : float or None
        km/s, 11 to 72.
    zenith : float or None
        Angle of its path from the vertical (deg).
    fragments : str or None
        ``none``, ``dust`` (a wake), ``flares``, ``pieces`` or ``flash`` (at the end).
    peak : float or None
        Seconds into the recording at which it is brightest.
    """

    magnitude: float | None = None
    speed: float | None = None
    zenith: float | None = None
    fragments: str | None = None
    peak: float | None = None

    def __post_init__(self) -> None:
        if self.speed is not None and not 11.0 <= self.speed <= 72.8:
            raise AstrodetectError(f"speed is {self.speed:g} km/s; meteors have 11 to 72.8")
        if self.fragments is not None and self.fragments not in _BREAKUPS:
            raise AstrodetectError(f"fragments is {self.fragments!r}; expected {', '.join(_BREAKUPS)}")


_BREAKUPS = ("none", "dust", "flares", "pieces", "flash")


@dataclass(frozen=True)
class Trajectory:
    """A straight path through the atmosphere.

    Attributes
    ----------
    begin : (3,) float64 array
        Where its flight begins, kilometres north, east, up of the station.
    towards : (3,) float64 array
        Where it goes.
    """

    begin: Floats
    towards: Floats

    def places(self, along: Floats) -> Floats:
        """Give the places (n, 3) at distances from the begin (km)."""
        return np.asarray(self.begin + np.asarray(along)[:, None] * self.towards, dtype=np.float64)


def faintest_seen(view: View) -> float:
    """Give the magnitude of a star at signal-to-noise 3 in one frame, in the darkest sky of the station."""
    station = view.station
    area = math.pi * station.psf.fwhm**2
    pixel = (station.degrees_per_pixel * 3600) ** 2 * station.zero_flux * 10 ** (-0.4 * station.zenith)
    noise = math.sqrt(area * (station.sensor.read_variance + pixel))
    return 2.5 * math.log10(station.zero_flux / (3 * noise))


def make_meteor(rng: Generator, view: View, wish: MeteorWish | None = None) -> list[Swarm]:
    """Make a meteor.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    view : View
        Station and recording.
    wish : MeteorWish, optional
        What is fixed.

    Returns
    -------
    list of Swarm
        One; none if it passes outside of the picture.
    """
    wish = wish or MeteorWish()
    limit = faintest_seen(view)
    drawn = min(FAINTEST, limit - _BRIGHTER - float(rng.exponential(_EXCESS)))
    magnitude = max(BRIGHTEST, drawn) if wish.magnitude is None else wish.magnitude
    meteoroid = _draw_meteoroid(rng, wish)
    direction = view.direction(rng, 10.0)
    meteoroid, trajectory, peak = _with_magnitude(rng, meteoroid, direction, magnitude)
    at = float(rng.uniform(0.12, 0.88)) * view.seconds if wish.peak is None else wish.peak
    train = float(np.exp(rng.uniform(*np.log(_TRAIN)))), _train_part(rng, meteoroid)
    return swarm(view, fly(meteoroid, _BEGIN), trajectory, at - peak, train)


def _draw_meteoroid(rng: Generator, wish: MeteorWish) -> Meteoroid:
    speed = wish.speed
    if speed is None:
        # Two humps: slow ones of the ecliptic, fast ones of the apex.
        speed = rng.normal(24, 8) if rng.random() < 0.5 else rng.normal(58, 8)
        speed = float(np.clip(speed, 11.2, 72.0))
    zenith = wish.zenith
    if zenith is None:
        # Equal numbers through equal areas: 2 sin z cos z dz, without those that graze.
        zenith = float(np.degrees(np.arcsin(np.sqrt(rng.uniform(0.0, 0.96)))))
    cometary = bool(rng.random() < (0.75 if speed > 30 else 0.4))
    density, ablation = (float(rng.uniform(300, 1500)), 0.06) if cometary else (3200.0, 0.02)
    onset = 86.0 + 0.4 * (speed - 11.0) + 8.0 * cometary + float(rng.normal(0, 2.5))
    efficiency = 0.003 + 0.004 * min(speed, 40.0) / 40.0
    return Meteoroid(
        1e-4, speed, zenith, density, ablation, efficiency, onset, _draw_releases(rng, wish.fragments)
    )


def _draw_releases(rng: Generator, fragments: str | None) -> tuple[Release, ...]:
    """Draw what breaks off; heights in parts of the way from onset (1) to the end (0) are set later."""
    kind = fragments or str(rng.choice(_BREAKUPS, p=(0.35, 0.3, 0.15, 0.08, 0.12)))
    parts: list[Release] = []
    if kind == "dust":
        heights = np.linspace(0.85, 0.1, 7)
        parts = [Release(float(h), float(rng.uniform(0.05, 0.2)), 1e-4) for h in heights]
    elif kind == "flares":
        for height in sorted(rng.uniform(0.05, 0.6, int(rng.integers(1, 4))), reverse=True):
            parts.append(
                Release(float(height), float(rng.uniform(0.15, 0.5)), 10 ** float(rng.uniform(-6, -4)))
            )
    elif kind == "pieces":
        for height in sorted(rng.uniform(0.3, 0.7, int(rng.integers(1, 4))), reverse=True):
            parts.append(
                Release(float(height), float(rng.uniform(0.1, 0.4)), float(rng.choice([1.0, 0.5, 0.1])))
            )
    if kind == "flash" or (kind != "none" and rng.random() < 0.15):
        parts.append(Release(float(rng.uniform(0.02, 0.2)), float(rng.uniform(0.85, 0.98)), 1e-6))
    return tuple(parts)


def _with_magnitude(
    rng: Generator, meteoroid: Meteoroid, direction: Floats, magnitude: float
) -> tuple[Meteoroid, Trajectory, float]:
    """Find the mass with which it is as bright as wanted, seen in a direction at its brightest.

    Returns
    -------
    meteoroid : Meteoroid
    trajectory : Trajectory
    peak : float
        Seconds from the begin of its flight to its brightest moment.
    """
    shares = meteoroid.releases
    heading = float(rng.uniform(0, 360))
    mass = 1e-3 * 10 ** (-0.4 * magnitude) * (30.0 / meteoroid.speed) ** 3
    for _ in range(4):
        bare = fly(replace(meteoroid, mass=mass, releases=()), _BEGIN)[0]
        low = float(_BEGIN - bare.path[-1] * math.cos(math.radians(meteoroid.zenith)))
        releases = tuple(r._replace(height=low + r.height * (meteoroid.onset - low)) for r in shares)
        tried = replace(meteoroid, mass=mass, releases=releases)
        flights = fly(tried, _BEGIN)
        times = np.arange(0.0, flights[0].time[-1] + 0.3, 0.01)
        power = total_power(flights, times)
        peak = float(times[int(np.argmax(power))])
        along = float(np.interp(peak, flights[0].time, flights[0].path))
        trajectory = _through(direction, heading, tried, along)
        distance = float(np.linalg.norm(trajectory.places(np.array([along]))[0]))
        seen = float(absolute_magnitude(float(power.max()))) + 5 * math.log10(distance / 100.0)
        if abs(seen - magnitude) < 0.03:
            break
        mass *= 10 ** (0.4 * (seen - magnitude))
    return tried, trajectory, peak


def _through(direction: Floats, heading: float, meteoroid: Meteoroid, along: float) -> Trajectory:
    """Give the path of a meteoroid that is seen in a direction when it has flown so far (km)."""
    slope = math.cos(math.radians(meteoroid.zenith))
    place = at_height(direction, _BEGIN - along * slope)
    up = vertical_at(place)
    level = frames.vectors(heading, 0.0)
    level = level - (level @ up) * up
    level /= np.linalg.norm(level)
    towards = math.sin(math.radians(meteoroid.zenith)) * level - slope * up
    return Trajectory(place - along * towards, towards)


def swarm(
    view: View,
    flights: list[Flight],
    trajectory: Trajectory,
    begin: float,
    train: tuple[float, float] = (0.5, 0.0),
) -> list[Swarm]:
    """Put a meteor into a recording.

    Parameters
    ----------
    view : View
        Station and recording.
    flights : list of Flight
        Its bodies.
    trajectory : Trajectory
        Their path.
    begin : float
        Seconds into the recording at which their flight begins.
    train : (float, float)
        Seconds in which the glow that it leaves behind fades, and its part of the light.

    Returns
    -------
    list of Swarm
        One; none if it passes outside of the picture.
    """
    bodies: list[Body] = []
    glow: list[Body] = []
    for number, flight in enumerate(flights):
        body = _body(view, flight, trajectory, begin)
        if body is None:
            continue
        head = body._replace(light=body.light * (1 - train[1]))
        bodies.append(head)
        if number == 0 and train[1] > 0:
            glow = _train(view, body, *train)
    if not bodies:
        return []
    first = min(body.times[0] for body in bodies)
    last = max(body.times[-1] for body in (*bodies, *glow))
    station = view.station
    none = np.zeros_like
    return [
        Swarm(
            "meteor", lambda t: (none(t), none(t)), none, float(first), float(last), 0.0, station.psf.fwhm,
            station.duty, psf=station.psf, kind="meteor", bodies=bodies, glow=glow,
        )
    ]  # fmt: skip


def _body(view: View, flight: Flight, trajectory: Trajectory, begin: float) -> Body | None:
    """Give one body in pixels and electrons; None if it gives no light in the picture."""
    first, last = flight.time[0], flight.time[-1]
    times = np.linspace(first, last, max(4, int((last - first) * view.rate * _PER_FRAME)))
    places = trajectory.places(np.interp(times, flight.time, flight.path))
    x, y = view.pixels(places)
    distance = np.linalg.norm(places, axis=1)
    power = np.interp(times, flight.time, flight.power)
    light = view.light(absolute_magnitude(power) + 5 * np.log10(distance / 100.0))
    height, width = view.station.shape
    with np.errstate(invalid="ignore"):
        near = (x > -60) & (x < width + 60) & (y > -60) & (y < height + 60) & (light > 0.05)
    seen = np.flatnonzero(near)
    if len(seen) < 2:
        return None
    part = slice(int(seen[0]), int(seen[-1]) + 1)
    frame = (times[part] + begin) * view.rate
    if not np.isfinite(x[part]).all() or frame[-1] < 0 or frame[0] > view.frames:
        return None
    return Body(frame, x[part], y[part], light[part])


def _train_part(rng: Generator, meteoroid: Meteoroid) -> float:
    """Give the part of the light that stays behind: much of fast meteors, little of slow ones."""
    return float(rng.uniform(0.02, 0.1) + 0.15 * max(0.0, meteoroid.speed - 40) / 30)


def _train(view: View, body: Body, seconds: float, part: float) -> list[Body]:
    """Give what glows on where a body has been: points that light up as it passes and then fade."""
    fade = seconds * view.rate
    n = int(np.clip(np.hypot(np.ptp(body.x), np.ptp(body.y)) / 1.5, 3, 60))
    edges = np.linspace(body.times[0], body.times[-1], n + 1)
    grid = np.linspace(body.times[0], body.times[-1], 8 * n)
    light = np.interp(grid, body.times, body.light)
    points = []
    for start, end in itertools.pairwise(edges.tolist()):
        inside = (grid >= start) & (grid <= end)
        emitted = part * float(light[inside].mean()) * (end - start) if inside.any() else 0.0
        if emitted <= 0:
            continue
        age = np.concatenate([[0.0], (end - start) * np.array([0.5, 1.0]), end - start + fade * _AGES])
        glow = emitted / fade * np.exp(-np.maximum(age - (end - start), 0) / fade)
        glow[0] = 0.0
        middle = 0.5 * (start + end)
        x, y = (np.full(len(age), float(np.interp(middle, body.times, v))) for v in (body.x, body.y))
        points.append(Body(start + age, x, y, glow))
    return points


_AGES = np.array([0.2, 0.5, 1.0, 1.5, 2.2, 3.0, 4.0])
