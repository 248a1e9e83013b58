"""Compare patch extraction with padding and slicing, as ratios in one run.

Run ``python benchmarks/patch_extraction.py``. 64 images of 966x1296 with 10 patches of 56x56 each; the
variants take turns and the medians are printed. The limit is one copy of the patches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from astrodetect.core.maps import ScoreMap
from astrodetect.methods.patches import extract_patches
from astrodetect.plugins.selectors.top_k import TopK

SIZE = (56, 56)


def padded_slices(images: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Pad every image, then slice: the plain way."""
    height, width = SIZE
    padded = np.pad(images, ((0, 0), (0, 0), (height, height), (width, width)))
    return np.array(
        [
            [padded[b, :, y + height : y + 2 * height, x + width : x + 2 * width] for y, x in corners[b]]
            for b in range(len(images))
        ]
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rng = np.random.default_rng(0)
    images = rng.integers(0, 4096, (64, 1, 966, 1296), dtype=np.uint16)
    corners = np.stack(
        [rng.integers(-28, 966 - 28, (64, 10)), rng.integers(-28, 1296 - 28, (64, 10))], axis=-1
    )
    expected = padded_slices(images, corners)
    np.testing.assert_array_equal(extract_patches(images, corners, SIZE), expected)
    compared: dict[str, Callable[[], object]] = {
        "pad and slice": lambda: padded_slices(images, corners),
        "extract_patches": lambda: extract_patches(images, corners, SIZE),
        "copy of the output": expected.copy,
    }
    seconds: dict[str, list[float]] = {label: [] for label in compared}
    for _ in range(rounds):
        for label, call in compared.items():
            start = time.perf_counter()
            call()
            seconds[label].append(time.perf_counter() - start)
    reference = statistics.median(seconds["pad and slice"])
    print("64 x 10 patches of 56x56 uint16; wanted: at most 5 us per patch")
    for label, values in seconds.items():
        value = statistics.median(values)
        print(f"  {label:20s} {value * 1e6 / 640:8.2f} us/patch   ratio {value / reference:7.4f}")
    scores = ScoreMap(rng.normal(size=(150, 200)).astype(np.float32), (7.0, 7.0), (3.0, 3.0))
    for k in (10, 100):
        selector = TopK(k=k)
        start = time.perf_counter()
        for _ in range(20):
            selector.select(scores)
        print(f"top-k of 30000 cells, k = {k:3d}: {(time.perf_counter() - start) / 20 * 1e3:.3f} ms")


if __name__ == "__main__":
    main()
