"""Where something moved: statistics of a maximum image, in cells.

*Brightness*: the smoothed significance. *Agreement*: how many pairs of bright pixels a few pixels
apart had their maximum at nearly the same time. Noise takes its maxima at random, so pairs agree by
chance only; what moves agrees with itself all along its trail, even where each pixel is faint.
Pairs farther apart than a star is wide are counted by themselves, as the pixels of one twinkle together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Offsets (dy, dx) of the pairs: about three pixels, beyond the core of a star.
_PAIRS = ((0, 3), (3, 0), (2, 2), (2, -2), (1, 3), (3, 1), (-1, 3), (3, -1))

#: Offsets of pairs farther apart than any star is wide: a whole star twinkles at once, a trail is longer.
_FAR = ((0, 8), (8, 0), (6, 6), (6, -6), (3, 7), (7, 3), (-3, 7), (7, -3))
#: Significance of the pixels of such pairs.
_CLEAR = 3.0
#: Largest difference in frames between pixels that were passed one after the other.
_TOLERANCE = 3
#: Agreement counts at most that much: what is certain need not outrank what is sure.
_MOST = 20.0


def smooth(z: NDArray[np.float32], highest: float = 8.0) -> NDArray[np.float32]:
    """Smooth by the binomial kernel 1 2 1 in both directions; noise of 1 stays noise of 1.

    Parameters
    ----------
    z : (H, W) float32 array
        Significance of pixels.
    highest : float
        Pixels count at most that much, so that a single one proves nothing.

    Returns
    -------
    (H, W) float32 array
    """
    clipped = np.pad(np.minimum(z, np.float32(highest)), 1)
    rows = clipped[1:-1] * np.float32(2)
    rows += clipped[:-2]
    rows += clipped[2:]
    out = rows[:, 1:-1] * np.float32(2)
    out += rows[:, :-2]
    out += rows[:, 2:]
    # The weights 1 2 1 have a root of squares of sqrt(6) in each direction.
    out *= np.float32(1 / 6)
    return out


def agreement(
    bright: NDArray[np.bool_],
    argmax: NDArray[Any],
    tolerance: int,
    offsets: Sequence[tuple[int, int]] = _PAIRS,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Count pairs of bright pixels, those that had their maximum together, and one after the other.

    Parameters
    ----------
    bright : (H, W) bool array
        Pixels that count.
    argmax : (H, W) integer array
        Frame of the maximum.
    tolerance : int
        Largest difference in frames that counts as one after the other.
    offsets : sequence of (int, int)
        From one pixel of a pair to the other, dy and dx.

    Returns
    -------
    pairs, together, following : (H, W) uint8 arrays
        Per pixel, of the pairs that start there.
    """
    frame: Any = argmax.astype(
        np.int16 if argmax.max(initial=0) > 255 - 2 * tolerance else np.uint8, copy=False
    )
    pairs, together, following = (np.zeros(bright.shape, np.uint8) for _ in range(3))
    shift, wide = frame.dtype.type(tolerance), frame.dtype.type(2 * tolerance)
    for dy, dx in offsets:
        here, there = _shifted(bright.shape, dy, dx)
        both = bright[here] & bright[there]
        difference: Any = frame[here] - frame[there]
        same = (difference == 0) & both
        # In unsigned arithmetic a - b + tolerance exceeds 2 tolerance also where it is negative.
        difference += shift
        near = difference <= wide
        if frame.dtype.kind == "i":
            near &= difference >= 0
        near &= both
        near ^= same
        pairs[here] += both.view(np.uint8)
        together[here] += same.view(np.uint8)
        following[here] += near.view(np.uint8)
    return pairs, together, following


