"""What stands in front of the sky: horizon, trees, roofs, wires, the lamps of a town."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.sky import texture

Generator = np.random.Generator


@dataclass(frozen=True)
class Foreground:
    """What a station's camera sees of its surroundings; the same in all of its recordings.

    Attributes
    ----------
    cover : (H, W) float32 array
        Part of each pixel that is covered: 0 sky, 1 foreground.
    shade : (H, W) float32 array
        How bright it is, in units of the dark zenith.
    lamps : (n, 3) float64 array
        x, y (px) and electrons per second of lamps.
    """

    cover: FloatImage
    shade: FloatImage
    lamps: Floats


def draw_foreground(
    rng: Generator, azimuth: Floats, altitude: Floats, scale: Floats, kinds: tuple[str, ...], lamp: float
) -> Foreground:
    """Draw the surroundings of a camera.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    azimuth, altitude : (H, W) float64 array
        Of each pixel (deg); NaN outside of the lens.
    scale : (H, W) float64 array
        Degrees per pixel.
    kinds : tuple of str
        Some of ``trees``, ``roof``, ``wires``, ``lamps``; several of one may be there.
    lamp : float
        Electrons per second of a bright lamp.
    """
    shape = azimuth.shape
    low = max(0.0, float(np.nanmin(altitude)))
    height = float(np.nanmax(altitude)) - low
    seen = azimuth[np.isfinite(altitude) & (altitude < low + 0.3 * height)]
    profile = _hills(rng, azimuth)
    cover = np.clip((profile - altitude) / scale + 0.5, 0, 1)
    shade = np.full(shape, float(rng.uniform(0.01, 0.12)))
    for kind in kinds:
        if kind == "lamps":
            continue
        at = float(rng.choice(seen))
        top = low + height * float(rng.uniform(0.06, 0.3))
        inside = _SHAPES[kind](rng, (azimuth - at + 180.0) % 360.0 - 180.0, altitude, top, height)
        part = np.clip(inside / scale + 0.5, 0, 1)
        shade = shade * (1 - part) + part * float(rng.uniform(0.02, 1.5 if kind == "roof" else 0.2))
        cover = 1 - (1 - cover) * (1 - part)
    cover, shade = np.nan_to_num(cover), np.nan_to_num(shade)
    shade *= np.clip(1 + 0.25 * texture(rng, (shape[0], shape[1]), 1.2, 2.0), 0.1, 2.0)
    lamps = _lamps(rng, altitude, profile, lamp) if "lamps" in kinds else np.zeros((0, 3))
    return Foreground(cover.astype(np.float32), shade.astype(np.float32), lamps)


def _hills(rng: Generator, azimuth: Floats) -> Floats:
    """Give the altitude of the horizon (deg)."""
    angle = np.radians(azimuth)
    profile = np.full(azimuth.shape, rng.uniform(0.0, 4.0))
    for wave in range(1, 9):
        profile = profile + rng.normal(0, 1.2 / wave) * np.sin(wave * angle + rng.uniform(0, 6.3))
    return profile


def _tree(rng: Generator, aside: Floats, altitude: Floats, top: float, height: float) -> Floats:
    """Give how far inside (deg) of a tree each pixel is: a ragged crown with holes."""
    width = float(rng.uniform(0.05, 0.15)) * height + 0.2 * top
    level = np.nan_to_num(np.cos(np.radians(altitude)))
    ragged = texture(rng, (altitude.shape[0], altitude.shape[1]), 1.4, 1.0)
    crown = 1 - np.abs(aside * level / width) ** 2.2 - np.maximum(altitude, 0) / top
    return np.asarray((crown + 0.14 * ragged * (crown > -0.3)) * 0.5 * width, dtype=np.float64)


def _roof(rng: Generator, aside: Floats, altitude: Floats, top: float, height: float) -> Floats:
    """Give how far inside (deg) of a gable with a chimney each pixel is."""
    del height
    slope = float(rng.uniform(0.3, 1.0))
    gable = top - slope * np.abs(aside)
    gable = np.minimum(gable, top * rng.uniform(0.8, 1.0)) - altitude
    at, width = float(rng.uniform(-0.5, 0.5)) * top / slope, 0.08 * top
    chimney = np.minimum(width - np.abs(aside - at), 1.12 * top - altitude)
    return np.asarray(np.maximum(gable, chimney), dtype=np.float64)


def _wires(rng: Generator, aside: Floats, altitude: Floats, top: float, height: float) -> Floats:
    """Give how far inside (deg) of two or three sagging wires each pixel is."""
    thickness = float(rng.uniform(0.0008, 0.002)) * height
    # A straight wire is a great circle, which is highest across from where it points.
    across = np.cos(np.radians(np.clip(aside, -85, 85)))
    nearest = np.full(altitude.shape, np.inf)
    for number in range(int(rng.integers(2, 4))):
        highest = math.tan(math.radians(min(1.5 * top * (1 + 0.06 * number), 85.0)))
        nearest = np.minimum(nearest, np.abs(altitude - np.degrees(np.arctan(highest * across))))
    return np.asarray(np.where(np.abs(aside) < 85, thickness - nearest, -1.0), dtype=np.float64)


_SHAPES = {"trees": _tree, "roof": _roof, "wires": _wires}


def _lamps(rng: Generator, altitude: Floats, profile: Floats, lamp: float) -> Floats:
    """Scatter lamps over the ground just below the horizon."""
    with np.errstate(invalid="ignore"):
        rows, columns = np.nonzero((altitude < profile + 0.5) & (altitude > profile - 6))
    if not len(rows):
        return np.zeros((0, 3))
    chosen = rng.integers(len(rows), size=int(rng.integers(2, 30)))
    flux = lamp * np.exp(rng.normal(-2.0, 1.5, len(chosen)))
    return np.stack([columns[chosen] + 0.0, rows[chosen] + 0.0, flux], axis=1)
