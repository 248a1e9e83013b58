"""The track of an object: measured in every frame, fitted again, and where it begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.apertures import Point, measure_frame
from astrodetect.methods.streaks import Line

#: Frames after the last motion in which a glow still counts.
_GLOW = 4
#: Frames between a faint one and the rest of a track, at most.
_MISSING = 3
#: Logarithms of likelihood ratios: what one frame says at most, what must speak for an object beyond frames
#: that do not show it, and what must speak against it before no more is looked for.
_MOST, _BEYOND, _ENOUGH = 3.0, 2.0, 3.0
#: Signal-to-noise of a frame in which no pixel stands out.
_NOTHING = -0.5


def trail_width(line: Line, image: NDArray[Any], smallest: float = 1.6, largest: float = 14.0) -> float:
    """Measure the full width at half maximum across a trail.

    Parameters
    ----------
    line : Line
        The trail.
    image : (H, W) array
        Maximum minus background (ADU).
    smallest, largest : float
        Limits of the answer (px).

    Returns
    -------
    float
        Pixels.
    """
    from scipy.ndimage import map_coordinates

    offsets = np.arange(-10, 10.5, 0.5)
    s = np.linspace(line.first, line.last, int(np.clip(line.length, 5, 60)))
    y, x = line.position(s)
    dy, dx = line.direction_yx
    yy, xx = y[:, None] + offsets * dx, x[:, None] - offsets * dy
    y0, x0 = max(int(yy.min()) - 1, 0), max(int(xx.min()) - 1, 0)
    part = np.asarray(image[y0 : int(yy.max()) + 3, x0 : int(xx.max()) + 3], dtype=np.float32)
    if part.size == 0:
        return smallest
    sampled = map_coordinates(part, [yy - y0, xx - x0], order=1, mode="nearest")
    # At the edge of the frame only the inner side is known.
    inside = (yy >= 0) & (yy <= image.shape[0] - 1) & (xx >= 0) & (xx <= image.shape[1] - 1)
    known = inside.sum(axis=0)
    profile = np.where(inside, sampled, 0).sum(axis=0) / np.maximum(known, 1)
    profile[known < 0.5 * len(s)] = np.nan
    if np.isfinite(profile).sum() < 8:
        return smallest
    if np.isnan(profile).any():
        other = profile[::-1]
        profile = np.where(np.isnan(profile), other, profile)
    profile = np.nan_to_num(profile - np.nanpercentile(profile, 20))
    top = int(np.argmax(np.where(np.abs(offsets) <= 3, profile, -np.inf)))
    half = 0.5 * profile[top]
    if half <= 0:
        return smallest
    right = next((i for i in range(top, len(profile)) if profile[i] < half), len(profile) - 1)
    left = next((i for i in range(top, -1, -1) if profile[i] < half), 0)
    return float(np.clip(offsets[right] - offsets[left] - 0.5, smallest, largest))


def measure_track(
    window: Window,
    line: Line,
    width: float,
    *,
    edge_snr: float = 2.5,
    edge_fraction: float = 0.1,
) -> list[Point]:
    """Measure an object in each frame in which it is seen, where of the frames only planes were kept.

    Frames before and after the line's ends are added while the signal is there; single frames in
    between may be missing (clouds, strobes).

    Parameters
    ----------
    window : Window
        With planes ``max``, ``background``, ``image``, ``argmax``.
    line : Line
        Where it went.
    width : float
        FWHM across (px).
    edge_snr : float
        Signal-to-noise that the faint frames at the ends of tracks have on average.
    edge_fraction : float
        Least flux or signal-to-noise of the first and the last frame, as a fraction of the track's highest.

    Returns
    -------
    list of Point
        In order of frames; empty if it is seen nowhere.
    """
    first = int(np.floor(line.time(line.first) + 0.5))
    last = int(np.ceil(line.time(line.last) - 0.5))
    first, last = max(first, 0), min(last, window.n_frames - 1)
    measure = partial(measure_frame, window, line, width=width)
    points = [point for frame in range(first, last + 1) if (point := measure(frame)) is not None]
    for step in (-1, +1):
        points = _carried_on(measure, line, width, points, step, edge_snr, window.n_frames)
    return _trimmed(points, edge_snr, edge_fraction)


def refined_line(line: Line, points: Sequence[Point]) -> Line:
    """Fit a path again to where an object was measured.

    Parameters
    ----------
    line : Line
        Where it was looked for.
    points : sequence of Point
        Where it was.

    Returns
    -------
    Line
        Straight, at the mean speed of the points, from the first to the last of them; `line` itself if
        they are too few, or hardly move.
    """
    if len(points) < 3:
        return line
    t = np.array([point.frame for point in points], dtype=np.float64)
    weight = np.clip(np.array([point.snr for point in points]), 0.5, 10)
    middle = float(np.average(t, weights=weight))
    moved = t - middle
    square = float(np.sum(weight * moved * moved))
    means, slopes = [], []
    positions = np.array([[point.y, point.x] for point in points])
    for values in positions.T:
        mean = float(np.average(values, weights=weight))
        means.append(mean)
        slopes.append(float(np.sum(weight * moved * (values - mean))) / max(square, 1e-9))
    speed = float(np.hypot(slopes[0], slopes[1]))
    if speed < 0.1:
        return line
    direction = slopes[0] / speed, slopes[1] / speed
    first, last = (moved[0] - 0.5) * speed, (moved[-1] + 0.5) * speed
    origin = means[0], means[1]
    return Line(origin, direction, (0.0,), (middle, 1.0 / speed), float(first), float(last), line.evidence)


def _gain(snr: NDArray[Any] | float, edge_snr: float) -> NDArray[np.float64]:
    """Give the logarithm of the likelihood ratio of a frame: the object is there, or it is not.

    At its ends it is faint, and how faint nobody knows: its signal-to-noise is taken as exponentially
    distributed with mean `edge_snr`, which makes the ratio an integral with a closed form. One frame says
    no more than `_MOST`: it may be a star.
    """
    from scipy.special import log_ndtr

    excess = np.asarray(snr, dtype=np.float64) - 1.0 / edge_snr
    ratio = 0.5 * np.log(2 * np.pi) - np.log(edge_snr) + 0.5 * np.square(excess) + log_ndtr(excess)
    limited: NDArray[np.float64] = np.minimum(ratio, _MOST)
    return limited


def _carried_on(
    measure: Callable[..., Point | None],
    line: Line,
    width: float,
    points: list[Point],
    step: int,
    edge_snr: float,
    n_frames: int,
) -> list[Point]:
    """Add the frames beyond one end until they say clearly that nothing is there any more."""
    if not points:
        return points
    end = points[-1] if step > 0 else points[0]
    frame, still, total, best = end.frame, 0, 0.0, 0.0
    added: list[Point] = []
    while total > best - _ENOUGH and still < _GLOW and 0 <= frame + step < n_frames:
        frame += step
        # Only behind a bright object a glow stays where it was.
        glows = step > 0 and (still or (added and end.snr > 4 * edge_snr))
        near = (end.y, end.x) if glows else None
        point = measure(frame, near=near)
        if point is None or (near is None and not _on_time(line, point, width)):
            total += float(_gain(_NOTHING, edge_snr))
            continue
        gain = float(_gain(point.snr, edge_snr))
        total += gain
        best = max(best, total)
        added.append(point)
        if gain > 0:
            still = still + 1 if np.hypot(point.x - end.x, point.y - end.y) < 0.4 * line.speed else 0
            end = point
    return points + added if step > 0 else added[::-1] + points


def _on_time(line: Line, point: Point, width: float) -> bool:
    """Tell whether what was measured is where the path is in that frame: noise is anywhere near it."""
    y, x, _ = line.at_frame(point.frame)
    return bool(np.hypot(point.y - float(y), point.x - float(x)) <= 0.3 * line.speed + 0.5 * width + 1.5)


def _trimmed(points: Sequence[Point], edge_snr: float, edge_fraction: float) -> list[Point]:
    """Cut both ends where what lies beyond says more against the object than for it."""
    if not points:
        return []
    snr = np.array([point.snr for point in points])
    peak = int(np.argmax(snr))
    gain = _gain(snr, edge_snr)
    frame = np.array([point.frame for point in points])
    last = peak + _reach(frame[peak:] - frame[peak], gain[peak:], edge_snr)
    first = peak - _reach(frame[peak] - frame[peak::-1], gain[peak::-1], edge_snr)
    flux = np.array([point.flux for point in points])
    # Signal-to-noise changes with the clouds behind, the flux of what saturates with its blooming: one of
    # them is enough.
    share = np.maximum(snr / snr[peak], flux / max(float(flux[first : last + 1].max()), 1e-9))
    inside = (np.arange(len(points)) >= first) & (np.arange(len(points)) <= last)
    seen = np.flatnonzero(inside & (gain > 0) & (share >= edge_fraction))
    if not len(seen):
        return []
    bright = np.flatnonzero(inside & (share >= 2 * edge_fraction))
    start, stop = _joined_ends(seen, int(bright[0]), int(bright[-1]))
    return [points[number] for number in range(start, stop + 1) if gain[number] > 0]


def _reach(away: NDArray[np.int64], gain: NDArray[np.float64], edge_snr: float) -> int:
    """Give the last of the points that go away from the brightest which still belongs to the object.

    Beyond a frame that says nothing is there, the others together must say that something is.
    """
    nothing = float(_gain(_NOTHING, edge_snr))
    total, best, kept = 0.0, 0.0, 0
    for number in range(1, len(away)):
        total += float(gain[number]) + nothing * int(away[number] - away[number - 1] - 1)
        needed = best if away[number] == away[kept] + 1 else best + _BEYOND
        if gain[number] > 0 and total > needed:
            best, kept = total, number
    return kept


def _joined_ends(seen: NDArray[np.int64], start: int, stop: int) -> tuple[int, int]:
    """Extend the bright part of a track by faint frames, as long as few are missing between them."""
    for number in seen[::-1]:
        if number < start <= number + _MISSING:
            start = int(number)
    for number in seen:
        if number > stop >= number - _MISSING:
            stop = int(number)
    return start, stop
