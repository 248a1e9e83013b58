"""Peaks of a map of logits as a selector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from astrodetect.core.maps import ScoreMap, Selection
from astrodetect.core.stages import PatchSelector
from astrodetect.plugins.selectors._cells import best_peaks


@dataclass
class FcnMil(PatchSelector):
    """Choose the peaks of a score map that are high enough, as the full-resolution network does.

    Notes
    -----
    All weigh the same. A cell is a peak if none within the distance of suppression is better. Cells
    that are NaN or minus infinity are never taken.
    """

    #: Largest number of cells.
    k: Annotated[int, Ge(1)] = 16
    #: A cell with a better one within this many pixels, in y and in x, is no peak.
    suppress: Annotated[float, Ge(0)] = 24.0
    #: Least score. For maps of logits 0 is a probability of one half; lower it to keep more rejects.
    threshold: float = -3.0

    def select(self, scores: ScoreMap) -> Selection:
        """Choose the cells."""
        indices, values = best_peaks(scores, self.k, self.suppress, self.threshold)
        weights = np.full(len(indices), 1 / max(1, len(indices)), np.float32)
        return Selection(indices, scores.centres(indices), values, weights)
