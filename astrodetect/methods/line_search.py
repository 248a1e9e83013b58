"""Trails in single exposures: lines over the whole frame, where on them something lies, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.lines import StraightLine, hough_votes, radon_lines
from astrodetect.methods.look import Look
from astrodetect.methods.stills import Streak, followed, line_profile, take_out
from astrodetect.methods.streaks import Line

#: How lines are looked for: by bright pixels, by sums over all pixels, or first one and then the other.
Method = Literal["hough", "radon", "both"]
#: Mean significances that tell what belongs to a trail, one for bright and one for faint ones.
_STEPS = (0.3, 0.8, 1.6)
#: Connected bright pixels, so many and no longer than so many times their width, are a star.
_BLOB, _ROUND = 6, 2.5
#: Lines that are looked at for one that is found.
_TRIES = 4
#: Shorter lines are along a row or column by chance, or have no bend that could be told (px).
_UPRIGHT, _BENT = 100.0, 50.0


def search_lines(
    look: Look,
    *,
    threshold: float = 2.5,
    least: float = 6.0,
    length: float = 20.0,
    most: int = 20,
    method: Method = "hough",
) -> list[tuple[Streak, float]]:
    """Find straight trails in an image.

    Parameters
    ----------
    look : Look
        The image as significance.
    threshold : float
        Pixels above it are bright, in standard deviations.
    least : float
        Strength of a line from which it is looked at (`astrodetect.methods.lines`).
    length : float
        Least length of a trail (px).
    most : int
        Trails at most.
    method : {"hough", "radon", "both"}
        Bright pixels on a line, or the sum over all pixels of a line: that finds fainter trails, if they
        cross much of the frame.

    Returns
    -------
    list of (Streak, float)
        With the strength of the line.
    """
    z = look.z.copy()
    found: list[tuple[Streak, float]] = []

    def take(line: StraightLine) -> bool:
        streak = _on_line(line, z, look.image)
        if streak is None or streak.line.length < length:
            return False
        found.append((streak, line.strength))
        take_out(z, streak)
        return True

    if method in ("hough", "both"):
        _take_lines(_hough_candidates(z, threshold, least), take, most)
    if method in ("radon", "both"):
        for line in radon_lines(z, least=least, most=max(0, most - len(found))):
            take(line)
    return found


def _take_lines(lines: Iterator[StraightLine], take: Callable[[StraightLine], bool], most: int) -> None:
    taken = 0
    for line in islice(lines, _TRIES * most):
        taken += take(line)
        if taken >= most:
            return


def _hough_candidates(z: NDArray[np.float32], threshold: float, least: float) -> Iterator[StraightLine]:
    votes = hough_votes(stars_as_points(z > threshold))
    while (line := votes.best()).strength >= least:
        yield line
        votes.remove(line)


def stars_as_points(bright: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give bright pixels, of those connected in something round only the middle one.

    A bright star would make a line of every direction; as a point it counts as much as a faint one, and what
    is left of a broken trail still counts.

    Parameters
    ----------
    bright : (H, W) bool array
    """
    from scipy import ndimage

    labels, n = ndimage.label(bright, np.ones((3, 3)))
    flat = np.flatnonzero(bright)
    number = labels.ravel()[flat]
    y, x = np.divmod(flat.astype(np.float64), bright.shape[1])
    count = np.maximum(np.bincount(number, minlength=n + 1), 1)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(number, values, minlength=n + 1) / count)

    my, mx = mean(y), mean(x)
    # A pixel is no point: 1/12 is its own variance.
    vy, vx, cross = mean(y * y) - my**2 + 1 / 12, mean(x * x) - mx**2 + 1 / 12, mean(x * y) - mx * my
    half, spread = (vy + vx) / 2, np.hypot((vy - vx) / 2, cross)
    is_round = half + spread < _ROUND**2 * np.maximum(half - spread, 1e-9)
    star = (count >= _BLOB) & is_round
    star[0] = False
    kept = bright.copy()
    kept.ravel()[flat[star[number]]] = False
    kept[np.rint(my[star]).astype(np.int64), np.rint(mx[star]).astype(np.int64)] = True
    return kept


