"""Iterative patch selection as a selector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from astrodetect.core.maps import ScoreMap, Selection
from astrodetect.core.stages import PatchSelector
from astrodetect.plugins.selectors._cells import best_peaks


@dataclass
class Ips(PatchSelector):
    """Go through the score map a few rows at a time, and keep the K best so far.

    The map may be a memory map or any array that can be sliced by rows: only a band of it and the kept
    cells are held. The result does not depend on the height of the band.

    Notes
    -----
    All weigh the same. Cells that are NaN or minus infinity are never taken; of equal scores the
    first cell in reading order wins.
    """

    #: Largest number of cells. More cost time and miss less.
    k: Annotated[int, Ge(1)] = 16
    #: Cells are not taken that have a better one within this many pixels, in y and in x; 0 takes
    #: neighbours too.
    suppress: Annotated[float, Ge(0)] = 24.0
    #: Rows of the map that are looked at together. Fewer need less memory.
    rows: Annotated[int, Ge(1)] = 256

    def select(self, scores: ScoreMap) -> Selection:
        """Choose the cells."""
        indices, values = best_peaks(scores, self.k, self.suppress, rows=self.rows)
        weights = np.full(len(indices), 1 / max(1, len(indices)), np.float32)
        return Selection(indices, scores.centres(indices), values, weights)
