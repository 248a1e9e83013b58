"""Differentiable patch selection as a selector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.maps import ScoreMap, Selection
from astrodetect.core.stages import PatchSelector
from astrodetect.plugins.selectors._cells import best_peaks, peaks, reach_of


@dataclass
class Dps(PatchSelector):
    """Choose the K cells of the highest scores, and say how safe each choice is.

    Notes
    -----
    With noise, the weight of a cell is in proportion to the probability that it is among the K best
    when noise is added to all scores; without, all weigh the same. The choice itself is the same in
    both cases. Cells that are minus infinity are never taken.
    """

    #: Largest number of cells. More cost time and miss less.
    k: Annotated[int, Ge(1)] = 16
    #: Cells are not taken that have a better one within this many pixels, in y and in x; 0 takes
    #: neighbours too.
    suppress: Annotated[float, Ge(0)] = 24.0
    #: Noise for the weights, in standard deviations of the scores; 0: all weigh the same. Raise it to
    #: learn which choices hang by a hair.
    sigma: Annotated[float, Ge(0)] = 0.0
    #: Number of noise draws.
    n_samples: Annotated[int, Ge(1)] = 64
    #: Of the noise.
    seed: Annotated[int, Ge(0)] = 0

    def select(self, scores: ScoreMap) -> Selection:
        """Choose the cells."""
        indices, values = best_peaks(scores, self.k, self.suppress)
        weights = np.full(len(indices), 1 / max(1, len(indices)), np.float32)
        if self.sigma > 0 and len(indices):
            weights = self._weights(scores, indices)
        return Selection(indices, scores.centres(indices), values, weights)

    def _weights(self, scores: ScoreMap, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        import torch

        from astrodetect.plugins.models.perturbed import Noise, inclusion, standardise

        data = to_numpy(scores.data)
        rivals = np.where(peaks(data, reach_of(scores.stride, self.suppress)), data, -np.inf)
        clean = torch.from_numpy(rivals.astype(np.float32).reshape(1, -1))
        noise = Noise(self.n_samples, self.sigma, self.seed)
        with torch.no_grad():
            found = inclusion(standardise(clean), torch.from_numpy(indices)[None], len(indices), noise)
        chances: NDArray[np.float32] = found[0].numpy()
        return chances / max(float(chances.sum()), 1e-12)
