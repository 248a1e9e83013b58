"""The best cells of a score map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.maps import ScoreMap, Selection
from astrodetect.core.stages import PatchSelector


@dataclass
class TopK(PatchSelector):
    """Take the K cells of the highest scores, none of them near a better one.

    Of equal scores the first cell in reading order wins. Cells that are NaN or minus infinity are
    never taken, so fewer than K may come back, or none.

    Notes
    -----
    A map (h, w) gives K indices int64, centres (K, 2) float64 in pixels, scores float32 and equal
    weights that sum to 1.
    """

    #: Largest number of cells. More cost time and find fainter things beside bright ones.
    k: Annotated[int, Ge(1)] = 10
    #: Cells are not taken whose centre lies within this many pixels, in y and in x, of one that was
    #: taken; 0 takes neighbours too. Half a patch lets patches touch without covering twice.
    suppress: Annotated[float, Ge(0)] = 28.0
    #: Least score to be taken; without it the best are taken however low they are.
    threshold: float | None = None

    def select(self, scores: ScoreMap) -> Selection:
        """Choose the cells."""
        data = to_numpy(scores.data)
        reach = (int(self.suppress // scores.stride[0]), int(self.suppress // scores.stride[1]))
        indices = best_cells(data, self.k, reach, self.threshold)
        weight = 1 / max(1, len(indices))
        return Selection(
            indices=indices,
            centres_yx=scores.centres(indices),
            scores=data.reshape(-1)[indices].astype(np.float32),
            weights=np.full(len(indices), weight, np.float32),
        )


def best_cells(
    scores: NDArray[Any], k: int, reach: tuple[int, int] = (0, 0), threshold: float | None = None
) -> NDArray[np.int64]:
    """Give the best cells of a map, best first, each suppressing those around it.

    Parameters
    ----------
    scores : (h, w) array
        NaN and minus infinity are never taken.
    k : int
        Largest number of cells.
    reach : (int, int)
        Cells suppressed on either side, in y and x.
    threshold : float, optional
        Least score.

    Returns
    -------
    (n,) int64 array
        Indices into the flat map, n <= k.

    Examples
    --------
    >>> best_cells(np.array([[5.0, 4.0, 3.0]]), 2, (1, 1)).tolist()
    [0, 2]
    """
    left = np.array(scores, dtype=np.float64 if scores.dtype.itemsize > 4 else np.float32)
    left[np.isnan(left)] = -np.inf
    if left.size == 0:
        return np.empty(0, np.int64)
    # Best of each row: a choice changes few rows, so the map is not searched again for each.
    best = left.max(axis=1)
    found: list[int] = []
    while len(found) < k:
        row = int(best.argmax())
        if best[row] == -np.inf or (threshold is not None and best[row] < threshold):
            break
        column = int(left[row].argmax())
        found.append(row * left.shape[1] + column)
        rows = slice(max(0, row - reach[0]), row + reach[0] + 1)
        left[rows, max(0, column - reach[1]) : column + reach[1] + 1] = -np.inf
        best[rows] = left[rows].max(axis=1)
    return np.array(found, dtype=np.int64)
