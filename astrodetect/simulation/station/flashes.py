"""What flashes: lightning, sprites, headlights, lamps; and particles in the sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.distractors import cosmic_ray as plain_cosmic_ray
from astrodetect.simulation.meteors import log_uniform
from astrodetect.simulation.objects import Conditions, Layer, SceneObject
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.sky import Glow, texture
from astrodetect.simulation.sources import CosmicRay
from astrodetect.simulation.station.vehicles import Maker, pulses
from astrodetect.simulation.station.view import EARTH, Generator, View
from astrodetect.simulation.truth import TrackPoint
from astrodetect.sky import frames


@dataclass
class NamedGlow(Glow):
    """A glow with a name in the truth; `snr` is not known for what is larger than a source.

    Parameters
    ----------
    kind : str
        What it is.
    """

    kind: str = ""


@dataclass
class NamedRay(CosmicRay):
    """A particle with a name in the truth."""

    kind: str = "cosmic-ray"


def _angles(view: View) -> tuple[Floats, Floats]:
    """Give azimuth and altitude (deg) of each pixel, (H, W); altitude -90 outside of the lens."""
    y, x = np.indices(view.station.shape, dtype=np.float64)
    points = view.station.lens.directions(x.ravel(), y.ravel(), np.zeros(1))
    points = np.where(np.isfinite(points), points, np.array([0.0, 0.0, -1.0]))
    azimuth, altitude = (values.reshape(view.station.shape) for values in frames.angles(points))
    return azimuth, altitude


def _brightness(rng: Generator, view: View, low: float, high: float) -> float:
    """Draw electrons per pixel in units of the noise of a dark pixel."""
    return log_uniform(rng, (low, high)) * math.sqrt(view.station.sensor.read_variance)


def _glow(
    view: View, kind: str, label: str, light: Floats, factors: dict[int, float], centre: tuple[float, float]
) -> list[SceneObject]:
    inside = {frame: factor for frame, factor in factors.items() if 0 <= frame < view.frames}
    if not inside or not float((light * view.clear).max()) > 0:
        return []
    return [NamedGlow(light.astype(np.float32), inside, label, centre, kind=kind)]


def _strokes(rng: Generator, view: View) -> dict[int, float]:
    """Draw the return strokes of a flash: 1 to 5 within a second, each fading over some frames."""
    first = int(rng.integers(0, max(1, view.frames - 8)))
    factors: dict[int, float] = {}
    at = float(first)
    for _ in range(int(rng.integers(1, 6))):
        size, fade = float(rng.uniform(0.2, 1.0)), float(rng.uniform(0.5, 3.0))
        for step in range(8):
            value = size * math.exp(-step / fade)
            if value > 0.02:
                factors[int(at) + step] = factors.get(int(at) + step, 0.0) + value
        at += float(rng.exponential(0.08)) * view.rate + 1
    return factors


def _centre(view: View, azimuth: float, altitude: float) -> tuple[float, float]:
    x, y = view.station.lens.horizon_to_pixel(azimuth, altitude)
    return float(x[0]), float(y[0])


def far_lightning(rng: Generator, view: View) -> list[SceneObject]:
    """Make lightning beyond the horizon: a part of the low sky lights up, with the shape of clouds."""
    at, low = view.horizon(rng)
    azimuth, altitude = _angles(view)
    wide, high = float(rng.uniform(8, 30)), float(rng.uniform(3, 14))
    aside = (azimuth - at + 180) % 360 - 180
    light = np.exp(-0.5 * (aside / wide) ** 2 - 0.5 * ((altitude - low) / high) ** 2) * (altitude > 0)
    light *= np.clip(0.7 + 0.4 * texture(rng, view.station.shape), 0.1, 2)
    light *= _brightness(rng, view, 3.0, 100.0)
    return _glow(view, "far-lightning", "lightning", light, _strokes(rng, view), _centre(view, at, low + 3))


def near_lightning(rng: Generator, view: View) -> list[SceneObject]:
    """Make lightning overhead: all the sky lights up, and sometimes the channel is seen."""
    azimuth, altitude = _angles(view)
    light = np.clip(1.0 + 0.5 * texture(rng, view.station.shape), 0.2, 3) * (altitude > 0)
    light *= _brightness(rng, view, 15.0, 300.0)
    at, low = view.horizon(rng)
    if rng.random() < 0.5:
        light += _channel(rng, view, azimuth, altitude, at, low) * light.max() * 8
    return _glow(view, "near-lightning", "lightning", light, _strokes(rng, view), _centre(view, at, low + 15))


def _channel(rng: Generator, view: View, azimuth: Floats, altitude: Floats, at: float, low: float) -> Floats:
    """Draw a crooked line from the clouds to the horizon, a pixel or two wide."""
    levels = np.arange(0, 60, 0.7)
    crooked = at + np.cumsum(rng.standard_t(2.0, len(levels)).clip(-4, 4) * 0.5)
    aside = (azimuth - np.interp(altitude - low, levels, crooked) + 180) % 360 - 180
    apart = np.abs(aside) * np.cos(np.radians(altitude)) / view.station.degrees_per_pixel
    top = float(rng.uniform(15, 40))
    return np.asarray(np.exp(-0.5 * (apart / 0.9) ** 2) * (altitude < low + top), dtype=np.float64)


def sprite(rng: Generator, view: View) -> list[SceneObject]:
    """Make a sprite: columns 45 to 88 km high, over a storm 150 to 450 km away, in 1 to 3 frames."""
    azimuth, altitude = _angles(view)
    distance = float(rng.uniform(150, 450))
    at, low = view.horizon(rng)
    bottom = math.degrees(math.atan2(62.0 - distance**2 / (2 * EARTH), distance))
    if low > bottom:  # narrow cameras look at it where they can
        distance = min(distance, 75.0 / math.tan(math.radians(min(low + 3.0, 80.0))))
    # Height over the ground along each line of sight, at this distance.
    height = distance * np.tan(np.radians(np.clip(altitude, 0, 85))) + distance**2 / (2 * EARTH)
    aside = ((azimuth - at + 180) % 360 - 180) * np.radians(1) * distance
    light = np.zeros(azimuth.shape)
    for _ in range(int(rng.integers(2, 9))):
        place, width, top = rng.normal(0, 12), float(rng.uniform(0.3, 1.5)), float(rng.uniform(74, 88))
        foot = float(rng.uniform(45, 68))
        flare = width * (1 + 0.06 * np.maximum(top - 8 - height, 0))
        body = np.exp(-0.5 * ((aside - place) / flare) ** 2) * ((height > foot) & (height < top))
        light += body * np.clip((height - foot) / (top - foot), 0, 1) ** 0.7
    light = light * _brightness(rng, view, 3.0, 30.0) / max(float(light.max()), 1e-9)
    first = int(rng.integers(0, view.frames))
    factors = {first + n: value for n, value in enumerate((1.0, 0.4, 0.1)[: int(rng.integers(1, 4))])}
    peak = np.unravel_index(int(np.argmax(light * view.clear)), light.shape)
    return _glow(view, "sprite", "flash", light, factors, (float(peak[1]), float(peak[0])))


def headlights(rng: Generator, view: View) -> list[SceneObject]:
    """Make the lights of a car: a glow low over the horizon that grows, passes and fades within seconds."""
    at, low = view.horizon(rng, 0.0)
    azimuth, altitude = _angles(view)
    wide, high = float(rng.uniform(2, 12)), float(rng.uniform(0.7, 4.0))
    aside = (azimuth - at + 180) % 360 - 180
    light = np.exp(-np.abs(aside) / wide - np.abs(altitude - low) / high)
    light *= _brightness(rng, view, 5.0, 300.0)
    n = int(rng.uniform(0.2, 2.0) * view.rate) + 1
    first = int(rng.integers(-n // 2, max(1, view.frames - n // 2)))
    rise = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** float(rng.uniform(0.5, 3.0))
    factors = {first + step: float(value) for step, value in enumerate(rise)}
    return _glow(view, "headlights", "flash", light, factors, _centre(view, at, low))


def mast(rng: Generator, view: View) -> list[SceneObject]:
    """Make a lamp on a mast or a wind turbine: blinking, always at one place."""
    at, low = view.horizon(rng, 1.0)
    point = frames.vectors(at, low + float(rng.uniform(0.5, 3)))
    period, phase = float(rng.uniform(0.8, 3.0)), float(rng.random())
    share = float(rng.uniform(0.2, 0.6))

    made = view.source(
        "mast", "static",
        lambda seconds: np.repeat(point[None], len(seconds), axis=0),
        lambda seconds: pulses(seconds, period, phase, share * period),
        layer="air", snr=log_uniform(rng, (8.0, 150.0)),
    )  # fmt: skip
    return list(made)


def cosmic_ray(rng: Generator, view: View) -> list[SceneObject]:
    """Make the hit of a particle: up to seven pixels in a row, in one frame."""
    settings = replace(Settings(), shape=view.station.shape, frames=view.frames)
    (ray,) = plain_cosmic_ray(rng, settings, view.start)
    assert isinstance(ray, CosmicRay)
    # The values of the plain one are those of a camera with 5 ADU of noise.
    scale = math.sqrt(view.station.sensor.read_variance) / settings.read_noise
    return [NamedRay(ray.frame, ray.pixels, ray.values * scale)]


@dataclass
class Shining(SceneObject):
    """What shines all the time and is in the light of the sky already: the Moon, clouds. Only its truth.

    Parameters
    ----------
    label, kind : str
        Its class, and what it is.
    x, y : float
        Where (px); NaN: everywhere.
    """

    label: str
    kind: str = ""
    x: float = math.nan
    y: float = math.nan
    layer: Layer = "air"
    diffuse: bool = True

    def render(self, image: FloatImage, frame: int) -> None:
        """Add nothing."""

    def observe(self, frame: int, conditions: Conditions) -> TrackPoint | None:
        """Say that it is there."""
        return TrackPoint(frame, self.x, self.y)


#: By name.
FLASHES: dict[str, Maker] = {
    "far-lightning": far_lightning,
    "near-lightning": near_lightning,
    "sprite": sprite,
    "headlights": headlights,
    "mast": mast,
    "cosmic-ray": cosmic_ray,
}
