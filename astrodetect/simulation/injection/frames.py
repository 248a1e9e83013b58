"""Adding light to real pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.simulation.injection.measure import Surroundings
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.sources import MovingSource

#: Light under this (ADU) is none.
LEAST = 0.02


def light_of(sources: Sequence[MovingSource], frame: int, shape: tuple[int, int]) -> FloatImage | None:
    """Give the light of all sources in one frame, (H, W) float32 in ADU; None if there is none."""
    there = [source for source in sources if source.first < frame + 1 and source.last > frame]
    if not there:
        return None
    image = np.zeros(shape, dtype=np.float32)
    for source in there:
        source.render(image, frame)
    return image


def add_light(
    pixels: NDArray[Any], light: FloatImage, around: Surroundings, rng: np.random.Generator
) -> NDArray[Any]:
    """Give a frame with light added: with its own shot noise, rounded, and no higher than the camera goes.

    Parameters
    ----------
    pixels : (H, W) array
        The frame; not changed.
    light : (H, W) float32 array
        Expected light (ADU).
    around : Surroundings
        Gain, mask and highest value of the camera.
    rng : numpy.random.Generator
        Of noise and rounding.
    """
    chosen = (light > LEAST) & (around.open > 0)
    added = light[chosen].astype(np.float64)
    if math.isfinite(around.gain):
        added += rng.standard_normal(len(added)) * np.sqrt(added / around.gain)
    values = pixels[chosen] + added
    if pixels.dtype.kind in "ui":
        # A pixel value stands for all light that is rounded to it: faint light is not lost in rounding again.
        values = np.rint(values + rng.uniform(-0.5, 0.5, len(values)))
        values = np.maximum(values, 0)
    # What was beyond the top before (a saturated star) stays as it was.
    values = np.where(pixels[chosen] > around.top, pixels[chosen], np.minimum(values, around.top))
    made = pixels.copy()
    made[chosen] = values.astype(pixels.dtype)
    return made
