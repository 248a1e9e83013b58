"""From patches to candidates: what moved there, how it was measured, and what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.core.geometry import clip_box
from astrodetect.methods.features import Shape, beside, blob
from astrodetect.methods.look import Look
from astrodetect.methods.measure import Point, measure_track, refined_line, trail_width
from astrodetect.methods.spots import Spots, contrast, find_path, measure_spots
from astrodetect.methods.streaks import Line, find_lines, follow

#: Objects that are looked for in one patch.
_PER_PATCH = 2
#: Windows of fewer frames are looked at in their maximum alone.
_LEAST_FRAMES = 4
#: Evidence that a path in the frames needs more than one in the maximum: there are more to choose from.
_TRIALS = 10.0
#: Usual light of a place, as a fraction of that when something passes, from which on nothing passes.
_ALL_THE_WHILE = 0.7
#: Pixels that an object must have moved between its first and last frame.
_LEAST_WAY = 2.0
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
        Signal-to-noise of the first and last frame of a track.
    edge_fraction : float
        The same as a fraction of the track's highest.
    significant : float
        Standard deviations of a pixel of what does not move.
    """

    evidence: float = 15.0
    edge_snr: float = 1.8
    edge_fraction: float = 0.1
    significant: float = 4.0


def find_candidates(
    window: Window,
    look: Look,
    corners_yx: NDArray[np.int64],
    size: tuple[int, int],
    scores: Sequence[float],
    search: Search,
) -> list[Candidate]:
    """Find what is in the patches of a window, best score first.

    The pixels of each object that is found are taken out before the search goes on, so that one
    object in several patches is found once, and two in one patch are found both.

    Parameters
    ----------
    window : Window
        With planes ``max``, ``background``, ``image``, ``argmax``.
    look : Look
        The same, as significance.
    corners_yx : (K, 2) int array
        First pixels of the patches; may lie outside.
    size : (int, int)
        Height and width of the patches.
    scores : sequence of float
        Of the patches.
    search : Search
        What decides.

    Returns
    -------
    list of Candidate
    """
    z = look.z.copy()
    found: list[Candidate] = []
    in_frames = window.frames is not None and window.n_frames >= _LEAST_FRAMES
    for (top, left), score in zip(corners_yx.tolist(), scores, strict=True):
        rows, columns = clip_box(top, size[0], z.shape[0])[0], clip_box(left, size[1], z.shape[1])[0]
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        piece = Piece(window, look, z, rows, columns, float(score), search)
        spots = _unexplained(piece, found) if in_frames else None
        moving: list[Candidate] = []
        while len(moving) < _PER_PATCH:
            candidate = None if spots is None else _tracked(piece, spots)
            candidate = candidate or _moving(piece)
            if candidate is None:
                break
            moving.append(candidate)
        found.extend(moving)
        if not moving:
            still = _standing(piece)
            if still is not None and not _explained(still, found):
                found.append(still)
    return found


@dataclass(frozen=True)
class Piece:
    """A patch and what is known of it; `z` loses the pixels of what was found."""

    window: Window
    look: Look
    z: NDArray[np.float32]
    rows: slice
    columns: slice
    score: float
    search: Search


def _unexplained(piece: Piece, found: Sequence[Candidate]) -> Spots:
    """Give the spots of a patch that belong to nothing found before."""
    spots = measure_spots(piece.window, piece.rows, piece.columns)
    for candidate in found:
        _forget(spots, candidate)
    return spots


def _forget(spots: Spots, candidate: Candidate) -> None:
    if candidate.line is not None:
        points = candidate.points
        radius = 1.5 * candidate.shape.width + 2 + 0.6 * candidate.line.speed
        spots.take_out(
            [p.frame for p in points], [p.x for p in points], [p.y for p in points], min(radius, 30.0)
        )


def _explained(still: Candidate, found: Sequence[Candidate]) -> bool:
    """Tell whether what stands lies on the track of what moves: a star that it passed, a part of it."""
    x, y = still.points[0].x, still.points[0].y
    return any(
        np.hypot(point.x - x, point.y - y) < candidate.shape.width + 4 + 0.5 * candidate.line.speed
        for candidate in found
        if candidate.line is not None
        for point in candidate.points
    )


def _tracked(piece: Piece, spots: Spots) -> Candidate | None:
    """Find what moves in the single frames."""
    line = find_path(spots, piece.search.evidence + _TRIALS)
    if line is None:
        return None
    candidate = _candidate(piece, line, contrast(spots, line))
    if candidate is None:
        y, x, _ = line.at_frame(frames := np.arange(piece.window.n_frames))
        spots.take_out(frames.tolist(), x.tolist(), y.tolist(), 4.0)
    else:
        _forget(spots, candidate)
    return candidate