def _shifted(shape: tuple[int, ...], dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    height, width = shape
    y, x = max(height - abs(dy), 0), max(width - abs(dx), 0)  # an image may be smaller than the offset
    here = slice(max(0, -dy), max(0, -dy) + y), slice(max(0, -dx), max(0, -dx) + x)
    there = slice(max(0, dy), max(0, dy) + y), slice(max(0, dx), max(0, dx) + x)
    return here, there


def in_cells(values: NDArray[Any], cell: int, how: str) -> NDArray[np.float32]:
    """Give the sum or the maximum over square cells; what is left at the far edges joins the last.

    Parameters
    ----------
    values : (H, W) array
    cell : int
        Side of a cell (px).
    how : {"sum", "max"}

    Returns
    -------
    (ceil(H / cell), ceil(W / cell)) float32 array
    """
    join = np.maximum if how == "max" else np.add
    # Rows first, whole rows at a time, then whole columns of what is left: several times faster than blocks.
    narrow = np.uint16 if values.dtype == np.uint8 and how == "sum" else None
    height, width = values.shape
    whole = height // cell
    rows = join.reduce(values[: whole * cell].reshape(whole, cell, width), axis=1, dtype=narrow)
    if height % cell:
        last = join.reduce(values[whole * cell :], axis=0, dtype=narrow, keepdims=True)
        rows = np.concatenate([rows, last])
    out: NDArray[Any] = rows[:, ::cell].copy()
    for column in range(1, min(cell, rows.shape[1])):
        more = rows[:, column::cell]
        join(out[:, : more.shape[1]], more, out=out[:, : more.shape[1]])
    return out.astype(np.float32, copy=False)


def excess(counts: NDArray[np.float32], pairs: NDArray[np.float32], chance: float) -> NDArray[np.float32]:
    """Give how far counts exceed what is expected from their surroundings, in standard deviations.

    Parameters
    ----------
    counts : (h, w) float32 array
        Pairs that agree.
    pairs : (h, w) float32 array
        Pairs that could.
    chance : float
        Probability that a pair agrees if maxima fall at random.

    Returns
    -------
    (h, w) float32 array
        The rate in a cell is compared with the median rate around it, as a cloud that brightens
        agrees everywhere, and the result with its own scatter over the frame, as compressed video
        agrees in blocks: 1.645 is passed by at most a twentieth of the cells.
    """
    from scipy.ndimage import median_filter

    rate = median_filter(counts[::2, ::2] / np.maximum(pairs[::2, ::2], 1), 7, mode="nearest")
    rate = np.repeat(np.repeat(rate, 2, axis=0), 2, axis=1)[: counts.shape[0], : counts.shape[1]]
    rate = np.clip(np.maximum(rate, chance), 0, 1)
    expected = rate * pairs
    out: NDArray[np.float32] = (counts - expected) / np.sqrt(expected * (1 + 8 * rate) + 4)
    return out / max(float(np.percentile(out, 95)) / 1.645, 1.0)


def motion_score(
    z: NDArray[np.float32], argmax: NDArray[Any], n_frames: int, *, stride: int = 16, bright: float = 1.5
) -> NDArray[np.float32]:
    """Score cells of a window by what moved there, and less by what only shone.

    Parameters
    ----------
    z : (H, W) float32 array
        Significance of pixels.
    argmax : (H, W) integer array
        Frame of the maximum.
    n_frames : int
        Frames in the window.
    stride : int
        Side of a cell (px), even.
    bright : float
        Pixels this significant count.

    Returns
    -------
    (ceil(H / stride), ceil(W / stride)) float32 array
        Standard deviations; statistics are taken over one and a half cells, so that nothing is
        lost between two.
    """
    half = max(stride // 2, 1)
    brightness = _neighbours_max(in_cells(smooth(z), half, "max"))
    middle = float(np.median(brightness))
    spread = max(float(np.percentile(brightness, 84)) - middle, 0.3)
    counts = agreement(z > bright, argmax, _TOLERANCE)
    pairs, together, following = (_neighbours_sum(in_cells(count, half, "sum")) for count in counts)
    score = np.clip(excess(following, pairs, 2 * _TOLERANCE / n_frames), 0, _MOST)
    score += 0.3 * np.clip(excess(together, pairs, 1 / n_frames), 0, 10)
    score += np.clip((brightness - middle) / spread, 0, 5)
    far, at_once, after = agreement(z > _CLEAR, argmax, _TOLERANCE, _FAR)
    at_once += after
    far_pairs, along = (_neighbours_sum(in_cells(count, half, "sum")) for count in (far, at_once))
    score += np.clip(excess(along, far_pairs, (2 * _TOLERANCE + 1) / n_frames), 0, _MOST)
    return in_cells(score, 2, "max") if half > 1 else score


def still_score(z: NDArray[np.float32], *, stride: int = 16, clip: float = 4.0) -> NDArray[np.float32]:
    """Score cells of a single image by the most even straight line through them.

    Parameters
    ----------
    z : (H, W) float32 array
        Significance of pixels.
    stride : int
        Side of a cell (px).
    clip : float
        Pixels count at most that much: a star is bright but short.

    Returns
    -------
    (ceil(H / stride), ceil(W / stride)) float32 array
        Standard deviations, see `line_sums`.
    """
    return in_cells(line_sums(z, clip=clip).max(axis=0), stride, "max")


def line_sums(
    z: NDArray[np.float32], *, part: int = 9, directions: int = 16, clip: float = 4.0
) -> NDArray[np.float32]:
    """Find how bright the faintest third of short straight lines is, through every pixel.

    Each line is cut into three parts, each as wide as a star, and what lies beside them is taken
    off. The sum of the faintest part counts: a star makes one part bright, a streak all three.

    Parameters
    ----------
    z : (H, W) float32 array
        Significance of pixels.
    part : int
        Length of a third (px), odd.
    directions : int
        How many, over 180 degrees.
    clip : float
        Pixels count from minus to plus that much.

    Returns
    -------
    (directions, H, W) float32 array
        Standard deviations of a part's sum under noise, times the square root of three.
    """
    from scipy.ndimage import correlate1d

    limited = np.clip(z, -clip, clip)
    profile = np.array([-0.5, -0.5, 0, 0, 0.5, 1.0, 0.5, 0, 0, -0.5, -0.5])
    across = [correlate1d(limited, profile, axis=axis, mode="nearest") for axis in (0, 1)]
    scale = np.sqrt(3.0) / (np.sqrt(np.square(profile).sum()) * np.sqrt(part))
    out = np.empty((directions, *z.shape), np.float32)
    for number in range(directions):
        angle = np.pi * number / directions
        dy, dx = np.sin(angle), np.cos(angle)
        along_x = abs(dx) >= abs(dy)
        # One step along the longer axis is longer than a pixel on a slanted line.
        unit = max(abs(dx), abs(dy))
        step_y, step_x = dy / unit, dx / unit
        total = np.zeros_like(limited)
        for step in range(-(part // 2), part // 2 + 1):
            _add_shifted(total, across[0 if along_x else 1], round(step * step_y), round(step * step_x))
        lowest = total.copy()
        for side in (-part, part):
            moved = np.zeros_like(total)
            _add_shifted(moved, total, round(side * step_y), round(side * step_x))
            np.minimum(lowest, moved, out=lowest)
        out[number] = lowest * scale
    return out


def _add_shifted(total: NDArray[np.float32], image: NDArray[np.float32], dy: int, dx: int) -> None:
    here, there = _shifted(image.shape, dy, dx)
    if total[here].size:
        total[here] += image[there]


def _neighbours_sum(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter

    out: NDArray[np.float32] = uniform_filter(cells, 3, mode="constant") * 9
    return out


def _neighbours_max(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import maximum_filter

    out: NDArray[np.float32] = maximum_filter(cells, 3, mode="nearest")
    return out
