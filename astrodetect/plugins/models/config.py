"""What a learned model is made of, as plain values; imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le

from astrodetect.core import settings

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Amount = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True)
class ModelConfig:
    """One model: view, scorer, selection, patches, feature network, aggregation, classifier.

    The defaults suit small bright objects of about 30 pixels on a dark frame of a megapixel.

    Raises
    ------
    ValueError
        Settings that do not go together.
    """

    #: How patches are found: `ats` attention sampling, `dps` differentiable patch selection, `ips`
    #: iterative patch selection, `fcn-mil` no patches but the whole frame at full resolution, `track` no
    #: images but tracks over time (`[data] use = "tracks"`), `verify` pictures of tracks and numbers about
    #: them (`[data] use = "candidates"`).
    method: Literal["ats", "dps", "ips", "fcn-mil", "track", "verify"] = "ats"
    #: Planes of an image.
    channels: Count = 1
    #: Number of outputs.
    n_classes: Annotated[int, Ge(1)] = 2
    #: Whether an image may have several labels at once; then every output is a yes or no of its own.
    multilabel: bool = False
    #: Names of the classes, in order; empty: their numbers. Class 0 of two is "nothing there".
    labels: tuple[str, ...] = ()
    #: Pixel value that becomes 0 for the networks.
    black: float = 0.0
    #: Pixel value that becomes 1.
    white: float = 1.0

    #: Pixels of the low-resolution view per pixel of the image: smaller is cheaper, and small objects
    #: melt together. Any value up to 1.
    scale: Annotated[float, Gt(0), Le(1)] = 0.125
    #: What the view keeps of a block of pixels. The maximum keeps points and thin streaks.
    view: tuple[Literal["mean", "max"], ...] = ("mean", "max")
    #: Filters of the hidden layers of the scorer.
    scorer_channels: tuple[Count, ...] = (16, 32)
    #: Step of each of these layers, in cells; more is cheaper and coarser.
    scorer_strides: tuple[Count, ...] = (2, 1)
    #: Kernel of the layers of the scorer.
    scorer_kernel: Annotated[int, Ge(1)] = 3
    #: Maximum over so many score cells in y and x.
    scorer_pool: Count = 1
    #: Normalise the hidden layers of the scorer over the batch.
    scorer_norm: bool = True
    #: What lies beyond the edge of the view: black, or the last row and column repeated (sky).
    padding: Literal["zero", "replicate"] = "zero"
    #: Weight of local brightness in the score at the start: with it the scorer looks at what is bright before
    #: it has learned anything. 0: no such prior.
    prior: Amount = 40.0
    #: Width of what the prior answers to, in pixels; brightness counts above its surroundings.
    prior_width: Annotated[float, Gt(0)] = 40.0
    #: Beside a prior, what the scorer's network adds to the score lies between 0 and this: about half the
    #: weight of the prior lets it overrule differences in brightness.
    gain: Annotated[float, Gt(0)] = 20.0
    #: Whether the weight of the prior is trained.
    prior_trained: bool = True
    #: The score is the prior alone; nothing is learned by the scorer. To compare with.
    prior_only: bool = False

    #: Patches looked at.
    k: Count = 16
    #: Patches in training; 0: as many as otherwise. More at the start let the networks find something.
    k_train: Whole = 0
    #: Share of the training with `k_train` patches; afterwards there are `k`.
    k_until: Share = 1.0
    #: Only cells are chosen that have no better one within so many pixels in y and in x; 0: all.
    suppress: Amount = 24.0
    #: `ats`: draw with replacement.
    replace: bool = False
    #: `ats`: gradient of the attention; `unbiased`, with a `baseline` of the other patches (less noise),
    #: or the `reference`, as published, which is biased without replacement. `none`: the attention
    #: learns from `distill` alone. Aggregations other than `mean` know `baseline`, `unbiased` and `none`.
    gradient: Literal["baseline", "unbiased", "reference", "none"] = "baseline"
    #: `ats`: share of the attention that is spread evenly.
    smoothing: Annotated[float, Ge(0), Le(1)] = 0.0
    #: `ats`: weight of the entropy of the attention in the loss at the start; it falls to 0 linearly.
    entropy: Amount = 0.05
    #: `ats`: at inference take the best K, or draw.
    inference: Literal["top-k", "sample"] = "top-k"
    #: `ats`: number of draws whose probabilities are averaged at inference.
    draws: Count = 1
    #: `dps`: `conditional` multiplies hard patches by their chance to be chosen, with an exact gradient of
    #: little noise; `reference` mixes pixels of patches as published.
    mode: Literal["conditional", "reference"] = "conditional"
    #: `dps`: noise draws per step.
    n_samples: Count = 16
    #: `dps`: noise at the start, in standard deviations of the scores.
    sigma: Annotated[float, Gt(0)] = 0.5
    #: `dps`: noise at the end of training.
    sigma_end: Annotated[float, Gt(0)] = 0.02
    #: `dps`: one noise for all images of a batch: faster.
    shared_noise: bool = False
    #: `ips`: pixels between neighbouring patches.
    step: Count = 24
    #: `ips`: patches that are encoded at once.
    chunk: Count = 64

    #: Height and width of a patch in pixels.
    patch: tuple[Count, Count] = (48, 48)
    #: Patches are moved by up to so many pixels in training.
    jitter: Whole = 4
    #: Filters of the blocks of the feature network; for `fcn-mil` of the network.
    feature_channels: tuple[Count, ...] = (16, 32, 64, 64)
    #: Shrink by 2 after each of these blocks (1) or not (0); as many as blocks.
    feature_shrink: tuple[Whole, ...] = (1, 1, 1, 0)
    #: Kernel of the first block; the others have 3.
    feature_kernel: Annotated[int, Ge(1)] = 5
    #: How the first block shrinks: with a step of its convolution, which is cheap, or by pooling after it.
    feature_stem: Literal["stride", "pool"] = "stride"
    #: Normalise the blocks over the batch.
    feature_norm: bool = True
    #: How the last block's map becomes one vector.
    feature_pool: Literal["max", "mean"] = "max"
    #: Ordinary or depthwise separable convolutions.
    convolution: Literal["standard", "separable"] = "standard"
    #: Units of a dense layer after the blocks; 0: none.
    dense_units: Whole = 0
    #: Share of the features that is dropped in training.
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.2
    #: How patches are joined: logarithm of summed exponentials of their logits (`lse`), `count` of patches of
    #: each class, mean of features (`mean`), gated attention over features (`attention`), `cross-attention`
    #: with a learned query, as in `ips`.
    aggregation: Literal["lse", "count", "mean", "attention", "cross-attention"] = "lse"
    #: Add the position of a patch to its features (`attention` and `cross-attention`).
    position: bool = False
    #: Heads of the cross-attention.
    heads: Count = 4
    #: Weight of the loss that teaches the scorer what the patch network found in the chosen patches; 0: none.
    distill: Amount = 0.0
    #: `fcn-mil`: image logit is the mean of the best cells, or the logarithm of summed exponentials.
    pooling: Literal["top-r", "lse"] = "lse"
    #: `fcn-mil`: number of best cells.
    top: Count = 4

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ValueError(problem)

    @property
    def n_outputs(self) -> int:
        """Logits per patch: one for two exclusive classes."""
        return 1 if self.n_classes == 2 and not self.multilabel else self.n_classes

    @property
    def training_k(self) -> int:
        """Patches in training."""
        return self.k_train or self.k

    def label(self, number: int) -> str:
        """Name of a class."""
        return self.labels[number] if self.labels else str(number)

    def to_json(self) -> str:
        """Give the settings as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str = "[model]") -> ModelConfig:
        """Make a configuration from a TOML or JSON table.

        Raises
        ------
        ConfigurationError
            All mistakes, one line each, beginning with `where`.
        """
        return settings.build_alone(cls, table, where)


