"""Counts of sources that are a power of their flux."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def power_law(uniform: NDArray[Any], slope: float, low: float, high: float) -> NDArray[np.float64]:
    """Turn uniform numbers in 0-1 into numbers with the density S^-slope between `low` and `high`.

    Examples
    --------
    >>> power_law(np.array([0.0, 0.5, 1.0]), 2.0, 1.0, 3.0).round(6).tolist()
    [1.0, 1.5, 3.0]
    """
    if abs(slope - 1) < 1e-9:
        return np.asarray(low * (high / low) ** uniform)
    power = 1 - slope
    return np.asarray((low**power + uniform * (high**power - low**power)) ** (1 / power))


def more(slope: float, low: float, anchor: float, high: float) -> float:
    """Give how many sources are above `low` for one that is above `anchor`, all below `high`.

    Examples
    --------
    >>> round(more(2.0, 1.0, 1.5, 3.0), 6)
    2.0
    """
    if abs(slope - 1) < 1e-9:
        return math.log(high / low) / math.log(high / anchor)
    power = 1 - slope
    return float((low**power - high**power) / (anchor**power - high**power))
