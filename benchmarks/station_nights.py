"""Nights of simulated stations, and how pipelines do in them: for the comparisons of detectors."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from astrodetect import Catalog, Pipeline
from astrodetect.core.discovery import discover
from astrodetect.core.registry import load_sources
from astrodetect.evaluation import Evaluation, evaluate, read_tracks, read_truth
from astrodetect.simulation.station.command import run


def shape_of(text: str) -> tuple[int, int]:
    """Give height and width of frames from text such as ``320x480``."""
    height, width = map(int, text.split("x"))
    return height, width


def station_night(folder: Path, recordings: int, stations: int, seed: int, shape: tuple[int, int]) -> Path:
    """Make a night of stations as FITS sequences of 100 frames, if it is not there."""
    if not folder.is_dir():
        made = folder.with_name(folder.name + ".part")
        run(
            made, recordings=recordings, stations=stations, format="fits", shape=shape, seed=seed,
            force=True, quiet=True,
        )  # fmt: skip
        made.rename(folder)
    return folder


def with_truth(catalog: Path, night: Path) -> Evaluation:
    """Compare a catalog with the truth of its night."""
    truth = read_tracks(night / "tracks.csv", read_truth(night / "truth.csv"))
    with Catalog(catalog) as opened:
        return evaluate(opened.detections, opened.recordings, truth)


def compared(pipeline: Pipeline, night: Path, catalog: Path) -> Evaluation:
    """Run a pipeline on a night, or go on with it, and compare its catalog with the truth."""
    pipeline.run(night, out=catalog)
    return with_truth(catalog, night)


def judged(pipeline: Pipeline, night: Path, out: Path) -> Evaluation:
    """Do the same with a catalog in the folder `out` that is named after the pipeline and its text."""
    out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256((night.name + pipeline.text).encode()).hexdigest()[:8]
    return compared(pipeline, night, out / f"{Path(pipeline.name).stem}-{digest}.h5")


def seconds_per_frame(pipeline: Pipeline, night: Path, recordings: int = 8) -> float:
    """Give the processor time of a frame, in the first recordings of a night, reading included."""
    found = sorted(discover([night], load_sources()[0]))[:recordings]
    began, frames = time.process_time(), 0
    for block in pipeline.results(pipeline.referenced(found), device="cpu"):
        frames += int(block.recording["n_frames"])
    return (time.process_time() - began) / max(1, frames)
