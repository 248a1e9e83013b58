"""What moved in a straight line: a robust line through x, y and the frame of the maximum.

A maximum image holds the path of what moved; the frame in which each pixel had its maximum holds
when it passed there. An object is a line through (x, y, t). It is found in a small neighbourhood by
trying pairs of bright points (consensus, as in Fischler & Bolles 1981), then followed in both
directions as far as the pixels speak for it more than against it, over gaps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.scores import smooth

#: Half width of the swath along a line that is looked at (px).
_HALF = 2
#: Half width of the swath in which the middle of a trail is found (px).
_WIDE = 4
#: Chance that a pixel on the path of a real object is bright at the right time.
_HIT = 0.55
#: Slowest motion that a pair of points can be (px per frame).
_SLOWEST = 0.08
#: Least summed significance of the points on a line, over what chance gives.
_LEAST = 9.0


@dataclass(frozen=True)
class Line:
    """A path in the frame and when it was passed.

    Along it runs s (px), from `first` to `last`, in the sense of time. Position is
    ``origin + s * direction + across(s) * normal``, time ``when(s)``, both polynomials in s.

    Attributes
    ----------
    origin_yx, direction_yx : (float, float)
        A point and a unit vector.
    across, when : tuple of float
        Coefficients from the constant term on (px, frames).
    first, last : float
        Ends (px along).
    evidence : float
        Logarithm of the likelihood ratio of the pixels, object against noise.
    """

    origin_yx: tuple[float, float]
    direction_yx: tuple[float, float]
    across: tuple[float, ...]
    when: tuple[float, ...]
    first: float
    last: float
    evidence: float = 0.0

    @property
    def length(self) -> float:
        """Length (px)."""
        return self.last - self.first

    @property
    def speed(self) -> float:
        """Mean speed (px per frame)."""
        frames = abs(float(self.time(self.last) - self.time(self.first)))
        return self.length / max(frames, 1e-3)

    def time(self, s: Any) -> Any:
        """Give the frame in which points along the path were passed."""
        return np.polynomial.polynomial.polyval(s, self.when)

    def position(self, s: Any) -> tuple[Any, Any]:
        """Give y and x of points along the path."""
        offset = np.polynomial.polynomial.polyval(s, self.across)
        dy, dx = self.direction_yx
        return self.origin_yx[0] + s * dy + offset * dx, self.origin_yx[1] + s * dx - offset * dy

    def coordinates(self, y: Any, x: Any) -> tuple[Any, Any]:
        """Give the distance along the path and from it (px) of points."""
        dy, dx = self.direction_yx
        down, right = y - self.origin_yx[0], x - self.origin_yx[1]
        s = down * dy + right * dx
        return s, down * dx - right * dy - np.polynomial.polynomial.polyval(s, self.across)

    def at_frame(self, frames: Any) -> tuple[Any, Any, Any]:
        """Give y, x and s at times (frames), also before and after the ends.

        Before the first and after the last point the path goes on at the speed it had there.
        """
        s = np.linspace(self.first, self.last, 64)
        t = np.maximum.accumulate(self.time(s) + np.arange(64) * 1e-9)
        frames = np.asarray(frames, dtype=np.float64)
        along = np.interp(frames, t, s)
        speed = max(self.speed, 1e-3)
        along = np.where(frames < t[0], self.first - (t[0] - frames) * speed, along)
        along = np.where(frames > t[-1], self.last + (frames - t[-1]) * speed, along)
        y, x = self.position(along)
        return y, x, along

    def tolerance(self) -> float:
        """Give how many frames a pixel's maximum may lie off the time of passage."""
        return 1.2 + 1.5 / max(self.speed, 0.1)


