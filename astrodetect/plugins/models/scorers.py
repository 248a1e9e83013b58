"""Networks that say how interesting each cell of a low-resolution view is."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.geometry import Grid, Stack, matched
from astrodetect.plugins.models.lit import Lit, lit_map
from astrodetect.plugins.models.parts import one_plane

#: Half widths above which a mean is taken from running sums.
_WIDE = 1


def pad(data: Tensor, stack: Stack, mode: str) -> Tensor:
    """Pad maps (B, C, h, w) once, so that the layers of `stack` cover them; negative padding crops."""
    (top, bottom), (left, right) = (stack.padding(length) for length in data.shape[-2:])
    if mode == "replicate":
        return functional.pad(data, (left, right, top, bottom), mode="replicate")
    return functional.pad(data, (left, right, top, bottom))


class Contrast(nn.Module):
    """Brightness above the surroundings, at the width of the objects; nothing in it is learned.

    The brightness is smoothed by a triangular window, which unlike a flat one is highest in the middle
    of an object, and the mean of a window of four times the width is subtracted.

    Parameters
    ----------
    width : float
        Of the objects, in cells of the view.
    stride : int
        Cells of the view per cell of the result, which is their maximum.
    """

    def __init__(self, width: float, stride: int) -> None:
        super().__init__()
        self.narrow = max(0, round((width - 1) / 4))
        self.wide = max(1, round(2 * width))
        self.stride = stride

    def forward(self, brightness: Tensor) -> Tensor:
        """Give the contrast (B, h, w) of one plane (B, 1, H, W)."""
        narrow = _box(_box(brightness, self.narrow), self.narrow)
        contrast = narrow - _box(brightness, self.wide)
        return _highest(contrast, self.stride)[:, 0]


def _highest(data: Tensor, stride: int) -> Tensor:
    """Maximum over blocks of `stride` by `stride` cells; the last ones may be smaller."""
    for axis in (-2, -1):
        along = data.movedim(axis, -1)
        parts = [along[..., first::stride].movedim(-1, axis) for first in range(min(stride, along.shape[-1]))]
        data = parts[0].clone()
        for part in parts[1:]:
            here = data.narrow(axis, 0, part.shape[axis])
            torch.maximum(here, part, out=here)
    return data


def _box(data: Tensor, half: int) -> Tensor:
    """Mean over ``2 half + 1`` cells in both directions, of those inside."""
    for axis in (-1, -2):
        length = data.shape[axis]
        reach = min(half, length - 1)
        sums = _running_sums(data, reach, axis) if half > _WIDE else _shifted_sums(data, reach, axis)
        shares = torch.from_numpy(_shares(length, reach)).to(data)
        data = sums.mul_(shares if axis == -1 else shares[:, None])
    return data


def _shifted_sums(data: Tensor, reach: int, axis: int) -> Tensor:
    """Sum of the cells up to `reach` before and behind each, one after the other."""
    sums, length = data.clone(), data.shape[axis]
    for shift in range(1, reach + 1):
        for to, start in ((shift, 0), (0, shift)):
            sums.narrow(axis, to, length - shift).add_(data.narrow(axis, start, length - shift))
    return sums


def _running_sums(data: Tensor, reach: int, axis: int) -> Tensor:
    """Sum of the cells up to `reach` before and behind each, from running sums: as fast for any reach."""
    length = data.shape[axis]
    sums = data.cumsum(dim=axis)
    end = sums.narrow(axis, length - 1, 1).expand(
        *(reach if number == data.ndim + axis else size for number, size in enumerate(data.shape))
    )
    until = torch.cat([sums.narrow(axis, reach, length - reach), end], dim=axis)
    n = max(length - reach - 1, 0)
    until.narrow(axis, length - n, n).sub_(sums.narrow(axis, 0, n))
    return until


@lru_cache(maxsize=64)
def _shares(length: int, reach: int) -> NDArray[np.float32]:
    """Give one over the number of cells up to `reach` from each."""
    cells = np.arange(length)
    inside = np.minimum(cells + reach, length - 1) - np.maximum(cells - reach, 0) + 1
    return (1 / inside).astype(np.float32)


class Scorer(nn.Module):
    """A small convolutional network plus a weighted contrast: one logit per cell.

    Parameters
    ----------
    config : ModelConfig
        ``scorer_*``, ``padding``, ``prior*``, ``gain``.
    planes : int
        Planes of the view.
    bright : sequence of int
        The planes of the view whose mean is the brightness for the prior.

    Attributes
    ----------
    grid : Grid
        Where the cells are, in cells of the view.
    """

    def __init__(self, config: ModelConfig, planes: int, bright: tuple[int, ...]) -> None:
        super().__init__()
        kernels = [matched(config.scorer_kernel, stride) for stride in config.scorer_strides]
        layers = [*zip(kernels, config.scorer_strides, strict=True), (config.scorer_kernel, 1)]
        self.stack = Stack((*layers, (config.scorer_pool, config.scorer_pool)))
        self.padding = config.padding
        self.normalised = config.scorer_norm
        self.bright = bright
        self.body = self._body(config, planes, kernels)
        self.last = nn.Conv2d((planes, *config.scorer_channels)[-1], 1, config.scorer_kernel)
        with torch.no_grad():
            self.last.weight.mul_(0.3)  # the prior leads at first
        self.pool = config.scorer_pool
        self.contrast = Contrast(config.prior_width * config.scale, self.stack.stride)
        self.prior = nn.Parameter(
            torch.tensor(config.prior), requires_grad=config.prior_trained and not config.prior_only
        )
        self.has_prior = config.prior > 0
        self.prior_only = config.prior_only
        self.gain = config.gain

    @staticmethod
    def _body(config: ModelConfig, planes: int, kernels: list[int]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for filters, kernel, stride in zip(
            config.scorer_channels, kernels, config.scorer_strides, strict=True
        ):
            layers.append(nn.Conv2d(planes, filters, kernel, stride, bias=not config.scorer_norm))
            if config.scorer_norm:
                layers.append(nn.BatchNorm2d(filters))
            layers.append(nn.LeakyReLU(0.1))
            planes = filters
        return nn.Sequential(*layers)

    @property
    def grid(self) -> Grid:
        """Positions of the cells, in cells of the view."""
        return self.stack.grid

    def network(self, view: Tensor, lit: Lit | None = None) -> Tensor:
        """Give what the network alone says (B, h, w): the logit that something is there."""
        padded = pad(view, self.stack, self.padding)
        if lit is not None and not self.normalised:
            return lit_map(padded, lit, self.stack, self._head)
        return self._head(padded)

    def _head(self, padded: Tensor) -> Tensor:
        logits = one_plane(self.last, self.body(padded))
        if self.pool > 1:
            logits = functional.max_pool2d(logits, self.pool)
        return logits[:, 0].float()

    def prior_map(self, view: Tensor) -> Tensor:
        """Give the weighted contrast (B, h, w)."""
        first, last = self.bright[0], self.bright[-1]
        brightness = view[:, first : last + 1].mean(dim=1, keepdim=True)
        contrast: Tensor = self.contrast(brightness.float())
        return self.prior * contrast

    def forward(self, view: Tensor, lit: Lit | None = None) -> tuple[Tensor, Tensor]:
        """Give scores (B, h, w), and the network's own part of them, of views (B, planes, H, W).

        With `lit`, squares outside which the views are zero, the network is computed only there; the
        result is the same (without normalisation over the batch; with it, `lit` is not used).
        """
        if self.prior_only:
            scores = self.prior_map(view)
            return scores, torch.zeros_like(scores)
        own = self.network(view, lit)
        if not self.has_prior:
            return own, own
        # Bounded, what the network knows raises a score and never pushes an object out of its place,
        # as its doubts about everything would at the start.
        return self.gain * torch.sigmoid(own) + self.prior_map(view), own
