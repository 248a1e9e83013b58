"""All benchmarks in one table: our figure, the reference in the same run, the measured limit, the ratios.

    python benchmarks/run_all.py [--quick] [--only NAME]... [--json out.json]

Ratios are ours over the reference, medians of turns in one run: below 1 is faster, the goal is the
largest that is wanted. The second ratio compares CPU time, for shared machines. What follows is ours over
the measured limit, the largest that is wanted, and whether all that is wanted was reached. Rows of a
graphics card say why they are open where there is none. ``compare.py`` compares two files written with
``--json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import end_to_end
import fits_ingest
import gpu
import learned_speed
import networks
import numpy as np
import patch_extraction
import reduction
import torch
import video_ingest
from timing import Row, print_rows

from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.compiled import INSTALLED


def narrow(rounds: int) -> list[Row]:
    """Reduce in a process in which NumPy has no AVX-512."""
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "rows.json"
        command = [
            sys.executable,
            reduction.__file__,
            "--narrow",
            "--rounds",
            str(rounds),
            "--json",
            str(target),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = [Row(**item) for item in json.loads(target.read_text())]
    goals = {"numpy max+median": (0.12, None), "numba max+median": (0.035, 5.0)}
    kept = []
    for item in rows:
        label = item.path.split(": ")[-1]
        if label in goals:
            kept.append(
                Row(
                    **{
                        **item.__dict__,
                        "path": f"reduction uint16, no AVX-512: {label}",
                        "goal": goals[label][0],
                        "limit_goal": goals[label][1],
                    }
                )
            )
    return kept


def selection() -> list[Row]:
    """Measure differentiable selection, with one thread per core as torch takes them."""
    torch.set_num_threads(os.cpu_count() or 1)
    return list(learned_speed.selection())


def network_rows(rounds: int) -> list[Row]:
    """Measure the networks, on one thread."""
    torch.set_num_threads(1)
    return networks.rows_of(rounds)


def source_rows(rounds: int) -> list[Row]:
    """Measure finders of sources and lines in single images, or say what they lack."""
    try:
        import sources
    except ImportError as error:
        return [Row("sources, lines", None, None, note=f"open: {error}")]
    return sources.rows_of(rounds)


def card() -> list[Row]:
    """Measure the kernels of a card, or say why not."""
    paths = ("patches, large batch", "patches, ten", "window reduction")
    try:
        from astrodetect.cuda.pycuda_device import open_device

        open_device(0)
    except AstrodetectError as error:
        return [Row(f"CUDA: {path}", None, None, note=f"open: {error}") for path in paths]
    subprocess.run([sys.executable, gpu.__file__], check=True)
    return [Row("CUDA", None, None, note="see the tables above")]


def sections(quick: bool) -> dict[str, Callable[[], list[Row]]]:
    """Give what there is to measure."""
    rounds = 2 if quick else 7
    frames = 195 if quick else 650
    return {
        "reduction": lambda: [*reduction.case_rows("uint16", rounds), *reduction.case_rows("uint8", rounds)],
        "narrow": lambda: narrow(max(rounds // 2, 1)),
        "fits": lambda: fits_ingest.rows_of(65 if quick else 200, 32 if quick else 40, rounds),
        "video": lambda: video_ingest.rows_of(60 if quick else 150, rounds),
        "networks": lambda: network_rows(rounds),
        "selection": selection,
        "sources": lambda: source_rows(rounds),
        "cuda": card,
        "patches": lambda: [*patch_extraction.few_patches(rounds), *patch_extraction.all_patches(rounds)],
        "end-to-end": lambda: end_to_end.rows_of(frames, 1 if quick else 4),
    }


def machine() -> dict[str, object]:
    """Say on what it ran."""
    names = [line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": INSTALLED,
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and frames")
    parser.add_argument("--only", action="append", choices=sections(True), help="only these sections")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    given = parser.parse_args()
    before = machine()
    print(", ".join(f"{name} {value}" for name, value in before.items()), flush=True)
    rows: list[Row] = []
    for name, measure in sections(given.quick).items():
        if given.only and name not in given.only:
            continue
        found = measure()
        print_rows(found)
        rows += found
    told = [item.reached for item in rows if item.reached is not None]
    print(f"{sum(told)} of {len(told)} goals reached")
    if given.json:
        text = json.dumps({"machine": before, "rows": [item.to_dict() for item in rows]}, indent=1)
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
