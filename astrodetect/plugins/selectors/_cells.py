"""The one place where selectors turn pixels of suppression into cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.geometry import tie_order
from astrodetect.core.maps import ScoreMap


def reach_of(stride: tuple[float, float], suppress: float) -> tuple[int, int]:
    """Give the cells on either side within so many pixels."""
    return int(suppress // stride[0]), int(suppress // stride[1])


def peaks(scores: NDArray[Any], reach: tuple[int, int], first: int = 0) -> NDArray[np.bool_]:
    """Say which cells of a map (h, w) have no better one within `reach`; NaN and ``-inf`` are none.

    Of equal cells within reach of each other one is a peak, by the rule of `tie_order`; `first` is the
    index of the first cell where the map is a part of another.

    Examples
    --------
    >>> peaks(np.array([[5.0, 4.0, 3.0, 4.5]]), (1, 1)).tolist()
    [[True, False, False, True]]
    """
    clean = np.where(np.isnan(scores), -np.inf, scores)
    tied = (clean >= _highest_within(clean, reach)) & (clean > -np.inf)
    order = np.where(tied, tie_order(clean.size, first).reshape(clean.shape), -1)
    return np.asarray(tied & (order >= _highest_within(order, reach)))


def _highest_within(data: NDArray[Any], reach: tuple[int, int]) -> NDArray[Any]:
    for axis, cells in enumerate(reach):
        data = _highest_around(data, cells, axis)
    return data


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
    # Whether an equal neighbour is a rival depends on its own neighbours.
    halo = 2 * reach[0]
    indices, values = np.empty(0, np.int64), np.empty(0, np.float32)
    for first in range(0, height, rows):
        above = max(0, first - halo)
        band = to_numpy(scores.data[above : first + rows + halo]).astype(np.float32, copy=False)
        own = peaks(band, reach, above * width) & (band >= threshold)
        own[: first - above] = False
        own[first - above + rows :] = False
        found = np.flatnonzero(own)
        indices = np.concatenate([indices, found + above * width])
        values = np.concatenate([values, band.reshape(-1)[found]])
        kept = np.argsort(-values, kind="stable")[:k]
        indices, values = indices[kept], values[kept]
    return indices, values
