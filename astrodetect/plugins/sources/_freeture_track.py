"""The camera's own detection of an event, as a row with a track."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Stream
from astrodetect.core.detections import ROW, Detections
from astrodetect.core.geometry import pixel_box
from astrodetect.methods.freeture_positions import Position, match_frames, row_from_top


def camera_track(
    positions: Sequence[Position],
    stream: Stream,
    times: NDArray[np.float64] | None,
    report: Callable[[str], None],
) -> Detections | None:
    """Make one detection from the lines of a ``positions.txt``.

    Parameters
    ----------
    positions : sequence of Position
        At least one.
    stream : Stream
        The open event.
    times : (n,) float64 array or None
        Start of each frame; None if the frames have no clock of their own (AVI).
    report : callable
        Told about positions without a frame.

    Returns
    -------
    Detections or None
        One row, label ``unknown`` with probability 0. The box covers all positions; of several in one
        frame the track holds the mean. None if no position lies in a frame.
    """
    frames = _frames_of(positions, stream, times, report)
    kept = frames >= 0
    if not kept.any():
        return None
    xs = np.array([position.x for position in positions])[kept]
    ys = row_from_top([position.y_up for position in positions], stream.shape[0])[kept]
    dates = np.array([position.time for position in positions])[kept]
    number, row, count = np.unique(frames[kept], return_inverse=True, return_counts=True)
    x, y, time = (np.bincount(row, values - values[0]) / count + values[0] for values in (xs, ys, dates))
    tracks = {ROW: np.zeros(len(number), dtype=np.int64), "frame": number, "time": time, "x": x, "y": y}
    return Detections(_row(number, x, y, time, pixel_box(ys, xs), stream), tracks)


def _row(
    number: NDArray[Any],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    time: NDArray[np.float64],
    box: tuple[float, float, float, float],
    stream: Stream,
) -> dict[str, list[Any]]:
    absolute = not math.isnan(stream.start)
    frames = int(number[-1] - number[0])
    path = math.hypot(x[-1] - x[0], y[-1] - y[0])
    values: dict[str, Any] = {
        "time_start": time[0] if absolute else math.nan,
        "time_end": time[-1] if absolute else math.nan,
        "frame_start": number[0],
        "frame_end": number[-1],
        "x_start": x[0],
        "y_start": y[0],
        "x_end": x[-1],
        "y_end": y[-1],
        **dict(zip(("x_min", "y_min", "x_max", "y_max"), box, strict=True)),
        "label": "unknown",
        "probability": 0.0,
        "n_frames": len(number),
        "speed": path / frames if frames else math.nan,
    }
    return {name: [value] for name, value in values.items()}


def _frames_of(
    positions: Sequence[Position],
    stream: Stream,
    times: NDArray[np.float64] | None,
    report: Callable[[str], None],
) -> NDArray[np.int64]:
    """Match by date; by index only where the frames have no dates or none agrees."""
    indices = np.array([position.number for position in positions], dtype=np.int64)
    in_range = np.where((indices < stream.n_frames) | (stream.n_frames < 0), indices, -1)
    if times is None or math.isnan(stream.start):
        report("positions.txt is matched by index, since the frames have no time stamps")
        return in_range
    step = 1 / stream.frame_rate if stream.frame_rate > 0 else math.inf
    frames = match_frames(positions, times, step)
    missing = int(np.count_nonzero(frames < 0))
    if missing == len(frames):
        report("positions.txt: no position has the time of a frame; they are matched by index")
        return in_range
    if missing:
        report(f"positions.txt: {missing} of {len(frames)} positions have the time of no frame: left out")
    return frames
