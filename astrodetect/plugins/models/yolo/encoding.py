"""What the numbers of a detection unit mean.

A network gives each cell of a grid one vector per prior, a *unit*: x, y, z, w, h, d, probability, objectness,
classes, parameters. An image is a cube of depth 1: z and d are there, and stand at their neutral values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from astrodetect.plugins.models.numeric import wide
from astrodetect.plugins.models.yolo.settings import FIXED_CHANNELS, Slope, YoloConfig

#: Channels of a unit.
PROBABILITY, OBJECTNESS = 6, 7


@dataclass(frozen=True)
class Units:
    """Activated units, of any leading shape.

    Attributes
    ----------
    position : (..., 3) tensor
        Centre of the box in its cell, x, y, z in 0-1.
    size : (..., 3) tensor
        Logarithm of width, height and depth over those of the prior.
    probability, objectness : (...) tensor
        In 0-1.
    classes : (..., n_classes) tensor
        In 0-1; with a softmax: the logits.
    parameters : (..., n_parameters) tensor
        About 0-1 in their ranges.
    """

    position: Tensor
    size: Tensor
    probability: Tensor
    objectness: Tensor
    classes: Tensor
    parameters: Tensor

    def __getitem__(self, index: tuple[Tensor, ...]) -> Units:
        """Give some of the units."""
        return Units(*(getattr(self, field.name)[index] for field in fields(self)))


def clip_through(raw: Tensor, slope: Slope) -> Tensor:
    """Give ``clip(slope * raw, least, most)``, with the gradient of ``slope * raw`` everywhere.

    What has run out of the range would otherwise never come back.
    """
    steepness, least, most = slope
    linear = raw * steepness
    return linear + (linear.clamp(least, most) - linear).detach()


def sigmoid_of(raw: Tensor, slope: Slope) -> Tensor:
    """Give the sigmoid of what `clip_through` gives, in float32 at least."""
    return torch.sigmoid(clip_through(wide(raw), slope))


def activate(raw: Tensor, config: YoloConfig) -> Units:
    """Activate raw units.

    Parameters
    ----------
    raw : (..., U) tensor
        As the network gives them.
    config : YoloConfig
        Slopes and limits; in two axes z and d are taken from no output.

    Returns
    -------
    Units
    """
    raw = wide(raw)
    first, second = FIXED_CHANNELS, FIXED_CHANNELS + config.n_classes
    position = sigmoid_of(raw[..., 0:3], config.position)
    size = clip_through(raw[..., 3:6], config.size)
    if config.axes == 2:
        flat = torch.zeros_like(size[..., 2:])
        position = torch.cat([position[..., :2], flat + 0.5], dim=-1)
        size = torch.cat([size[..., :2], flat], dim=-1)
    classes = clip_through(raw[..., first:second], config.classes)
    return Units(
        position=position,
        size=size,
        probability=sigmoid_of(raw[..., PROBABILITY], config.probability),
        objectness=sigmoid_of(raw[..., OBJECTNESS], config.objectness),
        classes=classes if config.class_activation == "softmax" else torch.sigmoid(classes),
        parameters=clip_through(raw[..., second:], config.parameter),
    )


def units_of(output: Tensor, config: YoloConfig) -> Tensor:
    """Sort the channels of an output into units.

    Parameters
    ----------
    output : (B, P U, h, w) or (B, P U, d, h, w) tensor
        P priors of U channels each, as a network gives them.
    config : YoloConfig

    Returns
    -------
    (B, d, h, w, P, U) tensor
        A view where the memory format allows it.
    """
    deep = output if output.ndim == 5 else output[:, :, None]
    last = deep.movedim(1, -1)
    return last.reshape(*last.shape[:-1], len(config.priors), config.unit_channels)


def boxes_of(units: Units, cells: Tensor, priors: Tensor, stride: Tensor) -> Tensor:
    """Give the boxes of units.

    Parameters
    ----------
    units : Units
        Of shape (...).
    cells : (..., 3) tensor
        Column, row and plane of their cells.
    priors : (..., 3) tensor
        Width, height and depth of their priors, in pixels.
    stride : (3,) tensor
        Pixels of a cell in x, y and z.

    Returns
    -------
    (..., 6) tensor
        ``x_min, y_min, z_min, x_max, y_max, z_max``, half open, in pixels:
        centre ``(cell + position) * stride``, sides ``prior * exp(size)``.
    """
    centre = (cells + units.position) * stride
    half = priors * torch.exp(units.size) / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def all_boxes(units: Units, config: YoloConfig, stride: Tensor) -> Tensor:
    """Give the boxes (B, d, h, w, P, 6) of all units (B, d, h, w, P) of a grid."""
    *_, depth, height, width, _ = units.objectness.shape
    axes = (torch.arange(n, device=stride.device, dtype=stride.dtype) for n in (depth, height, width))
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    cells = torch.stack([x, y, z], dim=-1)[..., None, :]
    priors = torch.tensor(config.sizes, device=stride.device, dtype=stride.dtype)
    return boxes_of(units, cells, priors, stride)


def compared(boxes: Tensor, axes: int) -> Tensor:
    """Give boxes (..., 6) as they are compared: an image's without z."""
    return boxes if axes == 3 else boxes[..., [0, 1, 3, 4]]
