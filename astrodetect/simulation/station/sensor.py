"""The sensor: electrons in, pixels out, with the pattern that each sensor has of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.simulation.psf import FloatImage

#: The converter has twelve bits, whatever is written in the end.
_TOP = 4095
#: Where the gamma curve of eight-bit cameras begins to bend, as a part of the range.
_TOE = 0.02


@dataclass(frozen=True)
class Sensor:
    """A sensor and its converter. ADU are those of twelve bits.

    Attributes
    ----------
    shape : (int, int)
        Height and width.
    seed : int
        Of what is fixed: which pixels are hot, the pattern of columns.
    bits : int
        Of the pixels that are written: 12 or 8.
    gain : float
        Electrons per ADU.
    black : float
        Level without light (ADU).
    read_noise : float
        Of reading one pixel (electrons).
    uneven : float
        Relative spread of the pixels' sensitivity.
    pattern, columns : float
        Spread of the fixed offsets of pixels and columns (ADU).
    rows : float
        Spread of the offsets that rows have anew in each frame (ADU).
    bands : (float, float, float)
        Rolling bars: amplitude (ADU), period (rows), how far they move in a frame (rows).
    hot, warm, flickering : float
        Pixels per million of these kinds.
    blooming : float
        Part of what is too much for a pixel that flows up and down its column, as in a CCD; 0: CMOS.
    gamma : float
        Exponent of the eight-bit curve; 1 is linear.
    """

    shape: tuple[int, int]
    seed: int
    bits: int = 12
    gain: float = 1.0
    black: float = 120.0
    read_noise: float = 5.0
    uneven: float = 0.008
    pattern: float = 2.0
    columns: float = 1.0
    rows: float = 0.0
    bands: tuple[float, float, float] = (0.0, 60.0, 1.0)
    hot: float = 30.0
    warm: float = 1500.0
    flickering: float = 20.0
    blooming: float = 0.0
    gamma: float = 1.0

    @property
    def read_variance(self) -> float:
        """Variance of a dark pixel (electrons squared), with rounding to what is written."""
        step = self.gain if self.bits == 12 else self.gain / max(self.slope, 1e-6)
        return self.read_noise**2 + step**2 / 12

    @property
    def full_well(self) -> float:
        """Electrons that a pixel holds: those of the converter's top."""
        return (_TOP - self.black) * self.gain

    @property
    def saturation(self) -> int:
        """Highest pixel value."""
        return (1 << self.bits) - 1

    @property
    def slope(self) -> float:
        """Steps of the written pixels per ADU in the dark."""
        return float(np.diff(self._curve(np.array([self.black, self.black + 10.0])))[0] / 10)

    def _curve(self, adu: NDArray[Any]) -> NDArray[np.float64]:
        """Give the eight-bit value, not yet rounded, of ADU."""
        scaled = ((adu / _TOP + _TOE) ** self.gamma - _TOE**self.gamma) * 255
        return np.asarray(scaled / ((1 + _TOE) ** self.gamma - _TOE**self.gamma), dtype=np.float64)

    @cached_property
    def _table(self) -> NDArray[np.uint8]:
        return np.rint(self._curve(np.arange(_TOP + 1))).astype(np.uint8)

    @cached_property
    def sensitivity(self) -> FloatImage:
        """Relative sensitivity of each pixel, (H, W) float32."""
        rng = np.random.default_rng([self.seed, 0])
        return np.float32(1) + np.float32(self.uneven) * rng.standard_normal(self.shape, dtype=np.float32)

    @cached_property
    def offset(self) -> FloatImage:
        """Level of each pixel without light (ADU), (H, W) float32."""
        rng = np.random.default_rng([self.seed, 1])
        offset = self.black + self.pattern * rng.standard_normal(self.shape, dtype=np.float32)
        offset += np.float32(self.columns) * rng.standard_normal(self.shape[1], dtype=np.float32)
        return np.asarray(offset, dtype=np.float32)

    @cached_property
    def dark(self) -> tuple[NDArray[np.int64], FloatImage]:
        """Warm and hot pixels: their places in the flat frame, and electrons per frame."""
        rng = np.random.default_rng([self.seed, 2])
        warm, hot = self._choose(rng, self.warm), self._choose(rng, self.hot)
        scale = self.gain * self.noise_adu
        little = rng.exponential(3.0, len(warm)) * scale
        much = np.exp(rng.uniform(math.log(15), math.log(400), len(hot))) * scale
        return np.concatenate([warm, hot]), np.concatenate([little, much]).astype(np.float32)

    @property
    def noise_adu(self) -> float:
        """Noise of reading a pixel (ADU)."""
        return math.sqrt(self.read_variance) / self.gain

    def _choose(self, rng: np.random.Generator, per_million: float) -> NDArray[np.int64]:
        size = self.shape[0] * self.shape[1]
        return rng.choice(size, min(size, int(rng.poisson(per_million * size / 1e6))), replace=False)

    def expose(self, light: FloatImage, frame: int, seed: int, amplification: float = 1.0) -> NDArray[Any]:
        """Give the pixels of one frame.

        Parameters
        ----------
        light : (H, W) float32 array
            Expected electrons; changed in place.
        frame : int
            Of the recording.
        seed : int
            Of the recording's noise.
        amplification : float
            What the camera's automatic gain makes of the signal: 1 unless it has changed.

        Returns
        -------
        (H, W) uint16 or uint8 array
        """
        rng = np.random.default_rng([self.seed, seed, frame])
        light *= self.sensitivity
        places, electrons = self.dark
        light.reshape(-1)[places] += electrons
        self._flicker(light, rng)
        if self.blooming:
            _bloom(light, self.full_well, self.blooming)
        self._add_noise(light, rng)
        light *= np.float32(amplification / self.gain)
        light += self.offset
        light += self._lines(rng, frame)
        np.rint(light, out=light)
        np.clip(light, 0, _TOP, out=light)
        pixels = light.astype(np.uint16)
        return pixels if self.bits == 12 else self._table[pixels]

    def _flicker(self, light: FloatImage, rng: np.random.Generator) -> None:
        own = np.random.default_rng([self.seed, 3])
        places = self._choose(own, self.flickering)
        size = np.exp(own.uniform(math.log(8), math.log(80), len(places))) * self.gain * self.noise_adu
        on = rng.random(len(places)) < own.uniform(0.02, 0.5, len(places))
        light.reshape(-1)[places[on]] += size[on].astype(np.float32)

    def _add_noise(self, light: FloatImage, rng: np.random.Generator) -> None:
        """Add noise with the variance and, of faint light, the skewness of counted electrons.

        The Cornish-Fisher expansion of the Poisson distribution to second order, convolved with reading.
        """
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        np.maximum(light, 0, out=light)
        variance = light + np.float32(self.read_noise**2)
        skewed = noise * noise
        skewed -= 1
        skewed *= light
        skewed /= variance
        skewed *= np.float32(1 / 6)
        np.sqrt(variance, out=variance)
        noise *= variance
        light += noise
        light += skewed

    def _lines(self, rng: np.random.Generator, frame: int) -> FloatImage:
        """Give what whole rows of one frame have (ADU), (H, 1) float32."""
        y = np.arange(self.shape[0])
        amplitude, period, speed = self.bands
        lines = self.rows * rng.standard_normal(len(y))
        lines += amplitude * np.sin(2 * np.pi * (y + speed * frame) / period)
        return lines.astype(np.float32)[:, None]


def _bloom(light: FloatImage, full: float, part: float) -> None:
    """Let a part of what is more than a pixel holds flow to both sides along its column; the rest drains."""
    columns = np.flatnonzero((light > full).any(axis=0))
    if not len(columns):
        return
    values = light[:, columns].astype(np.float64)
    surplus = np.maximum(values - full, 0)
    values -= surplus
    for step in (1, -1):
        values[::step] += _taken(full - values[::step], 0.5 * part * surplus[::step])
    light[:, columns] = values


def _taken(room: NDArray[np.float64], surplus: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give what each row takes of charge that comes in at rows and is carried on while there is no room.

    What is carried on is the queue ``max(0, carried + surplus - room)``: a sum less its lowest value so far.
    """
    total = np.cumsum(surplus - room, axis=0)
    carried = total - np.minimum.accumulate(np.minimum(total, 0), axis=0)
    before = np.concatenate([np.zeros_like(carried[:1]), carried[:-1]])
    return np.asarray(surplus + before - carried, dtype=np.float64)
