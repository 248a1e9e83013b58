"""Cross-validation of a whole model: train once for each fold, judge on what was held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from astrodetect.plugins.models.checkpoints import load
from astrodetect.training.config import TrainingPlan
from astrodetect.training.folds import folds
from astrodetect.training.metrics import Scores, mean_and_deviation, score
from astrodetect.training.predict import predict
from astrodetect.training.trainer import MODEL, Report, Trainer


@dataclass(frozen=True)
class Folds:
    """What a cross-validation gave.

    Attributes
    ----------
    runs : list of Scores
        Of each fold, on its held-out images.
    """

    runs: list[Scores]

    @property
    def spread(self) -> dict[str, tuple[float, float]]:
        """Mean and deviation of each figure over the folds."""
        return mean_and_deviation([run.figures for run in self.runs])


def cross_validate(
    plan: TrainingPlan,
    n_folds: int,
    *,
    grouped: bool,
    device: str,
    report: Report | None = None,
    tell: Callable[[str], None] | None = None,
) -> Folds:
    """Train and judge a model once for each fold of the training split.

    Parameters
    ----------
    plan : TrainingPlan
        Its validation split chooses the epoch; the images of a fold choose nothing.
    n_folds : int
        2 or more.
    grouped : bool
        Whether images of one group stay on one side.
    device : str
        A torch device.
    report : Report, optional
        Is told of every step.
    tell : callable, optional
        Is told a line for each fold.

    Returns
    -------
    Folds

    Raises
    ------
    AstrodetectError
        A fold would hold one class only.

    Notes
    -----
    Each fold is a training of its own in the folder ``fold-1`` and so on, and resumes where it was.
    """
    split = plan.data.split("train")
    groups = split.groups if grouped else None
    runs = []
    for number, (train, test) in enumerate(folds(split.targets, groups, n_folds, plan.train.seed), start=1):
        own = replace(plan, train=replace(plan.train, out=plan.train.out / f"fold-{number}"))
        Trainer(own, device, report, task=own.task(split.subset(train))).run(resume=True)
        model = load(own.train.out / MODEL, device).model
        held = split.subset(test)
        p = predict(model, held, torch.device(device), plan.train.batch)
        runs.append(score(held.targets, p, plan.data.classes))
        if tell is not None:
            tell(f"fold {number} of {n_folds}: accuracy {runs[-1].figures['accuracy']:.4f}")
    return Folds(runs)
