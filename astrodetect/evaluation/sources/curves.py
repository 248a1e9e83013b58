"""From pairs to hits, and from hits to average precision, completeness and purity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.evaluation.sources.pairs import Pairs

#: What becomes of a detection: false, right, or on a difficult object and so neither.
FALSE, HIT, IGNORED = 0, 1, -1


def assign(
    pairs: Pairs, order: NDArray[np.int64], difficult: NDArray[np.bool_]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Give detections their sources, one to one, the surest first.

    Each takes, of the sources that are still free, the one that fits best; one that finds only a difficult
    one is neither right nor wrong. So what a detection gets does not depend on those that are less sure, and
    the result holds for every threshold at once.

    Parameters
    ----------
    pairs : Pairs
        That fit well enough, and may belong together.
    order : (n,) int64 array
        Detections, the surest first.
    difficult : (m,) bool array
        Sources that need not be found.

    Returns
    -------
    outcome : (n,) int8 array
        `HIT`, `FALSE` or `IGNORED` for each detection, in the order of the table.
    source : (n,) int64 array
        Its source, or -1.
    """
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    sequence = np.lexsort([-pairs.fit, difficult[pairs.true], place[pairs.found]])
    outcome = np.zeros(len(order), np.int8)
    source = np.full(len(order), -1, np.int64)
    taken = np.zeros(len(difficult), bool)
    for found, true in zip(pairs.found[sequence].tolist(), pairs.true[sequence].tolist(), strict=True):
        if source[found] < 0 and not taken[true]:
            source[found], taken[true] = true, True
            outcome[found] = IGNORED if difficult[true] else HIT
    return outcome, source


class Curve:
    """Precision (purity) and recall (completeness) at every threshold.

    Parameters
    ----------
    outcome : (n,) int array
        Of the detections, the surest first; those that are ignored count nowhere.
    n_true : int
        Sources to be found.
    ranks : (n,) array, optional
        How sure they are; a threshold cannot part equals.
    """

    def __init__(self, outcome: ArrayLike, n_true: int, ranks: ArrayLike | None = None) -> None:
        given = np.asarray(outcome, np.int8)
        kept = given != IGNORED
        hits = np.cumsum(given[kept] == HIT)
        self.n_true = n_true
        self.recall: NDArray[np.float64] = hits / n_true if n_true else np.full(len(hits), np.nan)
        self.precision: NDArray[np.float64] = hits / np.arange(1, len(hits) + 1)
        if ranks is not None and len(hits):
            values = np.asarray(ranks, float)[kept]
            last = np.append(values[1:] != values[:-1], True)
            self.recall, self.precision = self.recall[last], self.precision[last]

    def average_precision(self, points: int = 0) -> float:
        """Give the area under the curve after precision was made to fall only; NaN without sources.

        Parameters
        ----------
        points : int
            0: the area itself, which PASCAL VOC has used since 2010. 101: the mean at 101 evenly spaced
            recalls, as COCO has it; 11: as PASCAL VOC had it before.
        """
        if not self.n_true:
            return float("nan")
        envelope = np.maximum.accumulate(self.precision[::-1])[::-1]
        if points:
            at = np.searchsorted(self.recall, np.linspace(0, 1, points) - 1e-9)  # 0.6 is 0.6000000000000001
            return float(np.append(envelope, 0.0)[at].mean())
        steps = np.diff(np.concatenate([[0.0], self.recall]))
        return float((steps * envelope).sum())

    def recall_at(self, precision: float) -> float:
        """Give the highest recall at which the precision is not below a value; 0 if it nowhere is."""
        good = self.precision >= precision
        return float(self.recall[good].max(initial=0.0)) if self.n_true else float("nan")


def average_precision(ranks: ArrayLike, hits: ArrayLike, n_true: int, points: int = 0) -> float:
    """Give the average precision of detections.

    Parameters
    ----------
    ranks : (n,) array
        How sure they are. Equals come in the order given, as COCO and PASCAL VOC have it.
    hits : (n,) bool array
        Whether they are right.
    n_true : int
        Sources to be found.
    points : int
        As for `Curve.average_precision`.

    Examples
    --------
    >>> average_precision([0.9, 0.8, 0.7], [True, False, True], 2)
    0.8333333333333333
    """
    order = np.argsort(-np.asarray(ranks, float), kind="stable")
    outcome: NDArray[Any] = np.where(np.asarray(hits, bool), HIT, FALSE)[order]
    return Curve(outcome, n_true).average_precision(points)
