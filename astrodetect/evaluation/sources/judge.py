"""The comparison of all images: curves and figures for each class, the score, purity and completeness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray

from astrodetect.evaluation.rates import Rate
from astrodetect.evaluation.sources.curves import FALSE, HIT, Curve, assign
from astrodetect.evaluation.sources.pairs import FARTHEST, Match, pairs_of
from astrodetect.evaluation.sources.score import Score, ScoreSettings, score_sources
from astrodetect.evaluation.sources.table import Sources

#: Thresholds of IoU for AP@50:95.
IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
#: Of a matching by distance or shape, the one limit at which AP is taken.
_LIMITS: Mapping[Match, float] = {"iou": 0.5, "distance": 3.0, "shape": FARTHEST}


@dataclass(frozen=True)
class How:
    """How detections and sources are compared.

    Attributes
    ----------
    match : str
        See `pairs.pairs_of`.
    limit : float, optional
        See there; by default an IoU of 0.5, 3 pixels, or the shape distance of the data challenge.
    labels : tuple of str
        Classes looked for; empty: all of the truth.
    any_label : bool
        Labels need not agree: one class, ``any``.
    purity : float
        For the completeness at this purity.
    score : ScoreSettings
        What has full marks.
    """

    match: Match = "iou"
    limit: float | None = None
    labels: tuple[str, ...] = ()
    any_label: bool = False
    purity: Annotated[float, Gt(0), Le(1)] = 0.93
    score: ScoreSettings = field(default_factory=ScoreSettings)

    @property
    def least(self) -> float:
        """The limit that holds."""
        return _LIMITS[self.match] if self.limit is None else self.limit


@dataclass(frozen=True)
class ClassResult:
    """How well the sources of one class were found.

    Attributes
    ----------
    label : str
    n_true, n_difficult, n_found : int
        Sources to be found, others, and detections, accepted or not.
    curve : Curve
        Precision and recall of all detections by their rank.
    average_precision : mapping of str to float
        For matching by IoU ``AP@50`` and ``AP@50:95``, else ``AP``.
    completeness, purity : Rate
        Of accepted detections.
    completeness_at_purity : float
        Of all detections, at the threshold that gives the purity asked for.
    score : Score or None
        Of accepted detections; None where the truth knows no flux.
    by_flux : tuple of dict
        ``low, high`` (flux), ``completeness`` of the sources and ``purity`` of the detections in it.
    blended : Rate
        Completeness of the sources that the truth marks as blended.
    """

    label: str
    n_true: int
    n_difficult: int
    n_found: int
    curve: Curve
    average_precision: dict[str, float]
    completeness: Rate
    purity: Rate
    completeness_at_purity: float
    score: Score | None
    by_flux: tuple[dict[str, Any], ...]
    blended: Rate


@dataclass(frozen=True)
class SourceEvaluation:
    """What a comparison of images gave; see `ClassResult`."""

    how: How
    classes: tuple[ClassResult, ...]
    n_images: int
    not_in_catalog: tuple[str, ...] = ()
    not_in_truth: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    note: str = ""

    @property
    def mean_average_precision(self) -> dict[str, float]:
        """The mean over the classes that have sources, for each kind of average precision."""
        known = [own.average_precision for own in self.classes if own.n_true]
        return {name: float(np.mean([own[name] for own in known])) for name in known[0]} if known else {}


@dataclass(frozen=True)
class _Judged:
    """The detections of one class in one image, and what became of them at the first limit."""

    found: Sources
    true: Sources
    outcome: NDArray[np.int8]
    source: NDArray[np.int64]
    at: dict[float, NDArray[np.int8]]
    score: Score


def evaluate_sources(
    found: Mapping[str, Sources], true: Mapping[str, Sources], how: How | None = None
) -> SourceEvaluation:
    """Compare the detections of images with their sources.

    Parameters
    ----------
    found, true : mapping of str to Sources
        By image; an image that only one of them has is empty in the other.
    how : How, optional
        How they are compared.
    """
    how = how or How()
    images = sorted({*found, *true})
    none = Sources.of({})
    if how.any_label:
        labels: list[str] = ["any"]
    else:
        labels = list(how.labels) or sorted({str(v) for own in true.values() for v in own["label"]})
    results = []
    for label in labels:
        chosen = (
            (_of(found.get(image, none), label, how), _of(true.get(image, none), label, how))
            for image in images
        )
        results.append(_class_result(label, [_judge(*pair, how) for pair in chosen], how))
    return SourceEvaluation(how, tuple(results), len(images))


def _of(sources: Sources, label: str, how: How) -> Sources:
    return sources if how.any_label else sources.take(sources["label"] == label)


def _judge(found: Sources, true: Sources, how: How) -> _Judged:
    """Compare one image."""
    found = found.take(found.by_rank())
    order = np.arange(len(found))
    pairs = pairs_of(found, true, how.match, how.least)
    outcome, source = assign(pairs, order, true["difficult"])
    at = {}
    if how.match == "iou":
        wide = pairs if how.least <= 0.5 else pairs_of(found, true, "iou", 0.5)
        at = {t: assign(wide.where(wide.fit >= t), order, true["difficult"])[0] for t in IOU_THRESHOLDS}
    score = score_sources(found.take(found["accepted"]), true, how.score)
    return _Judged(found, true, outcome, source, at, score)


def _class_result(label: str, images: Iterable[_Judged], how: How) -> ClassResult:
    images = list(images)
    n_true = int(sum((~own.true["difficult"]).sum() for own in images))
    n_difficult = int(sum(own.true["difficult"].sum() for own in images))
    rank, second = (_joined([own.found[name] for own in images]) for name in ("rank", "order"))
    order = np.lexsort([-np.nan_to_num(second, nan=-np.inf), -np.nan_to_num(rank, nan=-np.inf)])
    ties = _levels(rank[order], second[order])
    curve = Curve(_joined([own.outcome for own in images])[order], n_true, ties)
    outcome = _joined([own.outcome[own.found["accepted"]] for own in images])
    hits, n_judged = int((outcome == HIT).sum()), int((outcome != -1).sum())
    knows_flux = any(own.true.has("flux") for own in images)
    return ClassResult(
        label, n_true, n_difficult, len(rank), curve, _precisions(images, order, n_true),
        Rate(hits, n_true), Rate(hits, n_judged), curve.recall_at(how.purity),
        reduce(add, [own.score for own in images]) if knows_flux and images else None,
        _by_flux(images), _blended(images),
    )  # fmt: skip


def _precisions(images: list[_Judged], order: NDArray[np.int64], n_true: int) -> dict[str, float]:
    """Give average precisions; equal ranks come in the order of the table, as elsewhere."""
    if not (images and images[0].at):
        return {"AP": Curve(_joined([own.outcome for own in images])[order], n_true).average_precision()}
    at = {
        t: Curve(_joined([own.at[t] for own in images])[order], n_true).average_precision()
        for t in IOU_THRESHOLDS
    }
    return {"AP@50": at[0.5], "AP@50:95": float(np.mean(list(at.values())))}


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0)


def _levels(rank: NDArray[np.float64], order: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number detections, sorted by both, so that equals have the same number."""
    keys = np.nan_to_num(np.stack([rank, order]), nan=-np.inf)
    changes = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    return np.concatenate([[0], np.cumsum(changes)])[: len(rank)]


