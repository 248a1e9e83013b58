"""Learning from boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from astrodetect.plugins.models.checkpoints import save
from astrodetect.plugins.models.yolo.loss import YoloLoss
from astrodetect.plugins.models.yolo.model import Yolo
from astrodetect.plugins.models.yolo.targets import Targets
from astrodetect.plugins.models.yolo.weights import load
from astrodetect.training import transfer
from astrodetect.training.boxes.datasets import BoxLoader
from astrodetect.training.boxes.last_layer import refit_objectness, refit_parameters
from astrodetect.training.boxes.reuse import Reused
from astrodetect.training.boxes.targets import BoxTargets
from astrodetect.training.boxes.tuning import tune
from astrodetect.training.task import Task

if TYPE_CHECKING:
    from astrodetect.training.boxes.plan import BoxPlan

Batch: TypeAlias = tuple[Tensor, list[BoxTargets]]


class BoxTask(Task):
    """Trains the detector of a plan."""

    def __init__(self, plan: BoxPlan) -> None:
        how = plan.train
        self.plan = plan
        data = Reused(plan.data, how.reuse)
        self.loader = BoxLoader(data, "train", how.batch, how.seed, plan.augment)
        self.validation = BoxLoader(data, "validation", how.batch)
        self.criterion = YoloLoss(plan.model, plan.association, plan.loss)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.loader.steps

    def start(self) -> nn.Module:
        """Give the model of the plan, with new weights or those of another where they fit."""
        how = self.plan.transfer
        other = None if how.weights is None else load(how.weights).model.state_dict()
        return transfer.start(Yolo(self.plan.model), how, other, self.plan.name)

    def begin(self, model: nn.Module, epoch: int) -> None:
        """Put the model into training mode, and hold what is frozen in this epoch."""
        transfer.freeze(model, self.plan.transfer, epoch)

    def batches(self, epoch: int, first: int, rank: int, ranks: int) -> Iterator[Batch]:
        """Give the batches of an epoch."""
        for images, targets in self.loader.batches(epoch, first):
            yield (images[rank::ranks], targets[rank::ranks]) if len(targets) >= ranks else (images, targets)

    def loss(self, model: nn.Module, batch: Batch, device: torch.device, step: int) -> tuple[Tensor, int]:
        """Give what is minimised, and the number of images."""
        images, targets = batch
        seen = step * self.plan.train.batch
        return self._terms(model, images, targets, device, seen).sum(), len(targets)

    def _terms(
        self, model: nn.Module, images: Tensor, targets: list[BoxTargets], device: torch.device, seen: int
    ) -> Tensor:
        own = cast(Yolo, model)
        flat = images.to(device)
        output = own(flat.contiguous(memory_format=torch.channels_last) if flat.ndim == 4 else flat)
        terms, _ = self.criterion(output, Targets.of(targets, device), own.stride_xyz(device), seen)
        return torch.stack(list(terms.by_name().values()))

    def measure(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Give the loss and its terms on the validation split."""
        training = model.training
        model.eval()
        how = self.plan.train
        after = max(self.plan.association.random_startup, how.epochs * self.steps * how.batch)
        total, images = torch.zeros(0), 0
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # association draws: the same draws for every epoch
            for batch, targets in self.validation.batches():
                terms = self._terms(model, batch, targets, device, after).cpu() * len(targets)
                total, images = terms + (total if len(total) else 0), images + len(targets)
        model.train(training)
        names = ("position", "size", "probability", "objectness", "classes", "parameters", "void")
        figures = dict(zip(names, (total / images).tolist(), strict=True))
        return {"loss": sum(figures.values()), **figures}

    def save(self, model: nn.Module, path: Path, row: dict[str, Any]) -> None:
        """Write the model."""
        save(cast(Yolo, model), path, {"training": self.plan.fingerprint(), "validation": dict(row)})

    def finish(self, path: Path, device: torch.device) -> None:
        """Fit the last layer anew, and settle thresholds and calibration on the validation split."""
        trained = load(path, str(device))
        model, tuned = trained.model, {}
        if self.plan.model.n_parameters:
            refit_parameters(model, self.criterion, self.loader, device)
        if self.plan.model.axes == 2:
            refit_objectness(model, self.loader, device)
            tuned = vars(tune(model, self.validation, device))
        save(model, path, {**trained.info, **tuned})
