"""Joining what continues: pieces of one object in several patches and windows become one track."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.detections import ROW, Detections
from astrodetect.methods.features import Shape, feature_vector, track_numbers
from astrodetect.methods.probability import ClassModel

#: Below this speed (px per frame) a gap may be longer by this factor.
_SLOW, _GLINTS = 2.5, 6.0
#: Signal-to-noise with which a track begins and ends, as a fraction of its highest.
EDGE_FRACTION = 0.1
#: Columns that the streak classifier adds, from which a joined track is judged again.
SHAPE_COLUMNS = Shape._fields


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
    """

    frame: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]

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
        return bool(np.median(away) <= allowed)
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
    return _continues(a, b, gap, allowed)


def _continues(a: Piece, b: Piece, gap: int, allowed: float) -> bool:
    before, after = a.velocity(-1), b.velocity(0)
    fast = max(float(np.hypot(*before)), float(np.hypot(*after)))
    if np.hypot(before[0] - after[0], before[1] - after[1]) > 0.35 * fast + 0.25 + 1.0 / min(
        len(a.frame), len(b.frame)
    ):
        return False
    ahead = a.x[-1] + gap * before[0], a.y[-1] + gap * before[1]
    back = b.x[0] - gap * after[0], b.y[0] - gap * after[1]
    away = min(np.hypot(ahead[0] - b.x[0], ahead[1] - b.y[0]), np.hypot(back[0] - a.x[-1], back[1] - a.y[-1]))
    return bool(away <= allowed + 0.15 * gap * fast)


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
            pieces.append(Piece(track["frame"], track["x"], track["y"]))
            continue
        first, last = _ends(detections, row)
        pieces.append(
            Piece(*(np.array(values) for values in zip(*dict.fromkeys((first, last)), strict=True)))
        )
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


