"""Fractions with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

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


class Frequency(NamedTuple):
    """How often something happened in a time.

    Attributes
    ----------
    n : int
        How often.
    hours : float
        In how long; 0 if that is not known.
    """

    n: int
    hours: float

    @property
    def value(self) -> float:
        """Per hour; NaN if the time is not known."""
        return self.n / self.hours if self.hours > 0 else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval per hour, of a Poisson count (F. Garwood 1936, Biometrika 28, 437).

        Examples
        --------
        >>> [round(end, 3) for end in Frequency(0, 1.0).interval]
        [0.0, 3.689]
        """
        from scipy.special import gammaincinv

        if not self.hours > 0:
            return 0.0, math.inf
        low = float(gammaincinv(self.n, 0.025)) if self.n else 0.0
        return low / self.hours, float(gammaincinv(self.n + 1, 0.975)) / self.hours

    def __str__(self) -> str:
        if not self.hours > 0:
            return f"{self.n} in an unknown time"
        low, high = self.interval
        return f"{self.value:.3g} [{low:.3g}, {high:.3g}] per camera-hour ({self.n} in {self.hours:.3g} h)"

    def to_dict(self) -> dict[str, float | int | None]:
        """Give number, time, rate and interval; None for what is not a number."""
        known = self.hours > 0
        low, high = self.interval
        return {
            "n": self.n,
            "hours": self.hours,
            "per_hour": self.value if known else None,
            "low": low,
            "high": high if known else None,
        }


def hours_of(recordings: Any, paths: Iterable[str] | None = None) -> float:
    """Give how long the recordings of a catalog are together, from their frames and frame rates.

    Parameters
    ----------
    recordings : table or mapping of str to array
        As in the catalog.
    paths : iterable of str, optional
        Only these.
    """
    names = set(recordings.keys())
    if not {"frame_rate", "n_frames"} <= names:
        return 0.0
    rate = np.asarray(recordings["frame_rate"], np.float64)
    frames = np.asarray(recordings["n_frames"], np.float64)
    known = np.isfinite(rate) & (rate > 0)
    if paths is not None:
        known &= np.isin(np.asarray(recordings["path"]).astype(str), list(paths))
    return float((frames[known] / rate[known]).sum() / 3600)