def _by_flux(images: list[_Judged]) -> tuple[dict[str, Any], ...]:
    """Give completeness by true flux and purity by measured flux, in bins of half a power of ten."""
    kept = [~own.true["difficult"] for own in images]
    fluxes = _joined([own.true["flux"][sure] for own, sure in zip(images, kept, strict=True)])
    known = fluxes[np.isfinite(fluxes) & (fluxes > 0)]
    if not len(known):
        return ()
    found = []
    for own, sure in zip(images, kept, strict=True):
        hit = np.zeros(len(own.true), bool)
        hit[own.source[(own.outcome == HIT) & own.found["accepted"]]] = True
        found.append(hit[sure])
    is_found = _joined(found)
    accepted = [own.found["accepted"] for own in images]
    outcome = _joined([own.outcome[good] for own, good in zip(images, accepted, strict=True)])
    measured = _joined([own.found["flux"][good] for own, good in zip(images, accepted, strict=True)])
    first, last = np.floor(2 * np.log10(known.min())), np.ceil(2 * np.log10(known.max()))
    rows = []
    for low, high in pairwise(10 ** (np.arange(first, max(last, first + 1) + 1) / 2)):
        inside = (fluxes >= low) & (fluxes < high)
        right, wrong = (
            int(((outcome == what) & (measured >= low) & (measured < high)).sum()) for what in (HIT, FALSE)
        )
        completeness = Rate(int(is_found[inside].sum()), int(inside.sum()))
        purity = Rate(right, right + wrong)
        rows.append({"low": float(low), "high": float(high), "completeness": completeness, "purity": purity})
    return tuple(rows)


def _blended(images: list[_Judged]) -> Rate:
    hits = total = 0
    for own in images:
        blended = own.true["blended"] & ~own.true["difficult"]
        matched = own.source[(own.outcome == HIT) & own.found["accepted"]]
        hits, total = hits + int(blended[matched].sum()), total + int(blended.sum())
    return Rate(hits, total)
