"""Results of recordings for the tests of catalogs: every column, every missing value, awkward text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from astrodetect.core.columns import DETECTION_COLUMNS, TRACK_COLUMNS
from astrodetect.core.data import stable_id
from astrodetect.core.detections import ROW, Detections
from astrodetect.core.results import RecordingBlock

PIPELINE = '[score]\nuse = "peak-snr"\n[classify]\nuse = "streak"\n[accept]\nlabels = ["meteor"]\n'
PROVENANCE = {
    "pipeline": PIPELINE,
    "versions": json.dumps({"astrodetect": "0.1.0"}),
    "command": "astrodetect run",
    "created": "2026-08-13T05:00:00",
}


def make_detections(number: int, n: int, *, points: int = 4, **extra: Any) -> Detections:
    """Give `n` detections, one in three rejected, with tracks in no order."""
    rng = np.random.default_rng(number)
    columns: dict[str, Any] = {
        column.name: (rng.random(n) * 100).astype(column.dtype)
        for column in DETECTION_COLUMNS
        if column.dtype != "str"
    }
    columns["detection_id"] = np.array([stable_id("detection", number, i) for i in range(n)], dtype=np.int64)
    columns["recording_id"] = np.full(n, make_id(number))
    columns["x_max"], columns["y_max"] = columns["x_min"] + 5, columns["y_min"] + 3
    columns["probability"] = rng.random(n).astype("float32")
    columns["accepted"] = np.arange(n) % 3 != 2
    columns["label"] = np.where(columns["accepted"], "meteor", "slow")
    columns["reason"] = np.where(columns["accepted"], "", "label not accepted")
    columns["time_start"] = 1786600000.0 + number * 60 + columns["frame_start"] / 25
    columns["ra_start"] = np.full(n, np.nan)
    tracks: dict[str, Any] = {
        column.name: rng.random(n * points).astype(column.dtype)
        for column in TRACK_COLUMNS
        if column.name != "detection_id"
    }
    order = rng.permutation(n * points)
    tracks[ROW], tracks["frame"] = (
        np.repeat(np.arange(n), points)[order],
        np.tile(np.arange(points), n)[order],
    )
    return Detections({**columns, **extra}, tracks)


def make_id(number: int) -> int:
    """Give the id of a recording."""
    return stable_id("recording", number)


def make_block(number: int, n: int = 3, *, status: str = "done", **more: Any) -> RecordingBlock:
    """Give the result of a recording with `n` detections; `more` are fields of the block."""
    row = {
        "recording_id": make_id(number),
        "path": f"cam{number % 2}/event_{number:04d}.avi",
        "root": "/archive",
        "source": "video",
        "camera": f"CAM{number % 2}",
        "fingerprint": f"{number:031x}f",
        "time_start": 1786600000.0 + number * 60,
        "time_end": float("nan"),
        "frame_rate": 25.0,
        "width": 640,
        "height": 480,
        "n_frames": 100,
        "n_windows": 2,
        "n_candidates": 20,
        "status": status,
        "message": "" if status == "done" else "cannot be read: no frame",
        "seconds": 0.5,
    }
    row.update(more.pop("row", {}))
    return RecordingBlock(
        row, more.pop("detections", make_detections(number, n)), summary={"score": {"seconds": 0.1}}, **more
    )
