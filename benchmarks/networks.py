"""The networks of the patch model on a processor, against what its cores could do.

    python benchmarks/networks.py [--rounds 7] [--threads 1]

One image and 64, ten patches and 640; per image or patch. The reference is the same network as torch runs
it when nothing is said (gradients on, the whole batch at once); the limit is the time that as many
multiplications take in a product of matrices of 1024 x 1024. Weights are random: they do not change the
work.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from timing import Row, measured, print_rows
from torch import Tensor, nn

from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.model import PatchModel
from astrodetect.plugins.models.parts import for_inference, in_parts

#: Height and width of the scorer's view of a frame of 966 x 1296 pixels at a scale of 0.15.
VIEW = (145, 194)
SIDE = 1024


def multiplications(network: nn.Module, example: Tensor) -> int:
    """Count the multiplications of convolutions and products for one item."""
    total = 0

    def count(module: nn.Module, _: object, made: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += made.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += made.numel() * module.in_features

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    with torch.no_grad():
        network(example)
    for hook in hooks:
        hook.remove()
    return total


def variants(model: PatchModel) -> dict[str, tuple[nn.Module, Tensor, int, Callable[[Tensor], object]]]:
    """Give the networks: what runs when nothing is said, items, how many, and what the package runs."""
    scorer = model.scorer
    assert scorer is not None
    planes = model.config.channels * len(model.config.view)
    made: dict[str, tuple[nn.Module, Tensor, int, Callable[[Tensor], object]]] = {}
    for count in (1, 64):
        view = torch.rand(count, planes, *VIEW)
        made[f"scorer, {count} of {VIEW[0]}x{VIEW[1]}"] = (
            scorer, view, count, lambda batch: in_parts(scorer, batch, scorer),
        )  # fmt: skip
    side = "x".join(map(str, model.config.patch))
    for count in (10, 640):
        patches = torch.rand(count, model.config.channels, *model.config.patch)
        made[f"patch network, {count} of {side}"] = model.features, patches, count, model.encode
    return made


def rows_of(rounds: int) -> list[Row]:
    """Measure all."""
    torch.manual_seed(0)
    plain, model = (build_model(ModelConfig(method="ats")).eval() for _ in range(2))
    assert isinstance(plain, PatchModel)
    assert isinstance(model, PatchModel)
    model.features.to(memory_format=torch.channels_last)
    for_inference(model)
    square = torch.rand(SIDE, SIDE)
    rows = []
    for name, (network, batch, count, call) in variants(model).items():
        rival = plain.scorer if network is model.scorer else plain.features
        assert rival is not None

        def ours(call: Callable[[Tensor], object] = call, batch: Tensor = batch) -> None:
            with torch.inference_mode():
                call(batch)

        def product() -> None:
            with torch.inference_mode():
                torch.mm(square, square)

        taken = measured(
            {"ours": ours, "eager": lambda rival=rival, batch=batch: rival(batch), "product": product}, rounds
        )
        work = multiplications(rival, batch[:1])
        each, whole, cpu = (
            value / count for value in (taken["ours"].wall, taken["eager"].wall, taken["ours"].cpu)
        )
        limit = taken["product"].wall * work / SIDE**3
        note = f"{work / 1e6:.1f} million multiplications, {limit / each:.2f} of the product's rate"
        ratio = taken["ours"].cpu / taken["eager"].cpu
        names = "eager torch", "product of matrices"
        rows.append(Row(name, each, cpu, whole, ratio, limit, *names, limit_goal=1 / 0.7, note=note))
    rows += [growth(rows[0], rows[1]), growth(rows[2], rows[3])]
    return rows


def growth(few: Row, many: Row) -> Row:
    """Compare the cost of one item in a large batch with that in a small one."""
    name = f"{many.path}: each, over {few.path.split(', ')[1].split()[0]} at a time"
    assert many.cpu is not None
    assert few.cpu
    return Row(name, many.ours, many.cpu, few.ours, many.cpu / few.cpu, None, "a small batch", "", goal=1.05)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print_rows(rows_of(given.rounds))


if __name__ == "__main__":
    main()
