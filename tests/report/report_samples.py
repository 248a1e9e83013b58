"""A small night in real files: meteors of known path in FITS cubes, and the catalog of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astrodetect.catalogs.journal import Journal
from astrodetect.core import registry
from astrodetect.core.data import Recording, stable_id
from astrodetect.core.detections import ROW, Detections
from astrodetect.core.discovery import discover
from astrodetect.core.results import RecordingBlock
from astrodetect.core.stages import FrameSource

SHAPE = 48, 80
N_FRAMES = 30
PIPELINE = '[source]\nuse = "fits"\n\n[score]\nuse = "peak-snr"\n[accept]\nlabels = ["meteor"]\n'


def place(frame: int) -> tuple[float, float]:
    """Give x, y of the meteor: frames 10 to 19."""
    return 20.0 + 3 * (frame - 10), 30.0 - (frame - 10)


def write_recording(path: Path, seed: int = 0) -> None:
    """Write a cube with a meteor, and a flash over the whole frame in frame 25."""
    rng = np.random.default_rng(seed)
    frames = rng.normal(1000, 5, (N_FRAMES, *SHAPE))
    for frame in range(10, 20):
        x, y = place(frame)
        frames[frame, round(y), round(x)] += 400
    frames[25] += 300
    hdu = fits.PrimaryHDU(frames.round().astype(np.uint16))
    hdu.header["DATE-OBS"] = "2026-08-12T22:00:00"
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu.writeto(path, overwrite=True)


def meteor(accepted: bool = True, **more: Any) -> Detections:
    """Give the meteor, and a flash that was rejected."""
    (x0, y0), (x1, y1) = place(10), place(19)
    columns: dict[str, Any] = {
        "frame_start": [10, 25], "frame_end": [19, 25], "x_start": [x0, np.nan], "y_start": [y0, np.nan],
        "x_end": [x1, np.nan], "y_end": [y1, np.nan], "x_min": [x0, 0], "y_min": [y1, 0],
        "x_max": [x1 + 1, SHAPE[1]], "y_max": [y0 + 1, SHAPE[0]], "label": ["meteor", "lightning"],
        "probability": [0.93, 0.71], "accepted": [accepted, False],
        "reason": ["" if accepted else "below threshold", "label lightning"], "speed": [3.2, 0.0],
        "snr": [41.5, np.nan], "peak": [400.0, 300.0], "n_frames": [10, 1],
        "time_start": [1786572000.4, np.nan], "n_saturated": [2, 0],
    }  # fmt: skip
    points = [(frame, *place(frame)) for frame in range(10, 20)]
    tracks = {
        ROW: np.zeros(10, dtype=np.int64), "frame": [p[0] for p in points], "x": [p[1] for p in points],
        "y": [p[2] for p in points], "flux": 400.0 - 20 * np.arange(10), "n_saturated": [1, 1, *[0] * 8],
    }  # fmt: skip
    columns.update(more)
    return Detections({name: np.asarray(values) for name, values in columns.items()}, tracks)


def camera_meteor() -> Detections:
    """Give what the camera's own software had found."""
    return Detections(
        {
            "x_min": [19.0], "y_min": [20.0], "x_max": [50.0], "y_max": [33.0], "label": ["meteor"],
            "probability": [1.0], "frame_start": [11], "frame_end": [18],
        }
    )  # fmt: skip


def block(
    recording: Recording,
    detections: Detections | None = None,
    camera: Detections | None = None,
    **row: Any,
) -> RecordingBlock:
    """Give the result of a recording."""
    found = Detections.empty() if detections is None else detections
    ids = np.array([stable_id(recording.path, i) for i in range(len(found))], dtype=np.int64)
    values = {
        "recording_id": recording.recording_id, "path": recording.path, "root": recording.root,
        "source": recording.source, "camera": "XX0001", "fingerprint": recording.fingerprint,
        "time_start": 1786572000.0, "time_end": 1786572001.0, "frame_rate": 30.0, "width": SHAPE[1],
        "height": SHAPE[0], "n_frames": N_FRAMES, "n_windows": 1, "n_candidates": 4, "status": "done",
        "message": "", "seconds": 0.1, **row,
    }  # fmt: skip
    summary = {"seconds": {"read": 0.05}, "counts": {"candidates": 4, "detections": len(found)}}
    return RecordingBlock(values, found.with_columns(detection_id=ids), camera, summary)


def find(root: Path) -> list[Recording]:
    """Give the recordings under a folder."""
    return list(discover([root], {"fits": registry.load("fits", FrameSource)}))


def write_catalog(path: Path, blocks: Sequence[RecordingBlock], **provenance: str) -> Path:
    """Write the catalog of some results."""
    known = {
        "pipeline": PIPELINE, "versions": json.dumps({"astrodetect": "0.1.0", "numpy": "2.1"}),
        "command": "astrodetect run night", "created": "2026-08-13T05:00:00+00:00", **provenance,
    }  # fmt: skip
    with Journal.open(path, known) as journal:
        for one in blocks:
            journal.append(one)
        journal.finish()
    return path


def make_night(folder: Path, n: int = 2, accepted: bool = True) -> Path:
    """Write `n` recordings and their catalog."""
    for number in range(n):
        write_recording(folder / "night" / f"cube{number}.fits", number)
    recordings = find(folder / "night")
    results = [
        block(recording, meteor(accepted), camera_meteor() if number == 0 else None)
        for number, recording in enumerate(recordings)
    ]
    return write_catalog(folder / "night.h5", results)
