"""Attention sampling: drawing positions, and estimating what all of them would have given.

Katharopoulos and Fleuret, "Processing megapixel images with deep attention-sampling models" (2019).
With attention ``a`` over N positions, features ``f_n`` and ``K`` draws, the estimate of ``sum a_n f_n``
is a weighted mean of the K features that were drawn. Its gradient with respect to the attention is
estimated, too; the published formula for draws without replacement is biased, the one here is not.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from astrodetect.plugins.models.numeric import wide

Gradient = Literal["baseline", "unbiased", "reference"]


def gumbel(shape: torch.Size, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw from the standard Gumbel distribution, float32."""
    waiting = torch.empty(shape, device=like.device, dtype=torch.float32).exponential_(generator=generator)
    return -torch.log(waiting.clamp_min(torch.finfo(torch.float32).tiny))


def smooth(logits: Tensor, share: float) -> Tensor:
    """Spread a share of the attention evenly over the positions that are not ``-inf``; (B, N) logits."""
    if share == 0:
        return logits
    allowed = torch.isfinite(logits)
    even = wide(allowed.to(logits.dtype)) / allowed.sum(dim=-1, keepdim=True)
    mixed = (1 - share) * torch.softmax(wide(logits), dim=-1) + share * even
    return torch.where(allowed, torch.log(mixed.clamp_min(1e-38)), -torch.inf)


def sample(
    logits: Tensor, k: int, *, replace: bool = False, generator: torch.Generator | None = None
) -> Tensor:
    """Draw positions with probability ``softmax(logits)``.

    Parameters
    ----------
    logits : (B, N) tensor
        ``-inf`` is never drawn while others are left.
    k : int
        Number of draws.
    replace : bool
        Whether a position may be drawn again. Without, the K largest of the logits plus Gumbel noise
        are drawn: equal to drawing one after the other, in this order.
    generator : torch.Generator, optional
        On the device of `logits`.

    Returns
    -------
    (B, K) int64 tensor
        In the order of drawing, on which the estimates below depend.
    """
    logits = logits.detach().float()
    if replace:
        return torch.multinomial(torch.softmax(logits, dim=-1), k, replacement=True, generator=generator)
    return (logits + gumbel(logits.shape, logits, generator)).topk(k, dim=-1).indices


def coefficients(chosen: Tensor, *, replace: bool = False) -> tuple[Tensor, Tensor]:
    """Give how much each drawn feature counts in the estimate.

    Parameters
    ----------
    chosen : (B, K) tensor
        Attention of the drawn positions, in the order of drawing.
    replace : bool
        Whether they were drawn with replacement: then every one counts 1/K.

    Returns
    -------
    c : (B, K) tensor
        ``(w + (K - m) s) / K`` for the m-th draw, with `w` the attention that was left before it;
        sums to 1.
    w : (B, K) tensor
        Attention left before each draw.
    """
    k = chosen.shape[-1]
    if replace:
        return torch.full_like(chosen, 1 / k), torch.ones_like(chosen)
    left = (1 - (chosen.cumsum(dim=-1) - chosen)).clamp_min(0)
    later = torch.arange(k - 1, -1, -1, device=chosen.device, dtype=chosen.dtype)
    return (left + later * chosen) / k, left


def expectation(
    chosen: Tensor, features: Tensor, *, replace: bool = False, gradient: Gradient = "unbiased"
) -> Tensor:
    """Estimate ``sum_n a_n f_n`` over all positions from those that were drawn.

    Parameters
    ----------
    chosen : (B, K) tensor
        Attention of the drawn positions, in the order of drawing.
    features : (B, K, D) tensor
        What is there.
    replace : bool
        Whether they were drawn with replacement.
    gradient : {"unbiased", "baseline", "reference"}
        With respect to the attention. ``"unbiased"``: its expectation is the gradient of the sum over
        all positions. ``"baseline"``: of each feature the mean of the other drawn ones is
        subtracted, which the softmax behind `chosen` cancels on average but for a small bias, and
        which takes most of the noise away. ``"reference"``: as published.

    Returns
    -------
    (B, D) tensor
        The estimate itself is the same for all of `gradient`.
    """
    attention = wide(chosen.detach())
    weight, left = coefficients(attention, replace=replace)
    values = wide(features)
    fixed = values.detach()
    share = (weight / attention.clamp_min(1e-30))[..., None]
    if gradient == "reference" and not replace:
        slope = _published_slope(attention, left, fixed)
    elif gradient == "baseline":
        slope = share * (fixed - mean_of_others(weight, fixed))
    else:
        slope = share * fixed
    # Nothing is added to the value: the second sum is 0 and carries the gradient of the attention.
    moved = (wide(chosen) - attention)[..., None]
    return (weight[..., None] * values + moved * slope).sum(dim=1).to(features.dtype)


def mean_of_others(weight: Tensor, values: Tensor) -> Tensor:
    """Give, for each of K values (B, K, D), the weighted mean of the others; 0 if they weigh nothing."""
    weighted = weight[..., None] * values
    others = weighted.sum(dim=1, keepdim=True) - weighted
    total = (weight.sum(dim=1, keepdim=True) - weight)[..., None]
    return torch.where(total > 1e-6, others / total.clamp_min(1e-6), torch.zeros_like(others))


def _published_slope(attention: Tensor, left: Tensor, features: Tensor) -> Tensor:
    """Give what the published program uses as derivative by the attention of each draw."""
    k = attention.shape[-1]
    weighted = attention[..., None] * features
    before = weighted.cumsum(dim=1) - weighted
    estimate = before + left[..., None] * features
    seen = features.cumsum(dim=1) - features
    number = torch.arange(k, device=attention.device, dtype=attention.dtype)[:, None]
    ratio = (left / attention.clamp_min(1e-30))[..., None]
    return (ratio * estimate + seen - number * features) / k


def negative_entropy(logits: Tensor) -> Tensor:
    """Give ``sum a log a`` of the attention (B, N) of logits, one value per image.

    Added to a loss with a positive weight it keeps the attention wide.
    """
    log_attention = torch.log_softmax(wide(logits), dim=-1)
    finite = torch.where(torch.isfinite(log_attention), log_attention, 0)
    return (finite.exp() * finite * torch.isfinite(log_attention)).sum(dim=-1)
