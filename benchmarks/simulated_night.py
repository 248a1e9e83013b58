"""Recall and precision of the built-in pipeline on a simulated night.

    python benchmarks/simulated_night.py [--recordings 40] [--seed 2027] [--pipeline meteor]
        [--sweep [TABLE[.SETTING] ...]]

Half of the recordings have cloud, Moon or twilight; meteors of 1 to 30 pixels per frame and a peak
signal-to-noise of 3 to 50, both log-uniform, and five distractors each. The seed is used in fitting nothing.
Prints the settings of the generator and figures by speed and signal-to-noise. ``--sweep`` gives instead,
for the recordings with a bright meteor, what each threshold changes, a fifth lower and higher: all of
them, or those that are named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

from night_sweep import BRIGHT, swept
from real_recordings import variants

from astrodetect import Catalog, Pipeline
from astrodetect.evaluation import Evaluation, evaluate, read_truth
from astrodetect.simulation.night import simulate_night
from astrodetect.simulation.settings import Settings


def judged(pipeline: Pipeline, folder: Path) -> Evaluation:
    """Run a pipeline on a night and compare with the truth."""
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "night.h5"
        pipeline.run(folder, out=out)
        with Catalog(out) as catalog:
            return evaluate(catalog.detections, catalog.recordings, read_truth(folder / "truth.csv"))


def main() -> int:
    """Simulate, run, print."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--recordings", type=int, default=40)
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--format", default="fits")
    parser.add_argument("--pipeline", default="meteor", help="name or file; the sweep takes `meteor`")
    parser.add_argument(
        "--night", type=Path, help="folder for the night; kept, and used again if it is there"
    )
    parser.add_argument(
        "--sweep", nargs="*", metavar="TABLE[.SETTING]", help="change each threshold by a fifth"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.night or Path(temporary) / "night"
        if not (folder / "truth.csv").exists():
            simulate_night(folder, args.recordings, args.format, args.seed)
        print(f"recordings = {args.recordings}, seed = {args.seed}, format = {args.format}")
        print(f"pipeline = {args.pipeline}")
        print(Settings().describe())
        if args.sweep is None:
            good = show(judged(Pipeline.from_toml(args.pipeline), folder))
        else:
            good = sweep(folder, args.sweep)
    return 0 if good else 1


def sweep(folder: Path, tables: list[str]) -> bool:
    """Print what each threshold changes; tell whether the requirements are met all the same."""
    chosen = [item for item in variants() if item[0].startswith(tuple(tables or ("",)))]
    good = True
    for name, result in swept(folder, [("as it is", Pipeline.from_toml("meteor")), *chosen]):
        recall, precision = result.recall_where("peak_snr", BRIGHT), result.precision
        met = recall.value >= 0.95 and precision.value >= 0.9
        good &= met
        print(f"{'met' if met else 'not met':8s}{name}: recall {recall}, precision {precision}", flush=True)
    return good


def show(result: Evaluation) -> bool:
    """Print the figures; tell whether the requirements are met."""
    recall, precision = result.recall_where("peak_snr", 6.0), result.precision
    print(f"recall at signal-to-noise over 6: {recall}")
    print(f"recall of all: {result.recall}; as candidates: {result.candidate_recall}; precision: {precision}")
    for low, high in ((3, 4.5), (4.5, 6), (6, 9), (9, 15), (15, 25), (25, 51)):
        print(f"  signal-to-noise {low:4g}-{high:<4g} recall {result.recall_where('peak_snr', low, high)}")
    for low, high in ((0, 2), (2, 4), (4, 8), (8, 16), (16, 40)):
        bright = [
            item for item in result.objects if item.truth.peak_snr >= 6 and low <= item.truth.speed < high
        ]
        found = sum(item.detection is not None for item in bright)
        print(
            f"  speed {low:2d}-{high:<2d} px/frame recall {found} of {len(bright)} (signal-to-noise over 6)"
        )
    for item in result.objects:
        if item.detection is None and item.truth.peak_snr >= 6:
            print(f"  missed: {item.path} {item.truth} {item.outcome}")
    for alarm in result.false_alarms:
        print(f"  false: {alarm.path} {alarm.explanation} {dict(alarm.detection)}")
    return recall.value >= 0.95 and precision.value >= 0.9


if __name__ == "__main__":
    sys.exit(main())
