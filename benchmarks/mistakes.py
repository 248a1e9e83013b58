"""What a pipeline misses and what it falsely accepts, as pictures.

    python benchmarks/mistakes.py NIGHT CATALOG.h5 OUT.jpg [--snr 5] [--columns 6] [--seed 0]

NIGHT holds recordings with ``truth.csv``, CATALOG is of a pipeline that went through them (`--work` of
`benchmarks/peers.py` keeps both). Upper half: meteors with a peak signal-to-noise of at least `--snr` that
were not found; lower half: false alarms; as many of each as there is room for, drawn at random. Every picture
is the maximum of the frames in question less the median of all, its path dotted beside it. All are listed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from station_nights import with_truth

from astrodetect.core import registry
from astrodetect.core.discovery import discover
from astrodetect.core.windows import opened

#: Least side of a picture, in pixels, and rows of pictures of each kind.
SIDE, ROWS = 72, 2


class Mistake(NamedTuple):
    """Recording, what to say of it, frames (first, last), ends (x, y, x, y)."""

    path: str
    title: str
    frames: tuple[float, float]
    ends: tuple[float, float, float, float]


def missed(result: Any, least: float) -> list[Mistake]:
    """Give the bright meteors that were not found."""
    return [
        Mistake(
            item.path,
            f"{item.outcome.split(':')[0]}, S/N {item.truth.peak_snr:.0f}, {item.truth.speed:.1f} px/frame",
            (item.truth.frame_first, item.truth.frame_last),
            item.truth.ends,
        )
        for item in result.objects
        if item.detection is None and item.truth.peak_snr >= least
    ]


def false(result: Any) -> list[Mistake]:
    """Give the false alarms."""
    return [Mistake(alarm.path, _said(alarm), *_where(alarm.detection)) for alarm in result.false_alarms]


def _said(alarm: Any) -> str:
    return f"on {alarm.explanation}, p {float(alarm.detection['probability']):.2f}"


def _where(row: Mapping[str, Any]) -> tuple[tuple[float, float], tuple[float, float, float, float]]:
    x0, y0, x1, y1 = (float(row[name]) for name in ("x_start", "y_start", "x_end", "y_end"))
    return (float(row["frame_start"]), float(row["frame_end"])), (x0, y0, x1, y1)


def picture(night: Path, mistake: Mistake) -> tuple[NDArray[np.float32], float, float]:
    """Give the image around a mistake, and the place of its first pixel (x, y)."""
    recording = next(iter(discover([night / mistake.path], registry.load_sources()[0])))
    source = registry.make_source(recording.source)
    with opened(source, recording):
        stack = np.stack([np.array(frame.data) for frame in source.frames()]).astype(np.float32)
    first, last = max(0, int(mistake.frames[0])), min(len(stack) - 1, int(mistake.frames[1]))
    image = stack[first : last + 1].max(axis=0) - np.median(stack, axis=0)
    x0, y0, x1, y1 = mistake.ends
    side = int(min(max(SIDE, 1.4 * max(abs(x1 - x0), abs(y1 - y0))), *image.shape))
    corner = [
        int(np.clip((a + b) / 2 - side / 2, 0, length - side))
        for a, b, length in ((y0, y1, image.shape[0]), (x0, x1, image.shape[1]))
    ]
    cut = image[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    return cut, float(corner[1]), float(corner[0])


def draw(night: Path, groups: Sequence[Sequence[Mistake]], columns: int, out: Path) -> None:
    """Draw mistakes of two kinds, one kind above the other."""
    from PIL import Image

    from astrodetect.plots.style import PAGE, new_figure, style

    figure, axes = new_figure(PAGE, 5.2, nrows=2 * ROWS, ncols=columns)
    with style():
        for number, mistakes in enumerate(groups):
            panels = axes[number * ROWS : (number + 1) * ROWS].ravel()
            for panel, mistake in zip(panels, mistakes, strict=False):
                image, x, y = picture(night, mistake)
                low, high = np.percentile(image, [5, 99.7])
                extent = (x - 0.5, x + image.shape[1] - 0.5, y + image.shape[0] - 0.5, y - 0.5)
                panel.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1), extent=extent)
                x0, y0, x1, y1 = mistake.ends
                panel.plot([x0, x1], [y0 + 6, y1 + 6], ":", color="#56b4e9", linewidth=0.7)
                panel.set_title(mistake.title, fontsize=4.5, pad=2)
            for panel in panels:
                panel.axis("off")
        figure.savefig(temporary := out.with_suffix(".png"), dpi=125)
    with Image.open(temporary) as image:
        image.convert("RGB").save(out, quality=72)
    temporary.unlink()


def main() -> int:
    """Compare, list, draw."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("night", type=Path)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--snr", type=float, default=5.0)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    result = with_truth(args.catalog, args.night)
    groups = [missed(result, args.snr), false(result)]
    for title, mistakes in zip(("missed", "false"), groups, strict=True):
        kinds = Counter(mistake.title.split(",")[0] for mistake in mistakes).most_common()
        print(f"{title}: {len(mistakes)}: {dict(kinds)}")
        for mistake in mistakes:
            print(f"  {mistake.path} frames {mistake.frames} at {mistake.ends}: {mistake.title}")
    rng = np.random.default_rng(args.seed)
    chosen = [[own[i] for i in rng.permutation(len(own))[: ROWS * args.columns]] for own in groups]
    draw(args.night, chosen, args.columns, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
