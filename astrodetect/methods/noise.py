"""What a pixel of a maximum image is when nothing happened, and how far others stand above it.

The maximum of T frames minus their median is, under noise alone, a level of about
``sigma * sqrt(2 ln T)`` with a small spread. Both are estimated from the image itself, in blocks,
so that sky gradients, vignetting, twilight and clouds need no model. Static bright sources get extra
noise in proportion to their brightness: what twinkles, flickers or shakes is no event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Part of the sorted pixels of a block that level and scale are taken from: what is brighter may
#: be stars or an event, what is darker may be saturated or masked.
_LOW, _HIGH = 0.10, 0.75
#: Pixels per block that are looked at; more gain little and cost time.
_SAMPLES = 256
#: Standard deviation of rounding to whole numbers, 1 / sqrt(12).
ROUNDING = 0.2887


@dataclass(frozen=True)
class NoiseModel:
    """Level and scale of the noise, on a grid of blocks.

    Attributes
    ----------
    level, scale : (h, w) float32 arrays
        Level and standard deviation of the image in each block (ADU).
    sky : (h, w) float32 array
        Level of the background in each block (ADU).
    block : int
        Side of a block (px).
    shape : (int, int)
        Height and width of the image.
    twinkle : float
        Noise of a static source as a fraction of its height above the sky.
    """

    level: NDArray[np.float32]
    scale: NDArray[np.float32]
    sky: NDArray[np.float32]
    block: int
    shape: tuple[int, int]
    twinkle: float
    _rows: NDArray[np.float32] = field(repr=False)
    _columns: NDArray[np.float32] = field(repr=False)

    def spread_out(self, grid: NDArray[np.float32], rows: slice, columns: slice) -> NDArray[np.float32]:
        """Interpolate a grid of blocks to pixels, bilinearly.

        Parameters
        ----------
        grid : (h, w) array
        rows, columns : slice
            Pixels wanted.

        Returns
        -------
        (H, W) float32 array
        """
        return np.asarray((self._rows[rows] @ grid) @ self._columns[columns].T, dtype=np.float32)

    def significance(
        self,
        image: NDArray[Any],
        background: NDArray[Any],
        mask: NDArray[np.bool_] | None = None,
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> NDArray[np.float32]:
        """Give how many standard deviations pixels stand above the noise.

        Parameters
        ----------
        image : (H, W) array
            Maximum minus background (ADU).
        background : (H, W) array
            Background (ADU).
        mask : (H, W) bool array or None
            True where pixels are to be ignored; they become 0, as do pixels that are not finite.
        rows, columns : slice
            Part of the frame that is wanted.

        Returns
        -------
        (h, w) float32 array
        """
        z = image[rows, columns] - self.spread_out(self.level, rows, columns)
        noise = self.spread_out(self.scale, rows, columns)
        if self.twinkle > 0:
            source = background[rows, columns] - self.spread_out(self.sky, rows, columns)
            source = neighbourhood_maximum(source)
            np.maximum(source, 0, out=source)
            source *= np.float32(self.twinkle)
            np.hypot(noise, source, out=noise)
        z /= noise
        if mask is not None:
            z[mask[rows, columns]] = 0
        if image.dtype.kind == "f" and not np.isfinite(z.sum()):
            z[~np.isfinite(z)] = 0
        return np.asarray(z, dtype=np.float32)


def neighbourhood_maximum(image: NDArray[Any]) -> NDArray[np.float32]:
    """Give the maximum over 3 by 3 pixels.

    Parameters
    ----------
    image : (H, W) array

    Returns
    -------
    (H, W) float32 array
    """
    out = np.array(image, dtype=np.float32)
    across = out.copy()
    np.maximum(across[:, 1:], out[:, :-1], out=across[:, 1:])
    np.maximum(across[:, :-1], out[:, 1:], out=across[:, :-1])
    np.copyto(out, across)
    np.maximum(out[1:], across[:-1], out=out[1:])
    np.maximum(out[:-1], across[1:], out=out[:-1])
    return out


def estimate_noise(
    image: NDArray[Any],
    background: NDArray[Any],
    mask: NDArray[np.bool_] | None = None,
    *,
    block: int = 32,
    rounding: float = ROUNDING,
    twinkle: float = 0.25,
) -> NoiseModel:
    """Estimate level and spread of the noise of an image, in blocks.

    Both are linear combinations of the sorted pixels between two quantiles, unbiased for a normal
    distribution. In contrast to median and MAD they resolve fractions of a grey level, so that they
    stay right in 8-bit and compressed images. Blocks are compared with their neighbours, so that
    a bright object that fills one does not count as its noise.

    Parameters
    ----------
    image : (H, W) array
        Maximum minus background (ADU).
    background : (H, W) array
        Background (ADU).
    mask : (H, W) bool array or None
        True where pixels are to be ignored.
    block : int
        Side of a block (px).
    rounding : float
        Smallest noise that pixels can have (ADU).
    twinkle : float
        Noise of a static source as a fraction of its height above the sky.

    Returns
    -------
    NoiseModel
    """
    height, width = image.shape
    block = max(4, min(block, height, width))
    samples, skies = _block_samples(image, block, mask), _block_samples(background, block, mask)
    level, scale = _level_and_scale(samples)
    sky, _ = _level_and_scale(skies)
    floor = max(rounding, 1e-6)
    scale = np.sqrt(np.square(scale) + floor**2)
    return NoiseModel(
        level=_clean(level),
        scale=np.maximum(_clean(scale), np.float32(floor)),
        sky=_clean(sky),
        block=block,
        shape=(height, width),
        twinkle=twinkle,
        _rows=_interpolation(height, block, level.shape[0]),
        _columns=_interpolation(width, block, level.shape[1]),
    )


def _block_samples(image: NDArray[Any], block: int, mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Give (h, w, n) pixels of each block, NaN where masked; the last blocks end at the edge."""
    height, width = image.shape
    step = max(1, int(np.ceil(block / np.sqrt(_SAMPLES))))
    # A lattice with a diagonal shift would be better against stripes; an odd step serves as well.
    offsets = np.arange(step // 2, block, step)
    tops, lefts = _starts(height, block), _starts(width, block)
    rows = np.minimum((tops[:, None] + offsets).ravel(), height - 1)
    columns = np.minimum((lefts[:, None] + offsets).ravel(), width - 1)
    picked = np.asarray(image[rows][:, columns], dtype=np.float32)
    if mask is not None:
        picked[mask[rows][:, columns]] = np.nan
    n = len(offsets)
    blocks = picked.reshape(len(tops), n, len(lefts), n).swapaxes(1, 2)
    return blocks.reshape(len(tops), len(lefts), n * n)


def _starts(length: int, block: int) -> NDArray[np.int64]:
    n = max(1, round(length / block))
    return np.linspace(0, max(0, length - block), n).astype(np.int64)


def _level_and_scale(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    n = samples.shape[-1]
    bad = ~np.isfinite(samples)
    some_bad = bool(bad.any())
    if some_bad:
        samples = np.where(bad, np.nan, samples)
    ordered = np.sort(samples, axis=-1)
    weights_level, weights_scale = _weights(n)
    level = ordered @ weights_level
    scale = ordered @ weights_scale
    if some_bad:
        # NaN sorts last: blocks with any are done on what is left, without the exact weights.
        hurt = np.argwhere(bad.any(axis=-1))
        for i, j in hurt:
            good = ordered[i, j][: n - int(bad[i, j].sum())]
            enough = len(good) >= max(8, n // 8)
            level[i, j], scale[i, j] = _on(good) if enough else (np.nan, np.nan)
    return level.astype(np.float32), np.maximum(scale, 0).astype(np.float32)


def _on(ordered: NDArray[np.float32]) -> tuple[float, float]:
    weights_level, weights_scale = _weights(len(ordered))
    return float(ordered @ weights_level), float(ordered @ weights_scale)


def _weights(n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the weights of sorted pixels for level and scale of a normal distribution.

    Least squares of the pixels between two quantiles on the normal scores: the intercept is
    the mean, the slope the standard deviation.
    """
    from scipy.special import ndtri

    probability = (np.arange(n) + 0.625) / (n + 0.25)
    used = (probability >= _LOW) & (probability <= _HIGH)
    scores = ndtri(probability)
    design = np.stack([np.ones(used.sum()), scores[used]])
    solved = np.linalg.pinv(design.T)
    weights = np.zeros((2, n))
    weights[:, used] = solved
    return weights[0].astype(np.float32), weights[1].astype(np.float32)


def _clean(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace blocks that are empty, and those that stand out of their neighbours."""
    from scipy.ndimage import distance_transform_edt, median_filter

    bad = ~np.isfinite(grid)
    if bad.all():
        return np.zeros_like(grid)
    if bad.any():
        nearest = distance_transform_edt(bad, return_distances=False, return_indices=True)
        grid = grid[tuple(nearest)]
    smooth: NDArray[np.float32] = median_filter(grid, size=3, mode="nearest")
    return smooth


def _interpolation(length: int, block: int, n: int) -> NDArray[np.float32]:
    """Give the (length, n) matrix that interpolates from block centres to pixels."""
    centres = _starts(length, block) + (block - 1) / 2
    matrix = np.zeros((length, n), dtype=np.float32)
    if n == 1:
        matrix[:] = 1
        return matrix
    position = np.interp(np.arange(length), centres, np.arange(n))
    left = np.minimum(position.astype(np.int64), n - 2)
    share = (position - left).astype(np.float32)
    rows = np.arange(length)
    matrix[rows, left] = 1 - share
    matrix[rows, left + 1] = share
    return matrix


def flatten(z: NDArray[np.float32], cell: int = 12) -> NDArray[np.float32]:
    """Take off what varies slowly, as the edges of clouds: the median of local means.

    Parameters
    ----------
    z : (H, W) float32 array
        Significance; changed in place.
    cell : int
        Side of the cells that are averaged (px); the median is over 3 by 3 of them, so that
        a narrow trail through them does not count.

    Returns
    -------
    (H, W) float32 array
        `z`.
    """
    from scipy.ndimage import median_filter

    height, width = z.shape
    if min(height, width) < 3 * cell:
        return z
    samples = np.clip(_block_samples(z, cell, None), -3, 3)
    level = median_filter(samples.mean(axis=-1), size=3, mode="nearest").astype(np.float32)
    z -= (_interpolation(height, cell, level.shape[0]) @ level) @ _interpolation(
        width, cell, level.shape[1]
    ).T
    return z
