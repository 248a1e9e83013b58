"""What is no meteor and looks a little like one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from astrodetect.simulation.clock import Clock
from astrodetect.simulation.meteors import log_uniform
from astrodetect.simulation.objects import SceneObject
from astrodetect.simulation.psf import FloatArray
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.sky import Glow, grid, texture
from astrodetect.simulation.sources import CosmicRay, Light, MovingSource, Path

#: Motion (px per frame at 30 frames/s) of satellites and aircraft. In the cameras that are simulated,
#: meteors of 2 to 40 degrees per second move 1 to 30 px per frame. Nothing in an orbit is faster than
#: 1.2 degrees per second (overhead, at 400 km); an aircraft at 10 km seldom more than 1.5, when landing 2.
_SATELLITE, _AIRCRAFT = (0.1, 0.9), (0.2, 1.5)

Generator = np.random.Generator
Maker = Callable[[Generator, Settings, float], list[SceneObject]]


def _crossing(rng: Generator, settings: Settings, speed: float, offset: float = 0.0) -> tuple[Path, float]:
    """Make a straight path through the middle part of the frame at half of the recording."""
    height, width = settings.shape
    angle = rng.uniform(0, 2 * math.pi)
    x, y = rng.uniform(0.15, 0.85) * width, rng.uniform(0.1, 0.8) * height
    middle = settings.frames / 2
    cos, sin = math.cos(angle), math.sin(angle)

    def path(times: FloatArray) -> tuple[FloatArray, FloatArray]:
        along = speed * (times - middle) + offset
        return x + along * cos, y + along * sin

    return path, angle


def _pulses(period: float, phase: float, width: float, size: float) -> Light:
    def light(times: FloatArray) -> FloatArray:
        return np.where(((times / period + phase) % 1.0) * period < width, size, 0.0)

    return light


def aircraft(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:  # noqa: ARG001
    """Make an aircraft: a steady lamp, a strobe and a beacon, on for the whole recording."""
    speed = log_uniform(rng, _AIRCRAFT) * 30.0 / settings.frame_rate
    path, _ = _crossing(rng, settings, speed)
    rate = settings.frame_rate
    size = log_uniform(rng, (2.0, 8.0))
    strobe = _pulses(rng.uniform(0.9, 1.3) * rate, rng.random(), max(1.0, 0.05 * rate), size)
    beacon = _pulses(rng.uniform(1.0, 1.6) * rate, rng.random(), max(1.0, 0.1 * rate), 0.4 * size)

    def light(times: FloatArray) -> FloatArray:
        return 1.0 + strobe(times) + beacon(times)

    return [_source("aircraft", path, light, settings, log_uniform(rng, (10.0, 60.0)))]


def satellite(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:  # noqa: ARG001
    """Make a satellite: steady or slowly varying, sometimes fading into the Earth's shadow."""
    speed = log_uniform(rng, _SATELLITE) * 30.0 / settings.frame_rate
    path, _ = _crossing(rng, settings, speed)
    depth, period = rng.uniform(0.0, 0.4), rng.uniform(2.0, 8.0) * settings.frame_rate
    phase = rng.uniform(0, 2 * math.pi)
    fades = rng.random() < 0.3
    gone, width = rng.uniform(0.4, 1.0) * settings.frames, rng.uniform(0.3, 1.5) * settings.frame_rate

    def light(times: FloatArray) -> FloatArray:
        value = 1 + depth * np.sin(2 * math.pi * times / period + phase)
        return value / (1 + np.exp(np.clip((times - gone) / width, -50, 50))) if fades else value

    return [_source("satellite", path, light, settings, log_uniform(rng, (4.0, 25.0)))]


