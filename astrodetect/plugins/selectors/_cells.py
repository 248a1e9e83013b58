"""The one place where selectors turn pixels of suppression into cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.maps import ScoreMap
from astrodetect.plugins.selectors.top_k import best_cells


def reach_of(stride: tuple[float, float], suppress: float) -> tuple[int, int]:
    """Give the cells on either side within so many pixels."""
    return int(suppress // stride[0]), int(suppress // stride[1])


def chosen_cells(
    scores: NDArray[Any], stride: tuple[float, float], k: int, suppress: float
) -> NDArray[np.int64]:
    """Give the best cells, none within `suppress` pixels of a better one; see `best_cells`."""
    return best_cells(scores, k, reach_of(stride, suppress))


def peaks(scores: NDArray[Any], reach: tuple[int, int]) -> NDArray[np.bool_]:
    """Say which cells of a map (h, w) have no better one within `reach`; NaN and ``-inf`` are none.

    Examples
    --------
    >>> peaks(np.array([[5.0, 4.0, 3.0, 4.5]]), (1, 1)).tolist()
    [[True, False, False, True]]
    """
    clean = np.where(np.isnan(scores), -np.inf, scores)
    highest = clean.copy()
    for axis, cells in enumerate(reach):
        highest = _highest_around(highest, cells, axis)
    return np.asarray((clean >= highest) & (clean > -np.inf))


def _highest_around(data: NDArray[Any], cells: int, axis: int) -> NDArray[Any]:
    """Give the maximum over `cells` cells on either side along an axis."""
    widths = [(cells, cells) if number == axis else (0, 0) for number in range(data.ndim)]
    padded = np.pad(data, widths, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * cells + 1, axis=axis)
    highest: NDArray[Any] = windows.max(axis=-1)
    return highest


def best_peaks(
    scores: ScoreMap, k: int, suppress: float, threshold: float = -np.inf, rows: int = 256
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Give the K best peaks of a map, a few rows at a time.

    Parameters
    ----------
    scores : ScoreMap
        Its data may be anything that can be sliced by rows.
    k : int
        Largest number.
    suppress : float
        A cell with a better one within so many pixels, in y and in x, is no peak.
    threshold : float
        Least score.
    rows : int
        Rows that are looked at together.

    Returns
    -------
    indices : (n,) int64 array
        Into the flat map, best first; of equal scores the first in reading order.
    values : (n,) float32 array
        Their scores.
    """
    height, width = scores.data.shape
    reach = reach_of(scores.stride, suppress)
    indices, values = np.empty(0, np.int64), np.empty(0, np.float32)
    for first in range(0, height, rows):
        above = max(0, first - reach[0])
        band = to_numpy(scores.data[above : first + rows + reach[0]]).astype(np.float32, copy=False)
        own = peaks(band, reach) & (band >= threshold)
        own[: first - above] = False
        own[first - above + rows :] = False
        found = np.flatnonzero(own)
        indices = np.concatenate([indices, found + above * width])
        values = np.concatenate([values, band.reshape(-1)[found]])
        kept = np.argsort(-values, kind="stable")[:k]
        indices, values = indices[kept], values[kept]
    return indices, values
