"""Candidates: what was found in patches, how it was measured, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.activity import LEAST_FRAMES, activity_of, surroundings
from astrodetect.methods.apertures import Point
from astrodetect.methods.features import Shape, blob
from astrodetect.methods.measure import measure_track, refined_line
from astrodetect.methods.streaks import Line
from astrodetect.methods.track_fit import fitted_track

#: Usual light of a place, as a fraction of that when something passes, from which on nothing passes.
_ALL_THE_WHILE = 0.7
#: Pixels that an object must have moved between its first and last frame.
_LEAST_WAY = 2.0
#: How often a path is fitted again to what was measured: that of a fast one is known late.
_REFINED = 4
#: FWHM (px) that is assumed of what has no path.
_WIDTH = 3.0


@dataclass(frozen=True)
class Candidate:
    """One object of a window, or a patch in which none was found.

    Attributes
    ----------
    points : tuple of Point
        Its track, in frames of the window.
    shape : Shape
        What the pixels say.
    box : (float, float, float, float)
        ``x_min, y_min, x_max, y_max`` (px).
    score : float
        Score of its patch.
    line : Line or None
        Its path.
    """

    points: tuple[Point, ...]
    shape: Shape
    box: tuple[float, float, float, float]
    score: float
    line: Line | None = None

    @property
    def peak_snr(self) -> float:
        """Highest signal-to-noise in one frame."""
        return max((point.aperture_snr for point in self.points), default=0.0)


@dataclass(frozen=True)
class Search:
    """What decides how candidates are found.

    Attributes
    ----------
    evidence : float
        Least log likelihood ratio of a path.
    edge_snr : float
        Signal-to-noise that the faint frames at the ends of tracks have on average.
    edge_fraction : float
        Flux of them as a fraction of the track's highest.
    significant : float
        Standard deviations of a pixel of what does not move.
    """

    evidence: float = 15.0
    edge_snr: float = 2.5
    edge_fraction: float = 0.1
    significant: float = 4.0


@dataclass(frozen=True)
class Patch:
    """The pixels of a patch: what stands out in them, and when.

    Attributes
    ----------
    rows, columns : slice
        Where it is in the frame.
    z : (h, w) float32 array
        Standard deviations above the noise.
    when : (h, w) integer array
        Frame of the maximum.
    image : (h, w) array
        Maximum minus background (ADU).
    score : float
        What it was chosen for.
    """

    rows: slice
    columns: slice
    z: NDArray[np.float32]
    when: NDArray[Any]
    image: NDArray[Any]
    score: float


def followed(
    window: Window,
    patch: Patch,
    line: Line,
    width: float,
    clear: float,
    search: Search,
    *,
    restless: bool = False,
    independent: float = 1.0,
) -> Candidate | None:
    """Measure what moves along a path; None where nothing does.

    Parameters
    ----------
    window : Window
    patch : Patch
        Where it was found.
    line : Line
        The path.
    width : float
        FWHM across it (px).
    clear : float
        How clear it is beside what surrounds it, see `Shape`.
    search : Search
        What decides.
    restless : bool
        The light behind it changes from frame to frame.
    independent : float
        Share of frames along the path whose noise is not that of the frame before.

    Returns
    -------
    Candidate or None
    """
    line, points = _track(window, line, width, search, restless, independent)
    if len(points) < 2 or _way(points) < _LEAST_WAY or _stands(window, points):
        return None
    area, common = blob(patch.z, patch.when, search.significant)
    shape = Shape(line.evidence, clear, width, area, common, *_around(window, points))
    box = _track_box(points, width, window.shape)
    return Candidate(tuple(points), shape, box, patch.score, line)


def _track(
    window: Window, line: Line, width: float, search: Search, restless: bool, independent: float
) -> tuple[Line, list[Point]]:
    """Measure a path in frames, or in what was kept of them."""
    if window.frames is not None:
        return fitted_track(
            window, line, width, edge_snr=search.edge_snr, edge_fraction=search.edge_fraction,
            restless=restless, independent=independent,
        )  # fmt: skip
    measure = partial(
        measure_track,
        window,
        width=width,
        edge_snr=search.edge_snr,
        edge_fraction=search.edge_fraction,
    )
    return _measured(line, measure)


def _around(window: Window, points: Sequence[Point]) -> tuple[float, float, float]:
    """Give what the cells around a track say, where there are frames."""
    if window.frames is None or window.n_frames < LEAST_FRAMES:
        return 0.0, 0.0, 0.0
    frame, y, x = (np.array([getattr(point, name) for point in points]) for name in ("frame", "y", "x"))
    return surroundings(activity_of(window), frame, y, x)


def _track_box(
    points: Sequence[Point], width: float, shape: tuple[int, int]
) -> tuple[float, float, float, float]:
    x, y = np.array([p.x for p in points]), np.array([p.y for p in points])
    return clipped_box(x.min() - width, y.min() - width, x.max() + width + 1, y.max() + width + 1, shape)


def clipped_box(
    x_min: float, y_min: float, x_max: float, y_max: float, shape: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Give a box cut at the frame, of at least one pixel."""
    x_min, y_min = min(max(float(x_min), 0.0), shape[1] - 1.0), min(max(float(y_min), 0.0), shape[0] - 1.0)
    return (
        x_min,
        y_min,
        max(min(float(x_max), shape[1]), x_min + 1),
        max(min(float(y_max), shape[0]), y_min + 1),
    )


