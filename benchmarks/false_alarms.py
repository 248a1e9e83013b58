"""False alarms per hour, on independent windows of stations that nobody has seen, without any meteor.

    python benchmarks/false_alarms.py [--windows 5400] [--pipeline meteor ...] [--shape 320x480] --work FOLDER

Every window is a recording of its own: 2.1 s of one of as many stations as a tenth of the windows, with
weather and three other things that move or flash drawn for it (`--distractors`). A batch of thirty is
simulated, gone through by every pipeline, and removed; the first recordings with a false alarm stay in
FOLDER/kept. What each batch gave is in FOLDER/batches.jsonl, and what is there is not done again. Prints
windows, hours, false alarms, their rate per hour with the 95 % interval of a Poisson count, the rate per
night of ten hours, how many windows have one, and what they lie on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from station_nights import compared, shape_of

from astrodetect import Pipeline
from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.rates import Frequency
from astrodetect.simulation.station.night import plan_station_night, write_station_night
from astrodetect.simulation.station.station import draw_station

#: First seed, recordings in a batch, stations in it, and seconds of a recording.
SEED, BATCH, STATIONS, SECONDS = 992_000, 30, 3, 2.1
#: Recordings that are kept at most.
KEPT = 40


def windows(folder: Path, number: int, shape: tuple[int, int], distractors: int) -> float:
    """Write a batch of recordings of one window each, without meteors; give their hours."""
    seed = SEED + number
    stations = [draw_station(seed, i, shape=shape) for i in range(STATIONS)]
    planned = plan_station_night(stations, BATCH, seed=seed, distractors=distractors)
    specs = [replace(spec, meteors=(), frames=round(SECONDS * spec.station.frame_rate)) for spec in planned]
    write_station_night(folder, specs, "fits", seed)
    return sum(spec.frames / spec.station.frame_rate for spec in specs) / 3600


def batch(number: int, pipelines: list[str], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Simulate a batch, and give what each pipeline finds in it."""
    kept = args.work / "kept"
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        night = Path(temporary) / "night"
        hours = windows(night, number, shape_of(args.shape), args.distractors)
        for name in pipelines:
            result = compared(Pipeline.from_toml(name), night, Path(temporary) / "found.h5")
            alarms = [
                {"path": alarm.path, "on": alarm.explanation, "p": alarm.detection["probability"],
                 "frames": [alarm.detection["frame_start"], alarm.detection["frame_end"]],
                 "ends": [alarm.detection[c] for c in ("x_start", "y_start", "x_end", "y_end")]}
                for alarm in result.false_alarms
            ]  # fmt: skip
            results.append({"batch": number, "pipeline": name, "hours": hours, "alarms": alarms})
            for path in sorted({alarm["path"] for alarm in alarms})[: KEPT - len(list(kept.glob("*")))]:
                shutil.copytree(night / path, kept / f"{number}-{path}", dirs_exist_ok=True)
            (Path(temporary) / "found.h5").unlink()
    return results


def show(name: str, done: list[dict[str, Any]]) -> None:
    """Print what a pipeline gave in all batches that are done."""
    alarms = [alarm for item in done for alarm in item["alarms"]]
    often = Frequency(len(alarms), sum(item["hours"] for item in done))
    low, high = often.interval
    print(f"{name}: {BATCH * len(done)} windows of {SECONDS:g} s of {STATIONS * len(done)} stations")
    print(f"  false alarms {often}")
    print(f"  per night of 10 h: {10 * often.value:.3g} [{10 * low:.3g}, {10 * high:.3g}]")
    where = {(item["batch"], alarm["path"]) for item in done for alarm in item["alarms"]}
    causes = Counter(alarm["on"] for alarm in alarms).most_common()
    print(f"  in {len(where)} of the windows, on: {dict(causes)}", flush=True)


def main() -> int:
    """Do what is not done, print all."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--windows", type=int, default=5400)
    parser.add_argument("--pipeline", nargs="+", default=["meteor"], help="names or files")
    parser.add_argument("--shape", default="320x480", help="height and width of the frames")
    parser.add_argument("--distractors", type=int, default=3, help="other things in every window")
    parser.add_argument("--work", type=Path, required=True, help="folder for results and false alarms")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    log, lines = args.work / "batches.jsonl", list[dict[str, Any]]()
    if log.is_file():
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for number in range(-(-args.windows // BATCH)):
        known = {line["pipeline"] for line in lines if line["batch"] == number}
        missing = [name for name in args.pipeline if name not in known]
        try:
            found = batch(number, missing, args) if missing else []
        except AstrodetectError as error:
            parser.error(str(error))
        lines += found
        with log.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(item) + "\n" for item in found)
    for name in args.pipeline:
        show(name, [line for line in lines if line["pipeline"] == name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
