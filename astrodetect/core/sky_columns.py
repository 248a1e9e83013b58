"""Positions on the sky for detections and their tracks, and the right times for them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.calibration import Calibration, Floats
from astrodetect.core.data import Stream
from astrodetect.core.detections import ROW, Detections

_TIMES = ("time_start", "time_end")
_SKY = ("ra", "dec", "az", "alt")
#: Points of a track from which its scatter is taken.
_ENOUGH = 5


def time_shift(stream: Stream, clock_offset: float, frame_time: str | None) -> float:
    """Give what is to be added to a recording's times to make them the start of exposure in UTC.

    Parameters
    ----------
    stream : Stream
        As the source gives it.
    clock_offset : float
        Seconds by which the camera's clock is ahead.
    frame_time : {"start", "middle", "end"} or None
        What of the exposure its times are; None: as the stream says.
    """
    part = {"start": 0.0, "middle": 0.5, "end": 1.0}[frame_time or stream.frame_time]
    exposure = stream.exposure if math.isfinite(stream.exposure) else 1 / (stream.frame_rate or math.nan)
    return -clock_offset - (part * exposure if part and math.isfinite(exposure) else 0.0)


def shifted(found: Detections, shift: float) -> Detections:
    """Give detections with `shift` added to all their times."""
    times = {name: found[name] + shift for name in _TIMES if name in found}
    tracks = dict(found.tracks)
    if "time" in tracks:
        tracks["time"] = tracks["time"] + shift
    return Detections({**found.columns, **times}, tracks, found.cutouts)


def with_row_times(found: Detections, stream: Stream, rolling_shutter: float) -> Detections:
    """Give detections whose track points have the time at which their row was exposed.

    Parameters
    ----------
    found : Detections
        Track times are those of frames.
    stream : Stream
        Of `shape` (H, W).
    rolling_shutter : float
        Seconds from the first row to the last.
    """
    if not rolling_shutter or "time" not in found.tracks or "y" not in found.tracks:
        return found
    time = found.tracks["time"] + _row_delay(found.tracks["y"], stream, rolling_shutter)
    return Detections(found.columns, {**found.tracks, "time": time}, found.cutouts)


def _row_delay(y: Floats, stream: Stream, rolling_shutter: float) -> Floats:
    return rolling_shutter * np.nan_to_num(y) / max(1, stream.shape[0] - 1)


def with_sky(
    found: Detections,
    stream: Stream,
    calibration: Calibration,
    *,
    rolling_shutter: float = 0.0,
    position_error: float = 0.5,
) -> Detections:
    """Fill in where on the sky detections are, and every point of their tracks.

    Positions hold for the middle of the exposure where it is known.

    Parameters
    ----------
    found : Detections
        With ``x_start`` to ``time_end``; track times as `with_row_times` leaves them.
    stream : Stream
        Of the recording.
    calibration : Calibration
        For frames of that size.
    rolling_shutter : float
        Seconds from the first row to the last.
    position_error : float
        Standard error of a position along one axis (px) for tracks of fewer than five points.

    Returns
    -------
    Detections
        ``ra_start`` to ``alt_end``; tracks with ``ra, dec, az, alt`` and their errors.
    """
    if not len(found):
        return found
    dated = math.isfinite(stream.start)
    late = stream.exposure / 2 if math.isfinite(stream.exposure) else 0.0
    columns: dict[str, Any] = {}
    for end in ("start", "end"):
        x, y, time = (found[f"{name}_{end}"] for name in ("x", "y", "time"))
        sky = calibration.pixel_to_sky(x, y, time + late + _row_delay(y, stream, rolling_shutter))
        columns |= {f"{name}_{end}": getattr(sky, name) for name in _SKY}
    tracks = dict(found.tracks)
    if len(tracks.get("x", ())) and "y" in tracks:
        time = tracks.get("time", np.full(len(tracks["x"]), np.nan)) + late
        spread = track_covariance(found, position_error)
        sky = calibration.pixel_to_sky(tracks["x"], tracks["y"], time if dated else math.nan, spread)
        tracks |= {name: getattr(sky, name) for name in (*_SKY, *(f"{item}_error" for item in _SKY))}
    return replace(found, columns={**found.columns, **columns}, tracks=tracks)


def track_covariance(found: Detections, position_error: float) -> NDArray[np.float64]:
    """Give the covariance of (x, y) of every point of all tracks, from the scatter of each.

    What a track leaves about a quadratic in time, along and across alike, is the error of its points.

    Parameters
    ----------
    found : Detections
        Its tracks have `x`, `y`, `frame`.
    position_error : float
        Standard error (px) of points in tracks of fewer than five.

    Returns
    -------
    (m, 2, 2) float64 array
        px², in the order of ``found.tracks``.
    """
    tracks = found.tracks
    covariance = np.tile(position_error**2 * np.eye(2), (len(tracks["x"]), 1, 1))
    order = np.argsort(tracks[ROW], kind="stable")
    cuts = np.flatnonzero(np.diff(tracks[ROW][order])) + 1
    for rows in np.split(order, cuts):
        frame = tracks["frame"][rows].astype(np.float64) if "frame" in tracks else np.arange(len(rows))
        places = np.stack([tracks["x"][rows], tracks["y"][rows]], axis=1)
        good = np.isfinite(places).all(axis=1)
        if good.sum() < _ENOUGH or len(np.unique(frame[good])) < _ENOUGH:
            continue
        base = np.vander(frame[good] - frame[good].mean(), 3)
        left = places[good] - base @ np.linalg.lstsq(base, places[good], rcond=None)[0]
        covariance[rows] = left.T @ left / max(1, good.sum() - 3)
    return covariance
