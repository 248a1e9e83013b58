"""What moves, from spots of light that follow each other in the single frames.

Every pair of spots proposes a motion, straight and at a constant speed; all frames vote
(track before detect).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.spots import Spots
from astrodetect.methods.streaks import Line

#: Spots above this significance propose motions; at most so many spots and pairs.
_SPOT, _SPOTS, _PAIRS = 3.3, 48, 700
#: Spots of one frame: where a codec begins anew, one has more than all others.
_PER_FRAME = 6
#: Frames between the two spots of a pair, and the motions they may propose (px per frame).
_APART, _SLOWEST, _FASTEST = 12, 0.15, 45.0
#: Logarithm of the likelihood ratio that a frame gives at most, and what it costs if it shows nothing.
_MOST, _COST = 24.0, 2.0
#: A path is at least so long (px) and is seen in so many frames.
_LENGTH, _FRAMES = 3.0, 3
#: Motions of the highest evidence that are tried, and how many of them are looked at frame by frame.
_TRIED, _MEASURED = 150, 4
#: Evidence that a path has without its brightest frame: one flicker lies on many straight lines.
_REST = 12.0
#: Largest side of a place in which a path is looked at frame by frame (px).
_PLACE = 28
#: Frames of a path, those of the highest evidence, that are tried for something that stands there.
_BRIGHTEST = 2
#: Significance of a frame in which a path is seen, and in which its place is known to a pixel.
_SEEN, _BRIGHT = 2.5, 4.0
#: Distance at which the noise of codecs is another, that of their blocks (px).
_BLOCK = 8.0
#: Part of the evidence by which a path must exceed what stands at its middle.
_MARGIN = 0.35


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
    found = _best_motion(spots, _pairs(t, y, x), least)
    if found is None:
        return None
    path, run, total = found
    for _ in range(2):
        refined = _refined(spots.m, path, run)
        if refined is None:
            break
        more, first, last = _best_runs(_gains(spots.near, refined[None]))
        better = int(first[0]), int(last[0])
        if more[0] < total or not _moves(spots, refined[None], np.array([better]), more)[0]:
            break
        path, total, run = refined, float(more[0]), better
    evidence = total * float(_independent(spots, path[None])[0])
    if evidence < least:
        return None
    return _line(path, run, evidence, *spots.corner_yx)


def _best_motion(
    spots: Spots, paths: NDArray[np.float64], least: float
) -> tuple[NDArray[np.float64], tuple[int, int], float] | None:
    """Give the motion of the highest evidence that is no light that stands, its run and evidence."""
    if not len(paths):
        return None
    totals, first, last = _best_runs(_gains(spots.near, paths))
    evidence = totals * _independent(spots, paths)
    order = np.argsort(-evidence, kind="stable")
    # Refining may add to the evidence, but not much.
    order = order[evidence[order] > 0.6 * least][:_TRIED]
    runs = np.stack([first[order], last[order]], axis=1)
    moving = np.flatnonzero(_moves(spots, paths[order], runs, totals[order]))
    if not len(moving):
        return None
    best = order[moving[0]]
    return paths[best], (int(first[best]), int(last[best])), float(totals[best])


def _independent(spots: Spots, paths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give `independent` of each path (n, 4)."""
    out: NDArray[np.float64] = independent(spots, np.hypot(paths[:, 2], paths[:, 3]))
    return out


def independent(spots: Spots, speed: Any) -> Any:
    """Give the share of frames that have noise of their own along paths of some speeds (px per frame).

    Where a codec repeats frames, noise stays at its place; what moves on meets other noise.
    """
    return np.clip(np.maximum(speed / _BLOCK, spots.independence), 0.0, 1.0)


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


def _brightest(spots: Spots) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Give frame and place of the brightest local maxima."""
    flat = np.flatnonzero(spots.m > _SPOT)  # few, and soon found: what is left of them is looked for there
    flat = flat[spots.m.ravel()[flat] >= spots.near.ravel()[flat]]
    t, y, x = np.unravel_index(flat, spots.m.shape)
    order = np.argsort(-spots.m[t, y, x], kind="stable")
    order = order[_rank_in_frame(t[order]) < _PER_FRAME][:_SPOTS]
    return t[order], y[order], x[order]


def _rank_in_frame(t: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give how many before each have the same number."""
    by_frame = np.argsort(t, kind="stable")
    rank = np.empty_like(t)
    rank[by_frame] = np.arange(len(t)) - np.searchsorted(t[by_frame], t[by_frame])
    return rank


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
    n, n_frames = gain.shape
    sums, before = np.empty((n_frames, n), np.float32), np.zeros(n, np.float32)
    for frame, more in enumerate(np.ascontiguousarray(gain.T)):
        np.add(before, more, out=sums[frame])
        np.maximum(sums[frame], 0, out=before)  # what is worth nothing is left behind
    by_path = np.ascontiguousarray(sums.T)
    last = by_path.argmax(axis=1)
    # A run begins with the first frame, and where the sum before is worth nothing.
    begins = np.ones((n, n_frames), np.bool_)
    np.less_equal(by_path[:, :-1], 0, out=begins[:, 1:])
    begins &= np.arange(n_frames) <= last[:, None]
    first = n_frames - 1 - begins[:, ::-1].argmax(axis=1)
    return by_path[np.arange(n), last], first, last


