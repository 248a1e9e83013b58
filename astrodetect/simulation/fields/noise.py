"""Noise of an interferometer: as smooth as its beam."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def beam_noise(
    shape: tuple[int, int], rms: float, moments: ArrayLike, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Give noise that is correlated by a Gaussian beam.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    rms : float
        Deviation of a pixel.
    moments : (3,) array
        Second moments of the beam, ``xx, yy, xy`` in square pixels.
    rng : numpy.random.Generator
        Gives the numbers.

    Returns
    -------
    (H, W) float32 array
        White noise convolved with the beam; made larger than `shape`, so that opposite edges, which a
        Fourier transform joins, are independent.
    """
    from scipy import fft

    xx, yy, xy = np.asarray(moments, float)
    margin = int(np.ceil(6 * np.sqrt(max(xx, yy))))
    height, width = (fft.next_fast_len(side + margin, real=True) for side in shape)
    fx, fy = np.fft.rfftfreq(width), np.fft.fftfreq(height)[:, None]
    passed = np.exp(-2 * np.pi**2 * (xx * fx**2 + yy * fy**2 + 2 * xy * fx * fy)).astype(np.float32)
    twice = np.ones(len(fx))
    twice[1 : (width + 1) // 2] = 2.0  # the half of the frequencies that a real transform leaves out
    power = float((passed.astype(float) ** 2 @ twice).sum()) / (height * width)
    white = fft.rfft2(rng.standard_normal((height, width), np.float32))
    white *= passed
    smooth = fft.irfft2(white, (height, width))[: shape[0], : shape[1]]
    return np.ascontiguousarray(smooth * np.float32(rms / np.sqrt(power)), np.float32)
