"""The model: normalisation, backbone and head."""

from __future__ import annotations

import math
from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.models.yolo.networks import backbone, last_map, shape_of
from astrodetect.plugins.models.yolo.settings import YoloConfig
from astrodetect.plugins.models.yolo.sharpening import Sharpening

#: Objectness and probability that a new model starts with: most units are empty.
_FIRST_CHANCE = 0.05
#: Median of the absolute value of a normal deviate of deviation 1.
NORMAL_MIDDLE = 0.67449


class Yolo(nn.Module):
    """From images to the units of all cells.

    Parameters
    ----------
    config : YoloConfig
        What it is made of.

    Attributes
    ----------
    stride : tuple of int
        Pixels of a cell, in the order of the axes of an image ([z,] y, x).
    """

    black: Tensor
    white: Tensor

    def __init__(self, config: YoloConfig) -> None:
        super().__init__()
        self.config = config
        self.sharpening = Sharpening(config.beam[::-1]) if config.beam else None
        self.body = backbone(config.network, config.planes, config.axes)
        shape = shape_of(self.body, config.network, config.planes, config.axes)
        self.stride = shape.stride
        convolution = nn.Conv2d if config.axes == 2 else nn.Conv3d
        self.head = convolution(shape.features, config.output_channels, 1)
        self._start_empty()
        for name, values in zip(("black", "white"), config.levels, strict=True):
            level = torch.tensor(values).view(1, -1, *[1] * config.axes)
            self.register_buffer(name, level, persistent=False)

    def _start_empty(self) -> None:
        """Let the head say at first that nothing is there, boxes are their priors, parameters halfway."""
        config = self.config
        nn.init.normal_(self.head.weight, std=0.01)
        bias = torch.zeros(len(config.priors), config.unit_channels)
        chance = torch.logit(torch.tensor(_FIRST_CHANCE))
        bias[:, 6], bias[:, 7] = chance / config.probability[0], chance / config.objectness[0]
        bias[:, config.unit_channels - config.n_parameters :] = 0.5 / config.parameter[0]
        self.head.bias = nn.Parameter(bias.flatten())

    def stride_xyz(self, device: Any = "cpu") -> Tensor:
        """Give the pixels of a cell in x, y and z."""
        return torch.tensor([*reversed(self.stride), 1][:3], dtype=torch.float32, device=device)

    def normalise(self, images: Tensor) -> Tensor:
        """Give images as the network sees them; see `look`."""
        return self.look(images)[0]

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give images as the network sees them: black is 0, what is no number is black.

        With a beam each channel comes once more after them, sharpened.

        Parameters
        ----------
        images : (B, C, H, W) or (B, C, D, H, W) tensor
            Of any real type; 16-bit integers keep every value.

        Returns
        -------
        values : (B, planes, ...) tensor
        unit : (B,) tensor
            What `white` counts, in the unit of the images.
        """
        config = self.config
        values = images.to(torch.float32) - self.black
        if self.sharpening is not None:
            values = torch.cat([values, self.sharpening(values)], dim=1)
        unit = torch.ones(len(images), device=images.device)
        scale = self.white - self.black
        if config.white_unit == "noise":
            unit = noise_of(values[:, config.channels if config.beam else 0])
            scale = self.white * unit.view(-1, *[1] * (1 + config.axes))
        values = values / scale.repeat(1, config.planes // config.channels, *[1] * config.axes)
        values = torch.nan_to_num(values, nan=0.0)
        if config.clip:
            values = values.clamp(0, 1)
        if config.stretch == "tanh":
            values = torch.tanh(config.stretch_factor * values)
        if config.stretch == "asinh":
            values = asinh(config.stretch_factor * values) / math.asinh(config.stretch_factor)
        return values, unit

    def forward(self, images: Tensor) -> Tensor:
        """Give the output (B, P U, cells ...) for images (B, C, H, W) or (B, C, D, H, W).

        Raises
        ------
        AstrodetectError
            As `features`.
        """
        return self.answer(*self.features(images))

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give what the last layer reads from images (B, C, H, W) or (B, C, D, H, W).

        Images whose sides the cells do not divide are continued with black at their ends.

        Returns
        -------
        features : (B, F, cells ...) tensor
        unit : (B,) tensor
            As from `look`.

        Raises
        ------
        AstrodetectError
            The images have another number of channels or axes.
        """
        config = self.config
        if images.ndim != 2 + config.axes or images.shape[1] != config.channels:
            raise AstrodetectError(
                f"images are {tuple(images.shape)}; the model takes {config.channels} planes (channels) of "
                f"{config.axes} axes"
            )
        values, unit = self.look(images)
        missing = [-side % step for side, step in zip(images.shape[2:], self.stride, strict=True)]
        if any(missing):
            edges = [edge for side in reversed(missing) for edge in (0, side)]
            values = functional.pad(values, edges)
        return last_map(self.body(values)), unit

    def answer(self, features: Tensor, unit: Tensor) -> Tensor:
        """Give the output for what `features` gave."""
        output: Tensor = self.head(features)
        config = self.config
        if not config.flux_in_noise:
            return output
        added = functional.pad(self.added(unit), (config.unit_channels - config.n_parameters, 0))
        added = added.repeat(1, len(config.priors)) / config.parameter[0]
        return output + added.view(*added.shape, *[1] * config.axes)

    def added(self, unit: Tensor) -> Tensor:
        """Give what the parameters (B, K) of a source as bright as the unit of its image (B,) are.

        The last layer says the parameters less these, so that a flux is learned in units of the noise.
        """
        added = unit.new_zeros(len(unit), self.config.n_parameters)
        if self.config.flux_in_noise:
            low, high = self.config.flux_range
            added[:, 0] = torch.log(unit / low) / math.log(high / low)
        return added


