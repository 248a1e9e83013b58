"""Compare patch extraction with padding and slicing, as ratios in one run.

    python benchmarks/patch_extraction.py [--rounds 5]

64 images of 966x1296 with 10 patches of 56x56 each, corners outside too; then all 28,130 patches of one
image at a stride of 7 pixels, a line of the grid at a time, against one advanced indexing. The variants
take turns; the limit is one copy of the patches.
"""

from __future__ import annotations

import argparse

import numpy as np
from timing import Row, measured, print_rows, row

from astrodetect.methods.patches import extract_patches
from astrodetect.methods.patches_grid import grid_patches

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


def few_patches(rounds: int) -> list[Row]:
    """Ten patches of each of 64 images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 4096, (64, 1, 966, 1296), dtype=np.uint16)
    tops, lefts = rng.integers(-28, 966 - 28, (64, 10)), rng.integers(-28, 1296 - 28, (64, 10))
    corners = np.stack([tops, lefts], axis=-1)
    expected = padded_slices(images, corners)
    np.testing.assert_array_equal(extract_patches(images, corners, SIZE), expected)
    target = np.empty_like(expected)
    taken = measured(
        {
            "pad and slice": lambda: padded_slices(images, corners),
            "ours": lambda: extract_patches(images, corners, SIZE),
            "copy": lambda: np.copyto(target, expected),
        },
        rounds,
    )
    wall, cpu = taken["ours"].wall / 640, taken["ours"].cpu / 640
    return [
        row("patches: 64 x 10 of 56x56", taken, "ours", "pad and slice", "copy", 1 / 50),
        Row("patches: one of these", wall, cpu, 5e-6, reference_name="5 us", goal=1.0),
    ]


def all_patches(rounds: int) -> list[Row]:
    """All patches of a score grid."""
    image = np.random.default_rng(0).integers(0, 4096, (1, 966, 1296), dtype=np.uint16)
    rows, columns = np.arange(0, 966 - 56 + 7, 7)[:145], np.arange(-28, 1296 - 28, 7)[:194]
    padded = np.pad(image, ((0, 0), (0, 70), (28, 70)))

    def indexed() -> np.ndarray:
        y = (rows[:, None] + np.arange(56))[:, None, :, None]
        x = (columns[:, None] + 28 + np.arange(56))[None, :, None, :]
        return padded[0][y, x]

    expected = indexed()
    for line, wanted in zip(grid_patches(image, rows, columns, SIZE), expected, strict=True):
        np.testing.assert_array_equal(line[:, 0], wanted)
    target = np.empty_like(expected)
    taken = measured(
        {
            "advanced indexing": indexed,
            "ours": lambda: [None for _ in grid_patches(image, rows, columns, SIZE)],
            "copy": lambda: np.copyto(target, expected),
        },
        rounds,
    )
    note = f"{taken['ours'].wall * 1e6 / len(rows) / len(columns):.2f} us each"
    return [row("patches: all of a grid, streamed", taken, "ours", "advanced indexing", "copy", 1 / 10, note)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print_rows([*few_patches(rounds), *all_patches(rounds)])


if __name__ == "__main__":
    main()
