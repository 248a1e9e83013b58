"""Make what `meteor-v1` learns from: nights of simulated stations, searched, as catalogs with truth.

    python benchmarks/fit_meteor_nights.py --out nights --seeds 810000 810100

Every seed is a night of six stations that no other seed has: lenses, sensors, codecs, weather and all kinds
of objects at random, two recordings each. They are written as films (freeture events or AVI) and once more as
FF files, searched as the built-in pipeline does, with the pictures that the postprocessor ``verify`` looks
at, and deleted; what stays are the folders ``SEED/film`` and ``SEED/ff``, each with a catalog and its truth.
Nights that are there are not made again. For comparison, `--kind plain` takes the patterns of noise from the
sensors, and `--kind injected` puts meteors by `astrodetect simulate --inject` into recordings without any.
Then `astrodetect train examples/learned/meteor-v1.toml`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect import Pipeline
from astrodetect.core.process import prepare_process
from astrodetect.simulation.injection.command import run as inject
from astrodetect.simulation.night import simulate_night, write_truth
from astrodetect.simulation.station.meteors import MeteorWish
from astrodetect.simulation.station.night import StationSpec, plan_station_night, simulate_station_recording
from astrodetect.simulation.station.station import LensKind, draw_station
from astrodetect.simulation.truth import TRACK_COLUMNS, TRUTH_COLUMNS, write_csv
from astrodetect.simulation.writers import camera_track, write_frames

STATIONS, RECORDINGS = 6, 12
#: Recordings of a plain night.
PLAIN = 20
SHAPES = ((240, 320), (240, 320), (280, 400), (320, 480))
#: Lenses, and how often: frames are small, and narrow fields show objects as fast as large frames would.
LENSES: tuple[LensKind, ...] = ("fish-eye", "fripon", "wide", "normal")
LENS_SHARES = (0.1, 0.15, 0.4, 0.35)
#: Frames of a recording, at least and at most: of most nights, and of one in eight.
SHORT, LONG = (64, 110), (150, 240)
#: Meteors of a recording, and how often.
METEORS = (0, 1, 2, 3, 4, 5)
SHARES = (0.1, 0.15, 0.2, 0.2, 0.2, 0.15)


def plan(seed: int) -> tuple[str, list[StationSpec]]:
    """Draw the stations of a night and what happens: several meteors in most recordings."""
    rng = np.random.default_rng([seed, 21])
    form = str(rng.choice(["freeture", "avi"]))
    frames = int(rng.integers(*(LONG if seed % 8 == 3 else SHORT)))
    bits = None if form == "freeture" else 8
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    lenses = [LENSES[int(rng.choice(4, p=LENS_SHARES))] for _ in range(STATIONS)]
    stations = [draw_station(seed, n, shape=shape, bits=bits, lens=lens) for n, lens in enumerate(lenses)]
    kinds = int(rng.integers(2, 5))
    drawn = plan_station_night(stations, RECORDINGS, frames=frames, distractors=kinds, seed=seed)
    return form, [
        replace(spec, meteors=wishes(rng, slow=0.6 if frames >= LONG[0] else 1 / 6)) for spec in drawn
    ]


def wishes(rng: np.random.Generator, slow: float) -> tuple[MeteorWish, ...]:
    """Ask for some meteors: as they come, and a part of them slow and flat, which lasts for seconds."""
    drawn = rng.random(int(rng.choice(METEORS, p=SHARES))) < slow
    return tuple(
        MeteorWish(speed=float(rng.uniform(11, 17)), zenith=float(rng.uniform(55, 85)))
        if own
        else MeteorWish()
        for own in drawn
    )


def eight_bits(frames: list[Any]) -> Iterator[Any]:
    """Give frames of 8 bits, the noise about two steps."""
    if frames[0].dtype == np.uint8:
        yield from frames
        return
    low = float(np.percentile(frames[0], 1))
    noise = float(np.median(np.abs(frames[0].astype(np.float32) - frames[1]))) / 0.95
    for frame in frames:
        yield np.clip((frame - low) * (2.0 / max(noise, 1.0)) + 20, 0, 255).astype(np.uint8)


def write_night(work: Path, specs: list[StationSpec], form: str, seed: int) -> None:
    """Write a night as films and as FF files."""
    for name in ("film", "ff"):
        (work / name).mkdir()
        write_csv(work / name / "truth.csv", TRUTH_COLUMNS, [], append=False)
        write_csv(work / name / "tracks.csv", TRACK_COLUMNS, [], append=False)
    for number, spec in enumerate(specs):
        scene = simulate_station_recording(spec, int(np.random.default_rng([seed, number]).integers(2**31)))
        frames = list(scene.frames())
        station = spec.station
        for name, kind, own in (("film", form, frames), ("ff", "ff", eight_bits(frames))):
            path = write_frames(
                own, kind, work / name, station.name, station.frame_rate, scene.start, n_frames=len(scene),
                bits=8 if name == "ff" else station.sensor.bits, positions=camera_track(scene),
            )  # fmt: skip
            write_truth(scene, work / name, path)


def pipeline_text() -> str:
    """Give the search of the built-in pipeline, with pictures and without what decides after it."""
    text = Pipeline.from_toml("meteor-classical").text
    return text.replace('use = "streak"', 'use = "streak"\npictures = true')


def without_patterns(spec: StationSpec) -> StationSpec:
    """Take from a sensor all that is not noise of each frame: offsets, columns, bars, hot pixels."""
    sensor = replace(
        spec.station.sensor, uneven=0.0, pattern=0.0, columns=0.0, rows=0.0, bands=(0.0, 60.0, 1.0),
        hot=0.0, warm=0.0, flickering=0.0,
    )  # fmt: skip
    return replace(spec, station=replace(spec.station, sensor=sensor))


def injected(recordings: Path, seed: int) -> Path:
    """Put two meteors into each recording of a folder; give the folder with them, its truth complete."""
    out = recordings.with_name(recordings.name + "-injected")
    inject(out, inject=recordings, meteors=2, seed=seed, quiet=True)
    for table in ("truth.csv", "tracks.csv"):
        with (out / table).open("a") as file:
            file.writelines((recordings / table).read_text().splitlines(keepends=True)[1:])
    return out


def make_plain(seed: int, out: Path) -> None:
    """Make one night of the plain scene, as FITS."""
    part = out / f".{seed}.part"
    shutil.rmtree(part, ignore_errors=True)
    (part / "plain").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work:
        night = Path(work) / "night"
        simulate_night(night, PLAIN, "fits", seed)
        Pipeline(pipeline_text()).run(night, out=part / "plain" / "night.h5")
        for table in ("truth.csv", "tracks.csv"):
            shutil.move(night / table, part / "plain")
    part.rename(out / str(seed))


def make(seed: int, out: Path, kind: str = "simulated") -> None:
    """Make one night."""
    if kind == "night":
        make_plain(seed, out)
        return
    form, specs = plan(seed)
    if kind == "plain":
        specs = [without_patterns(spec) for spec in specs]
    if kind == "injected":
        specs = [replace(spec, meteors=()) for spec in specs]
    part = out / f".{seed}.part"
    shutil.rmtree(part, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        write_night(Path(work), specs, form, seed)
        for name in ("film", "ff"):
            (part / name).mkdir(parents=True)
            night = injected(Path(work) / name, seed) if kind == "injected" else Path(work) / name
            Pipeline(pipeline_text()).run(night, out=part / name / "night.h5")
            for table in ("truth.csv", "tracks.csv"):
                shutil.move(night / table, part / name)
    part.rename(out / str(seed))


def main() -> int:
    """Make the nights that are not there yet."""
    prepare_process()
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=Path("nights"))
    parser.add_argument("--seeds", type=int, nargs=2, default=(810000, 810100), metavar=("FIRST", "END"))
    parser.add_argument("--kind", choices=("simulated", "plain", "injected", "night"), default="simulated")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    for seed in range(*args.seeds):
        if not (args.out / str(seed)).exists():
            make(seed, args.out, args.kind)
            print(f"{seed}: {time.perf_counter() - begin:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
