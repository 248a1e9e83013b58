"""Speed of the learned methods against looking everywhere, and cost of the selection's gradient.

``python benchmarks/learned_speed.py`` times one frame of 1.25, 5 and 36 megapixels through `ats`, `dps`
and `ips`, against the full-resolution network and a plain sliding window of the same patch network; then
a step of perturbed selection, forward and backward, against the same with one-hot arrays, time and
memory. Weights are random: they do not change the work.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from timing import Row, Taken, measured, print_rows, row
from torch import Tensor

from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.fcn import FcnMil
from astrodetect.plugins.models.model import PatchModel
from astrodetect.plugins.models.perturbed import Noise, inclusion, perturbed_topk

#: Height and width of the frames, by megapixels.
SHAPES = {1.25: (966, 1296), 5.0: (1932, 2592), 36.0: (6000, 6000)}
#: Images, draws, cells and choices of the selection; cells of a map of a 9-megapixel image at stride 18.
BATCH, DRAWS, CELLS, CHOSEN = 8, 500, 28130, 10
RIVAL = ModelConfig(
    method="fcn-mil", feature_channels=(16, 32, 48, 64, 64, 64), feature_shrink=(1, 1, 0, 1, 0, 0)
)


def sliding_window(model: PatchModel, frame: Tensor) -> Tensor:
    """Decide from every patch, half a patch apart, 64 at a time, as one would without this library."""
    height, width = model.config.patch
    windows = frame.unfold(2, height, height // 2).unfold(3, width, width // 2)
    patches = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, frame.shape[1], height, width)
    logits = [model.aggregator.evidence(model.encode(part)) for part in patches.split(64)]
    return torch.logsumexp(torch.cat(logits), dim=0)


def once(call: Callable[[], object]) -> Taken:
    """Time one call."""
    begin, spent = time.perf_counter(), time.process_time()
    call()
    return Taken(time.perf_counter() - begin, time.process_time() - spent)


def inference(megapixels: float, rounds: int) -> Iterator[Row]:
    """Time one frame through every method."""
    torch.manual_seed(0)
    models = {name: build_model(ModelConfig(method=name)).eval() for name in ("ats", "dps", "ips")}
    rival = build_model(RIVAL).eval()
    assert isinstance(rival, FcnMil)
    plain = models["ats"]
    assert isinstance(plain, PatchModel)
    frame = torch.rand(1, 1, *SHAPES[megapixels])
    calls: dict[str, Callable[[], object]] = {name: partial(model, frame) for name, model in models.items()}
    calls["full-resolution net"] = partial(rival, frame)
    calls["sliding window"] = partial(sliding_window, plain, frame)
    with torch.inference_mode():
        # The largest frame takes minutes: one turn, for which the smaller ones have warmed up.
        taken = (
            measured(calls, rounds) if megapixels < 30 else {name: once(call) for name, call in calls.items()}
        )
    for name in models:
        for other in ("full-resolution net", "sliding window"):
            times = taken[other].wall / taken[name].wall
            yield row(
                f"{name}, {megapixels:g} megapixels", taken, name, other, note=f"{times:.1f} times as fast"
            )


def dense_step(scores: Tensor, shared: bool) -> None:
    """Take a step of the mixture with one-hot arrays: noise, indices and indicators all at once."""
    noise = torch.randn(1 if shared else len(scores), DRAWS, CELLS)
    perturbed = scores.detach()[:, None] + 0.05 * noise
    indices = perturbed.topk(CHOSEN, dim=-1).indices.sort(dim=-1).values
    hot = torch.zeros(len(scores), DRAWS, CHOSEN, CELLS).scatter_(3, indices[..., None], 1.0)
    mixture = hot.mean(dim=1)
    reward = torch.einsum("bmkn,bkn->bm", hot, torch.randn_like(mixture))
    noise = noise.expand(len(scores), -1, -1)
    torch.einsum("bm,bmn->bn", reward, noise) / (DRAWS * 0.05)


def streaming_step(scores: Tensor, shared: bool) -> None:
    """Take the same step, streaming."""
    leaf = scores.clone().requires_grad_()
    mixture = perturbed_topk(leaf, CHOSEN, Noise(DRAWS, 0.05, 1, shared))
    (mixture * torch.randn_like(mixture)).sum().backward()


def conditional_step(scores: Tensor, shared: bool) -> None:
    """Take a step of the conditional estimator."""
    leaf = scores.clone().requires_grad_()
    chosen = scores.topk(CHOSEN, dim=1).indices
    chance = inclusion(leaf, chosen, CHOSEN, Noise(DRAWS, 0.05, 1, shared, antithetic=True))
    (chance * torch.randn_like(chance)).sum().backward()


STEPS = {"dense": dense_step, "streaming": streaming_step, "conditional": conditional_step}


def memory_of(kind: str, shared: bool) -> float:
    """Give the MiB that one step takes beyond its start, in a process of its own."""
    code = [sys.executable, __file__, "--step", kind, *(["--shared"] if shared else [])]
    return float(subprocess.run(code, check=True, capture_output=True, text=True).stdout)


def print_memory(kind: str, shared: bool) -> None:
    """Take a step and print the growth of the peak."""
    scores = torch.randn(BATCH, CELLS)
    inclusion(torch.randn(2, 200), torch.zeros(2, 1, dtype=torch.int64), 3, Noise(8, 1.0))  # warm up
    before = peak()
    STEPS[kind](scores, shared)
    print(peak() - before)


def peak() -> float:
    """Give the largest resident set of this process so far (MiB), that of its parent not counted."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def selection() -> Iterator[Row]:
    """Time a step of selection, forward and backward."""
    scores = torch.randn(BATCH, CELLS)
    for shared in (True, False):
        taken = {name: once(partial(step, scores, shared)) for name, step in STEPS.items()}
        used = {name: memory_of(name, shared) for name in STEPS}
        kind = "shared" if shared else "own"
        yield Row(
            f"selection, {kind} noise, streaming: memory", used["streaming"], None, 200.0,
            reference_name="200 MB", goal=1.0, unit="MiB",
        )  # fmt: skip
        for name in ("streaming", "conditional"):
            note = (
                f"1/{taken['dense'].cpu / taken[name].cpu:.0f} of its CPU time; "
                f"{used[name]:.0f} MiB against {used['dense']:.0f}"
            )
            goal = 1 / 30 if shared else 1 / 6
            yield row(f"selection, {kind} noise, {name}", taken, name, "dense", goal=goal, note=note)
    large = once(partial(streaming_step, torch.randn(8 * BATCH, CELLS), True))
    note = f"dense one-hot arrays would take {4 * 8 * BATCH * DRAWS * CHOSEN * CELLS / 2**30:.0f} GiB"
    yield Row(f"selection, shared noise, streaming, batch {8 * BATCH}", large.wall, large.cpu, note=note)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, and no frame of 36 megapixels")
    parser.add_argument("--only", choices=["selection", "inference"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--step", choices=sorted(STEPS), help="take one step and print its memory (MiB)")
    parser.add_argument("--shared", action="store_true", help="with --step: one noise for all images")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.step:
        print_memory(options.step, options.shared)
        return
    rounds = 1 if options.quick else 3
    if options.only != "inference":
        print_rows(selection())
    for megapixels in list(SHAPES)[: 2 if options.quick else None] if options.only != "selection" else []:
        print_rows(inference(megapixels, rounds))


if __name__ == "__main__":
    main()