def _problems(config: ModelConfig) -> list[str]:
    """Say what does not go together."""
    found = []
    if len(config.scorer_channels) != len(config.scorer_strides):
        found.append("scorer_channels and scorer_strides must have the same length")
    if len(config.feature_channels) != len(config.feature_shrink) or not config.feature_channels:
        found.append("feature_channels and feature_shrink must have the same length, at least 1")
    if max(config.feature_shrink, default=0) > 1:
        found.append("feature_shrink holds 0 and 1 only")
    if config.scorer_kernel % 2 == 0:
        found.append(f"scorer_kernel = {config.scorer_kernel}: an odd number is needed, it has a centre")
    if not config.view:
        found.append('view is empty: "mean", "max" or both')
    if config.labels and len(config.labels) != config.n_classes:
        found.append(f"{len(config.labels)} labels for n_classes = {config.n_classes}")
    if config.n_classes < 2 and not config.multilabel:
        found.append("n_classes must be at least 2, or multilabel = true")
    if config.white == config.black or not isfinite(config.white - config.black):
        found.append("black and white must be numbers that differ")
    if config.prior_only and config.prior == 0:
        found.append("prior_only needs a prior above 0")
    if config.aggregation == "cross-attention" and config.feature_channels[-1] % config.heads:
        found.append("heads must divide the last of feature_channels")
    if config.method == "ips" and config.aggregation not in ("cross-attention", "attention", "lse", "count"):
        found.append("ips needs an aggregation that says how much each patch counts, not mean")
    return found
