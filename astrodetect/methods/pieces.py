"""Which pieces of tracks, from several patches and windows, are one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.detections import Detections

#: Below this speed (px per frame) a gap may be longer by this factor.
_SLOW, _GLINTS = 2.5, 6.0
#: Seconds in which something that flutters turns, and the largest ratio of its brightness before and after.
_TURN, _ALIKE = 0.2, 2.5
#: Probability from which on a piece is surely a meteor.
_SURE = 0.98


@dataclass(frozen=True)
class Rules:
    """When two pieces are one object.

    Attributes
    ----------
    distance : float
        Pixels between where one is and the other should be; more is allowed for fast objects and
        long gaps.
    gap : float
        Seconds between the end of one and the start of the other.
    """

    distance: float = 3.0
    gap: float = 0.4


@dataclass(frozen=True)
class Piece:
    """The track of a detection, with its motion.

    Attributes
    ----------
    frame, x, y : (n,) arrays
        Points in order of frames.
    flux : float
        Median brightness; NaN if it is not known.
    meteor : float
        Probability that it is one if it is called so by itself; else 0.
    """

    frame: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: float = float("nan")
    meteor: float = 0.0

    @property
    def moving(self) -> bool:
        """Whether it is seen in more than one frame."""
        return len(self.frame) > 1

    def velocity(self, end: int) -> tuple[float, float]:
        """Give the motion (px per frame) at the start (0) or the end (-1): of up to twelve frames."""
        chosen = slice(-12, None) if end else slice(0, 12)
        t = self.frame[chosen].astype(np.float64)
        if np.ptp(t) == 0:
            return 0.0, 0.0
        t = t - t.mean()
        square = float((t * t).sum())
        return float((t * self.x[chosen]).sum()) / square, float((t * self.y[chosen]).sum()) / square

    @property
    def speed(self) -> float:
        """Mean speed, px per frame."""
        span = max(int(self.frame[-1] - self.frame[0]), 1)
        return float(np.hypot(self.x[-1] - self.x[0], self.y[-1] - self.y[0])) / span


def same_object(a: Piece, b: Piece, rules: Rules, frame_rate: float) -> bool:
    """Tell whether two pieces belong to one object.

    Parameters
    ----------
    a, b : Piece
        In any order.
    rules : Rules
        What is allowed.
    frame_rate : float
        Frames per second.

    Returns
    -------
    bool
        Where they share frames: they are at one place in most of them. Where they do not: one
        continues the other, in the same direction at the same speed.
    """
    if not (a.moving and b.moving):
        return _same_place(a, b, rules)
    shared, ia, ib = np.intersect1d(a.frame, b.frame, assume_unique=True, return_indices=True)
    speed = max(a.speed, b.speed)
    allowed = rules.distance + 0.35 * speed
    if len(shared):
        away = np.hypot(a.x[ia] - b.x[ib], a.y[ia] - b.y[ib])
        # Two that cross are at one place in a frame or two.
        crossing = len(shared) < min(3, len(a.frame), len(b.frame)) and not _same_motion(a, b)
        return bool(np.median(away) <= allowed) and not crossing
    if a.frame[0] > b.frame[0]:
        a, b = b, a
    if b.frame[0] < a.frame[-1]:
        # Interleaved without a common frame: compare where the longer one was.
        x, y = np.interp(b.frame, a.frame, a.x), np.interp(b.frame, a.frame, a.y)
        inside = (b.frame >= a.frame[0]) & (b.frame <= a.frame[-1])
        return bool(np.median(np.hypot(b.x - x, b.y - y)[inside]) <= allowed)
    gap = int(b.frame[0] - a.frame[-1])
    # What is slow is given more time: its place is known better, and satellites glint every few seconds.
    longest = max(3.0, rules.gap * frame_rate * (_GLINTS if speed < _SLOW else 1.0))
    if gap > longest:
        return False
    return _continues(a, b, gap, allowed) or _turns(a, b, gap, frame_rate)


def _same_motion(a: Piece, b: Piece) -> bool:
    """Tell whether the later of two pieces begins as the other ends."""
    if a.frame[0] > b.frame[0]:
        a, b = b, a
    before, after = a.velocity(-1), b.velocity(0)
    fast = max(float(np.hypot(*before)), float(np.hypot(*after)))
    allowed = 0.35 * fast + 0.25 + 1.0 / min(len(a.frame), len(b.frame))
    return bool(np.hypot(before[0] - after[0], before[1] - after[1]) <= allowed)


def _continues(a: Piece, b: Piece, gap: int, allowed: float) -> bool:
    if not _same_motion(a, b):
        return False
    before, after = a.velocity(-1), b.velocity(0)
    fast = max(float(np.hypot(*before)), float(np.hypot(*after)))
    ahead = a.x[-1] + gap * before[0], a.y[-1] + gap * before[1]
    back = b.x[0] - gap * after[0], b.y[0] - gap * after[1]
    away = min(np.hypot(ahead[0] - b.x[0], ahead[1] - b.y[0]), np.hypot(back[0] - a.x[-1], back[1] - a.y[-1]))
    return bool(away <= allowed + 0.15 * gap * fast)


def _turns(a: Piece, b: Piece, gap: int, frame_rate: float) -> bool:
    """Tell whether two pieces are of something that flutters: as bright, as fast, and soon there."""
    if gap > max(3.0, _TURN * frame_rate) or not max(a.flux, b.flux) < _ALIKE * min(a.flux, b.flux):
        return False
    slow, fast = sorted((a.speed, b.speed))
    # A meteor beside a bird stays one; pieces of a bird may all look like meteors.
    if fast > 2 * slow or (max(a.meteor, b.meteor) >= _SURE and min(a.meteor, b.meteor) == 0):
        return False
    away = b.x[0] - a.x[-1], b.y[0] - a.y[-1]
    # Where it goes on as before, the way between goes there as well.
    before, after = a.velocity(-1), b.velocity(0)
    along = away[0] * (before[0] + after[0]) + away[1] * (before[1] + after[1])
    return bool(np.hypot(*away) <= 3.0 + fast * gap and along >= 0)


def _same_place(a: Piece, b: Piece, rules: Rules) -> bool:
    """Tell whether what does not move is the same thing: at one place, at whatever time."""
    if a.moving or b.moving:
        # A single frame on a track belongs to it.
        if not a.moving:
            a, b = b, a
        if not (a.frame[0] - 1 <= b.frame[0] <= a.frame[-1] + 1):
            return False
        x, y = np.interp(b.frame[0], a.frame, a.x), np.interp(b.frame[0], a.frame, a.y)
        return bool(np.hypot(x - b.x[0], y - b.y[0]) <= rules.distance + 0.5 * a.speed)
    return bool(np.hypot(a.x[0] - b.x[0], a.y[0] - b.y[0]) <= 2 * rules.distance)


def groups(pieces: Sequence[Piece], rules: Rules, frame_rate: float) -> list[list[int]]:
    """Give which pieces belong together, transitively.

    Parameters
    ----------
    pieces : sequence of Piece
    rules : Rules
    frame_rate : float
        Frames per second.

    Returns
    -------
    list of list of int
        Indices; each piece is in one group.
    """
    parent = list(range(len(pieces)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    reach = max(4.0, _GLINTS * rules.gap * frame_rate) + 1
    order = sorted(range(len(pieces)), key=lambda i: int(pieces[i].frame[0]))
    moving = [i for i in order if pieces[i].moving]
    standing = [i for i in order if not pieces[i].moving]
    for place, i in enumerate(moving):
        for j in moving[place + 1 :]:
            if pieces[j].frame[0] > pieces[i].frame[-1] + reach:
                break
            if root(i) != root(j) and same_object(pieces[i], pieces[j], rules, frame_rate):
                parent[root(j)] = root(i)
    for place, i in enumerate(standing):
        for j in standing[place + 1 :]:
            if root(i) != root(j) and same_object(pieces[i], pieces[j], rules, frame_rate):
                parent[root(j)] = root(i)
    # What stands belongs to a track only if it was there while the track passed, and never else:
    # a star that a meteor crosses is not the meteor.
    alone = {i for i in standing if sum(root(j) == root(i) for j in standing) == 1}
    for i in sorted(alone):
        track = next((j for j in moving if same_object(pieces[i], pieces[j], rules, frame_rate)), None)
        if track is not None:
            parent[root(i)] = root(track)
    members: dict[int, list[int]] = {}
    for i in range(len(pieces)):
        members.setdefault(root(i), []).append(i)
    return list(members.values())


def pieces_of(detections: Detections) -> list[Piece]:
    """Give the tracks of detections; one without a track is a point at its start and its end."""
    pieces = []
    for row in range(len(detections)):
        track = detections.track(row)
        if track and len(track["frame"]):
            flux = float(np.median(track["flux"])) if "flux" in track else float("nan")
            called = str(detections["label"][row]) == "meteor"
            meteor = float(detections["probability"][row]) if called else 0.0
            pieces.append(Piece(track["frame"], track["x"], track["y"], flux, meteor))
            continue
        first, last = _ends(detections, row)
        frame, x, y = (np.array(values) for values in zip(*dict.fromkeys((first, last)), strict=True))
        pieces.append(Piece(frame, x, y))
    return pieces


def _ends(detections: Detections, row: int) -> tuple[tuple[int, float, float], tuple[int, float, float]]:
    middle = {
        axis: float(detections[f"{axis}_min"][row] + detections[f"{axis}_max"][row] - 1) / 2
        for axis in ("x", "y")
    }
    ends = []
    for end in ("start", "end"):
        frame = int(detections[f"frame_{end}"][row]) if f"frame_{end}" in detections else 0
        x, y = (
            float(detections[f"{axis}_{end}"][row]) if f"{axis}_{end}" in detections else np.nan
            for axis in ("x", "y")
        )
        ends.append((frame, x if np.isfinite(x) else middle["x"], y if np.isfinite(y) else middle["y"]))
    return ends[0], ends[1]