def _measured(line: Line, measure: Callable[[Line], list[Point]]) -> tuple[Line, list[Point]]:
    """Measure a path, and again where it is then known better: the ends of a fast one are far out."""
    points = measure(line)
    for _ in range(_REFINED):
        better = refined_line(line, points)
        again = measure(better)
        if _signal(again) <= _signal(points):
            break
        line, points = better, again
    return line, points


def _signal(points: Sequence[Point]) -> float:
    return sum(min(point.snr, 20.0) for point in points)


def _way(points: Sequence[Point]) -> float:
    return float(np.hypot(points[-1].x - points[0].x, points[-1].y - points[0].y))


def _stands(window: Window, points: Sequence[Point]) -> bool:
    """Tell whether the light along a track is there all the while: a lamp in haze, a cloud, no object.

    Where something passes it is bright as it passes and dark in most of the other frames.
    """
    if window.frames is None or len(points) < 4:
        return False
    background = window.planes["background"]
    for number in (len(points) // 4, len(points) // 2, 3 * len(points) // 4):
        place = points[number]
        light = [_brightness(window.frames[point.frame], background, place) for point in points]
        if float(np.median(light)) < _ALL_THE_WHILE * light[number]:
            return False
    return True


def _brightness(frame: NDArray[Any], background: NDArray[Any], place: Point) -> float:
    """Give the median of 3 by 3 pixels above the background."""
    y, x = max(round(place.y), 1), max(round(place.x), 1)
    box = slice(y - 1, y + 2), slice(x - 1, x + 2)
    part = frame[box].astype(np.float32) - np.asarray(background[box], dtype=np.float32)
    return float(np.median(part)) if part.size else 0.0


def standing(patch: Patch, window: Window, search: Search) -> Candidate | None:
    """Describe what stands in a patch: the bright pixels joined to its brightest."""
    from scipy.ndimage import label

    part, when, rows, columns = patch.z, patch.when, patch.rows, patch.columns
    peak = np.unravel_index(int(np.argmax(part)), part.shape)
    if part[peak] < search.significant:
        return None
    parts, _ = label(part > search.significant, structure=np.ones((3, 3)))
    mine = parts == parts[peak]
    area, common = blob(np.where(mine, part, 0), when, search.significant)
    ys, xs = np.nonzero(mine)
    box = (
        float(columns.start + xs.min()),
        float(rows.start + ys.min()),
        float(columns.start + xs.max() + 1),
        float(rows.start + ys.max() + 1),
    )
    value = np.where(mine, patch.image, 0).clip(0)
    total = max(float(value.sum()), 1e-9)
    y = rows.start + float((value * np.arange(part.shape[0])[:, None]).sum() / total)
    x = columns.start + float((value * np.arange(part.shape[1])).sum() / total)
    times = when[mine].astype(np.int64)
    frame = int(np.bincount(times).argmax())
    background = float(window.planes["background"][rows, columns][peak])
    snr = float(np.sqrt(np.square(part[mine]).sum() / max(len(ys), 1)) * np.sqrt(min(len(ys), 12)))
    point = Point(frame, x, y, total, background, snr, snr, float(value.max()), 0)
    return Candidate((point,), Shape(0.0, 0.0, _WIDTH, area, common), box, patch.score)