def merge(
    detections: Detections,
    members: Sequence[int],
    judge: Callable[[dict[str, Any], dict[str, Any]], tuple[str, float]] | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make one detection of several.

    Parameters
    ----------
    detections : Detections
        All of them.
    members : sequence of int
        Rows that are one object.
    judge : callable or None
        Gives label and probability of a row and its track; None: those of the best member.

    Returns
    -------
    row, track : dict
        Columns of the detection, and arrays of its track without the row number.
    """
    rows = [{name: values[i] for name, values in detections.columns.items()} for i in members]
    strength = [_strength(row) for row in rows]
    best = rows[int(np.argmax(strength))]
    row = dict(best)
    tracks = [detections.track(i) for i in members]
    track = _joined(tracks, strength)
    for low, high in (("x_min", "x_max"), ("y_min", "y_max")):
        row[low], row[high] = min(r[low] for r in rows), max(r[high] for r in rows)
    for name, reduce in (("score", max), ("peak", max), ("snr", max), ("evidence", sum), ("area", max)):
        values = [r[name] for r in rows if name in r and r[name] == r[name]]
        if values:
            row[name] = reduce(values)
    for name in ("contrast", "width", "common"):
        if name in row:
            row[name] = float(np.average([r[name] for r in rows], weights=np.array(strength) + 1e-9))
    if track:
        _from_track(row, track)
    elif "frame_start" in row:
        row["frame_start"], row["frame_end"] = (
            min(r["frame_start"] for r in rows),
            max(r["frame_end"] for r in rows),
        )
    if judge is not None:
        row["label"], row["probability"] = judge(row, track)
    return row, track


def _strength(row: Mapping[str, Any]) -> float:
    evidence = float(row.get("evidence", 0.0) or 0.0)
    return evidence + 1e-3 * float(row["probability"]) + 1e-6 * float(row.get("score", 0.0) or 0.0)


def _joined(tracks: Sequence[Mapping[str, Any]], strength: Sequence[float]) -> dict[str, Any]:
    """Give one point per frame: that of the piece which is longest there."""
    known = [
        (value * len(track["frame"]), track) for value, track in zip(strength, tracks, strict=True) if track
    ]
    if not known:
        return {}
    known.sort(key=lambda item: -item[0])
    names = list(known[0][1])
    joined = {name: np.concatenate([track[name] for _, track in known]) for name in names}
    # Of one frame the first is kept, and the pieces come by falling strength.
    _, first = np.unique(joined["frame"], return_index=True)
    return _without_faint_ends({name: values[first] for name, values in joined.items()})


def _without_faint_ends(track: dict[str, Any]) -> dict[str, Any]:
    """Cut ends that are faint beside the whole track: the piece they came from did not know its peak."""
    if "snr" not in track or len(track["frame"]) < 3:
        return track
    seen = np.flatnonzero(track["snr"] >= EDGE_FRACTION * float(np.max(track["snr"])))
    return {name: values[seen[0] : seen[-1] + 1] for name, values in track.items()}


def _from_track(row: dict[str, Any], track: Mapping[str, Any]) -> None:
    frame, x, y = track["frame"], track["x"], track["y"]
    if len(frame) == 1:
        # Of one frame the row knows more than its point: a streak has two ends.
        return
    row["frame_start"], row["frame_end"], row["n_frames"] = int(frame[0]), int(frame[-1]), len(frame)
    row["x_start"], row["y_start"], row["x_end"], row["y_end"] = (
        float(x[0]),
        float(y[0]),
        float(x[-1]),
        float(y[-1]),
    )
    row["speed"] = float(np.hypot(x[-1] - x[0], y[-1] - y[0])) / max(int(frame[-1] - frame[0]), 1)
    if "flux" in track:
        row["flux"] = float(np.nansum(track["flux"]))
    if "n_saturated" in track:
        row["n_saturated"] = int(np.sum(track["n_saturated"]))


def judge_with(
    model: ClassModel, frame_rate: float, shape: tuple[int, int], last_frame: int
) -> Callable[[dict[str, Any], dict[str, Any]], tuple[str, float]]:
    """Give a function that labels a joined detection by the streak classifier's model.

    Parameters
    ----------
    model : ClassModel
        The model.
    frame_rate : float
        Frames per second.
    shape : (int, int)
        Height and width of the frame.
    last_frame : int
        Last frame of the recording.
    """
    diagonal = float(np.hypot(*shape))

    def judge(row: dict[str, Any], track: dict[str, Any]) -> tuple[str, float]:
        vector = joined_vector(row, track, frame_rate, diagonal, last_frame)
        return model.decide(vector)

    return judge


def joined_vector(
    row: Mapping[str, Any], track: Mapping[str, Any], frame_rate: float, diagonal: float, last_frame: int
) -> NDArray[np.float64]:
    """Give the features of a joined detection, see `astrodetect.methods.features`."""
    shape = Shape(*(float(row[name]) for name in SHAPE_COLUMNS))
    numbers = track_numbers(track["frame"], track["x"], track["y"], track["flux"], 0, last_frame)
    return feature_vector(shape, numbers, float(row["snr"]), frame_rate, diagonal)


def assemble(rows: Sequence[dict[str, Any]], tracks: Sequence[Mapping[str, Any]]) -> Detections:
    """Give detections from rows and their tracks, in the order of frames.

    Parameters
    ----------
    rows : sequence of dict
        Columns of each.
    tracks : sequence of mapping
        Points of each; empty for one without a track.

    Returns
    -------
    Detections
    """
    order = sorted(
        range(len(rows)),
        key=lambda i: (rows[i].get("frame_start", 0), rows[i].get("x_start", rows[i]["x_min"])),
    )
    columns = {name: [rows[i][name] for i in order] for name in rows[0]}
    parts: list[dict[str, Any]] = []
    for number, i in enumerate(order):
        if tracks[i]:
            parts.append({ROW: np.full(len(tracks[i]["frame"]), number), **tracks[i]})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    return Detections(columns, joined)
