"""Vary images together with their boxes, exactly: nothing is interpolated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.training.boxes.targets import BoxTargets

NotNegative = Annotated[float, Ge(0)]


@dataclass(frozen=True)
class BoxAugmentSettings:
    """How images with boxes are varied; boxes, angles and fluxes follow."""

    #: Mirror left and right with probability 1/2.
    mirror_x: bool = True
    #: Mirror up and down with probability 1/2.
    mirror_y: bool = True
    #: Exchange x and y with probability 1/2; with both mirrors that gives all quarter turns. Images
    #: must be square.
    quarter_turns: bool = True
    #: Multiply image and fluxes by a factor drawn log-uniformly between 1 / (1 + this) and 1 + this.
    flux_scale: NotNegative = 0.0
    #: Deviation of white Gaussian noise that is added, in the image's unit.
    noise: NotNegative = 0.0


def vary(
    image: NDArray[np.float32],
    targets: BoxTargets,
    how: BoxAugmentSettings,
    rng: np.random.Generator,
    shape: ShapeParameters | None = None,
) -> tuple[NDArray[np.float32], BoxTargets]:
    """Vary an image and what is in it.

    Parameters
    ----------
    image : (C, H, W) or (C, D, H, W) float32 array
        Pixels.
    targets : BoxTargets
        What is in it.
    how : BoxAugmentSettings
        What may change, and by how much.
    rng : numpy.random.Generator
        Decides; the same state gives the same image.
    shape : ShapeParameters, optional
        What the parameters of the targets are; without it they are left as they are.

    Returns
    -------
    image, targets
        New ones.

    Raises
    ------
    AstrodetectError
        x and y are to be exchanged, and the image is not square.
    """
    if how.mirror_x and rng.random() < 0.5:
        image, targets = mirrored(image, targets, "x", shape)
    if how.mirror_y and rng.random() < 0.5:
        image, targets = mirrored(image, targets, "y", shape)
    if how.quarter_turns and rng.random() < 0.5:
        image, targets = transposed(image, targets, shape)
    if how.flux_scale:
        limit = math.log1p(how.flux_scale)
        image, targets = scaled(image, targets, math.exp(rng.uniform(-limit, limit)), shape)
    if how.noise:
        image = image + np.float32(how.noise) * rng.standard_normal(image.shape, np.float32)
    return np.ascontiguousarray(image, np.float32), targets


def mirrored(
    image: NDArray[Any], targets: BoxTargets, axis: str, shape: ShapeParameters | None = None
) -> tuple[NDArray[Any], BoxTargets]:
    """Mirror in ``"x"`` (left and right) or ``"y"`` (up and down)."""
    last, low, high = (-1, 0, 3) if axis == "x" else (-2, 1, 4)
    boxes = targets.boxes.copy()
    boxes[:, [low, high]] = image.shape[last] - targets.boxes[:, [high, low]]
    parameters = shape.mirrored(targets.parameters) if shape else targets.parameters
    return np.flip(image, last), _with(targets, boxes, parameters)


def transposed(
    image: NDArray[Any], targets: BoxTargets, shape: ShapeParameters | None = None
) -> tuple[NDArray[Any], BoxTargets]:
    """Exchange x and y.

    Raises
    ------
    AstrodetectError
        The image is not square, so that a batch would hold images of different shapes.
    """
    height, width = image.shape[-2:]
    if height != width:
        raise AstrodetectError(
            f"quarter_turns: an image has {height} rows and {width} columns; expected square ones, or "
            "quarter_turns = false"
        )
    boxes = targets.boxes[:, [1, 0, 2, 4, 3, 5]]
    parameters = shape.transposed(targets.parameters) if shape else targets.parameters
    return np.swapaxes(image, -1, -2), _with(targets, boxes, parameters)


def scaled(
    image: NDArray[Any], targets: BoxTargets, factor: float, shape: ShapeParameters | None = None
) -> tuple[NDArray[Any], BoxTargets]:
    """Multiply image and fluxes."""
    parameters = shape.brightened(targets.parameters, factor) if shape else targets.parameters
    return image * np.float32(factor), _with(targets, targets.boxes, parameters)


def _with(targets: BoxTargets, boxes: NDArray[Any], parameters: NDArray[np.float32]) -> BoxTargets:
    return replace(targets, boxes=boxes, parameters=parameters)
