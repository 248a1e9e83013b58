"""Candidates of a window as a table with tracks, labelled by a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from astrodetect.core.data import Window
from astrodetect.core.detections import ROW, Detections
from astrodetect.methods.apertures import Point
from astrodetect.methods.candidates import Candidate
from astrodetect.methods.features import View, feature_vector, track_numbers
from astrodetect.methods.probability import ClassModel


def to_detections(candidates: Sequence[Candidate], window: Window, model: ClassModel) -> Detections:
    """Give candidates as a table with tracks, labelled by a model.

    Parameters
    ----------
    candidates : sequence of Candidate
        Of one window.
    window : Window
        Their window; frames are counted in the recording, times taken from it.
    model : ClassModel
        What decides on the label.

    Returns
    -------
    Detections
    """
    if not candidates:
        return Detections.empty()
    rows: list[dict[str, Any]] = []
    tracks: list[tuple[int, Point]] = []
    view = View(window.stream.frame_rate, window.shape, window.n_frames - 1)
    for number, candidate in enumerate(candidates):
        points = candidate.points
        track = numbers_of(points, view)
        vector = feature_vector(candidate.shape, track, candidate.peak_snr, view)
        label, probability = model.decide(vector)
        rows.append(_row(candidate, window, label, probability, track))
        tracks.extend((number, point) for point in points)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    frames = np.array([point.frame for _, point in tracks], dtype=np.int64)
    return Detections(
        columns,
        {
            ROW: [number for number, _ in tracks],
            "frame": frames + window.start,
            "time": np.asarray(window.times)[np.clip(frames, 0, window.n_frames - 1)],
            "x": [point.x for _, point in tracks],
            "y": [point.y for _, point in tracks],
            "flux": [point.flux for _, point in tracks],
            "snr": [point.snr for _, point in tracks],
            "background": [point.background for _, point in tracks],
            "n_saturated": [point.n_saturated for _, point in tracks],
        },
    )


def numbers_of(points: Sequence[Point], view: View) -> dict[str, float]:
    """Give `track_numbers` of points."""
    return track_numbers(
        np.array([p.frame for p in points]),
        np.array([p.x for p in points]),
        np.array([p.y for p in points]),
        np.array([p.flux for p in points]),
        view,
    )


def _row(
    candidate: Candidate, window: Window, label: str, probability: float, track: dict[str, float]
) -> dict[str, Any]:
    points, shape = candidate.points, candidate.shape
    return {
        "frame_start": points[0].frame + window.start,
        "frame_end": points[-1].frame + window.start,
        "x_start": points[0].x,
        "y_start": points[0].y,
        "x_end": points[-1].x,
        "y_end": points[-1].y,
        **dict(zip(("x_min", "y_min", "x_max", "y_max"), candidate.box, strict=True)),
        "label": label,
        "probability": probability,
        "score": candidate.score,
        "n_frames": len(points),
        "speed": track["speed"],
        "peak": max(point.peak for point in points),
        "flux": sum(point.flux for point in points),
        "snr": candidate.peak_snr,
        "n_saturated": sum(point.n_saturated for point in points),
        **shape._asdict(),
    }
