"""How good a classifier of images is: figures, curves, calibration. scikit-learn does the counting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError


def require_sklearn() -> Any:
    """Give scikit-learn's metrics, or say how to install it.

    Raises
    ------
    AstrodetectError
        It is not installed.
    """
    try:
        from sklearn import metrics
    except ImportError as error:
        raise AstrodetectError(
            "scikit-learn, which computes the figures, is missing; "
            'install it with: pip install "astrodetect[train]"'
        ) from error
    return metrics


@dataclass(frozen=True)
class Curve:
    """Points of a curve, thresholds falling.

    Attributes
    ----------
    x, y : (n,) float64 arrays
        False positive and true positive rate (ROC), or recall and precision.
    area : float
        Under it; for precision and recall the average precision.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: float


@dataclass(frozen=True)
class Reliability:
    """What happens as often as is said.

    Attributes
    ----------
    confidence, accuracy : (b,) float64 arrays
        Mean probability of the chosen class and share of right ones, for bins of equal width; NaN
        where a bin is empty.
    counts : (b,) int64 array
        Images in each bin.
    error : float
        Expected calibration error: the mean distance of the two, weighed by the counts.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    counts: NDArray[np.int64]
    error: float


@dataclass(frozen=True)
class Scores:
    """Everything that is said of one set of predictions.

    Attributes
    ----------
    figures : dict of str to float
        accuracy, precision, recall, specificity, false_discovery_rate, f1, auc_roc, auc_pr,
        calibration_error, log_loss. For more than two classes the mean over the classes, each
        against the rest.
    confusion : (c, c) int64 array
        Rows are the truth, columns what was said; for several labels summed over yes and no.
    roc, precision_recall : Curve
        Of the positive class, or all classes against the rest together (micro average).
    reliability : Reliability
    per_class : dict
        For each class its precision, recall and number of images.
    """

    figures: dict[str, float]
    confusion: NDArray[np.int64]
    roc: Curve
    precision_recall: Curve
    reliability: Reliability
    classes: tuple[str, ...]
    per_class: dict[str, dict[str, float]] = field(default_factory=dict)


def score(
    targets: NDArray[Any], probabilities: NDArray[Any], classes: tuple[str, ...], threshold: float = 0.5
) -> Scores:
    """Compare predictions with the truth.

    Parameters
    ----------
    targets : (n,) int or (n, c) array
        Class of each image, or for each class whether it is there.
    probabilities : (n, c) array
        Of each class; rows sum to 1 where there is one label per image.
    classes : tuple of str
        Names. The second of two is the positive one.
    threshold : float
        From which probability on two classes are called positive, and labels there.

    Returns
    -------
    Scores

    Raises
    ------
    AstrodetectError
        There are no images, or probabilities that are not finite.

    Examples
    --------
    >>> found = score(np.array([0, 0, 1, 1]), np.array([[1, 0], [0.4, 0.6], [0, 1], [0.1, 0.9]]), ("-", "+"))
    >>> found.figures["recall"], found.figures["false_discovery_rate"]
    (1.0, 0.3333333333333333)
    """
    metrics = require_sklearn()
    if len(targets) == 0 or not np.isfinite(probabilities).all():
        raise AstrodetectError("nothing to compare: no images, or probabilities that are not finite")
    several = targets.ndim == 2
    truth = targets.astype(bool) if several else targets[:, None] == np.arange(len(classes))
    said = _said(probabilities, several, threshold)
    counts = _counts(truth, said)
    if not several and len(classes) == 2:
        counts, wanted, given = counts[1:], truth[:, 1], probabilities[:, 1]
    else:
        wanted, given = truth.ravel(), probabilities.ravel()
    right = (truth == said).all(axis=1)
    figures = {"accuracy": float(right.mean()), **_rates(counts)}
    roc, precision_recall = _curves(metrics, wanted, given)
    confident = np.where(said, probabilities, 1 - probabilities) if several else probabilities.max(axis=1)
    hits = (truth == said) if several else right
    reliability = calibration(confident.ravel(), hits.ravel())
    figures |= {
        "auc_roc": roc.area,
        "auc_pr": precision_recall.area,
        "calibration_error": reliability.error,
        "log_loss": _log_loss(truth, probabilities, several),
    }
    if several:
        confusion = metrics.confusion_matrix(truth.ravel(), said.ravel(), labels=[False, True])
    else:
        confusion = metrics.confusion_matrix(targets, said.argmax(1), labels=np.arange(len(classes)))
    per_class = _per_class(_counts(truth, said), truth, classes)
    return Scores(figures, confusion, roc, precision_recall, reliability, classes, per_class)


def quick_figures(targets: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, float]:
    """Give loss, accuracy and area under the ROC curve: what a training looks at after each epoch.

    Examples
    --------
    >>> quick_figures(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))["auc"]
    1.0
    """
    several = targets.ndim == 2
    truth = targets > 0.5 if several else targets[:, None] == np.arange(probabilities.shape[1])
    said = _said(probabilities, several, 0.5)
    two = not several and probabilities.shape[1] == 2
    wanted, given = (truth[:, 1], probabilities[:, 1]) if two else (truth.ravel(), probabilities.ravel())
    return {
        "loss": _log_loss(truth, probabilities, several),
        "accuracy": float((truth == said).all(axis=1).mean()),
        "auc": _area(wanted, given),
    }


def _area(wanted: NDArray[np.bool_], given: NDArray[Any]) -> float:
    """Give the chance that a wanted one has a higher value than another (ties count half)."""
    from scipy.stats import rankdata

    n_wanted, n_other = int(wanted.sum()), int((~wanted).sum())
    if not n_wanted or not n_other:
        return float("nan")
    return float((rankdata(given)[wanted].sum() - n_wanted * (n_wanted + 1) / 2) / (n_wanted * n_other))


def _said(probabilities: NDArray[Any], several: bool, threshold: float) -> NDArray[np.bool_]:
    """Give the classes that are said to be there, (n, c) bool."""
    if several:
        return np.asarray(probabilities >= threshold)
    if probabilities.shape[1] == 2:
        positive = probabilities[:, 1] >= threshold
        return np.stack([~positive, positive], axis=1)
    return np.asarray(probabilities.argmax(1)[:, None] == np.arange(probabilities.shape[1]))


def _counts(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give true and false positives, false and true negatives of each class, (c, 4)."""
    cells = [truth & said, ~truth & said, truth & ~said, ~truth & ~said]
    return np.stack([cell.sum(axis=0) for cell in cells], axis=1)


