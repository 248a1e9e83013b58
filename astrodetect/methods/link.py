"""Joining what continues: pieces of one object in several patches and windows become one track."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.detections import ROW, Detections
from astrodetect.methods.features import Shape, View, feature_vector, track_numbers
from astrodetect.methods.probability import ClassModel
from astrodetect.methods.track_fit import bright_part

#: Flux or signal-to-noise with which a track begins and ends, as a fraction of its highest.
EDGE_FRACTION = 0.1
#: Columns that the streak classifier adds, from which a joined track is judged again.
SHAPE_COLUMNS = Shape._fields


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
    row = dict(rows[int(np.argmax(strength))])
    tracks = [detections.track(i) for i in members]
    track = _joined(tracks, strength)
    for low, high in (("x_min", "x_max"), ("y_min", "y_max")):
        row[low], row[high] = min(r[low] for r in rows), max(r[high] for r in rows)
    for name, reduce in (("score", max), ("peak", max), ("snr", max), ("evidence", sum), ("area", max)):
        values = [r[name] for r in rows if name in r and r[name] == r[name]]
        if values:
            row[name] = reduce(values)
    for name in ("contrast", "width", "common", "clutter"):
        if name in row:
            row[name] = float(np.average([r[name] for r in rows], weights=np.array(strength) + 1e-9))
    if "before" in row:
        row["before"] = min(rows, key=lambda r: int(r["frame_start"]))["before"]
        row["after"] = max(rows, key=lambda r: int(r["frame_end"]))["after"]
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


def strongest(detections: Detections, members: Sequence[int]) -> int:
    """Give the row of the member that says most of what an object is."""
    known = [name for name in ("evidence", "probability", "score") if name in detections]
    rows = [{name: detections[name][i] for name in known} for i in members]
    return members[int(np.argmax([_strength(row) for row in rows]))]


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
    if "flux" not in track or "snr" not in track or len(track["frame"]) < 3:
        return track
    kept = bright_part(track["flux"], track["snr"], EDGE_FRACTION)
    return {name: values[kept] for name, values in track.items()}


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
    model: ClassModel, view: View
) -> Callable[[dict[str, Any], dict[str, Any]], tuple[str, float]]:
    """Give a function that labels a joined detection by the streak classifier's model.

    Parameters
    ----------
    model : ClassModel
        The model.
    view : View
        Where and when it could have been seen.
    """

    def judge(row: dict[str, Any], track: dict[str, Any]) -> tuple[str, float]:
        vector = joined_vector(row, track, view)
        return model.decide(vector)

    return judge


def joined_vector(row: Mapping[str, Any], track: Mapping[str, Any], view: View) -> NDArray[np.float64]:
    """Give the features of a joined detection, see `astrodetect.methods.features`."""
    shape = Shape(*(float(row[name]) for name in SHAPE_COLUMNS))
    numbers = track_numbers(track["frame"], track["x"], track["y"], track["flux"], view)
    return feature_vector(shape, numbers, float(row["snr"]), view)


def assemble(
    rows: Sequence[dict[str, Any]], tracks: Sequence[Mapping[str, Any]], cutouts: Any = None
) -> Detections:
    """Give detections from rows and their tracks, in the order of frames.

    Parameters
    ----------
    rows : sequence of dict
        Columns of each.
    tracks : sequence of mapping
        Points of each; empty for one without a track.
    cutouts : (n, C, h, w) array or None
        A picture of each.

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
    return Detections(columns, joined, None if cutouts is None else cutouts[order])