def _refined(m: NDArray[np.float32], path: NDArray[np.float64], run: tuple[int, int]) -> Any:
    """Fit the motion again, to the brightest pixel near the path in each frame of the run."""
    frame_, y_, x_, weight = _peaks(m, path, run)
    if len(frame_) < _FRAMES:
        return None
    if np.ptp(frame_) < 2:
        return None
    vy, y0 = np.polyfit(frame_, y_, 1, w=weight)
    vx, x0 = np.polyfit(frame_, x_, 1, w=weight)
    return np.array([y0, x0, vy, vx])


def _peaks(m: NDArray[np.float32], path: NDArray[np.float64], run: tuple[int, int]) -> NDArray[np.float64]:
    """Give frame, y, x and significance (at most 10) of the brightest pixel near a path, (4, n)."""
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
    return np.array(points, dtype=np.float64).reshape(-1, 4).T


def _moves(
    spots: Spots, paths: NDArray[np.float64], runs: NDArray[np.int64], totals: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Tell which paths (n, 4) are long enough, are seen often enough, and do not stand."""
    speed, frames = np.hypot(paths[:, 2], paths[:, 3]), runs[:, 1] - runs[:, 0]
    good: NDArray[np.bool_] = (speed * frames >= _LENGTH) & (speed >= _SLOWEST) & (speed <= _FASTEST)
    t, y, x, inside = _places(paths, spots.near.shape)
    during = (t >= runs[:, :1]) & (t <= runs[:, 1:])
    seen = inside & during & (spots.near[t, y, x] > _SEEN)
    good &= seen.sum(axis=1) >= _FRAMES
    gains = np.where(during, _gains(spots.near, paths), 0)
    good &= totals - gains.max(axis=1) >= _REST
    # What stands is seen from its place all the while: tried along the run, and where most was seen.
    tried = [runs[:, 0] + share * frames for share in (0.25, 0.5, 0.75)]
    tried += list(np.argsort(-gains, axis=1)[:, :_BRIGHTEST].T)
    standing = np.zeros(len(paths), np.float32)
    for frame in tried:
        place = paths.copy()
        place[:, :2] += place[:, 2:] * np.asarray(frame)[:, None]
        place[:, 2:] = 0
        here = np.where(during, _gains(spots.near, place), 0).sum(axis=1)
        np.maximum(standing, here, out=standing)
    clear = totals - standing >= np.maximum(10.0, _MARGIN * totals)
    for number in np.flatnonzero(good & ~clear)[:_MEASURED]:
        clear[number] = _drifts(spots.m, paths[number], (int(runs[number, 0]), int(runs[number, 1])))
    out: NDArray[np.bool_] = good & clear
    return out


def _drifts(m: NDArray[np.float32], path: NDArray[np.float64], run: tuple[int, int]) -> bool:
    """Tell whether the brightest pixel of a small place goes along a path frame by frame.

    A bright slow object is seen from its whole path in most of its frames, but where it is brightest
    tells where it is.
    """
    ends = np.outer(run, path[2:]) + path[:2]
    low, high = np.rint(ends.min(axis=0)).astype(int) - 2, np.rint(ends.max(axis=0)).astype(int) + 3
    if (high - low).max() > _PLACE:
        return False
    part = m[run[0] : run[1] + 1, max(low[0], 0) : max(high[0], 0), max(low[1], 0) : max(high[1], 0)]
    if part.size == 0:
        return False
    highest = part.max(axis=(1, 2))
    frame = np.flatnonzero(highest >= _BRIGHT)
    if len(frame) < _FRAMES:
        return False
    y, x = np.unravel_index(part[frame].reshape(len(frame), -1).argmax(axis=1), part.shape[1:])
    along = (y * path[2] + x * path[3]) / np.hypot(path[2], path[3])
    # The place of a spot is known the better the brighter it is.
    weight = np.minimum(highest[frame], 10.0)
    slope, offset = np.polyfit(frame, along, 1, w=weight)
    left = np.sqrt(np.average(np.square(along - slope * frame - offset), weights=np.square(weight)))
    return bool(slope * (run[1] - run[0]) >= _LENGTH and left < 0.12 * slope * np.ptp(frame))


def _line(path: NDArray[np.float64], run: tuple[int, int], total: float, top: int, left: int) -> Line:
    speed = float(np.hypot(path[2], path[3]))
    direction = float(path[2] / speed), float(path[3] / speed)
    middle = (run[0] + run[1]) / 2
    origin = float(path[0] + path[2] * middle) + top, float(path[1] + path[3] * middle) + left
    half = (run[1] - run[0]) / 2 * speed
    return Line(origin, direction, (0.0,), (middle, 1.0 / speed), -half, half, total)
