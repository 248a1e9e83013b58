"""Differentiable patch selection: the K best cells under noise, streaming over the draws.

Cordonnier et al., "Differentiable patch selection for image recognition" (2021). Only the indices
of the K + 1 best cells of each draw and a seed are kept, never an array of images times draws times
patches times cells: noise is made again where it is needed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from astrodetect.plugins.models.numeric import wide

#: Draws that share a seed: small enough for their noise to stay in the processor's cache.
_DRAWS = 16
#: Cells of which the best is found first; the K best lie in the K blocks with the highest of these.
_BLOCK = 64


@dataclass(frozen=True)
class Noise:
    """Gaussian noise that can be made again, a few draws at a time.

    Attributes
    ----------
    n_samples : int
        Draws M.
    sigma : float
        Standard deviation, in units of the scores.
    seed : int
        Of the noise; the same seed gives the same noise, whatever the chunks.
    shared : bool
        One noise for all images of a batch: made once, and as good where images are independent.
    antithetic : bool
        Every second draw is an earlier one with its sign changed: half the work for `inclusion`, and
        less noise.
    """

    n_samples: int
    sigma: float
    seed: int = 0
    shared: bool = False
    antithetic: bool = False

    def chunks(self, images: int, cells: int, like: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
        """Give standard noise (m, N) for some images and some draws, until all have had theirs.

        Parameters
        ----------
        images, cells : int
            Size of the batch, and N.
        like : Tensor
            Device and floating-point type.

        Yields
        ------
        images, draws : slice
            Whose noise it is.
        noise : (m, N) tensor
            In memory that the next chunk uses again.
        """
        generator = torch.Generator(like.device)
        owners = [slice(0, images)] if self.shared else [slice(b, b + 1) for b in range(images)]
        blocks = -(-self.n_samples // _DRAWS)
        # Fresh memory for every chunk would cost more than what is written there.
        memory = torch.empty((_DRAWS, cells), device=like.device, dtype=like.dtype)
        for number, owner in enumerate(owners):
            for block in range(blocks):
                generator.manual_seed((self.seed * len(owners) + number) * blocks + block)
                draws = slice(block * _DRAWS, min((block + 1) * _DRAWS, self.n_samples))
                count = draws.stop - draws.start
                own = (count + 1) // 2 if self.antithetic else count
                memory[:own].normal_(generator=generator)
                torch.neg(memory[: count - own], out=memory[own:count])
                yield owner, draws, memory[:count]


def best(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Give the values and places of the `count` highest of each row (R, N), highest first."""
    blocks = rows.shape[1] // _BLOCK
    if blocks < 4 * count:
        found = rows.topk(count, dim=1)
        return found.values, found.indices
    whole = blocks * _BLOCK
    tops = rows[:, :whole].reshape(-1, blocks, _BLOCK).amax(dim=2)
    starts = tops.topk(count, dim=1, sorted=False).indices * _BLOCK
    places = (starts[..., None] + torch.arange(_BLOCK, device=rows.device)).flatten(1)
    rest = torch.arange(whole, rows.shape[1], device=rows.device).expand(len(rows), -1)
    places = torch.cat([places, rest], dim=1)
    found = rows.gather(1, places).topk(count, dim=1)
    return found.values, places.gather(1, found.indices)


def perturbed_best(scores: Tensor, count: int, noise: Noise) -> tuple[Tensor, Tensor]:
    """Give the best cells of every draw.

    Parameters
    ----------
    scores : (B, N) tensor
        ``-inf`` is taken last.
    count : int
        How many; K + 1 where thresholds are wanted.
    noise : Noise
        What is added.

    Returns
    -------
    values : (B, M, count) tensor
        Perturbed scores, highest first.
    indices : (B, M, count) int64 tensor
        Their cells.
    """
    scores = wide(scores.detach())
    n_images, n_cells = scores.shape
    values = scores.new_empty((n_images, noise.n_samples, count))
    indices = torch.empty(values.shape, dtype=torch.int64, device=scores.device)
    rows = torch.empty((_DRAWS, n_cells), device=scores.device, dtype=scores.dtype)
    for images, draws, drawn in noise.chunks(n_images, n_cells, scores):
        for image in range(images.start, images.stop):
            perturbed = torch.add(scores[image], drawn, alpha=noise.sigma, out=rows[: len(drawn)])
            values[image, draws], indices[image, draws] = best(perturbed, count)
    return values, indices