def _moving(piece: Piece) -> Candidate | None:
    """Find what moved in the maximum image."""
    window, look, z, rows, columns = piece.window, piece.look, piece.z, piece.rows, piece.columns
    lines = find_lines(
        z[rows, columns], look.argmax[rows, columns], (rows.start, columns.start), window.n_frames
    )
    if not lines:
        return None
    followed = [follow(line, z, look.argmax, window.n_frames, window.mask) for line in lines]
    line = max(followed, key=lambda item: item.evidence)
    # Correlated pixels are fewer witnesses than they seem.
    line = replace(line, evidence=line.evidence / look.correlation)
    # Where there are frames they have been searched, and did not show it: then more is asked.
    least = piece.search.evidence + (_TRIALS if window.frames is not None else 0)
    if line.evidence < least or line.length < 2:
        return None
    return _candidate(piece, line, beside(line, z, look.argmax, trail_width(line, look.image)))


def _candidate(piece: Piece, line: Line, clear: float) -> Candidate | None:
    """Measure what was found, and take its pixels out."""
    look, search = piece.look, piece.search
    width = trail_width(line, look.image)
    part = piece.rows, piece.columns
    area, common = blob(piece.z[part], look.argmax[part], search.significant)
    line, points = _measured(piece.window, line, width, search)
    _take_out(piece.z, look.argmax, line, width)
    if len(points) < 2 or _way(points) < _LEAST_WAY:
        return None
    if _stands(piece.window, points):
        return None
    shape = Shape(line.evidence, clear, width, area, common)
    box = _track_box(points, width, piece.window.shape)
    return Candidate(tuple(points), shape, box, piece.score, line)


def _take_out(z: NDArray[np.float32], argmax: NDArray[Any], line: Line, width: float) -> None:
    """Set the pixels of an object to nothing, so that it is not found again."""
    s = np.linspace(line.first, line.last, 9)
    y, x = line.position(s)
    margin = 2.0 * width + 4
    rows = slice(max(int(y.min() - margin), 0), max(int(y.max() + margin) + 1, 0))
    columns = slice(max(int(x.min() - margin), 0), max(int(x.max() + margin) + 1, 0))
    part, when = z[rows, columns], argmax[rows, columns]
    if part.size == 0:
        return
    yy, xx = np.mgrid[rows.start : rows.start + part.shape[0], columns.start : columns.start + part.shape[1]]
    along, aside = line.coordinates(yy, xx)
    mine = (along >= line.first - margin) & (along <= line.last + margin) & (np.abs(aside) <= 1.5 * width + 2)
    mine &= np.abs(when - line.time(np.clip(along, line.first, line.last))) <= 2 * line.tolerance() + 2
    part[mine] = 0


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


def _measured(window: Window, line: Line, width: float, search: Search) -> tuple[Line, list[Point]]:
    """Measure a path, and again where it is then known better: the ends of a fast one are far out."""
    edges = {"edge_snr": search.edge_snr, "edge_fraction": search.edge_fraction}
    points = measure_track(window, line, width, **edges)
    for _ in range(2):
        better = refined_line(line, points)
        again = measure_track(window, better, width, **edges)
        if _signal(again) <= 1.02 * _signal(points):
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


def _standing(piece: Piece) -> Candidate | None:
    """Describe what stands in a patch: the bright pixels joined to its brightest."""
    from scipy.ndimage import label

    window, look, z, rows, columns = piece.window, piece.look, piece.z, piece.rows, piece.columns
    search, score = piece.search, piece.score
    part, when = z[rows, columns], look.argmax[rows, columns]
    peak = np.unravel_index(int(np.argmax(part)), part.shape)
    if part[peak] < search.significant:
        return None
    parts, _ = label(part > search.significant, structure=np.ones((3, 3)))
    mine = parts == parts[peak]
    area, common = blob(np.where(mine, part, 0), when, search.significant)
    ys, xs = np.nonzero(mine)
    box = (
        columns.start + xs.min(),
        rows.start + ys.min(),
        columns.start + xs.max() + 1,
        rows.start + ys.max() + 1,
    )
    value = np.where(mine, look.image[rows, columns], 0).clip(0)
    total = max(float(value.sum()), 1e-9)
    y = rows.start + float((value * np.arange(part.shape[0])[:, None]).sum() / total)
    x = columns.start + float((value * np.arange(part.shape[1])).sum() / total)
    times = when[mine].astype(np.int64)
    frame = int(np.bincount(times).argmax())
    background = float(window.planes["background"][rows, columns][peak])
    snr = float(np.sqrt(np.square(part[mine]).sum() / max(len(ys), 1)) * np.sqrt(min(len(ys), 12)))
    point = Point(frame, x, y, total, background, snr, snr, float(value.max()), 0)
    return Candidate((point,), Shape(0.0, 0.0, _WIDTH, area, common), tuple(float(v) for v in box), score)  # type: ignore[arg-type]
