"""Networks that say how interesting each cell of a low-resolution view is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.geometry import Grid, Stack, matched
from astrodetect.plugins.models.lit import Lit, lit_map

#: Half widths from which a mean is taken from running sums.
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
        return functional.max_pool2d(contrast, self.stride, self.stride, ceil_mode=True)[:, 0]


def _box(data: Tensor, half: int) -> Tensor:
    """Mean over ``2 half + 1`` cells in both directions, of those inside."""
    if half > _WIDE:
        return _running_mean(_running_mean(data, half).mT, half).mT
    for across in ((2 * half + 1, 1), (1, 2 * half + 1)):
        edge = (across[0] // 2, across[1] // 2)
        data = functional.avg_pool2d(data, across, 1, edge, count_include_pad=False)
    return data


def _running_mean(data: Tensor, half: int) -> Tensor:
    """Mean along the last axis, from running sums: as fast for any width."""
    length = data.shape[-1]
    half = min(half, length - 1)
    sums = data.cumsum(dim=-1)
    end = sums[..., -1:].expand(*sums.shape[:-1], half)
    until = torch.cat([sums[..., half:], end], dim=-1)
    until[..., half + 1 :] -= sums[..., : length - half - 1]
    cells = torch.arange(length, device=data.device)
    return until / ((cells + half + 1).clamp_max(length) - (cells - half).clamp_min(0))


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
        logits: Tensor = functional.max_pool2d(self.last(self.body(padded)), self.pool)
        return logits[:, 0].float()

    def prior_map(self, view: Tensor) -> Tensor:
        """Give the weighted contrast (B, h, w)."""
        brightness = view[:, self.bright].mean(dim=1, keepdim=True)
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
