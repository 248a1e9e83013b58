"""Pieces of one straight trail, cut by gaps, stars or the borders of tiles, as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.detections import ROW, Detections

#: How columns of pieces become one: highest, lowest, sum, or mean by length; others are of the surest piece.
_HIGHEST = ("x_max", "y_max", "probability", "score", "peak", "snr", "frame_end")
_LOWEST = ("x_min", "y_min", "frame_start")
_SUMS = ("n_saturated", "evidence", "area", "flux")
_MEANS = ("width", "contrast", "common")
#: Relative error of the direction of a piece: pixels across, at its ends, for each of its length.
_END_ERROR = 0.7


def join_trails(found: Detections, *, distance: float = 3.0, gap: float = 50.0) -> Detections:
    """Make one detection of the pieces of each trail.

    Two pieces are of one trail if each lies on the straight line through the other, as well as that is
    known, and no more than a gap is between their ends.

    Parameters
    ----------
    found : Detections
        Of one recording; those labelled ``streak`` with both ends are looked at, in the same frame.
    distance : float
        Pixels by which pieces may miss each other across.
    gap : float
        Pixels between two ends, or half the length of the longer piece where that is more.
    """
    rows = np.flatnonzero([label == "streak" for label in found["label"]])
    if len(rows) < 2 or not all(f"{axis}_{end}" in found for axis in "xy" for end in ("start", "end")):
        return found
    groups = _groups(found, rows, distance, gap)
    if len(groups) == len(rows):
        return found
    columns = {name: values.copy() for name, values in found.columns.items()}
    tracks = {name: np.array(values) for name, values in found.tracks.items()}
    kept = np.ones(len(found), np.bool_)
    for members in groups:
        if len(members) > 1:
            first = members[0]
            for name, value in _merged(found, members).items():
                columns[name][first] = value
            _merge_track(tracks, columns, first)
            kept[members[1:]] = False
    return Detections(columns, tracks, found.cutouts).take(kept)


def _ends(found: Detections, row: int) -> NDArray[np.float64]:
    """Give both ends of a piece, (2, 2), as x and y."""
    return np.array([[found[f"{axis}_{end}"][row] for axis in "xy"] for end in ("start", "end")])


def _groups(
    found: Detections, rows: NDArray[np.int64], distance: float, gap: float
) -> list[NDArray[np.int64]]:
    """Give the rows of each trail, the surest first; a joined trail may reach what its pieces did not."""
    groups = [np.array([row]) for row in rows]
    lines = [_ends(found, int(row)) for row in rows]
    frames = found["frame_start"][rows] if "frame_start" in found else np.zeros(len(rows))
    i = 0
    while i < len(groups):
        partner = next(
            (
                j
                for j in range(len(groups))
                if j != i and frames[i] == frames[j] and _one_trail(lines[i], lines[j], distance, gap)
            ),
            None,
        )
        if partner is None:
            i += 1
            continue
        low, high = sorted((i, partner))
        lines[low] = _spanned(lines[low], lines[high])
        groups[low] = np.concatenate([groups[low], groups[high]])
        del groups[high], lines[high]
        frames = np.delete(frames, high)
        i = 0
    return [group[np.argsort(-found["probability"][group], kind="stable")] for group in groups]


def _one_trail(a: NDArray[Any], b: NDArray[Any], distance: float, gap: float) -> bool:
    longer, shorter = (a, b) if _length(a) >= _length(b) else (b, a)
    if _length(longer) < 1:
        return False
    along, across = _coordinates(longer, shorter)
    low, high = sorted(along)
    empty = max(low - _length(longer), -high, 0.0)
    if empty > max(gap, 0.5 * _length(longer)):
        return False
    beyond = np.maximum(np.maximum(along - _length(longer), -along), 0.0)
    return bool(np.all(np.abs(across) <= distance + _END_ERROR * beyond / _length(longer)))


def _length(ends: NDArray[Any]) -> float:
    return float(np.hypot(*(ends[1] - ends[0])))


def _coordinates(line: NDArray[Any], points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give where points (n, 2) lie along a line, from its start, and across it (px)."""
    direction = (line[1] - line[0]) / _length(line)
    away = points - line[0]
    return away @ direction, away[:, 1] * direction[0] - away[:, 0] * direction[1]


def _spanned(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Give the ends of what both pieces span, in the sense of the longer one."""
    longer = a if _length(a) >= _length(b) else b
    points = np.concatenate([a, b])
    along, _ = _coordinates(longer, points)
    return points[[int(np.argmin(along)), int(np.argmax(along))]]


def _merged(found: Detections, members: Sequence[int] | NDArray[np.int64]) -> dict[str, Any]:
    """Give the values of a trail from its pieces."""
    pieces = [_ends(found, int(row)) for row in members]
    lengths = np.array([_length(piece) for piece in pieces])
    span = pieces[0]
    for piece in pieces[1:]:
        span = _spanned(span, piece)
    # What two tiles both saw counts once.
    seen = min(1.0, _covered(span, pieces) / max(float(lengths.sum()), 1e-9))
    values: dict[str, Any] = {}
    for names, make in (
        (_HIGHEST, np.max), (_LOWEST, np.min), (_SUMS, lambda v: np.sum(v) * seen),
        (_MEANS, lambda v: np.average(v, weights=np.maximum(lengths, 1e-9))),
    ):  # fmt: skip
        values |= {name: make(found[name][members]) for name in names if name in found}
    for end, point in zip(("start", "end"), span, strict=True):
        values |= {f"x_{end}": point[0], f"y_{end}": point[1]}
    return values


def _covered(span: NDArray[Any], pieces: Sequence[NDArray[Any]]) -> float:
    """Give the length of a line on which at least one piece lies."""
    stretches = sorted(tuple(sorted(_coordinates(span, piece)[0])) for piece in pieces)
    total, reached = 0.0, -np.inf
    for low, high in stretches:
        total += max(0.0, high - max(low, reached))
        reached = max(reached, high)
    return total


def _merge_track(tracks: dict[str, Any], columns: dict[str, Any], row: int) -> None:
    """Put the one point of a trail's track into its middle, with all of its light."""
    points = np.flatnonzero(tracks[ROW] == row) if ROW in tracks else np.empty(0, np.int64)
    for point in points:
        for axis in "xy":
            tracks[axis][point] = (columns[f"{axis}_start"][row] + columns[f"{axis}_end"][row]) / 2
        for name in ("flux", "n_saturated"):
            if name in tracks and name in columns:
                tracks[name][point] = columns[name][row]
