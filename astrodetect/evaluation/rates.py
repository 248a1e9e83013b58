"""Fractions with their uncertainty."""

from __future__ import annotations

import math
from typing import NamedTuple

#: Standard normal quantile of a two-sided 95 % interval.
_Z = 1.959963984540054


class Rate(NamedTuple):
    """A number of hits out of n.

    Attributes
    ----------
    hits, n : int
        Counts.
    """

    hits: int
    n: int

    @property
    def value(self) -> float:
        """The fraction; NaN if n is 0."""
        return self.hits / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval; see `wilson_interval`."""
        return wilson_interval(self.hits, self.n)

    def __str__(self) -> str:
        if not self.n:
            return "  -   (0 of 0)"
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}] ({self.hits} of {self.n})"

    def to_dict(self) -> dict[str, float | int | None]:
        """Give counts, fraction and interval; None for what is not a number."""
        low, high = self.interval
        return {
            "hits": self.hits,
            "n": self.n,
            "value": self.value if self.n else None,
            "low": low,
            "high": high,
        }


def wilson_interval(hits: int, n: int, z: float = _Z) -> tuple[float, float]:
    """Give the score interval of a binomial fraction (E. B. Wilson 1927, J. Am. Stat. Assoc. 22, 209).

    Parameters
    ----------
    hits, n : int
        Counts; with n = 0 the interval is (0, 1).
    z : float
        Standard normal quantile.

    Examples
    --------
    >>> [round(end, 4) for end in wilson_interval(8, 10)]
    [0.4902, 0.9433]
    """
    if n == 0:
        return 0.0, 1.0
    fraction = hits / n
    scale = 1 + z * z / n
    centre = (fraction + z * z / (2 * n)) / scale
    half = z * math.sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n)) / scale
    return (centre - half if hits else 0.0), (centre + half if hits < n else 1.0)
