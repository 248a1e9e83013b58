"""Compare the temporal reduction with ``numpy.max`` and ``numpy.median``, as ratios in one run.

Run ``python benchmarks/reduction.py``. The variants take turns (A B C A B C ...) and the medians are
printed. Planes: ``mbi`` is max, background (exact median) and image (their difference); ``+argmax``
and ``+std`` add those.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from astrodetect.methods.reduction import reduce_window

PLANES = ("max", "background", "image")
#: Name, shape, type, mean, standard deviation, largest ratio wanted for ``mbi``.
CASES = (
    ("uint16", (65, 966, 1296), np.uint16, 300, 20, 0.6),
    ("uint8", (65, 960, 1280), np.uint8, 40, 4, 0.08),
    ("uint8 even", (64, 960, 1280), np.uint8, 40, 4, 0.08),
    ("float32", (65, 480, 640), np.float32, 300, 20, 0.6),
)


def variants(stack: np.ndarray) -> dict[str, Callable[[], object]]:
    """Give what is compared, the reference first."""
    return {
        "np.max + np.median": lambda: (np.max(stack, axis=0), np.median(stack, axis=0)),
        "mbi": lambda: reduce_window(stack, planes=PLANES),
        "mbi, 2 threads": lambda: reduce_window(stack, planes=PLANES, threads=2),
        "mbi +argmax": lambda: reduce_window(stack, planes=(*PLANES, "argmax")),
        "mbi +argmax +std": lambda: reduce_window(stack, planes=(*PLANES, "argmax", "std")),
        "np.max alone": lambda: np.max(stack, axis=0),
    }


def main() -> None:
    """Print one table per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for name, shape, dtype, mean, sigma, wanted in CASES:
        stack = np.random.default_rng(0).normal(mean, sigma, shape).astype(dtype)
        compared = variants(stack)
        seconds: dict[str, list[float]] = {label: [] for label in compared}
        for _ in range(rounds):
            for label, call in compared.items():
                start = time.perf_counter()
                call()
                seconds[label].append(time.perf_counter() - start)
        medians = {label: statistics.median(values) for label, values in seconds.items()}
        reference = medians["np.max + np.median"]
        print(f"{name} {'x'.join(map(str, shape))}; wanted: mbi at most {wanted} of the reference")
        for label, value in medians.items():
            print(f"  {label:20s} {value * 1e3:8.1f} ms   ratio {value / reference:6.3f}")


if __name__ == "__main__":
    main()
