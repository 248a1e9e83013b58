"""From images to boxes: what a trained model finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from astrodetect.plugins.models.numeric import wide
from astrodetect.plugins.models.yolo.encoding import OBJECTNESS, activate, boxes_of, units_of
from astrodetect.plugins.models.yolo.model import Yolo

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Found:
    """The boxes of one image, in the order of cells.

    Attributes
    ----------
    boxes : (N, 6) float64 array
        ``x_min, y_min, z_min, x_max, y_max, z_max``, half open, in pixels, cut at the edges of the image.
    objectness, probability : (N,) float32 array
        Of the unit. Objectness says how well the box fits as well, and is what boxes are ranked by.
    cells : (N, 3) int64 array
        Plane, row and column of the cell.
    prior : (N,) int64 array
        Which unit of its cell it is.
    classes : (N,) int64 array
        The likeliest class.
    class_probability : (N,) float32 array
        Of that class; 1 where there is only one.
    parameters : (N, P) float32 array
        About 0-1, as the model was trained.
    """

    boxes: NDArray[np.float64]
    objectness: NDArray[np.float32]
    probability: NDArray[np.float32]
    cells: NDArray[np.int64]
    prior: NDArray[np.int64]
    classes: NDArray[np.int64]
    class_probability: NDArray[np.float32]
    parameters: NDArray[np.float32]

    def __len__(self) -> int:
        """Give the number of boxes."""
        return len(self.boxes)

    def take(self, rows: NDArray[Any]) -> Found:
        """Give some of the boxes."""
        return Found(**{name: values[rows] for name, values in vars(self).items()})


def find(
    model: Yolo,
    images: Tensor,
    thresholds: Sequence[float],
    *,
    precision: str = "float32",
    border: float = 0.0,
) -> list[Found]:
    """Give the boxes of images whose objectness reaches a threshold.

    Parameters
    ----------
    model : Yolo
        In evaluation mode.
    images : (B, C, H, W) or (B, C, D, H, W) tensor
        Of any real type, where the model is; NaN is black.
    thresholds : sequence of float
        Least objectness, one for each prior.
    precision : {"float32", "bfloat16", "float16"}
        Number format of the convolutions.
    border : float
        What units of the outermost cells lose of probability and objectness: they see less.

    Returns
    -------
    list of B Found
        Boxes whose centres lie in the image; none is suppressed yet.
    """
    if images.ndim == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    with (
        torch.inference_mode(),
        torch.autocast(images.device.type, _TYPES[precision], precision != "float32"),
    ):
        raw = units_of(model(images), model.config)
    with torch.inference_mode():
        least = torch.tensor(list(thresholds), dtype=torch.float32, device=raw.device)
        cells = (_enough(raw, least, model, border)).nonzero(as_tuple=True)
        decoded = _decoded(raw, cells, model, tuple(images.shape[2:]), border)
        image = cells[0][decoded.pop("inside")].cpu().numpy()
    every = Found(**{name: values.cpu().numpy() for name, values in decoded.items()})
    return [every.take(np.flatnonzero(image == number)) for number in range(len(images))]


def _enough(raw: Tensor, least: Tensor, model: Yolo, border: float) -> Tensor:
    """Tell which units reach their threshold, without activating the others."""
    slope, low, high = model.config.objectness
    limit = least.expand(raw.shape[1:5]).clone()
    if border:
        limit += border * _outermost(raw, model)[..., None]
    # A threshold of 0 takes all, also what the clip holds above it; one of 1 or more takes none.
    logit = torch.logit(limit.clamp(0, 1))
    return (wide(raw[..., OBJECTNESS]) * slope).clamp(low, high) >= logit


def _outermost(raw: Tensor, model: Yolo) -> Tensor:
    """Tell which cells (d, h, w) touch the edge of the image; an image has none in z."""
    edge = torch.zeros(raw.shape[1:4], dtype=torch.bool, device=raw.device)
    for axis in range(3 - model.config.axes, 3):
        edge.select(axis, 0).fill_(True)
        edge.select(axis, edge.shape[axis] - 1).fill_(True)
    return edge


def _decoded(
    raw: Tensor, cells: tuple[Tensor, ...], model: Yolo, sides: tuple[int, ...], border: float
) -> dict[str, Tensor]:
    config = model.config
    units = activate(raw[cells], config)
    _, plane, row, column, prior = cells
    sizes = torch.tensor(config.sizes, device=raw.device)[prior]
    grid = torch.stack([column, row, plane], dim=-1)
    boxes = boxes_of(units, grid, sizes, model.stride_xyz(raw.device)).double()
    far = torch.tensor([*reversed(sides), 1][:3], dtype=boxes.dtype, device=raw.device)
    middle = (boxes[:, :3] + boxes[:, 3:]) / 2
    inside = (middle < far).all(1)  # cells may reach beyond the image
    cut = torch.cat([boxes[:, :3].clamp_min(0), torch.minimum(boxes[:, 3:], far)], dim=1)
    loss = border * _outermost(raw, model)[plane, row, column] if border else 0.0
    chance, classes = torch.ones_like(units.objectness), torch.zeros_like(prior)
    if config.n_classes:
        softmax = config.class_activation == "softmax"
        chance, classes = (units.classes.softmax(1) if softmax else units.classes).max(dim=1)
    found = {
        "boxes": cut,
        "objectness": (units.objectness - loss).clamp_min(0),
        "probability": (units.probability - loss).clamp_min(0),
        "cells": torch.stack([plane, row, column], dim=-1),
        "prior": prior,
        "classes": classes,
        "class_probability": chance,
        "parameters": units.parameters,
    }
    return {name: values[inside] for name, values in found.items()} | {"inside": inside}
