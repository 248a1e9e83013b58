"""Point-like light in the single frames of a piece of the sky, in units of its noise.

A maximum image keeps of every pixel the brightest of T frames: noise alone reaches 2.4 standard
deviations there, and whatever shone later hides what was there before. In the single frames neither
is so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.lasting import LONG, independence_of, lasting
from astrodetect.methods.noise import ROUNDING
from astrodetect.methods.reduction import temporal_median
from astrodetect.methods.statistics import frame_medians

#: Share of independent frames below which what lasts is taken off.
_REPEATED = 0.6
#: Standard deviations that 2 % of normal noise exceed.
_TAIL = 2.054
#: Noise of the kernel 1 4 6 4 1, in both directions, of white noise of 1.
_KERNEL_NOISE = 70 / 256


@dataclass(frozen=True)
class Spots:
    """Significance of point-like light in every frame of a piece.

    Attributes
    ----------
    m : (T, h, w) float32 array
        Standard deviations, matched to a point source of 2.4 px FWHM.
    near : (T, h, w) float32 array
        Highest `m` within one pixel.
    corner_yx : (int, int)
        First pixel of the piece in the frame.
    independence : float
        Number of independent frames per frame, at most 1: video codecs repeat the noise of one frame in
        the next.
    restless : bool
        Frames resembled the next ones, and what lasts was taken off.
    """

    m: NDArray[np.float32]
    near: NDArray[np.float32]
    corner_yx: tuple[int, int]
    independence: float = 1.0
    restless: bool = False

    def take_out(self, frames: Sequence[int], x: Sequence[float], y: Sequence[float], radius: float) -> None:
        """Set what lies within `radius` (px) of a track to nothing, so that it is not found again."""
        height, width = self.m.shape[1:]
        reach = int(np.ceil(radius))
        for frame, cx, cy in zip(frames, x, y, strict=True):
            row, column = round(cy) - self.corner_yx[0], round(cx) - self.corner_yx[1]
            if -reach <= row < height + reach and -reach <= column < width + reach:
                rows = slice(max(row - reach, 0), max(row + reach + 1, 0))
                columns = slice(max(column - reach, 0), max(column + reach + 1, 0))
                self.m[frame, rows, columns] = 0
                self.near[frame, rows, columns] = 0


def measure_spots(window: Window, rows: slice, columns: slice) -> Spots:
    """Give the significance of point-like light in a piece of all frames of a window.

    Each pixel is divided by its own noise over time, so that stars that twinkle and pixels that flicker
    count little; what a frame has in common is taken off, and frames with texture (lit clouds) are scaled
    to the noise of the others.
    """
    assert window.frames is not None
    frames = window.frames[:, rows, columns]
    d = frames.astype(np.float32)
    d -= np.asarray(window.planes["background"][rows, columns], dtype=np.float32)
    if frames.dtype.kind == "f":
        np.nan_to_num(d, copy=False, posinf=0, neginf=0)
    d -= frame_medians(d[:, ::3, ::3])
    least = ROUNDING if frames.dtype.kind in "ui" else 1e-6
    mask = None if window.mask is None else window.mask[rows, columns]
    m = _matched(d, least, mask)
    independence = independence_of(m[:, ::3, ::3])
    restless = independence < _REPEATED and len(d) > 2 * LONG
    if restless:
        # What a frame shares with those around it, but not with the next few: clouds that drift, blocks
        # that a codec keeps. What moves has moved on by then.
        d -= lasting(d)
        m = _matched(d, least, mask)
        independence = independence_of(m[:, ::3, ::3])
    near = _highest_near(m)
    return Spots(m, near, (rows.start, columns.start), independence, restless)


def _matched(d: NDArray[np.float32], least: float, mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Give differences (T, h, w) in units of their noise, matched to a point source."""
    sample = np.abs(d[:: max(1, len(d) // 16)])
    noise = 1.4826 * temporal_median(sample)
    noise = np.maximum(noise, max(float(np.median(noise)), least))
    m: NDArray[np.float32] = np.divide(d, noise, dtype=np.float32)
    if mask is not None:
        m[:, mask] = 0
    m = _smoothed(m)
    m /= np.float32(_KERNEL_NOISE)
    m /= np.maximum(1.4826 * frame_medians(np.abs(m[:, ::3, ::3])), 1)
    # The pixels of a star twinkle together: smoothed, they are noisier than each of them.
    m /= np.maximum(1.4826 * temporal_median(np.abs(m[:: max(1, len(m) // 16)])), 1).astype(np.float32)
    # Codecs leave blocks and edges: the tail of the noise counts, not only its core.
    m /= np.float32(max(1.0, float(np.percentile(m[:, ::3, ::3], 98)) / _TAIL))
    return m


def _smoothed(d: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth (T, h, w) by 1 4 6 4 1 in both directions, nothing outside."""
    n, height, width = d.shape
    # With two columns of zeros the whole is one long row of pixels, of which no two ends meet: shifting it
    # is several times faster than shifting its short rows.
    padded = np.zeros((n, height, width + 2), np.float32)
    padded[..., :width] = d
    padded = _weighted(_weighted(padded, 1).reshape(-1), 0).reshape(padded.shape)
    return np.ascontiguousarray(padded[..., :width])


def _weighted(d: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    out = d * np.float32(6 / 16)
    for shift, weight in ((1, np.float32(4 / 16)), (2, np.float32(1 / 16))):
        scaled = d * weight
        ahead, behind = _halves(axis, shift)
        out[ahead] += scaled[behind]
        out[behind] += scaled[ahead]
    return out


def _highest_near(m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the highest of each pixel (T, h, w) and its eight neighbours."""
    tall = _higher(m, 1)
    out = _higher(tall.reshape(-1), 0).reshape(m.shape)
    # In one long row, the ends of rows were neighbours.
    inner = min(1, m.shape[2] - 1)
    for end, beside in ((0, inner), (-1, -1 - inner)):
        np.maximum(tall[..., end], tall[..., beside], out=out[..., end])
    return out


def _higher(m: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    out = m.copy()
    ahead, behind = _halves(axis, 1)
    np.maximum(out[ahead], m[behind], out=out[ahead])
    np.maximum(out[behind], m[ahead], out=out[behind])
    return out


def _halves(axis: int, shift: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    whole = (slice(None),) * axis
    return (*whole, slice(shift, None)), (*whole, slice(None, -shift))
