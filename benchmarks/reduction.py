"""Compare the temporal reduction with the NumPy calls a user would write, as ratios in one run.

    python benchmarks/reduction.py [--rounds 5] [--case uint16]

The variants take turns (A B C A B C ...) and the medians are printed: wall time, and CPU time, which
counts where the machine is shared. Planes: ``max+median`` is what the reference gives; ``all five`` are
max, argmax, median, mean, std, against the five NumPy calls. The limit is reading the window once.
Variants of the compiled tier need numba (extra ``fast``); ``--narrow`` starts again with NumPy's
AVX-512 code switched off.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from timing import Row, measured, print_rows, row

from astrodetect.methods.fast_tier import INSTALLED
from astrodetect.methods.reduction import reduce_window

PLANES = ("max", "background", "image")
FIVE = ("max", "argmax", "median", "mean", "std")
#: Name, shape, type, mean, standard deviation.
CASES = {
    "uint16": ((65, 966, 1296), np.uint16, 300, 20),
    "uint8": ((65, 960, 1280), np.uint8, 40, 4),
    "uint8 even": ((64, 960, 1280), np.uint8, 40, 4),
    "float32": ((65, 480, 640), np.float32, 300, 20),
}
#: Largest ratios wanted, by case: NumPy, numba, all five NumPy, all five numba.
GOALS = {"uint16": (0.5, 0.15, 0.35, 0.12), "uint8": (0.045, 0.012, None, None)}
NARROW = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"


def reference(stack: np.ndarray) -> object:
    """Maximum and median as a user writes them."""
    return np.max(stack, axis=0), np.median(stack, axis=0)


def five_calls(stack: np.ndarray) -> object:
    """The five NumPy calls."""
    return (*reference(stack), np.argmax(stack, axis=0), np.mean(stack, axis=0), np.std(stack, axis=0))


def variants(stack: np.ndarray, every: bool) -> dict[str, Callable[[], object]]:
    """Give what is compared."""

    def ours(planes: tuple[str, ...], tier: str, threads: int = 1) -> Callable[[], object]:
        return lambda: reduce_window(stack, planes=planes, tier=tier, threads=threads)  # type: ignore[arg-type]

    chosen: dict[str, Callable[[], object]] = {"np.max + np.median": lambda: reference(stack)}
    tiers = ("numpy", "numba") if INSTALLED else ("numpy",)
    for tier in tiers:
        chosen[f"{tier} max+median"] = ours(("max", "median"), tier)
        chosen[f"{tier} max+median, 2 threads"] = ours(("max", "median"), tier, 2)
    if every:
        chosen["five NumPy calls"] = lambda: five_calls(stack)
        for tier in tiers:
            chosen[f"{tier} all five"] = ours(FIVE, tier)
            chosen[f"{tier} +image"] = ours(PLANES, tier)
            chosen[f"{tier} +image +argmax"] = ours((*PLANES, "argmax"), tier)
            chosen[f"{tier} +image +argmax +std"] = ours((*PLANES, "argmax", "std"), tier)
    words = stack.reshape(-1).view(np.uint8)[: stack.nbytes // 8 * 8].view(np.uint64)
    chosen["read once"] = lambda: np.bitwise_or.reduce(words)
    return chosen


def case_rows(name: str, rounds: int) -> list[Row]:
    """Measure one case."""
    shape, dtype, mean, sigma = CASES[name]
    stack = np.random.default_rng(0).normal(mean, sigma, shape).astype(dtype)
    taken = measured(variants(stack, every=name == "uint16"), rounds)
    goals = GOALS.get(name, (None,) * 4)
    rows = []
    for label in taken:
        five = "all five" in label
        base = "five NumPy calls" if five else "np.max + np.median"
        goal = (
            goals[2 * five + label.startswith("numba")]
            if "threads" not in label and "+image" not in label
            else None
        )
        if label.startswith("num"):
            # The compiled tier, of whatever planes the reference has, by the time of reading the window.
            far = 5.0 if label == "numba max+median" else None
            rows.append(
                row(f"reduction {name}: {label}", taken, label, base, "read once", goal, limit_goal=far)
            )
    for tier in ("numpy", "numba"):
        both = f"{tier} max+median, 2 threads"
        if both in taken:
            rows.append(
                row(
                    f"reduction {name}: {tier}, 2 threads over 1",
                    taken,
                    both,
                    f"{tier} max+median",
                    goal=1 / 1.6 if tier == "numba" else None,
                )
            )
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--narrow", action="store_true")
    parser.add_argument("--json", help="write the rows to this file")
    given = parser.parse_args()
    if given.narrow:
        command = [sys.executable, __file__, "--case", "uint16", "--rounds", str(given.rounds)]
        command += ["--json", given.json] if given.json else []
        raise SystemExit(subprocess.call(command, env={**os.environ, "NPY_DISABLE_CPU_FEATURES": NARROW}))
    rows = [item for name in given.case or CASES for item in case_rows(name, given.rounds)]
    print_rows(rows)
    if given.json:
        Path(given.json).write_text(json.dumps([asdict(item) for item in rows]))


if __name__ == "__main__":
    main()
