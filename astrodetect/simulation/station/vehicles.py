"""What people fly: aircraft, satellites and trains of them, drones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.meteors import log_uniform
from astrodetect.simulation.objects import SceneObject
from astrodetect.simulation.station.view import EARTH, Curve, Generator, Places, View, at_height, vertical_at
from astrodetect.sky import frames

#: Gravitational parameter of the Earth (km³/s²).
_GM = 398600.0


def level_path(rng: Generator, place: Floats, speed: float, middle: float) -> Places:
    """Give a straight, level path through a place (km) in the middle of a recording, at km/s."""
    up = vertical_at(place)
    heading = frames.vectors(float(rng.uniform(0, 360)), 0.0)
    heading = heading - (heading @ up) * up
    heading /= np.linalg.norm(heading)

    def places(seconds: Floats) -> Floats:
        return np.asarray(place + speed * (seconds - middle)[:, None] * heading, dtype=np.float64)

    return places


def pulses(seconds: Floats, period: float, phase: float, width: float) -> Floats:
    """Give 1 during pulses of a width (s) and 0 between them."""
    return np.where(((seconds / period + phase) % 1.0) * period < width, 1.0, 0.0)


def aircraft(rng: Generator, view: View) -> list[SceneObject]:
    """Make an aircraft: 1 to 12 km high, 70 to 260 m/s; lamps, strobe, beacon, landing lights."""
    height = float(rng.uniform(1.0, 12.0))
    speed = float(np.interp(height, (1.0, 12.0), (0.09, 0.25)) * rng.uniform(0.8, 1.1))
    place = at_height(view.direction(rng, 8.0), height)
    places = level_path(rng, place, speed, float(rng.uniform(0.2, 0.8)) * view.seconds)
    steady = log_uniform(rng, (20.0, 120.0)) * (300.0 if height < 4 and rng.random() < 0.4 else 1.0)
    strobe, beacon = log_uniform(rng, (150.0, 1500.0)), log_uniform(rng, (50.0, 400.0))
    gap, turn = float(rng.uniform(0.9, 1.3)), float(rng.uniform(1.0, 1.6))
    phases = rng.random(3)
    short, double = 0.3 / view.rate, bool(rng.random() < 0.4)

    def candela(seconds: Floats) -> Floats:
        light = steady + strobe * 3 * pulses(seconds, gap, phases[0], short)
        if double:
            light = light + strobe * 3 * pulses(seconds - 0.12, gap, phases[0], short)
        return np.asarray(light + beacon * pulses(seconds, turn, phases[1], 0.15), dtype=np.float64)

    def curve(seconds: Floats) -> Floats:
        distance = np.linalg.norm(places(seconds), axis=1)
        return view.magnitude_of_lamp(1.0, distance) - 2.5 * np.log10(candela(seconds))

    return list(view.source("aircraft", "aircraft", places, curve))


def drone(rng: Generator, view: View) -> list[SceneObject]:
    """Make a drone: 30 to 120 m high and near, hovering or slow, with steady and blinking lamps."""
    direction = view.direction(rng, 8.0)
    distance = float(rng.uniform(0.03, 0.12)) / max(direction[2], 0.15)
    speed = float(rng.choice([0.0005, 0.003, 0.008])) * float(rng.uniform(0.5, 1.5))
    straight = level_path(rng, distance * direction, speed, view.seconds / 2)
    sway, period = float(rng.uniform(2e-5, 2e-4)), rng.uniform(0.7, 3.0, 3)
    steady, blink = log_uniform(rng, (0.01, 0.3)), log_uniform(rng, (0.03, 1.0))
    gap, phase = float(rng.uniform(0.5, 2.0)), float(rng.random())

    def places(seconds: Floats) -> Floats:
        return straight(seconds) + sway * np.sin(2 * np.pi * seconds[:, None] / period)

    def curve(seconds: Floats) -> Floats:
        light = steady + blink * pulses(seconds, gap, phase, 0.3 * gap)
        return view.magnitude_of_lamp(1.0, np.full(len(seconds), distance)) - 2.5 * np.log10(light)

    return list(view.source("drone", "aircraft", places, curve, layer="air"))


class Orbit:
    """A circular orbit that passes through a place.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws its direction.
    view : View
        Station, and where the Sun is.
    height : float
        Kilometres.
    middle : float
        Seconds into the recording at which it is at the place.
    """

    def __init__(self, rng: Generator, view: View, height: float, middle: float) -> None:
        place = at_height(view.direction(rng, 15.0), height)
        self._centre = np.array([0.0, 0.0, -EARTH])
        self._radius = EARTH + height
        self._out = (place - self._centre) / self._radius
        heading = np.cross(self._out, frames.vectors(float(rng.uniform(0, 360)), float(rng.uniform(-30, 30))))
        self._along = heading / np.linalg.norm(heading)
        self._rate = math.sqrt(_GM / self._radius**3)
        self._middle = middle
        sun = view.sky.sun or (float(rng.uniform(0, 360)), float(rng.uniform(-35, -12)))
        self._sun = frames.vectors(*sun)

    def places(self, seconds: Floats, behind: float = 0.0) -> Floats:
        """Give where it is (km from the station), or what follows it by some seconds."""
        angle = (self._rate * (seconds - self._middle - behind))[:, None]
        where = self._radius * (np.cos(angle) * self._out + np.sin(angle) * self._along)
        return np.asarray(self._centre + where, dtype=np.float64)

    def magnitude(self, seconds: Floats, standard: float, behind: float = 0.0) -> Floats:
        """Give its magnitude: that at 1000 km, distance, and the shadow of the Earth with its soft edge."""
        places = self.places(seconds, behind)
        distance = np.linalg.norm(places, axis=1)
        geocentric = places - self._centre
        towards = geocentric @ self._sun
        aside = np.linalg.norm(geocentric - towards[:, None] * self._sun, axis=1)
        lit = np.where(towards > 0, 1.0, 1 / (1 + np.exp(np.clip((EARTH + 15 - aside) / 8.0, -30, 30))))
        dimmed = standard + 5 * np.log10(distance / 1000.0) - 2.5 * np.log10(np.maximum(lit, 1e-6))
        return np.asarray(dimmed, dtype=np.float64)


def _orbit(rng: Generator, view: View, low: float = 350.0, high: float = 1400.0) -> Orbit:
    """Draw an orbit on which there is sunlight where it is seen, if there is one."""
    middle = np.array([float(rng.uniform(0.2, 0.8)) * view.seconds])
    height = log_uniform(rng, (low, high))
    for _ in range(12):
        orbit = Orbit(rng, view, height, float(middle[0]))
        if float(orbit.magnitude(middle, 5.0)[0]) < 12:
            break
        height = min(1.3 * height, 2500.0)
    return orbit


def satellite(rng: Generator, view: View) -> list[SceneObject]:
    """Make a satellite in a circular orbit, 350 to 1400 km high, that may fade into the Earth's shadow."""
    orbit = _orbit(rng, view)
    standard = _standard(rng, view)
    depth, period, phase = float(rng.uniform(0, 0.3)), float(rng.uniform(2, 10)), float(rng.uniform(0, 6.3))

    def curve(seconds: Floats) -> Floats:
        wave = depth * np.sin(2 * np.pi * seconds / period + phase)
        return orbit.magnitude(seconds, standard) + wave

    return list(view.source("satellite", "satellite", orbit.places, curve))


