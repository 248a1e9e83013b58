"""Meteors: straight paths that slow down a little, light curves that rise, peak and fall."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from astrodetect.simulation.psf import FloatArray
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.sources import Light, MovingSource

Generator = np.random.Generator
#: A circle (x, y, radius) that meteors keep out of, in pixels.
Circle = tuple[float, float, float]


def log_uniform(rng: Generator, bounds: tuple[float, float]) -> float:
    """Draw from a log-uniform distribution.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    bounds : (float, float)
        Lowest and highest value, both above 0.
    """
    return float(np.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1]))))


@dataclass(frozen=True)
class MeteorSpec:
    """What is asked of a meteor; None is drawn at random.

    Attributes
    ----------
    snr : float or None
        Highest signal-to-noise in one frame.
    speed : float or None
        Pixels per frame.
    cut : bool or None
        It crosses the frame's edge, or the recording's start or end.
    direction : float or None
        Radians from x to y.
    """

    snr: float | None = None
    speed: float | None = None
    cut: bool | None = None
    direction: float | None = None


def make_meteor(
    rng: Generator, settings: Settings, spec: MeteorSpec | None = None, avoid: Circle | None = None
) -> MovingSource:
    """Make a meteor.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    settings : Settings
        Ranges of speed, signal-to-noise and duration; size of the frame.
    spec : MeteorSpec, optional
        What is fixed.
    avoid : (float, float, float), optional
        A circle to keep out of: the Moon.
    """
    spec = spec or MeteorSpec()
    speed = log_uniform(rng, settings.meteor_speed) if spec.speed is None else spec.speed
    snr = log_uniform(rng, settings.meteor_snr) if spec.snr is None else spec.snr
    cut = bool(rng.random() < settings.cut_meteors) if spec.cut is None else spec.cut
    duration = _duration(rng, settings, speed)
    length = speed * duration
    first = float(rng.uniform(0.5, max(0.6, settings.frames - duration - 0.5)))
    cut_in_time = cut and bool(rng.random() < 0.5)
    if cut_in_time:
        first = float(rng.choice([-0.4 * duration, settings.frames - 0.6 * duration]))
    across_edge = cut and not cut_in_time
    start, direction = _place(rng, settings.shape, length, avoid, across_edge, spec.direction)
    slowing = rng.uniform(0.0, 0.2)

    def path(times: FloatArray) -> tuple[FloatArray, FloatArray]:
        phase = (times - first) / duration
        along = length * phase * (1 + 0.5 * slowing * (1 - phase))
        return start[0] + along * direction[0], start[1] + along * direction[1]

    light = _light_curve(rng, settings, first, duration)
    return MovingSource("meteor", path, light, first, first + duration, snr, settings.fwhm, settings.duty)


def _duration(rng: Generator, settings: Settings, speed: float) -> float:
    """Draw a duration in frames that gives a path of sensible length."""
    low, high = (seconds * settings.frame_rate for seconds in settings.meteor_seconds)
    low = max(low, 3.0, 8.0 / speed)
    high = min(high, 0.6 * math.hypot(*settings.shape) / speed)
    low = min(max(low, 0.0), 0.9 * settings.frames)
    high = min(max(high, low), 0.9 * settings.frames)
    return log_uniform(rng, (low, max(high, low)))


def _place(
    rng: Generator,
    shape: tuple[int, int],
    length: float,
    avoid: Circle | None,
    across_edge: bool,
    towards: float | None,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Choose the start (x, y) and the direction of a path of given length."""
    height, width = shape
    margin = min(10.0, 0.05 * min(shape))
    chosen = ((width / 2, height / 2), (1.0, 0.0))
    for _ in range(500):
        angle = rng.uniform(0, 2 * math.pi) if towards is None else towards
        direction = (math.cos(angle), math.sin(angle))
        x, y = rng.uniform(margin, width - margin), rng.uniform(margin, height - margin)
        end_x, end_y = x + length * direction[0], y + length * direction[1]
        inside = margin <= end_x < width - margin and margin <= end_y < height - margin
        if across_edge:
            # Half of it inside, at least.
            middle = (x + end_x) / 2, (y + end_y) / 2
            fits = not inside and 0 <= middle[0] < width and 0 <= middle[1] < height
        else:
            fits = inside
        if fits:
            chosen = ((x, y), direction)
            if avoid is None or not _touches(chosen[0], direction, length, avoid):
                break
    return chosen


def _touches(
    start: tuple[float, float], direction: tuple[float, float], length: float, circle: Circle
) -> bool:
    to_x, to_y = circle[0] - start[0], circle[1] - start[1]
    along = min(max(to_x * direction[0] + to_y * direction[1], 0.0), length)
    return math.hypot(to_x - along * direction[0], to_y - along * direction[1]) < circle[2]


def _light_curve(rng: Generator, settings: Settings, first: float, duration: float) -> Light:
    """Make a light curve: rise and fall with a peak after the middle, perhaps flares and a last flash."""
    peak, sharpness = rng.uniform(0.4, 0.85), rng.uniform(0.6, 2.0)
    rise, fall = sharpness * peak, sharpness * (1 - peak)
    flares: list[tuple[float, float, float]] = []
    if rng.random() < settings.flares:
        flares.extend(
            (rng.uniform(0.3, 0.95), rng.uniform(0.02, 0.06), rng.uniform(0.5, 2.0))
            for _ in range(int(rng.integers(1, 3)))
        )
    if rng.random() < 0.5 * settings.flares:
        flares.append((0.95, 0.025, rng.uniform(1.0, 4.0)))

    def light(times: FloatArray) -> FloatArray:
        phase = np.clip((times - first) / duration, 0.0, 1.0)
        value = (phase / peak) ** rise * ((1 - phase) / (1 - peak)) ** fall
        for at, width, size in flares:
            value = value + size * np.exp(-0.5 * ((phase - at) / width) ** 2)
        return np.asarray(value, dtype=np.float64)

    return light
