"""How the cost of a run grows with frames, frame size, window and number of patches; and of a batch.

    python benchmarks/growth.py [--quick] [--plot growth.png] [--json growth.json]

One pipeline, one size changed at a time, everything in one process; seconds of wall and CPU time, and
their split by kind of work. Where the patches change, every cell is offered, so that there are as many.
The batch is one of frames of 966 x 1296 pixels through a patch model (``ats``, random weights, one thread).
The plot needs matplotlib (extra ``dev``).
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from end_to_end import SHAPE, write_event

from astrodetect import Pipeline
from astrodetect.core.hooks import HookCaller
from astrodetect.core.profile import Profile

#: What is changed, and the values of it; the middle one is that of the other rows.
SIZES: dict[str, tuple[float, ...]] = {
    "frames": (130, 260, 520),
    "share of the frame": (0.25, 0.5, 1.0),
    "window (s)": (1.05, 2.1, 4.2),
    "patches": (8, 32, 128),
    "batch": (1, 4, 16),
}
KINDS = ("read", "reduce", "score", "classify")


def run(folder: Path, seconds: float, patches: int | None) -> dict[str, Any]:
    """Process a folder and give its cost."""
    text = Pipeline.from_toml("meteor").text
    text = re.sub(r"^seconds = .*$", f"seconds = {seconds}", text, flags=re.MULTILINE)
    if patches is not None:
        text = re.sub(r"^k = .*$", f"k = {patches}", text, flags=re.MULTILINE)
        text = text.replace('use = "peak-snr"', 'use = "peak-snr"\nleast_chain = -1.0')
    pipeline = Pipeline(text)
    profile, hooks = Profile(pipeline.plan), HookCaller(load=False)
    hooks.register(profile)
    wall, cpu = perf_counter(), process_time()
    for block in pipeline.results(pipeline.find(folder), device="cpu", hooks=hooks):
        assert block.status == "done", block.recording
    profile.finish()
    kinds = {kind: seconds for kind, seconds in profile.kinds().items() if kind in KINDS}
    return {"wall": perf_counter() - wall, "cpu": process_time() - cpu, **kinds}


def batch_cost(size: int) -> dict[str, Any]:
    """Send a batch through a patch model and give its cost."""
    import torch

    from astrodetect.plugins.models.build import build_model
    from astrodetect.plugins.models.config import ModelConfig

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model(ModelConfig(method="ats")).eval()
    model.features.to(memory_format=torch.channels_last)
    frames = torch.rand(size, 1, *SHAPE)
    with torch.inference_mode():
        model(frames[:1])
        wall, cpu = perf_counter(), process_time()
        model(frames)
    return {"wall": perf_counter() - wall, "cpu": process_time() - cpu}


def cases(quick: bool) -> Iterator[tuple[str, float, int, tuple[int, int], float, int | None]]:
    """Give what is changed, its value, and frames, shape, window, patches (None: those that deserve it)."""
    for name, values in SIZES.items():
        for value in values if name != "batch" else ():
            frames = int(value) if name == "frames" else 260
            share = value if name == "share of the frame" else 0.5
            shape = int(SHAPE[0] * share**0.5), int(SHAPE[1] * share**0.5)
            window = value if name == "window (s)" else 2.1
            yield (
                name,
                value,
                frames // (2 if quick else 1),
                shape,
                window,
                int(value) if name == "patches" else None,
            )


def plot(rows: list[dict[str, Any]], target: Path) -> None:
    """Draw CPU and wall time against each size, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(SIZES), figsize=(3.2 * len(SIZES), 3.4), layout="constrained")
    for name, axis in zip(SIZES, axes, strict=True):
        here = [row for row in rows if row["changed"] == name]
        for kind in ("wall", "cpu", *KINDS):
            values = [(row["value"], row[kind]) for row in here if row.get(kind)]
            style = "o-" if kind in ("wall", "cpu") else ".:"
            axis.plot(*zip(*values, strict=True) if values else ((), ()), style, label=kind)
        axis.set(xscale="log", yscale="log", xlabel=name)
        axis.set_xticks([row["value"] for row in here], [f"{row['value']:g}" for row in here])
        axis.minorticks_off()
    axes[0].set_ylabel("s")
    axes[0].legend(fontsize="small")
    figure.savefig(target, dpi=120)


def told(row: dict[str, Any]) -> dict[str, Any]:
    """Print a row, and give it."""
    shares = "".join(f"{row.get(kind, 0.0):10.3f}" for kind in KINDS)
    print(f"{row['changed']:22}{row['value']:8g}{row['wall']:9.2f}{row['cpu']:9.2f}{shares}", flush=True)
    return row


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="half the frames")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print(f"{'changed':22}{'value':>8}{'wall s':>9}{'CPU s':>9}" + "".join(f"{kind:>10}" for kind in KINDS))
    with tempfile.TemporaryDirectory() as name:
        for changed, value, frames, shape, window, patches in cases(given.quick):
            folder = Path(name) / f"{frames}-{shape[0]}"
            if not folder.exists():
                write_event(folder, frames, shape)
            if not rows:  # imports are no cost of any size
                run(folder, window, patches)
            rows.append(told({"changed": changed, "value": value, **run(folder, window, patches)}))
    rows += [told({"changed": "batch", "value": size, **batch_cost(int(size))}) for size in SIZES["batch"]]
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    if given.plot:
        plot(rows, given.plot)


if __name__ == "__main__":
    main()