def tumbler(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:  # noqa: ARG001
    """Make a tumbling satellite: glints of a few frames, or one slow flare, on a slow path."""
    speed = log_uniform(rng, _SATELLITE) * 30.0 / settings.frame_rate
    path, _ = _crossing(rng, settings, speed)
    rate = settings.frame_rate
    once = rng.random() < 0.4
    period = 1e9 if once else rng.uniform(0.6, 3.0) * rate
    width = rng.uniform(0.3, 1.0) * rate if once else rng.uniform(0.04, 0.2) * rate
    at = rng.uniform(0.2, 0.8) * settings.frames

    def light(times: FloatArray) -> FloatArray:
        away = (times - at + 0.5 * period) % period - 0.5 * period
        return np.asarray(0.05 + np.exp(-0.5 * (away / width) ** 2), dtype=np.float64)

    return [_source("satellite", path, light, settings, log_uniform(rng, (8.0, 50.0)))]


def insect(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:  # noqa: ARG001
    """Make an insect near the lens: blurred, fast, curved, with beating wings."""
    height, width = settings.shape
    rate = settings.frame_rate
    frames = min(settings.frames * 0.9, rng.uniform(0.15, 0.9) * rate)
    first = rng.uniform(0, settings.frames - frames)
    speed = log_uniform(rng, (5.0, 35.0)) * 30.0 / rate
    angle, turn, wave = rng.uniform(0, 2 * math.pi), rng.normal(0, 3.0), rng.uniform(0.5, 2.0)
    knots = np.linspace(0.0, frames, 200)
    heading = angle + turn * knots / frames + 0.6 * np.sin(2 * math.pi * wave * knots / frames)
    step = speed * knots[1]
    track_x = np.concatenate([[0.0], np.cumsum(step * np.cos(heading[:-1]))])
    track_y = np.concatenate([[0.0], np.cumsum(step * np.sin(heading[:-1]))])
    track_x += rng.uniform(0.2, 0.8) * width - track_x[100]
    track_y += rng.uniform(0.2, 0.8) * height - track_y[100]
    beat = rng.uniform(2.0, 12.0)

    def path(times: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.interp(times - first, knots, track_x), np.interp(times - first, knots, track_y)

    def light(times: FloatArray) -> FloatArray:
        return np.asarray(1 + 0.5 * np.sin(2 * math.pi * beat * times), dtype=np.float64)

    fwhm = log_uniform(rng, (2.5, 8.0)) * settings.fwhm
    snr = log_uniform(rng, (10.0, 60.0))
    return [MovingSource("insect", path, light, first, first + frames, snr, fwhm, settings.duty, "air")]


def bird(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:  # noqa: ARG001
    """Make a bird or a bat lit from below: a soft blob that flaps, on a path that bends."""
    rate = settings.frame_rate
    speed = log_uniform(rng, (1.5, 8.0)) * 30.0 / rate
    straight, angle = _crossing(rng, settings, speed)
    bend, period = rng.uniform(0.5, 5.0), rng.uniform(0.6, 2.0) * rate
    flap = rng.uniform(3.0, 9.0) / rate
    erratic = rng.choice([1.0, 1.0, 5.0])

    def path(times: FloatArray) -> tuple[FloatArray, FloatArray]:
        x, y = straight(times)
        aside = erratic * bend * np.sin(2 * math.pi * times / period)
        return x - aside * math.sin(angle), y + aside * math.cos(angle)

    def light(times: FloatArray) -> FloatArray:
        return np.asarray(1 + 0.6 * np.sin(2 * math.pi * flap * times), dtype=np.float64)

    fwhm = log_uniform(rng, (1.5, 4.0)) * settings.fwhm
    snr = log_uniform(rng, (8.0, 40.0))
    return [MovingSource("bird", path, light, 0, settings.frames, snr, fwhm, settings.duty, "air")]


def lamp(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:  # noqa: ARG001
    """Make a blinking lamp on a mast: always at one place."""
    x, y = rng.uniform(0.05, 0.95) * settings.shape[1], rng.uniform(0.75, 0.97) * settings.shape[0]
    period = rng.uniform(0.8, 2.5) * settings.frame_rate
    light = _pulses(period, rng.random(), rng.uniform(0.2, 0.6) * period, 1.0)

    def path(times: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.full(times.shape, x), np.full(times.shape, y)

    source = _source("static", path, light, settings, log_uniform(rng, (10.0, 150.0)))
    source.layer = "air"
    return [source]


def cosmic_ray(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:  # noqa: ARG001
    """Make the hit of a particle: up to seven pixels in a row, in one frame."""
    height, width = settings.shape
    n = int(rng.integers(1, 8))
    angle = rng.uniform(0, 2 * math.pi)
    y = rng.uniform(0, height - 1) + np.arange(n) * math.sin(angle)
    x = rng.uniform(0, width - 1) + np.arange(n) * math.cos(angle)
    pixels = np.unique(np.clip(np.rint(np.stack([y, x], axis=1)), 0, (height - 1, width - 1)), axis=0)
    values = log_uniform(rng, (150.0, 2500.0)) * rng.uniform(0.4, 1.0, len(pixels))
    return [CosmicRay(int(rng.integers(settings.frames)), pixels, values)]


def lightning(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:  # noqa: ARG001
    """Make distant lightning: part of the sky lights up for 1 to 6 frames, then flickers."""
    height, width = settings.shape
    centre = rng.uniform(0, width), rng.uniform(0.3, 1.1) * height
    spread = rng.uniform(0.12, 0.45) * width, rng.uniform(0.1, 0.35) * height
    x, y = grid(settings.shape)
    shape = np.exp(-0.5 * (((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2))
    light = shape * np.clip(0.7 + 0.35 * texture(rng, settings.shape), 0.15, 2.0)
    light *= log_uniform(rng, (40.0, 1500.0))
    first = int(rng.integers(0, max(1, settings.frames - 6)))
    factors = {first + step: float(rng.uniform(0.3, 1.0)) for step in range(int(rng.integers(1, 7)))}
    for _ in range(int(rng.integers(0, 4))):
        factors[first + int(rng.integers(6, 25))] = float(rng.uniform(0.05, 0.6))
    return [Glow(light.astype(np.float32), factors, "lightning", centre)]


def headlights(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:  # noqa: ARG001
    """Make headlights or another light on the horizon: at one place, 3 to 30 frames long."""
    height, width = settings.shape
    centre = rng.uniform(0.05, 0.95) * width, rng.uniform(0.85, 0.98) * height
    spread = rng.uniform(0.01, 0.06) * width, rng.uniform(0.008, 0.03) * height
    x, y = grid(settings.shape)
    light = np.exp(-0.5 * (((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2))
    light *= log_uniform(rng, (100.0, 3000.0))
    n = int(rng.integers(3, 31))
    first = int(rng.integers(0, max(1, settings.frames - n)))
    rise = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** rng.uniform(0.3, 2.0)
    factors = {first + step: float(value) for step, value in enumerate(rise)}
    return [Glow(light.astype(np.float32), factors, "flash", centre)]


def clock(rng: Generator, settings: Settings, start: float) -> list[SceneObject]:
    """Make a clock that the camera writes into the picture."""
    return [Clock(settings, start, bottom=bool(rng.random() < 0.7))]


def _source(label: str, path: Path, light: Light, settings: Settings, snr: float) -> MovingSource:
    return MovingSource(label, path, light, 0.0, settings.frames, snr, settings.fwhm, settings.duty)


#: Distractors by name; each gives objects from a random generator, the settings and the start time.
DISTRACTORS: Mapping[str, Maker] = {
    "aircraft": aircraft,
    "satellite": satellite,
    "lightning": lightning,
    "insect": insect,
    "headlights": headlights,
    "bird": bird,
    "tumbler": tumbler,
    "cosmic-ray": cosmic_ray,
    "lamp": lamp,
    "clock": clock,
}
