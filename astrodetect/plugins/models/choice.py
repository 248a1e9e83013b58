"""Which cells of a score map are looked at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from astrodetect.core.errors import AstrodetectError
from astrodetect.core.geometry import tie_order
from astrodetect.plugins.models import attention, perturbed
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.geometry import Grid


@dataclass(frozen=True)
class Choice:
    """K cells of each score map.

    Attributes
    ----------
    indices : (B, K) int64 tensor
        Into the flat maps.
    valid : (B, K) bool tensor
        False where a map had fewer cells that may be chosen.
    weights : (B, K) tensor
        How much each counts; sums to 1, without gradient.
    attention : (B, K) tensor
        What carries the gradient back to the scores.
    drawn : bool
        Whether they were drawn by attention sampling.
    """

    indices: Tensor
    valid: Tensor
    weights: Tensor
    attention: Tensor
    drawn: bool = False


def only_peaks(scores: Tensor, reach: tuple[int, int]) -> Tensor:
    """Give score maps (B, h, w) with ``-inf`` where a better cell lies within `reach` cells.

    Of equal cells within reach of each other one is kept, by a fixed rule that spreads them evenly over
    wide areas of one value (see `astrodetect.core.geometry.tie_order`).
    """
    if reach == (0, 0):
        return scores
    fixed = scores.detach()
    tied = fixed >= _highest_around(fixed, reach)
    order = torch.from_numpy(tie_order(fixed[0].numel())).to(fixed.device).view(fixed.shape[1:])
    order = torch.where(tied, order, -1.0)
    return torch.where(tied & (order >= _highest_around(order, reach)), scores, -torch.inf)


def _highest_around(maps: Tensor, reach: tuple[int, int]) -> Tensor:
    kernel = (2 * reach[0] + 1, 2 * reach[1] + 1)
    return functional.max_pool2d(maps[:, None], kernel, 1, reach)[:, 0]


def forbid(scores: Tensor, ignore: Tensor | None, grid: Grid) -> Tensor:
    """Give score maps (B, h, w) with ``-inf`` where the pixel at a cell's centre is ignored.

    Parameters
    ----------
    scores : (B, h, w) tensor
        Score maps.
    ignore : (H, W) or (B, H, W) bool tensor, optional
        True where pixels are to be ignored.
    grid : Grid
        Where the cells are, in pixels.
    """
    if ignore is None:
        return scores
    places = [
        (grid.origin + grid.stride * torch.arange(n, device=scores.device)).round().long().clamp(0, size - 1)
        for n, size in zip(scores.shape[1:], ignore.shape[-2:], strict=True)
    ]
    return torch.where(ignore[..., places[0][:, None], places[1]], -torch.inf, scores)


def check_count(k: int, shape: tuple[int, int]) -> None:
    """Refuse more patches than cells.

    Raises
    ------
    AstrodetectError
        Naming both.
    """
    if k > shape[0] * shape[1]:
        raise AstrodetectError(
            f"k = {k} patches are asked of a score map of {shape[0]} x {shape[1]} cells; "
            f"lower k, or use larger images or a larger scale"
        )


def _even(valid: Tensor) -> Tensor:
    return valid.float() / valid.sum(dim=1, keepdim=True).clamp_min(1)


def _weights(chosen: Tensor, valid: Tensor) -> Tensor:
    """Give weights in proportion to the attention of the valid ones; equal if there is none."""
    share = torch.where(valid, chosen.detach(), 0)
    total = share.sum(dim=1, keepdim=True)
    return torch.where(total > 1e-12, share / total.clamp_min(1e-12), _even(valid))


def take_best(scores: Tensor, k: int, *, weighted: bool) -> Choice:
    """Take the K highest of flat scores (B, N), weighted by their attention or all alike."""
    indices = scores.detach().topk(k, dim=1).indices
    valid = torch.isfinite(scores.detach().gather(1, indices))
    chosen = torch.softmax(scores.float(), dim=1).gather(1, indices)
    return Choice(indices, valid, _weights(chosen, valid) if weighted else _even(valid), chosen)


def draw(scores: Tensor, k: int, config: ModelConfig, generator: torch.Generator | None) -> Choice:
    """Draw K of flat scores (B, N) by attention sampling."""
    logits = attention.smooth(scores, config.smoothing)
    indices = attention.sample(logits, k, replace=config.replace, generator=generator)
    valid = torch.isfinite(logits.detach().gather(1, indices))
    chosen = torch.softmax(logits.float(), dim=1).gather(1, indices)
    if config.gradient == "none":
        chosen = chosen.detach()
    weights, _ = attention.coefficients(chosen.detach(), replace=config.replace)
    return Choice(indices, valid, weights * valid, chosen, drawn=True)


def take_perturbed(scores: Tensor, k: int, noise: perturbed.Noise) -> Choice:
    """Take the K highest of flat scores (B, N), with their chance to stay chosen under noise."""
    levels = perturbed.standardise(scores)
    indices = levels.detach().topk(k, dim=1).indices
    valid = torch.isfinite(levels.detach().gather(1, indices))
    chance = perturbed.inclusion(levels, indices, k, noise)
    return Choice(indices, valid, _even(valid), chance)


def mixture(scores: Tensor, k: int, noise: perturbed.Noise) -> Tensor:
    """Give the published mixture (B, K, N) of flat scores, scaled to lie between 0 and 1 first."""
    allowed = torch.isfinite(scores)
    values = torch.where(allowed, scores, 0)  # infinities would give gradients that are not numbers
    lowest = torch.where(allowed, values, torch.inf).amin(dim=1, keepdim=True)
    highest = torch.where(allowed, values, -torch.inf).amax(dim=1, keepdim=True)
    scaled = torch.where(allowed, (values - lowest) / (highest - lowest + 1e-5), -torch.inf)
    return perturbed.perturbed_topk(scaled, k, noise, "reference")
