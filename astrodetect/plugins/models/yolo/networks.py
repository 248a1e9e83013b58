"""Backbones: from an image to a map of features, one vector per cell.

A row of a table is one convolution; those with a step of 2 shrink the map. There is no pooling: what is small
must not be lost.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from astrodetect.core.errors import AstrodetectError

Norm = Literal["", "batch", "group"]
#: Slope of the leaky ReLU below 0.
LEAK = 0.05


@dataclass(frozen=True)
class Layer:
    """One convolution and what follows it.

    Attributes
    ----------
    kernel, stride, filters : int
        Of the convolution; its input is padded with zeros, so that cells are those of the input.
    norm : {"", "batch", "group"}
        Normalisation after it, over the batch or over four groups of channels.
    dropout : float
        Share of the channels dropped in training.
    """

    kernel: int
    stride: int
    filters: int
    norm: Norm = ""
    dropout: float = 0.0


def _layers(text: str, norm: Norm = "") -> tuple[Layer, ...]:
    """Read ``kernel[/stride]:filters`` words."""
    layers = []
    for word in text.split():
        shape, _, filters = word.partition(":")
        kernel, _, stride = shape.partition("/")
        layers.append(Layer(int(kernel), int(stride or 1), int(filters), norm))
    return tuple(layers)


#: The network of the first challenge of the Square Kilometre Array, cells of 16 pixels (Cornu et al. 2024).
SDC1 = (
    *_layers("5:32 2/2:16 3:24 3:32 2/2:64 1:128 3:192 2/2:128 1:192 3:384 1:256 3:384 2/2:512 1:768"),
    Layer(3, 1, 1024, "group"),
    Layer(1, 1, 2048, dropout=0.25),
)
#: Nineteen convolutions after Redmon & Farhadi (2017), cells of 32 pixels, steps instead of pooling.
DARKNET = _layers(
    "3:32 3/2:64 3/2:128 1:64 3:128 3/2:256 1:128 3:256 3/2:512 1:256 3:512 1:256 3:512"
    " 3/2:1024 1:512 3:1024 1:512 3:1024 3:1024",
    "batch",
)
#: Cells of 4 pixels, so that crowded objects have one each, for less than 5000 multiplications per pixel.
#: Nothing is normalised: what the brightness of other images of a batch decides, a flux cannot be read from.
TINY = _layers("4/2:16 3:16 2/2:48 3:48 3:48 3:48")

NETWORKS: dict[str, tuple[Layer, ...]] = {"tiny": TINY, "sdc1": SDC1, "darknet": DARKNET}


class Backbone(nn.Sequential):
    """The convolutions of a table.

    Parameters
    ----------
    layers : sequence of Layer
        From the image on.
    channels : int
        Planes of the image.
    axes : int
        2, or 3: the same kernels and steps along the third axis.
    """

    def __init__(self, layers: Sequence[Layer], channels: int, axes: int = 2) -> None:
        super().__init__()
        planes = channels
        for layer in layers:
            for module in _modules(layer, planes, axes):
                self.append(module)
            planes = layer.filters


def _modules(layer: Layer, planes: int, axes: int) -> list[nn.Module]:
    convolution = nn.Conv2d if axes == 2 else nn.Conv3d
    # A kernel as wide as its step needs no edge; one twice as wide half a step on both sides.
    edge = (layer.kernel - layer.stride + 1) // 2
    bias = layer.norm != "batch"
    made = convolution(planes, layer.filters, layer.kernel, layer.stride, edge, bias=bias)
    nn.init.kaiming_normal_(made.weight, LEAK, nonlinearity="leaky_relu")
    if made.bias is not None:
        nn.init.constant_(made.bias, 0.1)
    modules: list[nn.Module] = [made]
    if layer.norm == "batch":
        modules.append((nn.BatchNorm2d if axes == 2 else nn.BatchNorm3d)(layer.filters))
    if layer.norm == "group":
        modules.append(nn.GroupNorm(4, layer.filters))
    modules.append(nn.LeakyReLU(LEAK, inplace=True))
    if layer.dropout:
        modules.append(nn.Dropout(layer.dropout))
    return modules


def backbone(name: str, channels: int, axes: int = 2) -> nn.Module:
    """Give a backbone by name.

    Parameters
    ----------
    name : str
        One of `NETWORKS`, or ``module:callable``: called with the number of channels it gives a module
        that takes (B, C, H, W) and gives a map of features, or a list or mapping whose last is one.
    channels, axes : int
        Planes and axes of an image.

    Raises
    ------
    AstrodetectError
        There is no such network, or it cannot be made.
    """
    if name in NETWORKS:
        return Backbone(NETWORKS[name], channels, axes)
    module, colon, attribute = name.partition(":")
    if not (colon and attribute):
        known = ", ".join(NETWORKS)
        raise AstrodetectError(f"network = {name!r}: expected {known}, or module:callable")
    try:
        make: Callable[[int], Any] = getattr(importlib.import_module(module), attribute)
        made = make(channels)
    except Exception as error:  # what a stranger's module may do
        raise AstrodetectError(f"network = {name!r}: cannot be made: {error}") from error
    if not isinstance(made, nn.Module):
        raise AstrodetectError(f"network = {name!r}: gave {type(made).__name__}; expected a torch module")
    return made


def last_map(output: Any) -> Tensor:
    """Give the last map of features that a backbone gave."""
    while not isinstance(output, Tensor):
        output = list(output.values() if hasattr(output, "values") else output)[-1]
    return output


@dataclass(frozen=True)
class Shape:
    """What a backbone makes of an image: features per cell, and pixels of a cell in each axis."""

    features: int
    stride: tuple[int, ...]


def shape_of(network: nn.Module, name: str, channels: int, axes: int, side: int = 64) -> Shape:
    """Try a backbone on an image of zeros.

    Raises
    ------
    AstrodetectError
        What it gives is no map of features of its image.
    """
    sides = (side,) * axes
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            found = last_map(network(torch.zeros(1, channels, *sides)))
    except Exception as error:  # what a stranger's module may do
        raise AstrodetectError(f"network = {name!r}: fails on an image of {sides} pixels: {error}") from error
    finally:
        network.train(training)
    if found.ndim != 2 + axes or any(side % n for n in found.shape[2:]):
        raise AstrodetectError(
            f"network = {name!r}: gives {tuple(found.shape)} for an image of {sides} pixels; expected "
            f"(1, features, {', '.join(['cells'] * axes)}) whose cells divide it evenly"
        )
    return Shape(found.shape[1], tuple(side // n for n in found.shape[2:]))