def noise_of(images: Tensor) -> Tensor:
    """Give the deviation of the pixels of images (B, ...), which may hold a few bright ones, as (B,).

    From the median of the absolute values of every fourth pixel; pixels that are 0 or no numbers do not
    count. 1 where there is no noise.
    """
    pixels = images[..., ::2, ::2].flatten(1).abs()
    middle = torch.where(pixels > 0, pixels, torch.nan).nanmedian(dim=1).values
    return torch.where(torch.isfinite(middle), middle / NORMAL_MIDDLE, 1.0)


def asinh(values: Tensor) -> Tensor:
    """Give the inverse hyperbolic sine; on a processor torch's own takes several times as long."""
    size = values.abs()
    squared = size * size
    return torch.copysign(torch.log1p(size + squared / (1 + torch.sqrt(1 + squared))), values)


def for_inference(model: Yolo) -> Yolo:
    """Give a copy that computes the same faster: batch normalisation is folded into convolutions.

    Parameters
    ----------
    model : Yolo
        Any; only what stands in a `torch.nn.Sequential` is folded.
    """
    made = deepcopy(model).eval()
    for parent in [module for module in made.modules() if isinstance(module, nn.Sequential)]:
        names = list(parent._modules)
        for name, following in pairwise(names):
            first, second = parent._modules[name], parent._modules[following]
            pair = (nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d)
            if any(isinstance(first, conv) and isinstance(second, norm) for conv, norm in pair):
                parent._modules[name] = fuse_conv_bn_eval(first, second)  # type: ignore[type-var,arg-type]
                parent._modules[following] = nn.Identity()
    if made.config.axes == 2:
        made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


def count_parameters(model: nn.Module) -> int:
    """Give the number of trained numbers of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiplications(model: Yolo, side: int = 64) -> float:
    """Give the multiply-adds of all convolutions for each pixel of an image."""
    counted: list[float] = []
    pixels = side**model.config.axes

    def count(module: Any, _: Any, output: Tensor) -> None:
        counted.append(module.weight[0].numel() * output[0].numel() / pixels)

    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, kinds)]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, model.config.channels, *(side,) * model.config.axes))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    taps = 0 if model.sharpening is None else sum(2 * reach + 1 for reach in model.sharpening.reach)
    return sum(counted) + taps * model.config.channels


def receptive_field(model: Yolo, side: int = 160) -> int:
    """Give the pixels of a row that the middle cell of an image depends on.

    Measured on a copy of the convolutions whose weights are all 1, so that nothing cancels. Normalisation
    over a whole image is left out; what sharpening reaches beyond is added.
    """
    layers = [
        deepcopy(module) for module in model.body.modules() if isinstance(module, nn.Conv2d | nn.Conv3d)
    ]
    body = nn.Sequential(*layers).double()
    for parameter in body.parameters():
        nn.init.ones_(parameter)
    sides = (side,) * model.config.axes
    image = torch.zeros(1, model.config.planes, *sides, dtype=torch.float64, requires_grad=True)
    found = body(image)
    middle = found[(0, 0, *(n // 2 for n in found.shape[2:]))]
    (gradient,) = torch.autograd.grad(middle, image)
    sharpened = 0 if model.sharpening is None else 2 * model.sharpening.reach[-1]
    return int((gradient[0, 0].flatten(0, -2).abs().sum(0) > 0).sum()) + sharpened
