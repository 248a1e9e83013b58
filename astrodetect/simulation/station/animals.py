"""What flies near the camera: insects, birds, bats."""

from __future__ import annotations

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.meteors import log_uniform
from astrodetect.simulation.objects import SceneObject
from astrodetect.simulation.station.vehicles import Maker
from astrodetect.simulation.station.view import Generator, Places, View


def wandering(
    rng: Generator,
    direction: Floats,
    distance: float,
    speed: float,
    bend: float,
    span: tuple[float, float],
) -> Places:
    """Give a path that bends at random.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    direction : (3,) float64 array
        Where it is half way.
    distance : float
        From the camera (m).
    speed : float
        m/s.
    bend : float
        How much its heading changes in a second (rad).
    span : (float, float)
        Seconds in which it is there.
    """
    n = 300
    times = np.linspace(*span, n)
    step = (span[1] - span[0]) / (n - 1)
    turns = np.cumsum(rng.normal(0, bend * np.sqrt(step), n)) + float(rng.uniform(0, 2 * np.pi))
    side = np.cross(direction, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side) + 1e-9
    over = np.cross(side, direction)
    velocity = speed * (np.cos(turns)[:, None] * side + np.sin(turns)[:, None] * over)
    # Some of the speed is towards the camera or away from it.
    velocity += float(rng.normal(0, 0.3)) * speed * direction
    track = np.cumsum(velocity * step, axis=0)
    track += distance * direction - track[n // 2]

    def places(seconds: Floats) -> Floats:
        return np.stack([np.interp(seconds, times, track[:, axis]) for axis in range(3)], axis=1)

    return places


def insect(rng: Generator, view: View) -> list[SceneObject]:
    """Make an insect 0.2 to 3 m from the lens: out of focus, fast, with wings that beat at 50 to 400 Hz."""
    distance, speed = log_uniform(rng, (0.2, 3.0)), log_uniform(rng, (0.4, 3.0))
    seconds = float(rng.uniform(0.15, 1.2))
    begin = float(rng.uniform(-0.1, max(0.0, view.seconds - 0.5 * seconds)))
    span = (begin, begin + seconds)
    places = wandering(rng, view.direction(rng, -90.0), distance, speed, 5.0, span)
    # A point at this distance is spread over the opening of the lens.
    blur = np.degrees(view.station.aperture * 1e-3 / distance) / view.station.degrees_per_pixel
    size = np.degrees(0.006 / distance) / view.station.degrees_per_pixel
    beat, phase, depth = float(rng.uniform(50, 400)), float(rng.uniform(0, 6.3)), float(rng.uniform(0.2, 0.9))

    def curve(at: Floats) -> Floats:
        return np.asarray(1 + depth * np.sin(2 * np.pi * beat * at + phase), dtype=np.float64)

    blur = float(np.clip(np.hypot(blur, size), 1.0, 14.0))
    snr = log_uniform(rng, (6.0, 80.0))
    return list(view.source("insect", "insect", places, curve, span, layer="air", blur=blur, snr=snr))


def bird(rng: Generator, view: View) -> list[SceneObject]:
    """Make a bird 30 to 300 m away, 8 to 18 m/s, lit from below, with wings that beat at 3 to 9 Hz."""
    return _flier(rng, view, "bird", (30.0, 300.0), (8.0, 18.0), (0.0, 0.15), (3.0, 9.0), 0.5)


def bat(rng: Generator, view: View) -> list[SceneObject]:
    """Make a bat 5 to 40 m away, 4 to 9 m/s, that turns all the time, with wings that beat at 10 to 15 Hz."""
    return _flier(rng, view, "bat", (5.0, 40.0), (4.0, 9.0), (1.5, 4.0), (10.0, 15.0), 0.15)


def _flier(
    rng: Generator,
    view: View,
    kind: str,
    distances: tuple[float, float],
    speeds: tuple[float, float],
    bends: tuple[float, float],
    beats: tuple[float, float],
    size: float,
) -> list[SceneObject]:
    distance, speed = log_uniform(rng, distances), float(rng.uniform(*speeds))
    middle = float(rng.uniform(0.1, 0.9)) * view.seconds
    half = 1.2 * distance / speed
    span = (middle - half, middle + half)
    direction = view.direction(rng, 5.0)
    places = wandering(rng, direction, distance, speed, float(rng.uniform(*bends)), span)
    beat, phase = float(rng.uniform(*beats)), float(rng.uniform(0, 6.3))

    def curve(at: Floats) -> Floats:
        return np.asarray(1 + 0.6 * np.sin(2 * np.pi * beat * at + phase), dtype=np.float64)

    blur = float(np.clip(np.degrees(size / distance) / view.station.degrees_per_pixel, 0.5, 12.0))
    snr = log_uniform(rng, (5.0, 40.0))
    return list(view.source(kind, "bird", places, curve, span, layer="air", blur=blur, snr=snr))


#: By name.
ANIMALS: dict[str, Maker] = {"insect": insect, "bird": bird, "bat": bat}
