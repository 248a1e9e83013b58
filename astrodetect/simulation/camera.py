"""The camera: light in, pixels out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.sky import grid


class Camera:
    """A camera with its own faults; the same frame always gets the same noise.

    Parameters
    ----------
    settings : Settings
        Noise, bits and faults.
    seed : int
        Of the faults and the noise.

    Attributes
    ----------
    vignetting : (H, W) float32 array
        Fraction of light that passes the lens.
    dtype : numpy.dtype
        Of the pixels: uint16 or uint8.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings = settings
        self.seed = seed
        self.dtype = np.dtype(np.uint16 if settings.bits > 8 else np.uint8)
        height, width = settings.shape
        x, y = grid(settings.shape)
        radius2 = ((x - (width - 1) / 2) ** 2 + (y - (height - 1) / 2) ** 2) / ((height**2 + width**2) / 4)
        self.vignetting = np.asarray(1 - settings.vignetting * radius2, dtype=np.float32)
        rng = np.random.default_rng([seed, 0])
        self.sensitivity = 1 + 0.008 * rng.standard_normal(settings.shape, dtype=np.float32)
        self.offset = self._offsets(rng)
        self._flickering = self._choose(rng, settings.flickering_pixels)
        self._flicker_size = np.exp(rng.uniform(np.log(40), np.log(400), len(self._flickering)))
        self._flicker_rate = rng.uniform(0.03, 0.5, len(self._flickering))

    def _choose(self, rng: np.random.Generator, per_million: float) -> NDArray[np.int64]:
        size = self.settings.shape[0] * self.settings.shape[1]
        count = min(size, int(rng.poisson(per_million * size / 1e6)))
        return np.asarray(rng.choice(size, count, replace=False), dtype=np.int64)

    def _offsets(self, rng: np.random.Generator) -> FloatImage:
        settings = self.settings
        spread = settings.fixed_pattern
        offset = settings.bias + spread * rng.standard_normal(settings.shape, dtype=np.float32)
        offset += 0.5 * spread * rng.standard_normal(settings.shape[1], dtype=np.float32)
        hot = self._choose(rng, settings.hot_pixels)
        offset.reshape(-1)[hot] += np.exp(rng.uniform(np.log(60), np.log(2500), len(hot))).astype(np.float32)
        return np.asarray(offset, dtype=np.float32)

    @property
    def read_variance(self) -> float:
        """Variance of a dark pixel, in ADU squared (without the rounding to steps)."""
        return self.settings.read_noise**2

    def expose(self, light: FloatImage, frame: int) -> NDArray[Any]:
        """Give the pixels of one frame.

        Parameters
        ----------
        light : (H, W) float32 array
            Expected ADU from the lens; changed in place.
        frame : int
            Chooses the noise.

        Returns
        -------
        (H, W) uint16 or uint8 array
        """
        settings = self.settings
        rng = np.random.default_rng([self.seed, 1, frame])
        light *= self.sensitivity
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        spread = light * np.float32(1 / settings.gain)
        spread += np.float32(self.read_variance)
        np.sqrt(spread, out=spread)
        noise *= spread
        light += noise
        light += self.offset
        on = rng.random(len(self._flickering)) < self._flicker_rate
        light.reshape(-1)[self._flickering[on]] += self._flicker_size[on].astype(np.float32)
        if settings.adu_step != 1:
            light *= np.float32(1 / settings.adu_step)
        np.rint(light, out=light)
        np.clip(light, 0, settings.saturation, out=light)
        return light.astype(self.dtype)