class _Mixture(torch.autograd.Function):
    """Mean indicator of the K best under noise, with a gradient for the scores."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, k: int, noise: Noise, gradient: str) -> Tensor:
        values, indices = perturbed_best(scores, k, noise)
        indices, order = indices.sort(dim=-1)
        n_images, n_draws, _ = indices.shape
        mixture = values.new_zeros((n_images, k, scores.shape[1]))
        ones = mixture.new_full((1,), 1 / n_draws).expand(n_images, k, n_draws)
        mixture.scatter_add_(2, indices.transpose(1, 2), ones)
        ctx.noise, ctx.gradient, ctx.dtype = noise, gradient, scores.dtype
        ctx.save_for_backward(indices, values.gather(-1, order), scores)
        return mixture

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        indices, values, scores = ctx.saved_tensors
        hit = grad.gather(2, indices.transpose(1, 2)).transpose(1, 2)
        if ctx.gradient == "reference":
            slope = _diagonal(hit, indices, values, wide(scores), ctx.noise)
        else:
            slope = _product(hit.sum(dim=-1), wide(scores), ctx.noise, ctx.gradient == "baseline")
        return slope.to(ctx.dtype), None, None, None


def _product(reward: Tensor, scores: Tensor, noise: Noise, baseline: bool) -> Tensor:
    """Sum reward times noise over the draws: the whole Jacobian, with the noise made again."""
    if baseline and noise.n_samples > 1:
        others = (reward.sum(dim=1, keepdim=True) - reward) / (noise.n_samples - 1)
        reward = reward - others
    reward = reward / (noise.n_samples * noise.sigma)
    slope = torch.zeros_like(scores)
    for images, draws, drawn in noise.chunks(scores.shape[0], scores.shape[1], scores):
        slope[images].addmm_(reward[images, draws], drawn)
    return slope


def _diagonal(hit: Tensor, indices: Tensor, values: Tensor, scores: Tensor, noise: Noise) -> Tensor:
    """Give what the published program computes: each cell's own noise where it was chosen."""
    flat = indices.flatten(1)
    drawn = (values.flatten(1) - scores.gather(1, flat)) / noise.sigma
    slope = torch.zeros_like(scores)
    return slope.scatter_add_(1, flat, hit.flatten(1) * drawn / (noise.n_samples * noise.sigma))


def perturbed_topk(
    scores: Tensor,
    k: int,
    noise: Noise,
    gradient: Literal["baseline", "plain", "reference"] = "baseline",
) -> Tensor:
    """Give how often each cell is the j-th chosen one, counted in order of position.

    Parameters
    ----------
    scores : (B, N) tensor
        Scores of the cells.
    k : int
        Cells chosen in every draw.
    noise : Noise
        What is added to the scores.
    gradient : {"baseline", "plain", "reference"}
        ``"plain"``: reward times noise, over all draws; ``"baseline"``: less the mean reward of the
        other draws, which is as unbiased and less noisy; ``"reference"``: the diagonal of the Jacobian
        alone, as the published program computes it, which is biased.

    Returns
    -------
    (B, K, N) tensor
        Rows sum to 1, float32 at least.
    """
    mixture: Tensor = _Mixture.apply(scores, k, noise, gradient)  # type: ignore[no-untyped-call]
    return mixture


def inclusion(scores: Tensor, chosen: Tensor, k: int, noise: Noise) -> Tensor:
    """Give the probability that cells are among the K best under noise.

    Of each draw only the noise of the other cells is used; that of the cell itself is integrated over
    exactly. Values and gradient have therefore little noise already with few draws.

    Parameters
    ----------
    scores : (B, N) tensor
        Scores of all cells.
    chosen : (B, n) int64 tensor
        The cells that are asked for.
    k : int
        How many are the best.
    noise : Noise
        What is added.

    Returns
    -------
    (B, n) tensor
        Between 0 and 1, float32 at least, differentiable by `scores`: by the cell's own and by those
        at the threshold.
    """
    scores = wide(scores)
    count = min(k + 1, scores.shape[1])
    values, indices = perturbed_best(scores, count, noise)
    at_cells = scores.gather(1, indices.flatten(1)).view_as(values)
    # The threshold moves with the score of the cell that it is.
    perturbed = values + torch.where(torch.isfinite(values), at_cells - at_cells.detach(), 0)
    if count == k:
        perturbed = torch.cat([perturbed, torch.full_like(perturbed[..., :1], -torch.inf)], dim=-1)
    among = (indices[:, :, None, :k] == chosen[:, None, :, None]).any(dim=-1)
    threshold = torch.where(among, perturbed[..., k, None], perturbed[..., k - 1, None])
    own = scores.gather(1, chosen)[:, None]
    # A cell that may never be chosen has no chance, whatever the threshold.
    allowed = torch.isfinite(own)
    distance = torch.where(allowed, own, 0) - torch.where(torch.isfinite(threshold), threshold, -1e30)
    chance = torch.special.ndtr((distance / noise.sigma).clamp(-30, 30))
    return torch.where(allowed, chance, 0).mean(dim=1)


def standardise(scores: Tensor) -> Tensor:
    """Give scores (B, N) with mean 0 and deviation 1 over those that are not ``-inf``.

    A constant map stays constant; one outlier does not set the scale as with a least and a highest.
    """
    scores = wide(scores)
    allowed = torch.isfinite(scores)
    values = torch.where(allowed, scores, 0)
    count = allowed.sum(dim=1, keepdim=True).clamp_min(1)
    mean = values.sum(dim=1, keepdim=True) / count
    spread = torch.where(allowed, values - mean, 0).square().sum(dim=1, keepdim=True) / count
    return torch.where(allowed, (values - mean) / (spread + 1e-12).sqrt(), -torch.inf)
