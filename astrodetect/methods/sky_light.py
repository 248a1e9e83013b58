"""Light that fills much of a frame for a moment: lightning, headlights on haze, a fireball's own glow.

A maximum over time keeps the brightest frame of every pixel. Where lightning lights a cloud, that is
the lightning's, and a meteor that flew there before is gone. So what such frames have more than the
others, smoothly, is taken off them before the maximum is taken; a point or a line of light stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.reduction import temporal_median

#: Side of the blocks in which light is measured, and distance of the pixels that are looked at (px).
_BLOCK, _LATTICE = 32, 8
#: A block is lit if it exceeds its median over time by that many standard deviations of itself, and by
#: that part of a pixel's noise: from about there on the brightest of all frames is one of the lit.
_UNUSUAL, _PART_OF_NOISE = 8.0, 0.75
#: Fewer lit blocks than this are an object, not light (at least; of large frames one percent).
_LEAST_BLOCKS = 12
#: That much of the light is taken off: what it lights has texture, in proportion to it, finer than
#: blocks. Only what is brighter than the rest of the texture may set a maximum.
_TAKEN = 1.5
#: More lit frames than this share are no moment: a cloud, the twilight.
_MOST_FRAMES = 0.4


def lit_frames(frames: NDArray[Any]) -> dict[int, NDArray[np.float32]]:
    """Find the frames in which much of the sky is brighter than usual, and by how much.

    Parameters
    ----------
    frames : (T, H, W) array
        Integer or floating point.

    Returns
    -------
    dict of int to (h, w) float32 array
        Excess light (ADU) of each lit frame in blocks of 32 pixels, zero where it is not lit. Empty
        for fewer than 5 frames and for frames under 128 pixels.
    """
    n_frames, height, width = frames.shape
    rows, columns = height // _BLOCK, width // _BLOCK
    if n_frames < 5 or min(rows, columns) < 4:
        return {}
    offset, per_block = _LATTICE // 2, _BLOCK // _LATTICE
    picked = frames[:, offset : rows * _BLOCK : _LATTICE, offset : columns * _BLOCK : _LATTICE]
    picked = picked.astype(np.float32)
    if frames.dtype.kind == "f":
        np.nan_to_num(picked, copy=False, posinf=0, neginf=0)
    noise = float(np.median(np.abs(np.diff(picked[:, ::3, ::3], axis=0)))) * 1.048  # 1.4826 / sqrt 2
    # Means tell which frames; of these alone the robust light is taken, which no object disturbs.
    lines = picked.reshape(n_frames, rows, per_block, -1).sum(axis=2)
    light = sum(lines[..., column::per_block] for column in range(per_block)) / np.float32(per_block**2)
    excess = light - temporal_median(light)
    scatter = 1.4826 * temporal_median(np.abs(excess))
    lit = excess > np.maximum(_UNUSUAL * scatter, _PART_OF_NOISE * max(noise, 0.5))
    chosen = np.flatnonzero(lit.sum(axis=(1, 2)) >= max(_LEAST_BLOCKS, rows * columns // 100))
    if not len(chosen) or len(chosen) > _MOST_FRAMES * n_frames:
        return {}
    usual = _robust_mean(np.median(picked, axis=0)[None], per_block)[0]
    robust = _robust_mean(picked[chosen], per_block) - usual
    # Less than the limit is taken off too where a neighbour is lit: light has soft edges.
    lights = np.maximum(robust, 0) * np.stack([_spread(lit[t]) for t in chosen])
    return {int(t): part.astype(np.float32) for t, part in zip(chosen, lights, strict=True)}


def _robust_mean(picked: NDArray[np.float32], per_block: int) -> NDArray[np.float32]:
    """Give the mean of the middle of each block: as robust as a median, less coarse."""
    n, height, width = picked.shape
    shape = (n, height // per_block, per_block, width // per_block, per_block)
    ordered = np.sort(picked.reshape(shape).swapaxes(2, 3).reshape(*shape[:2], shape[3], -1), axis=-1)
    middle = ordered.shape[-1] // 2
    out: NDArray[np.float32] = ordered[..., middle - 3 : middle + 3].mean(axis=-1)
    return out


def without_light(frame: NDArray[Any], excess: NDArray[np.float32], saturation: float) -> NDArray[Any]:
    """Take light off a frame.

    Parameters
    ----------
    frame : (H, W) array
    excess : (h, w) float32 array
        Light in blocks of 32 pixels (ADU); bilinear between their centres.
    saturation : float
        Pixels from this value on stay as they are; NaN if unknown.

    Returns
    -------
    (H, W) array of the same type
    """
    height, width = frame.shape
    across = _interpolated(excess.T, width).T
    corrected = frame - _interpolated(across, height) * np.float32(_TAKEN)
    if frame.dtype.kind != "f":
        low = np.iinfo(frame.dtype).min
        np.rint(corrected, out=corrected)
        np.maximum(corrected, low, out=corrected)
    out: NDArray[Any] = corrected.astype(frame.dtype)
    if np.isfinite(saturation):
        np.copyto(out, frame, where=frame >= saturation)
    return out


def evened(frames: NDArray[Any], saturation: float) -> Sequence[NDArray[Any]] | NDArray[Any]:
    """Give the frames without momentary light: the array itself, or a list with lit frames replaced.

    Parameters
    ----------
    frames : (T, H, W) array
    saturation : float
        See `without_light`.

    Returns
    -------
    (T, H, W) array, or list of T (H, W) arrays
    """
    lit = lit_frames(frames)
    if not lit:
        return frames
    return [without_light(f, lit[t], saturation) if t in lit else f for t, f in enumerate(frames)]


def _spread(lit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(lit, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def _interpolated(grid: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Interpolate the first axis of a grid of blocks to pixels."""
    position = (np.arange(length, dtype=np.float32) - (_BLOCK - 1) / 2) / _BLOCK
    position = np.clip(position, 0, len(grid) - 1)
    left = np.minimum(position.astype(np.int64), len(grid) - 2)
    share = (position - left).astype(np.float32)[:, None]
    out: NDArray[np.float32] = grid[left] * (1 - share) + grid[left + 1] * share
    return out
