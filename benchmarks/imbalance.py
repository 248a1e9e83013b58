"""What helps where meteors are rare: the comparison of Nicolini (2022), section 6.2, on patches of one's own.

    python benchmarks/imbalance.py [--data train.toml] [--folds 3] [--epochs 8] [--work FOLDER]

Cross-validates one network on crops (`[data] use = "meteor-windows"`), no event on both sides of a fold, as
it is and with each remedy alone: dropout, class weights, oversampling, focal loss, and a start from a network
that was trained on drawn streaks, held (transfer) and then let learn (fine tuning). Without --data the crops
are those of a simulated night. Prints accuracy, precision, recall and area under the precision-recall curve,
and the best precision at a recall of 0.95; mean and deviation over the folds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from astrodetect.simulation.night import simulate_night
from astrodetect.training.config import TrainingPlan, read_training
from astrodetect.training.cross import cross_validate
from astrodetect.training.metrics import Scores
from astrodetect.training.settings import TransferSettings
from astrodetect.training.trainer import MODEL, Trainer

_MODEL = """
[model]
method = "fcn-mil"
white = 150.0
feature_channels = [16, 32, 32]
feature_shrink = [1, 1, 0]
dropout = 0.0
pooling = "top-r"
"""
_TRAIN = '[train]\nout = "{out}"\nepochs = {epochs}\nbatch = 16\nmonitor = "loss"\ncalibration = "none"\n'


def own_data(work: Path, recordings: int, epochs: int) -> Path:
    """Write a training file for the crops of a simulated night, and make the night."""
    night = work / "night"
    if not (night / "truth.csv").exists():
        simulate_night(night, recordings, "fits", 2031, shape=(240, 320))
    config = work / "train.toml"
    data = f'[data]\nuse = "meteor-windows"\nrecordings = ["{night}"]\nstore = "samples.h5"\ncopies = 1\n'
    config.write_text(data + _MODEL + _TRAIN.format(out="run", epochs=epochs), encoding="utf-8")
    return config


def pretrained(work: Path, plan: TrainingPlan) -> Path:
    """Train the same network on drawn streaks."""
    out = work / "streaks"
    if not (out / MODEL).exists():
        config = work / "streaks.toml"
        model = "[model]\n" + "".join(
            f"{key} = {value!r}\n".replace("'", '"').replace("(", "[").replace(")", "]")
            for key, value in vars(plan.model).items()
            if key in ("method", "white", "feature_channels", "feature_shrink", "channels", "pooling")
        )
        data = '[data]\nuse = "streak-patches"\nsize = 56\ntrain = 120\n'
        config.write_text(data + model + _TRAIN.format(out=out, epochs=6), encoding="utf-8")
        Trainer(read_training(config)).run(resume=True)
    return out / MODEL


def remedies(plan: TrainingPlan, weights: Path) -> Iterator[tuple[str, TrainingPlan]]:
    """Give the plan as it is and with each remedy."""
    train, model = plan.train, plan.model
    yield "nothing", plan
    for share in (0.1, 0.2, 0.4):
        yield f"dropout {share:g}", replace(plan, model=replace(model, dropout=share))
    yield "class weights", replace(plan, train=replace(train, class_weights="balanced"))
    yield "oversampling", replace(plan, train=replace(train, oversample=True))
    for alpha, gamma in ((0.25, 2.0), (0.5, 2.0), (0.5, 5.0)):
        focal = replace(train, loss="focal", focal_alpha=alpha, focal_gamma=gamma)
        yield f"focal loss, alpha {alpha:g}, gamma {gamma:g}", replace(plan, train=focal)
    held = TransferSettings(weights=weights, freeze=("body.",))
    sampled = replace(train, oversample=True)
    yield "transfer, oversampling", replace(plan, transfer=held, train=sampled)
    tuned = replace(held, unfreeze_epoch=train.epochs // 2 + 1)
    yield "fine tuning, oversampling", replace(plan, transfer=tuned, train=sampled)


def precision_at(run: Scores, recall: float) -> float:
    """Give the best precision at a recall or above."""
    enough = run.precision_recall.x >= recall
    return float(run.precision_recall.y[enough].max(initial=0.0))


def row(name: str, runs: list[Scores]) -> str:
    """Give a row of the table."""
    cells = []
    for figure in ("accuracy", "precision", "recall", "auc_pr"):
        values = [run.per_class[run.classes[-1]].get(figure, run.figures[figure]) for run in runs]
        cells.append(f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}")
    best = [precision_at(run, 0.95) for run in runs]
    cells.append(f"{np.mean(best):.3f} ± {np.std(best, ddof=1):.3f}")
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> int:
    """Train all of them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, help="training file; its [train] and [model] are the baseline")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--recordings", type=int, default=40)
    parser.add_argument("--work", type=Path, help="folder for what is made; kept, and gone on from")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        plan = read_training(args.data or own_data(work, args.recordings, args.epochs))
        plan.prepare(print)
        targets = plan.data.split("train").targets
        print(f"{len(targets)} crops, {int((targets > 0).sum())} with a meteor; {args.folds} folds by event")
        print("| remedy | accuracy | precision | recall | AUC-PR | precision at recall 0.95 |")
        print("| --- | --- | --- | --- | --- | --- |")
        weights = pretrained(work, plan)
        for number, (name, own) in enumerate(remedies(plan, weights)):
            folder = replace(own, train=replace(own.train, out=work / f"remedy-{number}"))
            found = cross_validate(folder, args.folds, grouped=True, device="cpu")
            print(row(name, found.runs), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
