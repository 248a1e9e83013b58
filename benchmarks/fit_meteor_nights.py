"""Make what `meteor-v1` learns from: nights of simulated stations, searched, as catalogs with truth.

    python benchmarks/fit_meteor_nights.py --out nights --seeds 810000 810100

Every seed is a night of six stations that no other seed has: lenses, sensors, codecs, weather and all kinds
of objects at random, two recordings each. They are written in the format that the seed says (freeture, AVI,
FF), searched as the built-in pipeline does, with the pictures that the postprocessor ``verify`` looks at, and
deleted; the folder SEED keeps ``night.h5``, ``truth.csv``, ``tracks.csv`` and ``recordings.csv``. Nights that
are there are not made again. Then `astrodetect train examples/learned/meteor-v1.toml`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from astrodetect import Pipeline
from astrodetect.simulation.station.meteors import MeteorWish
from astrodetect.simulation.station.night import StationSpec, plan_station_night, write_station_night
from astrodetect.simulation.station.station import draw_station

STATIONS, RECORDINGS = 6, 12
SHAPES = ((320, 480), (400, 560), (480, 640), (360, 480))
#: Meteors of a recording, and how often.
METEORS = (0, 1, 2, 3, 4, 5)
SHARES = (0.1, 0.15, 0.2, 0.2, 0.2, 0.15)
#: What the camera writes, and how many frames.
FORMATS = {"freeture": (65, 110), "avi": (65, 120), "ff": (120, 200)}
WEIGHTS = (0.4, 0.35, 0.25)


def plan(seed: int) -> tuple[str, list[StationSpec]]:
    """Draw the stations of a night and what happens: several meteors in most recordings."""
    rng = np.random.default_rng([seed, 21])
    form = str(rng.choice(list(FORMATS), p=WEIGHTS))
    frames = int(rng.integers(*FORMATS[form]))
    bits = None if form == "freeture" else 8
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    stations = [draw_station(seed, number, shape=shape, bits=bits) for number in range(STATIONS)]
    kinds = int(rng.integers(3, 7))
    drawn = plan_station_night(stations, RECORDINGS, frames=frames, distractors=kinds, seed=seed)
    return form, [replace(spec, meteors=wishes(rng)) for spec in drawn]


def wishes(rng: np.random.Generator) -> tuple[MeteorWish, ...]:
    """Ask for some meteors."""
    return (MeteorWish(),) * int(rng.choice(METEORS, p=SHARES))


def pipeline_text() -> str:
    """Give the search of the built-in pipeline, with pictures and without what decides after it."""
    text = Pipeline.from_toml("meteor-classical").text
    return text.replace('use = "streak"', 'use = "streak"\npictures = true')


def make(seed: int, out: Path) -> None:
    """Make one night."""
    form, specs = plan(seed)
    part = out / f".{seed}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    with tempfile.TemporaryDirectory() as work:
        night = Path(work) / "night"
        write_station_night(night, specs, form, seed)
        Pipeline(pipeline_text()).run(night, out=Path(work) / "night.h5")
        for name in ("night.h5", "night/truth.csv", "night/tracks.csv", "night/recordings.csv"):
            shutil.move(Path(work) / name, part)
    part.rename(out / str(seed))


def main() -> int:
    """Make the nights that are not there yet."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=Path("nights"))
    parser.add_argument("--seeds", type=int, nargs=2, default=(810000, 810100), metavar=("FIRST", "END"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    for seed in range(*args.seeds):
        if not (args.out / str(seed)).exists():
            make(seed, args.out)
            print(f"{seed}: {time.perf_counter() - begin:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
