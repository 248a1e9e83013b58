"""Completeness of pipelines in real recordings, by meteors put into their frames.

    ASTRODETECT_DATA=/path/to/data python benchmarks/injection.py [--pipeline meteor ...] [--copies 20]

Needs ``rms/`` (FF files with ``truth.csv``) and ``clips/`` (videos with ``.track.csv``). Every recording is
written several times, each time with two meteors of a peak signal-to-noise of 3 to 50 and 1 to 30 pixels
per frame, both log-uniform; the real meteors in them are neither right nor false. Prints the comparison of
each pipeline for each camera and for all together; ``--figures FOLDER`` draws completeness of all pipelines
by camera, and of the first one by place.
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
from station_nights import judged

from astrodetect import Pipeline
from astrodetect.evaluation import Evaluation
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


def together(results: list[Evaluation]) -> Evaluation:
    """Give the comparison of several cameras as one."""
    return Evaluation(
        ("meteor",),
        tuple(item for result in results for item in result.objects),
        tuple(item for result in results for item in result.false_alarms),
        n_recordings=sum(result.n_recordings for result in results),
        hours=sum(result.hours for result in results),
    )


def draw(results: dict[str, dict[str, Evaluation]], folder: Path) -> None:
    """Draw the completeness of each pipeline by signal-to-noise, a panel for each camera, 95 % intervals."""
    from astrodetect.plots.style import PAGE, new_figure, save, style

    folder.mkdir(parents=True, exist_ok=True)
    cameras = list(next(iter(results.values())))
    figure, axes = new_figure(PAGE, 2.3, ncols=len(cameras), sharey=True, squeeze=False)
    with style():
        for number, (name, own) in enumerate(results.items()):
            for panel, camera in zip(axes[0], cameras, strict=True):
                curve(panel, own[camera], number, name)
        for panel, camera in zip(axes[0], cameras, strict=True):
            panel.set(xscale="log", xlabel="peak signal-to-noise", title=camera, ylim=(-0.02, 1.04))
            panel.set_xticks([3, 5, 10, 20, 50], ["3", "5", "10", "20", "50"])
            panel.xaxis.set_minor_formatter("")
        axes[0, 0].set_ylabel("fraction found")
        axes[0, 0].legend(loc="upper left")
    save(figure, folder / "injection-cameras.png", 150)


def curve(axes: Any, result: Evaluation, number: int, name: str) -> None:
    """Draw the fraction that a pipeline found, by signal-to-noise."""
    from astrodetect.plots.style import COLOURS

    rows = [row for row in binned(result, "peak_snr", (3, 4, 6, 9, 14, 22, 35, 50)) if row[2].n]
    at = [float(np.sqrt(low * high)) * (1 + 0.04 * number) for low, high, _ in rows]
    value = np.array([rate.value for *_, rate in rows])
    bars = np.abs(np.array([rate.interval for *_, rate in rows]).T - value)
    axes.errorbar(at, value, bars, fmt="o-", ms=3, elinewidth=0.7, color=COLOURS[number], label=name)


def inject(name: str, data: Path, work: Path, args: argparse.Namespace) -> Path:
    """Put meteors into the recordings of a camera, if that is not done; give the folder."""
    place, share = CAMERAS[name]
    folder = work / name
    more: dict[str, Any] = {"mask": circle_mask(work)} if name == "all-sky" else {}
    if not folder.is_dir():
        made = work / f"{name}.part"
        copies = max(1, round(share * args.copies))
        known = known_meteors(data, work)
        run(
            made,
            inject=data / place,
            force=True,
            meteors=2,
            copies=copies,
            known=known,
            seed=args.seed,
            **more,
        )
        made.rename(folder)
    return folder


def show(pipeline: str, folders: dict[str, Path], out: Path) -> dict[str, Evaluation]:
    """Run a pipeline on the recordings of all cameras, print how it does, and give it."""
    results = {}
    for name, folder in folders.items():
        results[name] = judged(Pipeline.from_toml(pipeline), folder, out)
        print(f"\n== {pipeline}, {name}\n{to_text(results[name])}", flush=True)
    everything = together(list(results.values()))
    print(f"== {pipeline}, all\n{to_text(everything)}")
    print(f"by place: {[[str(rate) for rate in row] for row in by_place(everything)]}")
    return results


def main() -> int:
    """Put meteors in, run, print, draw."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pipeline", nargs="+", default=["meteor"], help="names or files")
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
        folders = {name: inject(name, Path(data), work, args) for name in args.cameras}
        results = {name: show(name, folders, work / "catalogs") for name in args.pipeline}
        if args.figures:
            draw(results, args.figures)
            write_plots(together(list(results[args.pipeline[0]].values())), args.figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
