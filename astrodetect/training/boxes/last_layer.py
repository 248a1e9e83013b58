"""The last layer, fitted anew: exact where steps of descent only come near."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from astrodetect.evaluation.sources.curves import HIT, IGNORED
from astrodetect.plugins.models.yolo.association import Associator
from astrodetect.plugins.models.yolo.encoding import OBJECTNESS, activate, all_boxes, units_of
from astrodetect.plugins.models.yolo.loss import YoloLoss
from astrodetect.plugins.models.yolo.model import Yolo
from astrodetect.plugins.models.yolo.targets import Targets
from astrodetect.training.boxes.datasets import BoxLoader
from astrodetect.training.boxes.tuning import LEAST, logistic, scenes_of

#: Weight that keeps coefficients small, in units of the mean square of a feature.
_RIDGE = 1e-4
#: A unit is fitted anew if so many objects for each of its features tell how.
_ENOUGH = 10


def refit_parameters(model: Yolo, criterion: YoloLoss, images: BoxLoader, device: torch.device) -> int:
    """Fit the weights from the last features to the parameters anew, each prior by itself.

    Units that answer for an object give their features, the object its parameters; difficult objects are
    left out, and overlaps below the limit of the loss. What descent has not settled (small signals in much
    noise, such as angles) is then as good as the features allow.

    Parameters
    ----------
    model : Yolo
        A trained model; its last layer is changed.
    criterion : YoloLoss
        What it was trained with.
    images : BoxLoader
        What to learn from.
    device : torch.device
        Where the model is.

    Returns
    -------
    int
        Objects that were used.
    """
    config = model.config
    n_priors, n = len(config.priors), model.head.weight.shape[1] + 1
    square = torch.zeros(n_priors, n, n, dtype=torch.float64)
    product = torch.zeros(n_priors, n, config.n_parameters, dtype=torch.float64)
    counts = torch.zeros(n_priors, dtype=torch.int64)
    model.eval()
    for batch, labels in images.batches():
        features, wanted, prior = _examples(model, criterion, batch, Targets.of(labels, device))
        for own in range(n_priors):
            x, y = features[prior == own], wanted[prior == own]
            square[own] += x.T @ x
            product[own] += x.T @ y
            counts[own] += len(x)
    first = config.unit_channels - config.n_parameters
    rows = config.unit_channels * torch.arange(n_priors)[:, None] + torch.arange(first, config.unit_channels)
    state = model.head.state_dict()
    for own in range(n_priors):
        if counts[own] < _ENOUGH * n:
            continue
        ridge = _RIDGE * square[own].diagonal().mean() * torch.eye(n, dtype=torch.float64)
        fitted = torch.linalg.solve(square[own] + ridge, product[own]).T / config.parameter[0]
        weight = state["weight"][rows[own]]
        state["weight"][rows[own]] = fitted[:, :-1].reshape(weight.shape).to(weight)
        state["bias"][rows[own]] = fitted[:, -1].to(weight)
    model.head.load_state_dict(state)
    return int(counts.sum())


def _examples(
    model: Yolo, criterion: YoloLoss, images: Tensor, targets: Targets
) -> tuple[Tensor, Tensor, Tensor]:
    """Give features with a 1 (M, F + 1) and parameters (M, K) in float64, and the priors (M,)."""
    config, device = model.config, targets.boxes.device
    with torch.no_grad():
        features, noise = model.features(images.to(device))
        units = activate(units_of(model.answer(features, noise), config), config)
        stride = model.stride_xyz(device)
        associate = Associator(config, criterion.association, criterion.limits)
        found = associate(all_boxes(units, config, stride), units.objectness, targets, stride, 1 << 60)
    good = ~targets.difficult[found.target] & (found.overlap > criterion.limits.parameters)
    good &= ~targets.class_only[targets.image[found.target]]
    good &= torch.isfinite(targets.parameters[found.target]).all(1)
    image, *cell, prior = (axis[good] for axis in found.units)
    deep = features if features.ndim == 5 else features[:, :, None]
    x = deep.movedim(1, -1)[(image, *cell)]
    ones = torch.ones(len(x), 1, device=device)
    wanted = targets.parameters[found.target[good]] - model.added(noise)[image]
    return torch.cat([x, ones], dim=1).double().cpu(), wanted.double().cpu(), prior.cpu()


def refit_objectness(model: Yolo, images: BoxLoader, device: torch.device) -> None:
    """Fit the weights from the last features to the objectness anew, by logistic regression.

    What is found and is left when the best of each object is kept is right or false. Objectness then is the
    probability of being right, as far as the features tell, where training has aimed at how well boxes
    overlap. It is done twice: the second time with the false boxes of the first.

    Parameters
    ----------
    model : Yolo
        A trained model; its last layer is changed.
    images : BoxLoader
        What to learn from.
    device : torch.device
        Where the model is.
    """
    config = model.config
    n_priors = len(config.priors)
    rows: list[list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]] = [[] for _ in range(n_priors)]
    model.eval()
    for _ in range(2):
        for batch, targets in images.batches():
            pixels = batch.to(device)
            with torch.no_grad():
                features = model.features(pixels)[0].movedim(1, -1).double().cpu().numpy()
            for own, scene in zip(features, scenes_of(model, pixels, targets), strict=True):
                found, table = scene.kept(np.full(n_priors, LEAST))
                outcome = scene.outcome(table)
                for prior in range(n_priors):
                    good = (outcome != IGNORED) & (found.prior == prior)
                    cells = found.cells[good][:, 3 - config.axes :]
                    rows[prior].append((own[tuple(cells.T)], outcome[good] == HIT))
        for prior in range(n_priors):
            _set_objectness(model, prior, *(np.concatenate(part) for part in zip(*rows[prior], strict=True)))


def _set_objectness(
    model: Yolo, prior: int, features: np.ndarray[Any, Any], right: np.ndarray[Any, Any]
) -> None:
    """Fit one row of the last layer to features (n, F) and what became of them (n,)."""
    n = features.shape[1] + 1
    if min(right.sum(), (~right).sum()) < _ENOUGH * n:
        return
    row, slope = prior * model.config.unit_channels + OBJECTNESS, model.config.objectness[0]
    state = model.head.state_dict()
    weight, bias = state["weight"][row], state["bias"][row]
    start = slope * np.append(weight.flatten().double().cpu().numpy(), float(bias))
    scale = np.append(features.std(axis=0) + 1e-6, 1.0)
    design = np.concatenate([features, np.ones((len(features), 1))], axis=1) / scale
    line = logistic(design, right.astype(float), start * scale, ridge=1.0) / scale / slope
    state["weight"][row] = torch.from_numpy(line[:-1]).reshape(weight.shape).to(weight)
    state["bias"][row] = float(line[-1])
    model.head.load_state_dict(state)
