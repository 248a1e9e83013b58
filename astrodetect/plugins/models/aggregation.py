"""From K patches to one decision about the image."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from astrodetect.plugins.models.attention import Gradient, expectation, mean_of_others
from astrodetect.plugins.models.config import ModelConfig


@dataclass(frozen=True)
class Bag:
    """The chosen patches of a batch of images.

    Attributes
    ----------
    features : (B, K, D) tensor
        Of the feature network.
    valid : (B, K) bool tensor
        False where an image had fewer regions to choose.
    weights : (B, K) tensor
        How much each counts; sums to 1 over the valid ones. Without gradient.
    attention : (B, K) tensor
        What the selector gave each, with its gradient.
    places : (B, K, 2) tensor
        Centres of the patches as fractions of the image.
    drawn : bool
        Whether they were drawn by attention sampling, so that `attention` is that of draws in order.
    """

    features: Tensor
    valid: Tensor
    weights: Tensor
    attention: Tensor
    places: Tensor
    drawn: bool = False

    @property
    def log_ratio(self) -> Tensor:
        """The logarithm of the attention over itself: 0, with the gradient of the attention."""
        log_attention = self.attention.float().clamp_min(1e-30).log()
        return torch.where(self.valid, log_attention - log_attention.detach(), 0.0)


class Aggregator(nn.Module, ABC):
    """Joins the patches of an image."""

    @abstractmethod
    def evidence(self, features: Tensor) -> Tensor:
        """Give what each patch says alone: logits (..., n_outputs) of features (..., D)."""

    @abstractmethod
    def forward(self, bag: Bag) -> Tensor:
        """Give logits (B, n_outputs)."""

    def interest(self, bag: Bag) -> Tensor:
        """Give how much each patch mattered (B, K), between 0 and 1, without gradient."""
        return something(self.evidence(bag.features)).detach()

    def scores(self, bag: Bag) -> Tensor:
        """Give how much each patch would matter (B, K), comparable between patches encoded apart."""
        return self.evidence(bag.features).detach().float().amax(dim=-1)


def something(logits: Tensor) -> Tensor:
    """Give the probability that a patch shows any of the classes, of logits (..., n)."""
    nothing = torch.zeros_like(logits[..., :1])
    return 1 - torch.softmax(torch.cat([nothing, logits], dim=-1).float(), dim=-1)[..., 0]


class LogSumExp(Aggregator):
    """Logarithm of the summed exponentials of the logits of patches: one good patch is enough.

    The attention gets a self-normalised gradient, in which the mean over the other patches is the
    baseline.
    """

    def __init__(self, config: ModelConfig, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, config.n_outputs)
        self.baseline = config.gradient != "unbiased"

    def evidence(self, features: Tensor) -> Tensor:
        """Give logits of single patches."""
        logits: Tensor = self.linear(features)
        return logits

    def forward(self, bag: Bag) -> Tensor:
        """Join by log-sum-exp."""
        ratio = torch.where(bag.valid, bag.log_ratio, -torch.inf)[..., None]
        joined = torch.logsumexp(self.evidence(bag.features).float() + ratio, dim=1)
        if not self.baseline:
            return joined
        level = torch.logsumexp(ratio, dim=1)
        return joined - (level - level.detach())


class Count(Aggregator):
    """How many patches show each class; the image logits are a linear map of these numbers."""

    def __init__(self, config: ModelConfig, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, config.n_outputs)
        self.of_counts = nn.Linear(config.n_outputs, config.n_outputs)
        with torch.no_grad():
            # As likely something as nothing: else a patch of black counts as a find at the start, and the
            # scorer learns to look there.
            self.linear.bias.fill_(-math.log(config.n_outputs))
            self.of_counts.weight.copy_(4 * torch.eye(config.n_outputs))
            self.of_counts.bias.fill_(-2.0 if config.n_outputs == 1 or config.multilabel else 0.0)

    def evidence(self, features: Tensor) -> Tensor:
        """Give logits of single patches, against "nothing"."""
        logits: Tensor = self.linear(features)
        return logits

    def forward(self, bag: Bag) -> Tensor:
        """Count, softly."""
        logits = self.evidence(bag.features).float()
        nothing = torch.zeros_like(logits[..., :1])
        shares = torch.softmax(torch.cat([nothing, logits], dim=-1), dim=-1)[..., 1:]
        shares = shares * bag.valid[..., None]
        fixed = shares.detach()
        moved = bag.log_ratio[..., None] * (fixed - mean_of_others(bag.weights, fixed))
        counted: Tensor = self.of_counts((shares + moved).sum(dim=1))
        return counted


class Mean(Aggregator):
    """Weighted mean of the features, as in attention sampling; then a linear classifier."""

    def __init__(self, config: ModelConfig, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, config.n_outputs)
        self.replace = config.replace
        # Without a gradient the attention arrives detached, and any estimate of it is nought.
        self.gradient: Gradient = "unbiased" if config.gradient == "none" else config.gradient

    def evidence(self, features: Tensor) -> Tensor:
        """Give the logits of an image that shows this patch alone."""
        logits: Tensor = self.linear(features)
        return logits

    def forward(self, bag: Bag) -> Tensor:
        """Take the mean."""
        if bag.drawn:
            mean = expectation(bag.attention, bag.features, replace=self.replace, gradient=self.gradient)
        else:
            fixed = bag.features.detach()
            slope = bag.weights[..., None] * (fixed - mean_of_others(bag.weights, fixed))
            mean = (bag.weights[..., None] * bag.features + bag.log_ratio[..., None] * slope).sum(dim=1)
        logits: Tensor = self.linear(mean)
        return logits


class GatedAttention(Aggregator):
    """Mean of the features, weighted by a second, gated attention over the patches (Ilse et al. 2018)."""

    def __init__(self, config: ModelConfig, size: int) -> None:
        super().__init__()
        self.place = _Places(size) if config.position else None
        self.value = nn.Linear(size, size // 2)
        self.gate = nn.Linear(size, size // 2)
        self.score = nn.Linear(size // 2, 1)
        self.linear = nn.Linear(size, config.n_outputs)

    def evidence(self, features: Tensor) -> Tensor:
        """Give the logits of an image that shows this patch alone."""
        logits: Tensor = self.linear(features)
        return logits

    def _attend(self, bag: Bag) -> tuple[Tensor, Tensor]:
        features = bag.features if self.place is None else bag.features + self.place(bag.places)
        hidden = torch.tanh(self.value(features)) * torch.sigmoid(self.gate(features))
        scores = torch.where(bag.valid, self.score(hidden)[..., 0].float(), -torch.inf)
        return features, scores

    def forward(self, bag: Bag) -> Tensor:
        """Attend and classify."""
        features, scores = self._attend(bag)
        share = torch.softmax(scores + bag.log_ratio, dim=1)[..., None]
        logits: Tensor = self.linear((share * features).sum(dim=1))
        return logits

    def interest(self, bag: Bag) -> Tensor:
        """Give the attention, relative to the highest."""
        scores = self._attend(bag)[1].detach()
        return (scores - scores.amax(dim=1, keepdim=True)).exp()

    def scores(self, bag: Bag) -> Tensor:
        """Give the logits of the attention (B, K)."""
        return self._attend(bag)[1].detach()


class CrossAttention(Aggregator):
    """A learned query attends to the patches, then a small dense block: the pooling of IPS.

    Bergner et al., "Iterative patch selection for high-resolution image recognition" (2023).
    """

    def __init__(self, config: ModelConfig, size: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.place = _Places(size) if config.position else None
        self.query = nn.Parameter(torch.randn(size) / math.sqrt(size))
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.out = nn.Sequential(
            nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size)
        )
        self.norm = nn.LayerNorm(size)
        self.linear = nn.Linear(size, config.n_outputs)

    def evidence(self, features: Tensor) -> Tensor:
        """Give the logits of an image that shows this patch alone."""
        return self._classify(self.value(features))

    def _by_head(self, data: Tensor) -> Tensor:
        return data.reshape(*data.shape[:-1], self.heads, -1)

    def _classify(self, joined: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.norm(joined + self.out(joined)))
        return logits

    def _attend(self, bag: Bag) -> tuple[Tensor, Tensor]:
        features = bag.features if self.place is None else bag.features + self.place(bag.places)
        keys = self._by_head(self.key(features))
        query = self._by_head(self.query)
        scores = (keys * query).sum(dim=-1).float() / math.sqrt(keys.shape[-1])
        return features, torch.where(bag.valid[..., None], scores, -torch.inf)

    def forward(self, bag: Bag) -> Tensor:
        """Attend and classify."""
        features, scores = self._attend(bag)
        share = torch.softmax(scores + bag.log_ratio[..., None], dim=1)
        values = self._by_head(self.value(features))
        return self._classify((share[..., None] * values).sum(dim=1).flatten(-2))

    def interest(self, bag: Bag) -> Tensor:
        """Give the attention averaged over heads, relative to the highest."""
        share = torch.softmax(self._attend(bag)[1].detach(), dim=1).mean(dim=-1)
        return share / share.amax(dim=1, keepdim=True).clamp_min(1e-30)

    def scores(self, bag: Bag) -> Tensor:
        """Give the mean logit of attention (B, K): comparable between patches encoded apart."""
        return self._attend(bag)[1].detach().mean(dim=-1)


class _Places(nn.Module):
    """Sines and cosines of a position, made as long as the features."""

    def __init__(self, size: int, waves: int = 6) -> None:
        super().__init__()
        self.waves = waves
        self.linear = nn.Linear(4 * waves, size)

    def forward(self, places: Tensor) -> Tensor:
        """Encode (..., 2) fractions of the image."""
        rates = math.pi * 2.0 ** torch.arange(self.waves, device=places.device)
        angles = (places[..., None] * rates).flatten(-2)
        code: Tensor = self.linear(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return code


_KINDS: Mapping[str, Callable[[ModelConfig, int], Aggregator]] = {
    "lse": LogSumExp, "count": Count, "mean": Mean, "attention": GatedAttention,
    "cross-attention": CrossAttention,
}  # fmt: skip


def build_aggregator(config: ModelConfig, size: int) -> Aggregator:
    """Give the aggregator that a configuration names, for features of length `size`."""
    return _KINDS[config.aggregation](config, size)