def _rates(counts: NDArray[np.int64]) -> dict[str, float]:
    """Give the means over the classes of rates; a class that they are not defined for is left out."""
    tp, fp, fn, tn = counts.T.astype(np.float64)
    return {
        "precision": _mean_ratio(tp, tp + fp),
        "recall": _mean_ratio(tp, tp + fn),
        "specificity": _mean_ratio(tn, tn + fp),
        "false_discovery_rate": _mean_ratio(fp, tp + fp),
        "f1": _mean_ratio(2 * tp, 2 * tp + fp + fn),
    }


def _mean_ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    known = whole > 0
    return float((part[known] / whole[known]).mean()) if known.any() else float("nan")


def _per_class(
    counts: NDArray[np.int64], truth: NDArray[np.bool_], classes: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    return {
        name: {**_rates(counts[number : number + 1]), "images": float(truth[:, number].sum())}
        for number, name in enumerate(classes)
    }


def _curves(metrics: Any, wanted: NDArray[np.bool_], given: NDArray[Any]) -> tuple[Curve, Curve]:
    if wanted.all() or not wanted.any():  # of one class alone there is no curve
        empty = Curve(np.empty(0), np.empty(0), float("nan"))
        return empty, empty
    false_rate, true_rate, _ = metrics.roc_curve(wanted, given)
    precision, recall, _ = metrics.precision_recall_curve(wanted, given)
    roc = Curve(false_rate, true_rate, float(metrics.auc(false_rate, true_rate)))
    return roc, Curve(recall, precision, float(metrics.average_precision_score(wanted, given)))


def _log_loss(truth: NDArray[np.bool_], probabilities: NDArray[Any], several: bool) -> float:
    safe = np.clip(probabilities.astype(np.float64), 1e-12, 1 - 1e-12)
    if several:
        return float(-np.where(truth, np.log(safe), np.log1p(-safe)).mean())
    return float(-np.log(safe[truth]).mean())


def calibration(confidence: NDArray[Any], right: NDArray[Any], bins: int = 10) -> Reliability:
    """Give the reliability curve and the expected calibration error (Guo et al. 2017).

    Parameters
    ----------
    confidence : (n,) array
        Probability of what was said, in 0-1.
    right : (n,) bool array
        Whether that was right.
    bins : int
        Number of bins of equal width.

    Examples
    --------
    >>> calibration(np.array([0.9, 0.9, 0.6]), np.array([True, True, False])).error
    0.26666666666666666
    """
    number = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    counts = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(number, confidence, bins) / counts
        share = np.bincount(number, right.astype(np.float64), bins) / counts
    error = float(np.nansum(counts * np.abs(mean - share)) / max(1, counts.sum()))
    return Reliability(mean, share, counts, error)


def mean_and_deviation(runs: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Give mean and sample deviation of each figure over runs or folds (0 for a single one)."""
    spread = {}
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        spread[name] = (float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0)
    return spread
