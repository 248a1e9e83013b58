"""A patch selector: everything above a threshold, the best first."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from astrodetect import PatchSelector, ScoreMap, Selection
from astrodetect.core.arrays import to_numpy


@dataclass
class Example(PatchSelector):
    """Choose the best cells whose score is above a threshold."""

    #: Most cells to choose in a window. More of them find fainter objects and take longer.
    k: Annotated[int, Ge(1)] = 10
    #: Least score. In the unit of the scorer; higher gives fewer candidates.
    threshold: float = 0.0

    def select(self, scores: ScoreMap) -> Selection:
        """Give at most `k` cells; none is a legal answer. A score of -inf is never chosen."""
        flat = to_numpy(scores.data).ravel()
        allowed = np.flatnonzero(np.isfinite(flat) & (flat > self.threshold))
        ranked = allowed[np.argsort(-flat[allowed], kind="stable")][: self.k]
        values = flat[ranked].astype(np.float32)
        return Selection(ranked, scores.centres(ranked), values, np.ones_like(values))
