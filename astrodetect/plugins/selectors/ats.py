"""Attention sampling as a selector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.maps import ScoreMap, Selection
from astrodetect.core.stages import PatchSelector
from astrodetect.plugins.selectors._cells import peaks, reach_of
from astrodetect.plugins.selectors.top_k import best_cells


@dataclass
class Ats(PatchSelector):
    """Choose cells by attention: the softmax of the scores.

    The K of highest attention are taken, or K are drawn without replacement in proportion to it.

    Notes
    -----
    Weights are attention of the chosen cells, in sum 1; of drawn cells the coefficients with which
    they estimate the mean over all cells. Cells that are minus infinity are never taken.
    """

    #: Largest number of cells. More cost time and miss less.
    k: Annotated[int, Ge(1)] = 16
    #: Cells are not taken that have a better one within this many pixels, in y and in x; 0 takes
    #: neighbours too.
    suppress: Annotated[float, Ge(0)] = 24.0
    #: Take the best, the same in every run, or draw.
    mode: Literal["top-k", "sample"] = "top-k"
    #: Scores are divided by this before the softmax: higher spreads the attention and the draws.
    temperature: Annotated[float, Gt(0)] = 1.0
    #: Of the draws. The same map with the same seed gives the same draws.
    seed: Annotated[int, Ge(0)] = 0

    def select(self, scores: ScoreMap) -> Selection:
        """Choose the cells."""
        data = to_numpy(scores.data)
        logits = np.where(np.isnan(data), -np.inf, data).astype(np.float64) / self.temperature
        logits[~peaks(data, reach_of(scores.stride, self.suppress))] = -np.inf
        ranked = logits
        if self.mode == "sample":
            # The largest sums of logit and Gumbel noise are draws without replacement, in their order.
            ranked = logits + np.random.default_rng(self.seed).gumbel(size=logits.shape)
        indices = best_cells(ranked, self.k)
        attention = _softmax(logits).reshape(-1)[indices]
        weights = _coefficients(attention) if self.mode == "sample" else attention
        return Selection(
            indices=indices,
            centres_yx=scores.centres(indices),
            scores=data.reshape(-1)[indices].astype(np.float32),
            weights=_unit_sum(weights),
        )


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = logits[np.isfinite(logits)]
    if not finite.size:
        return np.zeros_like(logits)
    weights = np.exp(logits - finite.max())
    attention: NDArray[np.float64] = weights / weights.sum()
    return attention


def _coefficients(attention: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give how much each draw counts in the estimate of the mean over all cells."""
    k = len(attention)
    left = np.maximum(0, 1 - (np.cumsum(attention) - attention))
    coefficients: NDArray[np.float64] = (left + np.arange(k - 1, -1, -1) * attention) / max(1, k)
    return coefficients


def _unit_sum(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    total = weights.sum()
    even = np.full(len(weights), 1 / max(1, len(weights)))
    return (weights / total if total > 0 else even).astype(np.float32)
