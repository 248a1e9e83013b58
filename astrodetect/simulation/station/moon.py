"""The Moon in the picture: its disc, the glare and the ghosts of the lens, the halo of thin cloud."""

from __future__ import annotations

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.sky import grid
from astrodetect.simulation.station.brightness import SkyLight, moon_magnitude, transmission
from astrodetect.simulation.station.station import Station
from astrodetect.sky import frames

#: Angular radius of the Moon and of the halo of ice crystals (deg).
_RADIUS, _HALO = 0.26, 22.0
#: Parts of the light that a lens scatters about the Moon, and throws into each ghost.
_GLARE, _GHOST = 4e-2, 3e-5


def moon_place(station: Station, sky: SkyLight) -> tuple[float, float] | None:
    """Give where the Moon is in the picture (px); None if it is not."""
    if sky.moon is None:
        return None
    x, y = station.lens.horizon_to_pixel(*sky.moon)
    height, width = station.shape
    inside = -0.5 <= x[0] <= width - 0.5 and -0.5 <= y[0] <= height - 0.5
    return (float(x[0]), float(y[0])) if inside else None


def moon_light(station: Station, sky: SkyLight, icy: bool) -> FloatImage | None:
    """Give the light of the Moon and of what the lens makes of it (electrons per frame), before the lens.

    Parameters
    ----------
    station : Station
        Lens and aperture.
    sky : SkyLight
        Where the Moon is, and its phase.
    icy : bool
        There is cloud in which a halo of 22 degrees forms.

    Returns
    -------
    (H, W) float32 array or None
        None where it is not in the field.
    """
    place = moon_place(station, sky)
    if place is None or sky.moon is None:
        return None
    total = station.zero_flux * 10 ** (-0.4 * moon_magnitude(sky.phase)) * float(transmission(sky.moon[1]))
    x, y = grid(station.shape)
    distance = np.hypot(x - place[0], y - place[1])
    radius = _RADIUS / station.degrees_per_pixel
    soft = 0.5 * station.psf.fwhm
    disc = 1 / (1 + np.exp(np.clip((distance - radius) / soft, -40, 40)))
    disc *= total / disc.sum()
    # Scattering by a lens falls with the square of the distance and ends nowhere in the picture.
    wide = 1 / (distance**2 + (2 * station.psf.fwhm + radius) ** 2) ** 1.1
    light = disc + _GLARE * total * wide / wide.sum()
    light += _ghosts(station, place, total)
    if icy:
        points = station.lens.directions(*_pixels(station), np.zeros(1)).reshape(*station.shape, 3)
        apart = np.degrees(np.arccos(np.clip(points @ frames.vectors(*sky.moon), -1, 1)))
        ring = np.exp(-0.5 * ((apart - _HALO) / 0.6) ** 2) * (apart < _HALO)
        ring += 0.6 * np.exp(-(np.maximum(apart - _HALO, 0) / 3.0)) * (apart >= _HALO)
        light += np.nan_to_num(ring) * 0.5 * float(np.median(light))
    return np.asarray(light, dtype=np.float32)


def _pixels(station: Station) -> tuple[Floats, Floats]:
    y, x = np.indices(station.shape, dtype=np.float64)
    return x.ravel(), y.ravel()


def _ghosts(station: Station, place: tuple[float, float], total: float) -> FloatImage:
    """Give discs of light on the line through the optical axis: reflections between the lens' surfaces."""
    rng = np.random.default_rng([station.seed, 6])
    x, y = grid(station.shape)
    centre = station.psf.centre_xy
    light = np.zeros(station.shape, dtype=np.float32)
    for _ in range(int(rng.integers(1, 4))):
        mirrored = -float(rng.uniform(0.3, 1.2))
        radius = float(rng.uniform(0.01, 0.06)) * station.shape[1]
        at = [c + mirrored * (p - c) for c, p in zip(centre, place, strict=True)]
        disc = 1 / (1 + np.exp(np.clip((np.hypot(x - at[0], y - at[1]) - radius) / 1.5, -40, 40)))
        light += (total * _GHOST * float(rng.uniform(0.2, 2)) / max(disc.sum(), 1.0)) * disc
    return light