def _standard(rng: Generator, view: View) -> float:
    """Draw a magnitude at 1000 km that the camera can see."""
    from astrodetect.simulation.station.meteors import faintest_seen

    return min(float(rng.uniform(1.0, 5.0)), faintest_seen(view) - float(rng.exponential(1.2)))


def satellite_train(rng: Generator, view: View) -> list[SceneObject]:
    """Make a train of satellites, some days after their launch: one behind the other, evenly spaced."""
    orbit = _orbit(rng, view, 280.0, 560.0)
    standard = _standard(rng, view) - 0.5
    gap = log_uniform(rng, (0.3, 4.0))
    made: list[SceneObject] = []
    for number in range(int(rng.integers(4, 16))):
        behind = (number - 4) * gap + float(rng.normal(0, 0.03 * gap))
        own = standard + float(rng.normal(0, 0.25))
        places, curve = _follower(orbit, behind, own)
        made.extend(view.source("satellite-train", "satellite", places, curve))
    return made


def _follower(orbit: Orbit, behind: float, standard: float) -> tuple[Places, Curve]:
    return (
        lambda seconds: orbit.places(seconds, behind),
        lambda seconds: orbit.magnitude(seconds, standard, behind),
    )


def tumbling_satellite(rng: Generator, view: View) -> list[SceneObject]:
    """Make a tumbling satellite: faint, with glints at each turn, or one flare of some seconds."""
    orbit = _orbit(rng, view)
    standard = _standard(rng, view)
    once = bool(rng.random() < 0.35)
    period = 1e6 if once else float(rng.uniform(0.4, 4.0))
    width = float(rng.uniform(0.4, 1.5)) if once else float(rng.uniform(0.01, 0.08)) * period
    at, second = float(rng.uniform(0.2, 0.8)) * view.seconds, float(rng.uniform(0, 0.7))

    def curve(seconds: Floats) -> Floats:
        turn = (seconds - at) / period
        away = (turn + 0.5) % 1.0 - 0.5
        half = (turn + 1.0) % 1.0 - 0.5
        glint = np.exp(-0.5 * (away * period / width) ** 2) + second * np.exp(
            -0.5 * (half * period / width) ** 2
        )
        return orbit.magnitude(seconds, standard) - 2.5 * np.log10(0.04 + glint)

    return list(view.source("tumbling-satellite", "satellite", orbit.places, curve))


Maker = Callable[[Generator, View], list[SceneObject]]
#: By name.
VEHICLES: dict[str, Maker] = {
    "aircraft": aircraft,
    "drone": drone,
    "satellite": satellite,
    "satellite-train": satellite_train,
    "tumbling-satellite": tumbling_satellite,
}