def ridge_points(
    z: NDArray[np.float32], argmax: NDArray[Any], threshold: float = 2.5, most: int = 48
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Give the local maxima of the smoothed significance, and when they were brightest.

    Parameters
    ----------
    z : (h, w) float32 array
        Significance.
    argmax : (h, w) integer array
        Frame of the maximum.
    threshold : float
        Smoothed standard deviations from which a maximum counts.
    most : int
        So many are given at most: half of them the highest, the others from all heights.

    Returns
    -------
    y, x : (n,) int64 arrays
        Positions.
    t : (n,) float64 array
        Frame of the maximum of the brightest of 3 by 3 pixels there.
    weight : (n,) float64 array
        Smoothed significance, at most 8.
    """
    from scipy.ndimage import maximum_filter

    smoothed = smooth(z)
    y, x = np.nonzero((smoothed > threshold) & (smoothed >= maximum_filter(smoothed, 3, mode="nearest")))
    weight = smoothed[y, x].astype(np.float64)
    order = np.argsort(-weight, kind="stable")
    if len(order) > most:
        rest = order[most // 2 :]
        order = np.concatenate(
            [order[: most // 2], rest[np.linspace(0, len(rest) - 1, most // 2).astype(int)]]
        )
    y, x, weight = y[order], x[order], weight[order]
    around_y = np.clip(y[:, None] + np.repeat([-1, 0, 1], 3), 0, z.shape[0] - 1)
    around_x = np.clip(x[:, None] + np.tile([-1, 0, 1], 3), 0, z.shape[1] - 1)
    brightest = np.argmax(z[around_y, around_x], axis=1)
    each = np.arange(len(y))
    t = argmax[around_y[each, brightest], around_x[each, brightest]].astype(np.float64)
    return y, x, t, np.minimum(weight, 8.0)


def find_lines(
    z: NDArray[np.float32], argmax: NDArray[Any], corner_yx: tuple[int, int], n_frames: int, most: int = 2
) -> list[Line]:
    """Find the lines through (x, y, t) that most local maxima of a patch lie on.

    Every pair of maxima is tried.

    Parameters
    ----------
    z : (h, w) float32 array
        Significance of the patch.
    argmax : (h, w) integer array
        Frame of the maximum.
    corner_yx : (int, int)
        First pixel of the patch in the frame.
    n_frames : int
        Length of the window.
    most : int
        Lines wanted.

    Returns
    -------
    list of Line
        In pixels of the frame, best first; none if no three points lie on one.
    """
    rows, columns, t, weight = ridge_points(z, argmax)
    if len(t) < 3:
        return []
    y, x = rows.astype(np.float64), columns.astype(np.float64)
    first, second = np.triu_indices(len(t), 1)
    length, late = np.hypot(x[first] - x[second], y[first] - y[second]), np.abs(t[first] - t[second])
    usable = (length >= 3) & (late >= 1) & (length >= _SLOWEST * late)
    first, second = first[usable], second[usable]
    lines: list[Line] = []
    free = weight.copy()
    while len(first) and len(lines) < most:
        inside, value = _best_pair(y, x, t, free, first, second, n_frames, z.size)
        if inside.sum() < 3 or value < _LEAST:
            break
        line = _fit(y[inside] + corner_yx[0], x[inside] + corner_yx[1], t[inside], weight[inside], degree=1)
        if line is not None and line.length > 1:
            lines.append(line)
        free[inside] = 0
        left = (free[first] > 0) & (free[second] > 0)
        first, second = first[left], second[left]
    return lines


def _best_pair(
    y: NDArray[Any],
    x: NDArray[Any],
    t: NDArray[Any],
    weight: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    n_frames: int,
    area: int,
) -> tuple[NDArray[np.bool_], float]:
    """Give the points on the line of the best pair, and their weight over what chance gives."""
    dy, dx, dt = y[b] - y[a], x[b] - x[a], t[b] - t[a]
    length = np.hypot(dy, dx)
    uy, ux, slowness = dy / length, dx / length, dt / length
    down, right = y[None] - y[a, None], x[None] - x[a, None]
    s = down * uy[:, None] + right * ux[:, None]
    off = np.abs(down * ux[:, None] - right * uy[:, None])
    tolerance = 1.2 + 1.5 * np.abs(slowness).clip(0, 8)
    inside = (off <= 1.6) & (np.abs(t[None] - t[a, None] - s * slowness[:, None]) <= tolerance[:, None])
    chance = 3.2 * np.sqrt(area) / area * np.minimum((2 * tolerance + 1) / n_frames, 1.0)
    value = inside @ weight - chance * weight.sum()
    best = int(np.argmax(value))
    return inside[best] & (weight > 0), float(value[best])


def _fit(y: NDArray[Any], x: NDArray[Any], t: NDArray[Any], weight: NDArray[Any], degree: int) -> Line | None:
    """Fit a path by weighted total least squares, and time along it by least squares."""
    total = weight.sum()
    cy, cx = float((weight * y).sum() / total), float((weight * x).sum() / total)
    down, right = y - cy, x - cx
    covariance = np.array(
        [
            [(weight * down * down).sum(), (weight * down * right).sum()],
            [(weight * down * right).sum(), (weight * right * right).sum()],
        ]
    )
    direction = np.linalg.eigh(covariance)[1][:, 1]
    s = down * direction[0] + right * direction[1]
    if np.ptp(s) < 1e-6:
        return None
    if (weight * s * (t - (weight * t).sum() / total)).sum() < 0:
        direction, s = -direction, -s
    across = down * direction[1] - right * direction[0]
    root = np.sqrt(weight)
    scale = max(float(np.abs(s).max()), 1.0)
    shape = np.polynomial.polynomial.polyfit(s / scale, across, degree, w=root)
    when = np.polynomial.polynomial.polyfit(s / scale, t, degree, w=root)
    powers = scale ** np.arange(degree + 1)
    return Line(
        (cy, cx),
        (float(direction[0]), float(direction[1])),
        tuple(float(v) for v in shape / powers),
        tuple(float(v) for v in when / powers),
        float(s.min()),
        float(s.max()),
    )


def follow(
    line: Line,
    z: NDArray[np.float32],
    argmax: NDArray[Any],
    n_frames: int,
    mask: NDArray[np.bool_] | None = None,
) -> Line:
    """Follow a line over the whole frame in both directions, and fit it again.

    From where it is sure, the line is taken as far as the sum of log likelihood ratios of the
    pixels on it is largest, so that gaps are crossed when what lies behind is worth it.

    Parameters
    ----------
    line : Line
        From `find_line`.
    z, argmax : (H, W) arrays
        Significance, and frame of the maximum, of the whole frame.
    n_frames : int
        Length of the window.
    mask : (H, W) bool array or None
        True where pixels say nothing.

    Returns
    -------
    Line
    """
    for _ in range(3):
        s, ratio = _evidence(line, z, argmax, n_frames, mask)
        if len(s) < 3:
            return line
        first, last, evidence = _most_likely_part(s, ratio.sum(axis=1), line)
        line = replace(line, first=first, last=last, evidence=evidence)
        part = (s >= first) & (s <= last)
        s = s[part]
        y, x = _swath(line, s, _WIDE)
        iy, ix = _inside_frame(y, x, z.shape)
        use = _agreeing(line, s, y, x, z, argmax)
        value = np.where(use, z[iy, ix], 0)
        # The ridge decides: the wings of a wide trail say little about where its middle is.
        share = value / np.maximum(value.max(axis=1, keepdims=True), 1.0)
        weight = (np.minimum(value, 6.0) * share**2).ravel()
        keep = weight > 0
        if keep.sum() < 6:
            return line
        times = argmax[iy, ix].ravel()[keep].astype(np.float64)
        span = np.ptp(times)
        degree = 2 if last - first > 30 and span >= 6 else 1
        fitted = _fit(
            iy.ravel()[keep].astype(float), ix.ravel()[keep].astype(float), times, weight[keep], degree
        )
        if fitted is None or not _plausible(fitted):
            return line
        line = replace(fitted, evidence=evidence)
    return line


def _plausible(line: Line) -> bool:
    """Tell whether time runs forward along the whole line, and it bends little."""
    t = line.time(np.linspace(line.first, line.last, 9))
    bend = np.abs(line.across[2]) * line.length**2 / 4 if len(line.across) > 2 else 0.0
    return bool(np.all(np.diff(t) >= -1e-6)) and bend <= 0.15 * line.length + 2


def _swath(line: Line, s: NDArray[Any], half: int = _HALF) -> tuple[NDArray[Any], NDArray[Any]]:
    y, x = line.position(s)
    offsets = np.arange(-half, half + 1)
    dy, dx = line.direction_yx
    return y[:, None] + offsets * dx, x[:, None] - offsets * dy


def _agreeing(
    line: Line,
    s: NDArray[Any],
    y: NDArray[Any],
    x: NDArray[Any],
    z: NDArray[np.float32],
    argmax: NDArray[Any],
) -> NDArray[np.bool_]:
    """Tell which points in the frame are bright and had their maximum when the line passed."""
    height, width = z.shape
    seen = (y > -0.5) & (y < height - 0.5) & (x > -0.5) & (x < width - 0.5)
    iy, ix = _inside_frame(y, x, z.shape)
    agrees: NDArray[np.bool_] = (np.abs(argmax[iy, ix] - line.time(s)[:, None]) <= line.tolerance()) & seen
    agrees &= z[iy, ix] > 1.0
    return agrees


def _inside_frame(
    y: NDArray[Any], x: NDArray[Any], shape: tuple[int, ...]
) -> tuple[NDArray[Any], NDArray[Any]]:
    iy = np.clip(np.rint(y).astype(np.int64), 0, shape[0] - 1)
    ix = np.clip(np.rint(x).astype(np.int64), 0, shape[1] - 1)
    return iy, ix


def _evidence(
    line: Line, z: NDArray[np.float32], argmax: NDArray[Any], n_frames: int, mask: NDArray[np.bool_] | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give s, and the log likelihood ratios (n, 3) of the pixels there."""
    height, width = z.shape
    reach = float(np.hypot(height, width))
    slow = 1.0 / max(line.speed, 0.02)
    # What moves leaves the window in time: no need to look further.
    at_first, at_last = float(line.time(line.first)), float(line.time(line.last))
    back = min(reach, (max(at_first, 0) + 2) / slow + 4)
    ahead = min(reach, (max(n_frames - 1 - at_last, 0) + 2) / slow + 4)
    s = np.arange(np.floor(line.first - back), np.ceil(line.last + ahead) + 1)
    y, x = _swath(line, s)
    seen = (y > -0.5) & (y < height - 0.5) & (x > -0.5) & (x < width - 0.5)
    some = seen.any(axis=1)
    s, y, x, seen = s[some], y[some], x[some], seen[some]
    iy, ix = _inside_frame(y, x, z.shape)
    tolerance = line.tolerance()
    inside = _agreeing(line, s, y, x, z, argmax)
    chance = np.clip(0.2 * (2 * tolerance + 1) / max(n_frames, 1), 0.01, 0.4)
    yes, no = np.log(_HIT / chance), np.log((1 - _HIT) / (1 - chance))
    # Neighbouring pixels share a point spread function: they count half.
    ratio = np.where(inside, min(yes, 2.5), no) * 0.5
    ratio[~seen] = 0
    if mask is not None:
        ratio[mask[iy, ix]] = 0
    return s, ratio[:, _HALF - 1 : _HALF + 2]


def _most_likely_part(s: NDArray[Any], ratio: NDArray[Any], line: Line) -> tuple[float, float, float]:
    """Give the run that contains the best of the line's middle and has the largest sum."""
    known = np.flatnonzero((s >= line.first) & (s <= line.last))
    if not len(known):
        return line.first, line.last, 0.0
    total = np.concatenate([[0.0], np.cumsum(ratio)])
    # Best run overall that overlaps the known part.
    lowest, highest = int(known[0]), int(known[-1])
    start = int(np.argmin(total[: highest + 1]))
    end = int(np.argmax(total[max(start, lowest) + 1 :])) + max(start, lowest) + 1
    start = int(np.argmin(total[: min(end, highest + 1)]))
    return float(s[start]), float(s[end - 1]), float(total[end] - total[start])
