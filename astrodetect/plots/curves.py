"""How good the detections of a catalog are: recall against precision, completeness."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from astrodetect.evaluation import Evaluation, Rate, TruthObject, evaluate
from astrodetect.plots.style import COLOURS, axes_or_new, style

#: Where completeness is asked for by default, and how the axis is named.
EDGES: Mapping[str, tuple[tuple[float, ...], str]] = {
    "peak_snr": ((0, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100), "peak signal-to-noise"),
    "peak_magnitude": (tuple(np.arange(-6, 10.5, 1.0).tolist()), "peak magnitude"),
    "speed": ((0, 0.5, 1, 2, 4, 8, 16, 32), "speed (px/frame)"),
    "duration": ((0, 4, 8, 16, 32, 64, 128), "duration (frames)"),
}


class Curve(NamedTuple):
    """Recall and precision at several thresholds of the probability.

    Attributes
    ----------
    thresholds : (n,) float64 array
        Rising.
    recall, precision : tuple of Rate
        At each of them.
    """

    thresholds: Any
    recall: tuple[Rate, ...]
    precision: tuple[Rate, ...]


def threshold_curve(
    detections: Any,
    recordings: Any,
    truth: Sequence[TruthObject],
    labels: Sequence[str] = ("meteor",),
    thresholds: Sequence[float] | None = None,
) -> Curve:
    """Compare a catalog with truth as if it had been made with other thresholds.

    Parameters
    ----------
    detections, recordings : table
        Of the catalog, with rejected detections.
    truth : sequence of TruthObject
        Objects.
    labels : sequence of str
        Classes that are looked for.
    thresholds : sequence of float, optional
        Probabilities; by default twenty steps of 0.05 and finer ones near 1.
    """
    steps = [*np.arange(0, 1, 0.05).tolist(), 0.98, 0.99, 0.995, 0.999] if thresholds is None else thresholds
    columns = {name: np.asarray(detections[name]) for name in detections.colnames}
    wanted = np.isin(columns["label"].astype(str), list(labels))
    results = []
    for threshold in steps:
        accepted = wanted & (columns["probability"] >= threshold)
        results.append(evaluate({**columns, "accepted": accepted}, recordings, truth, labels))
    return Curve(
        np.asarray(steps, dtype=np.float64),
        tuple(result.recall for result in results),
        tuple(result.precision for result in results),
    )


def _band(axes: Any, x: Any, rates: Sequence[Rate], name: str, colour: str) -> None:
    """Draw fractions with their 95 % intervals."""
    known = [i for i, rate in enumerate(rates) if rate.n]
    x = np.asarray(x)[known]
    low, high = np.array([rates[i].interval for i in known]).reshape(-1, 2).T
    axes.plot(x, [rates[i].value for i in known], color=colour, label=name)
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)


def plot_operating_curve(curve: Curve, axes: Any = None, *, threshold: float | None = None) -> Any:
    """Draw recall and precision against the threshold, with 95 % intervals (Wilson).

    Parameters
    ----------
    curve : Curve
        From `threshold_curve`.
    axes : matplotlib Axes, optional
        Where; new ones if not given.
    threshold : float, optional
        Marked by a line.
    """
    with style():
        axes = axes_or_new(axes)
        _band(axes, curve.thresholds, curve.recall, "recall", COLOURS[0])
        _band(axes, curve.thresholds, curve.precision, "precision", COLOURS[1])
        if threshold is not None:
            axes.axvline(threshold, color="0.4", linewidth=0.6, linestyle="--", label="threshold in use")
        axes.set(xlabel="threshold of the probability", ylabel="fraction", ylim=(-0.02, 1.02), xlim=(0, 1))
        axes.legend(loc="lower left")
    return axes


def plot_completeness(
    evaluation: Evaluation, by: str = "peak_snr", axes: Any = None, *, edges: Sequence[float] | None = None
) -> Any:
    """Draw the fraction of true objects that were found, in bins of what the truth says of them.

    Parameters
    ----------
    evaluation : Evaluation
        From `astrodetect.evaluation.evaluate`.
    by : {"peak_snr", "peak_magnitude", "speed", "duration"}
        Which property.
    axes : matplotlib Axes, optional
        Where; new ones if not given.
    edges : sequence of float, optional
        Of the bins.

    Returns
    -------
    Axes
        Points with 95 % intervals (Wilson), the number of objects of each bin beside them.
    """
    given, name = EDGES[by]
    pairs = list(itertools.pairwise(given if edges is None else edges))
    with style():
        axes = axes_or_new(axes)
        for low, high in pairs:
            rate = evaluation.recall_where(by, low, high)
            if not rate.n:
                continue
            centre = math.sqrt(low * high) if by != "peak_magnitude" and low > 0 else (low + high) / 2
            down, up = rate.interval
            errors = [[rate.value - down], [up - rate.value]]
            axes.errorbar([centre], [rate.value], errors, fmt="o", color=COLOURS[0], ms=3, elinewidth=0.7)
            axes.annotate(str(rate.n), (centre, rate.value), (3, 3), textcoords="offset points", fontsize=5)
        axes.set(xlabel=name, ylabel="fraction found", ylim=(-0.02, 1.08))
        if by == "peak_magnitude":
            axes.invert_xaxis()
        elif by == "peak_snr":
            from matplotlib.ticker import NullFormatter

            axes.set_xscale("log")
            axes.set_xticks([2, 3, 5, 10, 20, 30, 50, 100], ["2", "3", "5", "10", "20", "30", "50", "100"])
            axes.xaxis.set_minor_formatter(NullFormatter())
    return axes


def plot_places(places: Sequence[Sequence[Rate]], axes: Any = None) -> Any:
    """Draw the fraction that was found in the parts of the picture.

    Parameters
    ----------
    places : sequence of sequences of Rate
        From `astrodetect.evaluation.completeness.by_place`.
    axes : matplotlib Axes, optional
        Where; new ones if not given.

    Returns
    -------
    Axes
        A part of the picture each, with the fraction and the counts; white where there was nothing.
    """
    values = np.array([[rate.value for rate in row] for row in places])
    with style():
        axes = axes_or_new(axes)
        axes.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for row, column in itertools.product(range(len(places)), range(len(places[0]))):
            rate = places[row][column]
            if rate.n:
                axes.text(
                    column, row, f"{rate.value:.2f}\n{rate.hits} of {rate.n}", ha="center", va="center",
                    color="black" if rate.value > 0.6 else "white", fontsize=7,
                )  # fmt: skip
        axes.set(xticks=[], yticks=[], xlabel="place in the picture")
    return axes
