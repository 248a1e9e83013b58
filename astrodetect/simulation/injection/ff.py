"""Meteors in RMS FF files: what maximum, frame of the maximum, mean and spread would have been."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from astrodetect.simulation.injection.frames import LEAST, light_of
from astrodetect.simulation.injection.measure import Surroundings
from astrodetect.simulation.sources import MovingSource

Plane = NDArray[np.uint8]
#: Highest values of a pixel that mean and spread leave out.
_LEFT_OUT = 4
#: Pixels that are worked on at once.
_PIECE = 20000


def inject_planes(
    planes: Mapping[str, Plane],
    sources: Sequence[MovingSource],
    n_frames: int,
    around: Surroundings,
    rng: np.random.Generator,
) -> dict[str, Plane]:
    """Give the planes of an FF file as they would be with meteors.

    The values of a pixel in all frames are not in the file. They are drawn where light falls: Gaussian
    with the pixel's mean and spread, none above its maximum, the maximum in its frame. With the light
    added, maximum and frame follow; mean and spread change by what they change for these values, without
    the four highest, as RMS leaves them out.

    Parameters
    ----------
    planes : mapping of str to (H, W) uint8 array
        ``MAXPIXEL, MAXFRAME, AVEPIXEL, STDPIXEL``, first row at the top.
    sources : sequence of MovingSource
        Meteors, times in frames, light in ADU.
    n_frames : int
        Of the file.
    around : Surroundings
        Gain, mask and highest value of the camera.
    rng : numpy.random.Generator
        Of all that is drawn.

    Returns
    -------
    dict of str to (H, W) uint8 array
    """
    made = {name: plane.copy() for name, plane in planes.items()}
    shape = made["MAXPIXEL"].shape
    lights = [light_of(sources, frame, shape) for frame in range(n_frames)]
    touched = np.zeros(shape, dtype=bool)
    for light in lights:
        if light is not None:
            touched |= light > LEAST
    rows, columns = np.nonzero(touched & (around.open > 0))
    for begin in range(0, len(rows), _PIECE):
        part = rows[begin : begin + _PIECE], columns[begin : begin + _PIECE]
        added = np.zeros((len(part[0]), n_frames), dtype=np.float32)
        for frame, light in enumerate(lights):
            if light is not None:
                added[:, frame] = light[part]
        if math.isfinite(around.gain):
            noise = rng.standard_normal(added.shape, dtype=np.float32)
            added += noise * np.sqrt(added / np.float32(around.gain))
        _put(made, part, added, around.top, rng)
    return made


def _put(
    made: dict[str, Plane],
    part: tuple[NDArray[np.int64], NDArray[np.int64]],
    added: NDArray[np.float32],
    top: float,
    rng: np.random.Generator,
) -> None:
    """Add light (pixels, frames) to some pixels of the planes."""
    highest, at, mean, spread = (
        made[name][part].astype(np.float64) for name in ("MAXPIXEL", "MAXFRAME", "AVEPIXEL", "STDPIXEL")
    )
    pixels = np.arange(len(highest))
    place = np.minimum(at.astype(np.int64), added.shape[1] - 1)
    values = mean[:, None] + 0.5 + spread[:, None] * rng.standard_normal(added.shape)
    values = np.minimum(np.rint(values), highest[:, None])
    values[pixels, place] = highest
    np.maximum(values, 0, out=values)
    lit = np.minimum(np.rint(values + added + rng.uniform(-0.5, 0.5, added.shape)), min(top, 255.0))
    lit = np.where(np.abs(added) > LEAST, np.maximum(lit, 0), values)
    frame = np.argmax(lit, axis=1)
    value = lit[pixels, frame]
    changed = value > lit[pixels, place]
    made["MAXPIXEL"][part] = np.maximum(value, lit[pixels, place]).astype(np.uint8)
    made["MAXFRAME"][part] = np.where(changed, frame, place).astype(np.uint8)
    before, after = _statistics(values), _statistics(lit)
    for name, old, one, two in zip(("AVEPIXEL", "STDPIXEL"), (mean, spread), before, after, strict=True):
        new = np.rint(old + (two - one))
        made[name][part] = np.clip(new, 1 if name == "STDPIXEL" else 0, 255).astype(np.uint8)


def _statistics(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give mean and spread of each row without its four highest values."""
    kept = values.shape[1] - _LEFT_OUT if values.shape[1] > _LEFT_OUT + 1 else values.shape[1]
    rest = np.partition(values, kept - 1, axis=1)[:, :kept]
    return rest.mean(axis=1), rest.std(axis=1)
