"""What moves is seen in the single frames, where the maximum over time does not show it.

A maximum image keeps of every pixel the brightest of T frames: noise alone reaches 2.4 standard
deviations there, and whatever shone later hides what was there before. In the single frames neither
is so. This searches small pieces of the frames for spots of light that follow each other on a straight
line at a constant speed (track before detect): every pair of spots proposes a motion, all frames vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.noise import ROUNDING
from astrodetect.methods.streaks import Line

#: Spots above this significance propose motions; at most so many spots and pairs.
_SPOT, _SPOTS, _PAIRS = 3.3, 48, 700
#: Frames between the two spots of a pair, and the motions they may propose (px per frame).
_APART, _SLOWEST, _FASTEST = 12, 0.15, 45.0
#: Logarithm of the likelihood ratio that a frame gives at most, and what it costs if it shows nothing.
_MOST, _COST = 24.0, 2.0
#: A path is at least so long (px) and is seen in so many frames.
_LENGTH, _FRAMES = 3.0, 3
#: Part of the evidence by which a path must exceed what stands at its middle.
_MARGIN = 0.35
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
    """

    m: NDArray[np.float32]
    near: NDArray[np.float32]
    corner_yx: tuple[int, int]
    independence: float = 1.0

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


def find_path(spots: Spots, least: float) -> Line | None:
    """Find the best straight motion in a piece of the frames.

    Parameters
    ----------
    spots : Spots
        Of the piece, see `measure_spots`.
    least : float
        Least evidence.

    Returns
    -------
    Line or None
        With the evidence: the sum over frames of ``m**2 / 2 - 2`` along the path, the logarithm of
        the likelihood ratio of a spot of free brightness, less a cost per frame.
    """
    t, y, x = _brightest(spots)
    if len(t) < _FRAMES:
        return None
    hypotheses = _pairs(t, y, x)
    if not len(hypotheses):
        return None
    gain = _gains(spots.near, hypotheses)
    totals, first, last = _best_runs(gain)
    best = int(np.argmax(totals))
    path, run = hypotheses[best], (int(first[best]), int(last[best]))
    total = float(totals[best])
    for _ in range(2):
        refined = _refined(spots.m, path, run)
        if refined is None:
            break
        more, first, last = _best_runs(_gains(spots.near, refined[None]))
        if more[0] < total:
            break
        path, total, run = refined, float(more[0]), (int(first[0]), int(last[0]))
    evidence = total * spots.independence
    if evidence < least or not _moves(spots, path, run, total):
        return None
    return _line(path, run, evidence, *spots.corner_yx)


