"""Completeness of a pipeline in real recordings, by meteors put into their frames.

    ASTRODETECT_DATA=/path/to/data python benchmarks/injection.py [--pipeline meteor] [--copies 20]

Needs ``rms/`` (FF files with ``truth.csv``) and ``clips/`` (videos with ``.track.csv``). Every recording is
written several times, each time with two meteors of a peak signal-to-noise of 3 to 50 and 1 to 30 pixels
per frame, both log-uniform; the real meteors in them are neither right nor false. Prints the comparison of
each camera and of all together; ``--figures FOLDER`` draws completeness, and pictures with what was put in.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect import Catalog, Pipeline
from astrodetect.evaluation import Evaluation, evaluate, read_tracks, read_truth
from astrodetect.evaluation.completeness import binned, by_place, write_plots
from astrodetect.evaluation.report import to_text
from astrodetect.simulation.injection.command import run
from astrodetect.simulation.truth import TRUTH_COLUMNS, write_csv

#: A recording or folder of each camera, and how many copies of it for one of the others.
CAMERAS = {
    "rms": ("rms", 0.3),
    "all-sky": ("clips/meteor1.avi", 1.0),
    "wide": ("clips/CZ0003_20210307_021710_233167.mp4", 1.0),
}


def known_meteors(data: Path, folder: Path) -> Path:
    """Write a truth file with the real meteors of all recordings."""
    rows: list[tuple[object, ...]] = []
    with (data / "rms" / "truth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            ends = [float(row[name]) for name in ("x_first", "y_first", "x_last", "y_last")]
            rows.append((row["file"], "real", "meteor", row["frame_first"], row["frame_last"], *ends))
    for track in sorted((data / "clips").glob("*.track.csv")):
        with track.open(newline="") as file:
            points = [
                {name: float(row[name]) for name in ("frame", "x", "y")} for row in csv.DictReader(file)
            ]
        first, last = points[0], points[-1]
        ends = [first["x"], first["y"], last["x"], last["y"]]
        name = track.name.removesuffix(".track.csv")
        rows.append((name, "real", "meteor", int(first["frame"]), int(last["frame"]), *ends))
    path = folder / "known.csv"
    write_csv(path, TRUTH_COLUMNS[:9], rows, append=False)
    return path


def circle_mask(folder: Path) -> Path:
    """Draw a mask of what lies outside of the sky in the all-sky recording."""
    from PIL import Image

    y, x = np.ogrid[:480, :640]
    inside = (x - 338) ** 2 + (y - 248) ** 2 < 275**2
    mask = folder / "circle.png"
    Image.fromarray((255 * inside).astype(np.uint8)).save(mask)
    return mask


def judged(pipeline: Pipeline, folder: Path) -> Evaluation:
    """Run a pipeline on recordings with meteors and compare with the truth."""
    out = folder.with_suffix(".h5")
    if not out.is_file():
        pipeline.run(folder, out=out)
    truth = read_tracks(folder / "tracks.csv", read_truth(folder / "truth.csv"))
    with Catalog(out) as catalog:
        return evaluate(catalog.detections, catalog.recordings, truth)


def together(results: list[Evaluation]) -> Evaluation:
    """Give the comparison of several cameras as one."""
    return Evaluation(
        ("meteor",),
        tuple(item for result in results for item in result.objects),
        tuple(item for result in results for item in result.false_alarms),
        n_recordings=sum(result.n_recordings for result in results),
        hours=sum(result.hours for result in results),
    )


def draw(results: dict[str, Evaluation], folder: Path) -> None:
    """Draw the completeness of each camera by signal-to-noise, with 95 % intervals."""
    from astrodetect.plots.style import COLOURS, new_figure, save, style

    edges = (3, 4, 6, 9, 14, 22, 35, 50)
    folder.mkdir(parents=True, exist_ok=True)
    _, axes = new_figure()
    with style():
        for number, (name, result) in enumerate(results.items()):
            rows = [row for row in binned(result, "peak_snr", edges) if row[2].n]
            at = [float(np.sqrt(low * high)) * (1 + 0.02 * number) for low, high, _ in rows]
            value = np.array([rate.value for *_, rate in rows])
            ends = np.array([rate.interval for *_, rate in rows]).T
            bars = np.abs(ends - value)
            axes.errorbar(at, value, bars, fmt="o-", ms=3, elinewidth=0.7, color=COLOURS[number], label=name)
        axes.set(xscale="log", xlabel="peak signal-to-noise", ylabel="fraction found", ylim=(-0.02, 1.04))
        axes.set_xticks([3, 5, 10, 20, 50], ["3", "5", "10", "20", "50"])
        axes.xaxis.set_minor_formatter("")
        axes.legend(loc="upper left")
    save(axes, folder / "injection-cameras.png", 150)


def main() -> int:
    """Put meteors in, run, print, draw."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pipeline", default="meteor")
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--cameras", nargs="+", choices=list(CAMERAS), default=list(CAMERAS))
    parser.add_argument("--work", type=Path, help="folder for recordings and catalogs; kept and used again")
    parser.add_argument("--figures", type=Path)
    args = parser.parse_args()
    data = os.environ.get("ASTRODETECT_DATA")
    if not data:
        parser.error("set ASTRODETECT_DATA to the folder with rms/ and clips/")
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        known = known_meteors(Path(data), work)
        results = []
        for name in args.cameras:
            place, share = CAMERAS[name]
            into, folder = Path(data) / place, work / name
            more: dict[str, Any] = {"mask": circle_mask(work)} if name == "all-sky" else {}
            copies = max(1, round(share * args.copies))
            if not folder.with_suffix(".h5").is_file():
                made = {"meteors": 2, "copies": copies, "known": known, "seed": args.seed, **more}
                run(folder, inject=into, force=True, **made)
            results.append(judged(Pipeline.from_toml(args.pipeline), folder))
            print(f"\n== {name}: {place}, {copies} copies\n{to_text(results[-1])}", flush=True)
        everything = together(results)
        print(f"== all\n{to_text(everything)}")
        print(f"by place: {[[str(rate) for rate in row] for row in by_place(everything)]}")
        if args.figures:
            draw(dict(zip(args.cameras, results, strict=True)), args.figures)
            write_plots(everything, args.figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
