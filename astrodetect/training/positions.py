"""Learning where things are: the scorer alone, from a grid of regions with and without an object.

The proposal of Nicolini (2022), chapter 7: scorer and feature network are trained apart, the scorer from
regions that are known to be interesting or not, with binary cross-entropy over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.models.choice import only_peaks
from astrodetect.plugins.models.fcn import FcnMil
from astrodetect.plugins.models.geometry import Grid
from astrodetect.training.data.loading import Batch, in_order
from astrodetect.training.data.splits import Split
from astrodetect.training.labels import LabelTask
from astrodetect.training.losses import Loss
from astrodetect.training.metrics import quick_figures
from astrodetect.training.predict import scene

if TYPE_CHECKING:
    from astrodetect.plugins.models.model import PatchModel
    from astrodetect.training.config import TrainingPlan

#: A cell is interesting whose centre lies within so many cells of an object, in y and in x ...
_ON = 0.75
#: ... and counts for nothing up to so many.
_NEAR = 1.5
NOT_COUNTED = -1


def cell_targets(points_yx: NDArray[np.float64], grid: Grid, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Give for each cell of a score map whether an object is there.

    Parameters
    ----------
    points_yx : (n, 2) array
        Where objects are, in pixels of the image.
    grid : Grid
        Where the cells are.
    shape : (int, int)
        Of the map.

    Returns
    -------
    (h, w) int64 array
        1 there, 0 not, -1 beside it: not counted.

    Examples
    --------
    >>> cell_targets(np.array([[4.0, 12.0]]), Grid(8.0, 4.0), (2, 4)).tolist()
    [[-1, 1, -1, 0], [-1, -1, -1, 0]]
    """
    targets = np.zeros(shape, np.int64)
    cells = (np.asarray(points_yx, np.float64).reshape(-1, 2) - grid.origin) / grid.stride
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    for reach, value in ((_NEAR, NOT_COUNTED), (_ON, 1)):
        for y, x in cells:
            near = np.ix_(np.abs(rows - y) < reach, np.abs(columns - x) < reach)
            targets[near] = value
    return targets


class PositionTask(LabelTask):
    """Trains the scorer of a plan to tell regions with what is looked for from those without.

    Parameters
    ----------
    plan, train_split
        As of `LabelTask`.

    Raises
    ------
    AstrodetectError
        The data do not know where things are, the images are moved by [augment], or the model has no scorer.
    """

    def __init__(self, plan: TrainingPlan, train_split: Split | None = None) -> None:
        super().__init__(plan, train_split)
        if self.train_split.points_yx(0, (1, 1)) is None or plan.data.several_labels:
            raise AstrodetectError(
                f'{plan.name}: [train] learn = "positions": the data do not say where things are; expected '
                '[data] use = "meteor-windows" with cut = "frames"'
            )
        how = plan.augment
        if how.shift or how.rotate or how.zoom or how.mirror_x or how.mirror_y:
            raise AstrodetectError(
                f"{plan.name}: [augment] moves images, and positions do not follow; with [train] learn = "
                '"positions" only `copies` of [data] do'
            )
        if plan.model.method == "ips" or plan.model.prior_only:
            raise AstrodetectError(
                f'{plan.name}: [train] learn = "positions": the model has no scorer to teach'
            )

    def loss(self, model: nn.Module, batch: Batch, device: torch.device, step: int) -> tuple[Tensor, int]:
        """Give the binary cross-entropy (or focal loss) over all regions of the images, and their number."""
        logits = self._logits(model, batch, device)
        targets = self._targets(model, self.train_split, batch, (logits.shape[1], logits.shape[2]))
        counted = targets.flatten() != NOT_COUNTED
        chosen = torch.from_numpy(targets.flatten()[counted]).to(device)
        flat = logits.flatten()[torch.from_numpy(counted).to(device)][:, None]
        return self._criterion_of(targets)(flat, chosen), len(batch.targets)

    def _criterion_of(self, targets: NDArray[np.int64]) -> Loss:
        """Give the loss of the plan, with the weights of regions instead of images."""
        how, found = self.plan.train, np.bincount(targets[targets != NOT_COUNTED], minlength=2)
        balanced = how.class_weights == "balanced"
        weights = tuple(float(found.sum() / (2 * max(1, n))) for n in found) if balanced else None
        gamma = how.focal_gamma if how.loss == "focal" else None
        return Loss(False, gamma, how.focal_alpha, how.smoothing, weights)

    @staticmethod
    def _logits(model: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        """Give the logits (B, h, w) that something is in a region."""
        own = cast("PatchModel | FcnMil", model)
        scores, network = own.score(scene(batch, device))
        return scores if network is None else network

    @staticmethod
    def _targets(model: nn.Module, split: Split, batch: Batch, shape: tuple[int, int]) -> NDArray[np.int64]:
        grid = cast("PatchModel | FcnMil", model).grid
        size = (batch.images.shape[2], batch.images.shape[3])
        points = [split.points_yx(int(number), size) for number in batch.numbers]
        return np.stack([cell_targets(own, grid, shape) for own in points if own is not None])

    def measure(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Give loss and AUC over the regions of the validation split; and how often the choice is right.

        ``accuracy`` is the share of the images with an object in which one of the K best peaks, those that
        would be looked at, lies on it.
        """
        training = model.training
        model.eval()
        chances, labels, hits = [], [], []
        with torch.no_grad():
            for batch in in_order(self.validation, self.plan.train.batch):
                logits = self._logits(model, batch, device)
                targets = self._targets(model, self.validation, batch, (logits.shape[1], logits.shape[2]))
                hits += list(self._chosen(model, batch, device, targets))
                counted = targets != NOT_COUNTED
                chances.append(torch.sigmoid(logits.double()).cpu().numpy()[counted])
                labels.append(targets[counted])
        model.train(training)
        there = np.concatenate(chances)
        found = quick_figures(np.concatenate(labels), np.stack([1 - there, there], axis=1))
        return {**found, "accuracy": float(np.mean(hits)) if hits else float("nan")}

    def _chosen(
        self, model: nn.Module, batch: Batch, device: torch.device, targets: NDArray[np.int64]
    ) -> Iterator[bool]:
        """Say for each image with an object whether it would be looked at."""
        own = cast("PatchModel | FcnMil", model)
        scores, _ = own.score(scene(batch, device))
        flat = only_peaks(scores, own.reach).flatten(1)
        best = flat.topk(min(own.config.k, flat.shape[1]), dim=1).indices.cpu().numpy()
        for chosen, wanted in zip(best, targets.reshape(len(targets), -1), strict=True):
            if (wanted == 1).any():
                yield bool((wanted[chosen] != 0).any())

    def finish(self, path: object, device: torch.device) -> None:
        """Calibrate nothing: the labels were not learned."""