def contrast(spots: Spots, line: Line) -> float:
    """Give how much more often a path shows light than the places beside it, from -1 to 1."""
    frames = np.arange(spots.m.shape[0])
    run = (frames >= line.time(line.first) - 0.5) & (frames <= line.time(line.last) + 0.5)
    y, x, _ = line.at_frame(frames[run])
    rates = []
    for aside in (0.0, 7.0, -7.0):
        row = np.rint(y + aside * line.direction_yx[1]).astype(np.int64) - spots.corner_yx[0]
        column = np.rint(x - aside * line.direction_yx[0]).astype(np.int64) - spots.corner_yx[1]
        inside = (row >= 0) & (row < spots.m.shape[1]) & (column >= 0) & (column < spots.m.shape[2])
        if inside.any():
            rates.append(float((spots.near[frames[run][inside], row[inside], column[inside]] > 2.5).mean()))
        elif aside == 0:
            return 0.0
    return rates[0] - (sum(rates[1:]) / len(rates[1:]) if len(rates) > 1 else 0.0)


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
    d -= np.median(d[:, ::3, ::3], axis=(1, 2), keepdims=True)
    sample = np.abs(d[:: max(1, len(d) // 16)])
    noise = 1.4826 * np.median(sample, axis=0)
    floor = max(float(np.median(noise)), ROUNDING if frames.dtype.kind in "ui" else 1e-6)
    d /= np.maximum(noise, floor)
    if window.mask is not None:
        d[:, window.mask[rows, columns]] = 0
    m = _smoothed(_smoothed(d, 1), 2)
    m /= np.float32(_KERNEL_NOISE)
    scale = 1.4826 * np.median(np.abs(m[:, ::3, ::3]), axis=(1, 2), keepdims=True)
    m /= np.maximum(scale, 1)
    sample = m[:, ::3, ::3]
    # Codecs leave blocks and edges: the tail of the noise counts, not only its core.
    m /= np.float32(max(1.0, float(np.percentile(sample, 98)) / _TAIL))
    near = _highest_near(_highest_near(m, 1), 2)
    return Spots(m, near, (rows.start, columns.start), _independence(sample))


def _independence(m: NDArray[np.float32]) -> float:
    """Give the share of independent frames, from the correlation of each frame with the next."""
    limited = np.clip(m, -3, 3)
    square = float(np.mean(np.square(limited)))
    repeated = float(np.mean(limited[1:] * limited[:-1])) / max(square, 1e-6)
    repeated = min(max(repeated, 0.0), 0.95)
    return (1 - repeated) / (1 + repeated)


def _smoothed(d: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Smooth by 1 4 6 4 1, nothing outside."""
    out = d * np.float32(6 / 16)
    for shift, weight in ((1, np.float32(4 / 16)), (2, np.float32(1 / 16))):
        scaled = d * weight
        ahead, behind = _halves(axis, shift)
        out[ahead] += scaled[behind]
        out[behind] += scaled[ahead]
    return out


def _highest_near(m: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    out = m.copy()
    ahead, behind = _halves(axis, 1)
    np.maximum(out[ahead], m[behind], out=out[ahead])
    np.maximum(out[behind], m[ahead], out=out[behind])
    return out


def _halves(axis: int, shift: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    whole = (slice(None),) * axis
    return (*whole, slice(shift, None)), (*whole, slice(None, -shift))


def _brightest(spots: Spots) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Give frame and place of the brightest local maxima."""
    t, y, x = np.nonzero((spots.m >= spots.near) & (spots.m > _SPOT))
    order = np.argsort(-spots.m[t, y, x], kind="stable")[:_SPOTS]
    return t[order], y[order], x[order]


def _pairs(t: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the motions (n, 4) that pairs propose: y and x in frame 0, and their change per frame."""
    i, j = np.triu_indices(len(t), 1)
    i, j = np.where(t[i] <= t[j], i, j), np.where(t[i] <= t[j], j, i)
    apart = t[j] - t[i]
    kept = (apart >= 1) & (apart <= _APART)
    i, j, apart = i[kept], j[kept], apart[kept]
    vy, vx = (y[j] - y[i]) / apart, (x[j] - x[i]) / apart
    speed = np.hypot(vy, vx)
    # Spots come brightest first, so small indices are the best pairs.
    order = np.argsort(i + j, kind="stable")
    order = order[(speed[order] >= _SLOWEST) & (speed[order] <= _FASTEST)][:_PAIRS]
    i, vy, vx = i[order], vy[order], vx[order]
    return np.stack([y[i] - vy * t[i], x[i] - vx * t[i], vy, vx], axis=1)


def _places(
    paths: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Give indices (n, T) of where paths are in each frame, and where that is inside."""
    frames = np.arange(shape[0])
    y = np.rint(paths[:, :1] + paths[:, 2:3] * frames).astype(np.int64)
    x = np.rint(paths[:, 1:2] + paths[:, 3:4] * frames).astype(np.int64)
    inside = (y >= 0) & (y < shape[1]) & (x >= 0) & (x < shape[2])
    return np.broadcast_to(frames, y.shape), np.where(inside, y, 0), np.where(inside, x, 0), inside


def _gains(near: NDArray[np.float32], paths: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give what each frame says for each path (n, T); outside the piece nothing."""
    t, y, x, inside = _places(paths, near.shape)
    value = np.maximum(near[t, y, x], 0)
    gain = np.minimum(value * value / 2, _MOST) - _COST
    return np.where(inside, gain, 0).astype(np.float32)


def _best_runs(
    gain: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Give the largest sum over consecutive frames of each row, and the first and last frame of it."""
    n, frames = gain.shape
    best, total = np.full(n, -np.inf, np.float32), np.zeros(n, np.float32)
    begin, first, last = (np.zeros(n, np.int64) for _ in range(3))
    for frame in range(frames):
        fresh = total <= 0
        total = np.where(fresh, gain[:, frame], total + gain[:, frame])
        begin = np.where(fresh, frame, begin)
        better = total > best
        best = np.where(better, total, best)
        first, last = np.where(better, begin, first), np.where(better, frame, last)
    return best, first, last


def _refined(m: NDArray[np.float32], path: NDArray[np.float64], run: tuple[int, int]) -> Any:
    """Fit the motion again, to the brightest pixel near the path in each frame of the run."""
    t, y, x, inside = (part[0] for part in _places(path[None], m.shape))
    points = []
    for frame in range(run[0], run[1] + 1):
        if not inside[frame]:
            continue
        top, left = max(y[frame] - 2, 0), max(x[frame] - 2, 0)
        part = m[t[frame], top : y[frame] + 3, left : x[frame] + 3]
        dy, dx = np.unravel_index(int(np.argmax(part)), part.shape)
        if part[dy, dx] > 2.0:
            points.append((frame, top + dy, left + dx, min(float(part[dy, dx]), 10.0)))
    if len(points) < _FRAMES:
        return None
    frame_, y_, x_, weight = np.array(points, dtype=np.float64).T
    if np.ptp(frame_) < 2:
        return None
    vy, y0 = np.polyfit(frame_, y_, 1, w=weight)
    vx, x0 = np.polyfit(frame_, x_, 1, w=weight)
    return np.array([y0, x0, vy, vx])


def _moves(spots: Spots, path: NDArray[np.float64], run: tuple[int, int], total: float) -> bool:
    """Tell whether a path is long enough, is seen often enough, and does not stand."""
    speed, frames = float(np.hypot(path[2], path[3])), run[1] - run[0]
    if speed * frames < _LENGTH or not _SLOWEST <= speed <= _FASTEST:
        return False
    t, y, x, inside = _places(path[None], spots.near.shape)
    values = np.where(inside, spots.near[t, y, x], 0)[0, run[0] : run[1] + 1]
    if int((values > 2.5).sum()) < _FRAMES:
        return False
    standing = []
    for share in (0.25, 0.5, 0.75):
        frame = run[0] + share * frames
        place = np.array([path[0] + path[2] * frame, path[1] + path[3] * frame, 0.0, 0.0])
        standing.append(float(_gains(spots.near, place[None])[0, run[0] : run[1] + 1].sum()))
    return total - max(standing) >= max(10.0, _MARGIN * total)


def _line(path: NDArray[np.float64], run: tuple[int, int], total: float, top: int, left: int) -> Line:
    speed = float(np.hypot(path[2], path[3]))
    direction = float(path[2] / speed), float(path[3] / speed)
    middle = (run[0] + run[1]) / 2
    origin = float(path[0] + path[2] * middle) + top, float(path[1] + path[3] * middle) + left
    half = (run[1] - run[0]) / 2 * speed
    return Line(origin, direction, (0.0,), (middle, 1.0 / speed), -half, half, total)
