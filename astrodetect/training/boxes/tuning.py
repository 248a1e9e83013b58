"""What is settled once a detector is trained: how sure is sure enough, and what that means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from astrodetect.evaluation.sources import Sources, score_sources
from astrodetect.evaluation.sources.curves import HIT, IGNORED, assign
from astrodetect.evaluation.sources.pairs import pairs_of
from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.methods.suppression import level_limits, suppress
from astrodetect.plugins.models.yolo.finding import Found, find
from astrodetect.plugins.models.yolo.model import Yolo
from astrodetect.training.boxes.datasets import BoxLoader
from astrodetect.training.boxes.targets import BoxTargets

#: Boxes below are not looked at.
LEAST = 0.1
#: Thresholds that are tried first, and the steps around the best of them that are tried then.
_COARSE, _FINE = np.arange(LEAST, 0.96, 0.05), np.array([-0.02, 0.02])
#: Times that all thresholds are gone through: what is best for one depends on the others.
_PASSES = 2


@dataclass(frozen=True)
class Tuned:
    """What was settled.

    Attributes
    ----------
    thresholds : tuple of float
        Least objectness for each prior.
    calibration : (float, float)
        Slope and offset: the probability that a box is right is the sigmoid of
        ``slope * logit(objectness) + offset``.
    score : float
        Per true source, on the images it was settled on.
    """

    thresholds: tuple[float, ...]
    calibration: tuple[float, float]
    score: float


def tune(model: Yolo, images: BoxLoader, device: torch.device) -> Tuned:
    """Settle thresholds and calibration on a split.

    The thresholds are those of the best score, one after the other: what matches are worth less the number
    of false boxes, as `astrodetect.evaluation.sources.score_sources` has it; where the model measures no
    flux and axes, a match (half of the union of the boxes shared) is worth 1.

    Parameters
    ----------
    model : Yolo
        A trained model.
    images : BoxLoader
        The split.
    device : torch.device
        Where the model is.
    """
    n, shape = len(model.config.priors), model.config.shape_parameters
    scenes = []
    model.eval()
    for batch, targets in images.batches():
        every = find(model, batch.to(device), [LEAST] * n)
        scenes += [Scene(found, _true(own, shape), shape) for found, own in zip(every, targets, strict=True)]
    thresholds = np.full(n, 0.5)
    best = _total(scenes, thresholds)
    for _ in range(_PASSES):
        for prior in range(n):
            for values in (_COARSE, None):
                tried = thresholds[prior] + _FINE if values is None else values
                for value in tried:
                    changed = thresholds.copy()
                    changed[prior] = value
                    total = _total(scenes, changed)
                    if total > best:
                        best, thresholds = total, changed
    sources = sum(scene.n_true for scene in scenes)
    return Tuned(
        tuple(np.round(thresholds, 3).tolist()), _calibration(scenes), best / sources if sources else 0.0
    )


@dataclass(frozen=True)
class Scene:
    """What was found in an image, and what is in it."""

    found: Found
    true: Sources
    shape: ShapeParameters | None

    @property
    def n_true(self) -> int:
        """Objects to be found."""
        return int((~self.true["difficult"]).sum())

    def kept(self, thresholds: NDArray[np.float64]) -> tuple[Found, Sources]:
        """Give what is left above the thresholds when the best of each object is kept, twice."""
        own = self.found.take(np.flatnonzero(self.found.objectness >= thresholds[self.found.prior]))
        flat = own.boxes[:, [0, 1, 3, 4]]
        rows = suppress(flat, own.objectness, level_limits(own.objectness), "diou", classes=own.classes)
        return own.take(rows), _table(flat[rows], own.parameters[rows], self.shape, rank=own.objectness[rows])

    def outcome(self, found: Sources) -> NDArray[np.int8]:
        """Say of each box whether it is right, false, or on a difficult object."""
        match, limit = ("iou", 0.5) if self.shape is None else ("shape", 5.0)
        pairs = pairs_of(found, self.true, match, limit)  # type: ignore[arg-type]
        return assign(pairs, found.by_rank(), self.true["difficult"])[0]

    def value(self, thresholds: NDArray[np.float64]) -> float:
        """Give what the boxes above the thresholds are worth."""
        found = self.kept(thresholds)[1]
        if self.shape is not None:
            return score_sources(found, self.true).value
        outcome = self.outcome(found)
        return float((outcome == HIT).sum() - (outcome == 0).sum())


def scenes_of(model: Yolo, images: torch.Tensor, targets: Sequence[BoxTargets]) -> list[Scene]:
    """Search images for all that is not quite unlikely."""
    shape = model.config.shape_parameters
    every = find(model, images, [LEAST] * len(model.config.priors))
    return [Scene(found, _true(own, shape), shape) for found, own in zip(every, targets, strict=True)]


def _true(targets: BoxTargets, shape: ShapeParameters | None) -> Sources:
    flat = targets.boxes[:, [0, 1, 3, 4]].astype(np.float64)
    return _table(flat, targets.parameters, shape, difficult=targets.difficult)


def _table(
    boxes: NDArray[np.float64],
    parameters: NDArray[np.float32],
    shape: ShapeParameters | None,
    **more: NDArray[np.generic],
) -> Sources:
    measured = {} if shape is None else shape.decode(parameters)
    names = ("x_min", "y_min", "x_max", "y_max")
    return Sources.of({**dict(zip(names, boxes.T, strict=True)), **measured, **more})


def _total(scenes: Sequence[Scene], thresholds: NDArray[np.float64]) -> float:
    return sum(scene.value(thresholds) for scene in scenes)


def _calibration(scenes: Sequence[Scene]) -> tuple[float, float]:
    """Fit the sigmoid of a line to what became of boxes, by Newton's method (Platt 1999)."""
    sure, right = [], []
    for scene in scenes:
        found = scene.kept(np.full(64, LEAST))[1]
        outcome = scene.outcome(found)
        judged = outcome != IGNORED
        sure.append(found["rank"][judged])
        right.append(outcome[judged] == HIT)
    chance = np.clip(np.concatenate(sure), 1e-6, 1 - 1e-6)
    x, y = np.log(chance / (1 - chance)), np.concatenate(right).astype(float)
    if not 0 < y.sum() < len(y):
        return 1.0, 0.0
    slope, offset = logistic(np.stack([x, np.ones_like(x)], axis=1), y, np.array([1.0, 0.0]))
    return round(float(slope), 4), round(float(offset), 4)


def logistic(
    design: NDArray[np.float64], right: NDArray[np.float64], start: NDArray[np.float64], ridge: float = 1e-6
) -> NDArray[np.float64]:
    """Fit the sigmoid of a linear function to yes and no, by Newton's method.

    Parameters
    ----------
    design : (n, d) array
        What it is a function of.
    right : (n,) array
        0 or 1.
    start : (d,) array
        Coefficients to begin with.
    ridge : float
        Holds coefficients near the start where nothing else does.
    """
    line = start.copy()
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(design @ line, -30, 30)))
        curvature = (design * (p * (1 - p))[:, None]).T @ design + ridge * np.eye(len(line))
        step = np.linalg.solve(curvature, design.T @ (right - p) - ridge * (line - start))
        line = line + step * min(1.0, 2.0 / max(1e-9, float(np.abs(design @ step).max())))
    return line