def _on_line(line: StraightLine, z: NDArray[np.float32], image: NDArray[Any]) -> Streak | None:
    """Find where on a line a trail lies, and follow it to its ends."""
    reach = float(np.hypot(*z.shape)) / 2
    s = np.arange(-np.ceil(reach), np.ceil(reach) + 1)
    whole = Line(line.foot_yx(z.shape), line.direction_yx(), (0.0,), (0.0,), float(s[0]), float(s[-1]))
    profile = line_profile(whole, z, s, np.arange(-2.0, 2.5))
    value = np.where(np.isfinite(profile), profile, 0.0).sum(axis=1) / np.sqrt(profile.shape[1])
    ends = max((_run(value, step) for step in _STEPS), key=lambda run: run[2])
    if ends[1] - ends[0] < 5:
        return None
    seed = Line(whole.origin_yx, whole.direction_yx, (0.0,), (0.0,), float(s[ends[0]]), float(s[ends[1]]))
    return followed(_centred(seed), z, image)


def _run(value: NDArray[np.float64], step: float) -> tuple[int, int, float]:
    """Give the stretch over which values above `step` add up to most, and their sum over its noise."""
    total = np.concatenate([[0.0], np.cumsum(value - step)])
    lowest = np.minimum.accumulate(total)
    end = int(np.argmax(total - lowest))
    start = int(np.argmin(total[: end + 1]))
    return start, max(start, end - 1), float(value[start:end].sum() / np.sqrt(max(end - start, 1)))


def _centred(line: Line) -> Line:
    """Give a line whose origin lies in the middle of it, and along which x grows (or y, if it is upright)."""
    y, x = line.position((line.first + line.last) / 2)
    dy, dx = line.direction_yx
    sense = 1.0 if (round(dx, 9), dy) > (0.0, 0.0) else -1.0
    half = line.length / 2
    return replace(
        line, origin_yx=(float(y), float(x)), direction_yx=(sense * dy, sense * dx), first=-half, last=half
    )


def verdict(streak: Streak, z: NDArray[np.float32], widest: float) -> tuple[str, float]:
    """Say what a line is: a trail, a row or column of the detector, or neither.

    Parameters
    ----------
    streak : Streak
        As found.
    z : (H, W) float32 array
        Significance of the frame.
    widest : float
        Width beyond which it is hardly a trail (px).

    Returns
    -------
    label : str
        ``streak``, ``static`` or ``noise``.
    probability : float
        That the label is right.

    Notes
    -----
    The probability that it is a trail is that of its length, brightness and evenness, times what speaks
    against it: that it is bent as the edge of an image circle, or wide as a cloud. A line along a row or
    column within a pixel of its length L is one of the detector: of trails of all directions ``4 / (pi L)``
    lie so.
    """
    dy, dx = streak.line.direction_yx
    length = streak.line.length
    if length * min(abs(dy), abs(dx)) < 1.0 and length > _UPRIGHT:
        return "static", float(1 - 4 / (np.pi * length))
    bent = bow(streak, z) / max(0.75, 0.25 * streak.width)
    wide = max(0.0, streak.width - widest)
    probability = streak.probability * float(np.exp(-0.5 * (bent**2 + wide**2)))
    return ("streak", probability) if probability >= 0.5 else ("noise", 1 - probability)


def bow(streak: Streak, z: NDArray[np.float32]) -> float:
    """Give how far the middle of a line lies off the straight one through its ends (px); 0 for short ones."""
    line = streak.line
    if line.length < _BENT:
        return 0.0
    s = np.linspace(line.first, line.last, int(line.length))
    reach = np.clip(np.ceil(streak.width), 4.0, 8.0)  # a star beside it bends nothing
    offsets = np.arange(-reach, reach + 0.5)
    weight = np.nan_to_num(np.clip(line_profile(line, z, s, offsets) - 1.0, 0, 4)) ** 2
    total = weight.sum(axis=1)
    aside = (weight * offsets).sum(axis=1) / np.maximum(total, 1e-9)
    if np.count_nonzero(total) < 5:
        return 0.0
    curve = np.polyfit(s, aside, 2, w=np.sqrt(np.minimum(total, 50.0)) + 1e-6)
    return float(abs(curve[0]) * (line.length / 2) ** 2)
