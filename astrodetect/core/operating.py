"""What a threshold on the probability costs: recall and false alarms, measured once and stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.core.errors import AstrodetectError

#: Hours of a night, for rates.
NIGHT = 10.0
#: Most points of a stored curve.
_POINTS = 400


@dataclass(frozen=True)
class OperatingCurve:
    """Recall and false alarms for each threshold, of one label.

    Attributes
    ----------
    thresholds : (n,) float64 array
        Rising; a detection passes one if its probability is at least as high.
    recall : (n,) float64 array
        Share of the objects that pass; those that were not found at all never do.
    false_alarms : (n,) float64 array
        Number of false alarms that pass.
    n_objects : int
        Objects that were to be found.
    hours : float
        Time that was searched; NaN or 0 where nobody knows, and then false alarms per night are not known.
    """

    thresholds: NDArray[np.float64]
    recall: NDArray[np.float64]
    false_alarms: NDArray[np.float64]
    n_objects: int
    hours: float

    def for_recall(self, wanted: float) -> float:
        """Give the highest threshold that keeps a share of the objects.

        Raises
        ------
        ValueError
            No threshold does.
        """
        enough = np.flatnonzero(self.recall >= wanted - 1e-9)
        if not len(enough):
            raise ValueError(f"recall reaches {self.recall.max(initial=0):.3f} at most, of {self.n_objects}")
        return float(self.thresholds[enough[-1]])

    def for_false_per_night(self, allowed: float) -> float:
        """Give the lowest threshold with so few false alarms in `NIGHT` hours.

        Where less was searched than one false alarm at this rate takes, it is the threshold that none of
        those that were seen passed: more cannot be known from so little.

        Raises
        ------
        ValueError
            Nobody knows how long was searched, or every threshold lets more pass.
        """
        if not self.hours > 0:
            raise ValueError("it is not known how long was searched")
        few = np.flatnonzero(self.false_alarms * (NIGHT / self.hours) <= allowed + 1e-9)
        if not len(few):
            least = self.false_alarms.min(initial=math.inf) * NIGHT / self.hours
            raise ValueError(f"{least:.1f} false alarms per night are left at the highest threshold")
        return float(self.thresholds[few[0]])

    def to_dict(self) -> dict[str, Any]:
        """Give the curve as JSON holds it."""
        return {
            "thresholds": [round(float(value), 7) for value in self.thresholds],
            "recall": [round(float(value), 6) for value in self.recall],
            "false_alarms": [float(value) for value in self.false_alarms],
            "n_objects": self.n_objects,
            "hours": self.hours if math.isfinite(self.hours) else 0.0,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> OperatingCurve:
        """Read what `to_dict` gave.

        Raises
        ------
        ValueError
            It is none.
        """
        try:
            columns = [np.array(given[key], np.float64) for key in ("thresholds", "recall", "false_alarms")]
            if len({column.shape for column in columns}) > 1 or columns[0].ndim != 1:
                raise ValueError("columns differ in length")
            return cls(columns[0], columns[1], columns[2], int(given["n_objects"]), float(given["hours"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no curve of thresholds: {error}") from error


def stored_curve(info: Mapping[str, Any], label: str, name: str) -> OperatingCurve | None:
    """Read the curve of a label from what is stored with a model, under ``operating``; None: there is none.

    Parameters
    ----------
    info : mapping
        What is stored, of JSON types.
    label : str
        Which.
    name : str
        Where it comes from, for messages.

    Raises
    ------
    AstrodetectError
        It is damaged.
    """
    given = info.get("operating", {}).get(label)
    try:
        return None if given is None else OperatingCurve.from_dict(given)
    except ValueError as error:
        raise AstrodetectError(f"{name}: {error}") from error


def operating_curve(found: ArrayLike, false: ArrayLike, hours: float) -> OperatingCurve:
    """Give what each threshold costs.

    Parameters
    ----------
    found : (n,) array
        For each object that was to be found the probability of its detection; NaN if it has none.
    false : (m,) array
        Probabilities of the detections that are none of these.
    hours : float
        Time that was searched.

    Returns
    -------
    OperatingCurve
        At 0, at probabilities that occur (all, or a few hundred of them), and just above the highest false
        one.

    Examples
    --------
    >>> curve = operating_curve([0.9, 0.6, np.nan], [0.7, 0.2], hours=20.0)
    >>> curve.for_recall(0.5), curve.for_false_per_night(0.5)
    (0.6, 0.6)
    >>> round(curve.for_false_per_night(0.1), 6)
    0.700001
    """
    objects, wrong = np.asarray(found, np.float64), np.sort(np.asarray(false, np.float64))
    hits = np.sort(objects[~np.isnan(objects)])
    values = np.unique(np.concatenate([[0.0], hits, wrong]))
    if len(values) > _POINTS:
        # The ends are where the wanted thresholds lie: each quantile of both kinds has its points.
        shares = np.linspace(0, 1, _POINTS // 2)
        parts = [np.quantile(part, shares, method="lower") for part in (hits, wrong) if len(part)]
        values = np.unique(np.concatenate([[0.0], *parts]))
    if len(wrong) and wrong[-1] < 1:
        values = np.unique([*values, min(1.0, wrong[-1] + 1e-6)])
    passed = [len(part) - np.searchsorted(part, values, side="left") for part in (hits, wrong)]
    return OperatingCurve(
        values, passed[0] / max(1, len(objects)), passed[1].astype(np.float64), len(objects), float(hours)
    )
