"""Train and judge the recipes of ``benchmarks/learned``, and print the rows of the table of results.

``python benchmarks/learned_rows.py nmnist10-ats --train`` trains one recipe (or goes on where it was
interrupted), judges it on the test split with whole images, and beside it the same patch network
with the patches that the prior alone chooses. Without names it judges what has been trained.
"""

from __future__ import annotations

import argparse
import datetime
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from astrodetect.plugins.models.checkpoints import load
from astrodetect.training.command import train
from astrodetect.training.config import read_training
from astrodetect.training.judge import How, judge
from astrodetect.training.logs import read_history
from astrodetect.training.tables import table_text

RECIPES = Path(__file__).parent / "learned"
#: Rows by recipe: the number of patches that are judged besides the recipe's own.
OTHER_K = {"nmnist10-ats": (6,), "nmnist10-dps": (6,)}


def rows_of(name: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Give the rows of one recipe: with its own number of patches, and others."""
    config = RECIPES / f"{name}.toml"
    model = folder / "model.safetensors"
    plan = read_training(config)
    history = read_history(folder / "history.csv")
    for k in (None, *OTHER_K.get(name, ())):
        found = judge([model], config, How(k=k, batch=8)).runs[0].figures
        row = {"recipe": name, "k": k or plan.model.k, "accuracy": found["accuracy"], "auc": found["auc_roc"]}
        if plan.model.method in ("ats", "dps"):
            alone = judge([model], config, How(k=k, prior_only=True, batch=8)).runs[0].figures
            row["prior only"] = alone["accuracy"]
        yield {**row, **told(history, plan.train.monitor), "parameters": parameters(model)}


def told(history: list[dict[str, float]], monitor: str) -> dict[str, Any]:
    """Say when the best epoch was, how long it took, and whether the curve was still rising."""
    sign = -1 if monitor == "loss" else 1
    values = [sign * row[monitor] for row in history]
    best = max(range(len(values)), key=values.__getitem__)
    rising = len(values) > 1 and best == len(values) - 1 and values[-1] > values[-2]
    curve = " ".join(f"{row['accuracy']:.3f}" for row in history)
    return {
        "epoch": f"{best + 1} of {len(values)}",
        "minutes": round(history[-1]["seconds"] / 60, 1),
        "of one core": round(history[-1].get("cpu_seconds", float("nan")) / 60, 1),
        "rising": "yes" if rising else "no",
        "validation": curve,
    }


def parameters(path: Path) -> int:
    """Give the number of trained parameters."""
    return sum(parameter.numel() for parameter in load(path).model.parameters())


def main() -> None:
    """Train what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", nargs="*", help="names of files in benchmarks/learned; default: all")
    parser.add_argument("--train", action="store_true", help="train first")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    names = asked.recipe or sorted(path.stem for path in RECIPES.glob("*.toml"))
    rows = []
    for name in names:
        folder = asked.runs / name
        if asked.train:
            train(
                RECIPES / f"{name}.toml",
                resume=True,
                fresh=False,
                device=asked.device,
                out=folder,
                quiet=False,
            )
        if (folder / "model.safetensors").is_file():
            rows += list(rows_of(name, folder))
    print(f"{datetime.date.today()}, {platform.processor() or platform.machine()}, torch {torch.__version__}")
    print(table_text(rows), end="")


if __name__ == "__main__":
    main()
