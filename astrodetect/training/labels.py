"""Learning from labels of whole images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import load, save
from astrodetect.training import transfer
from astrodetect.training.data.loading import Batch, Loader
from astrodetect.training.data.splits import Split, require_classes
from astrodetect.training.losses import Loss, balanced_weights
from astrodetect.training.metrics import quick_figures
from astrodetect.training.predict import predict, scene, targets_of
from astrodetect.training.task import Task

if TYPE_CHECKING:
    from astrodetect.plugins.models.fcn import FcnMil
    from astrodetect.plugins.models.model import PatchModel
    from astrodetect.training.config import TrainingPlan


class LabelTask(Task):
    """Trains the model of a plan to give the labels of whole images.

    Parameters
    ----------
    plan : TrainingPlan
        What to train, on what, and how.
    train_split : Split, optional
        Images to train with instead of those of the plan.
    """

    def __init__(self, plan: TrainingPlan, train_split: Split | None = None) -> None:
        how = plan.train
        self.plan = plan
        self.scorer_rate, self.monitor = how.scorer_rate, how.monitor
        self.train_split = train_split or plan.data.split("train")
        self.validation = plan.data.split("validation")
        for name, split in (("training", self.train_split), ("validation", self.validation)):
            require_classes(split.targets, plan.data.classes, f"{plan.name}: the {name} split")
        self.loader = Loader(self.train_split, how.batch, how.seed, plan.augment, how.oversample)
        self.criterion = self._criterion()

    def _criterion(self) -> Loss:
        how, targets = self.plan.train, self.train_split.targets
        weights = None
        if how.class_weights == "balanced" and targets.ndim == 1:
            weights = balanced_weights(targets, len(self.plan.data.classes))
        gamma = how.focal_gamma if how.loss == "focal" else None
        several = self.plan.data.several_labels
        return Loss(several, gamma, how.focal_alpha, how.smoothing, weights)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.loader.steps

    def start(self) -> nn.Module:
        """Give the model of the plan, with new weights or those of another where they fit."""
        how = self.plan.transfer
        other = None if how.weights is None else load(how.weights).model.state_dict()
        return transfer.start(build_model(self.plan.model), how, other, self.plan.name)

    def begin(self, model: nn.Module, epoch: int) -> None:
        """Put the model into training mode, and hold what is frozen in this epoch."""
        transfer.freeze(model, self.plan.transfer, epoch)

    def batches(self, epoch: int, first: int, rank: int, ranks: int) -> Iterator[Batch]:
        """Give the batches of an epoch."""
        return self.loader.batches(epoch, first, rank, ranks)

    def loss(self, model: nn.Module, batch: Batch, device: torch.device, step: int) -> tuple[Tensor, int]:
        """Give what is minimised, and the number of images."""
        own = cast("PatchModel | FcnMil", model)
        own.progress = step / (self.plan.train.epochs * self.steps)
        images, targets = scene(batch, device), targets_of(batch, device)
        output = own(images)
        loss: Tensor = sum(output.losses.values(), self.criterion(output.logits, targets))
        return loss, len(targets)

    def measure(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Give loss, accuracy and AUC on the validation split."""
        found = predict(model, self.validation, device, self.plan.train.batch, sparse=True)
        return quick_figures(self.validation.targets, found)

    def save(self, model: nn.Module, path: Path, row: dict[str, Any]) -> None:
        """Write the model."""
        facts = {"training": self.plan.fingerprint(), "validation": dict(row)}
        save(cast("PatchModel | FcnMil", model), path, facts)

    def finish(self, path: Path, device: torch.device) -> None:
        """Calibrate the best model on the validation split."""
        from astrodetect.training.calibration import calibrate

        how = self.plan.train
        if how.calibration != "none":
            calibrate(path, self.plan.data, how.calibration, str(device), how.batch)
