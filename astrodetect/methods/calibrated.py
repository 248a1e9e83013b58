"""Probabilities that are right as often as they say: temperature and isotonic calibration.

A calibration is a mapping of JSON types, as it is stored with a model: ``scale`` and ``offset`` of the logits
(temperature: ``scale = 1 / T``), or ``isotonic``, for each output the points of a curve that rises from
stated to true probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Known = Mapping[str, Any]
#: Probabilities are taken for no nearer to 0 or 1 than this.
_EDGE = 1e-12


def apply_calibration(chances: NDArray[np.float64], known: Known, *, several: bool) -> NDArray[np.float64]:
    """Correct probabilities.

    Parameters
    ----------
    chances : (n, c) array
        As a model states them: of exclusive classes (rows sum to 1), or of labels each by itself.
    known : mapping
        The calibration; empty: nothing is changed.
    several : bool
        Labels, each by itself.

    Returns
    -------
    (n, c) float64 array

    Examples
    --------
    >>> said = np.array([[0.1, 0.9]])
    >>> apply_calibration(said, {"scale": 0.5}, several=False).round(3).tolist()
    [[0.25, 0.75]]
    >>> curve = {"isotonic": [{"x": [0.0, 1.0], "y": [0.0, 0.5]}]}
    >>> apply_calibration(said, curve, several=False).round(3).tolist()
    [[0.55, 0.45]]
    """
    return apply_isotonic(apply_scale(chances, known, several=several), known, several=several)


def apply_scale(chances: NDArray[np.float64], known: Known, *, several: bool) -> NDArray[np.float64]:
    """Correct probabilities by ``scale`` and ``offset`` of their logits alone; see `apply_calibration`."""
    scale, offset = float(known.get("scale", 1.0)), float(known.get("offset", 0.0))
    if (scale, offset) == (1.0, 0.0):
        return chances
    safe = np.clip(chances, _EDGE, 1 - _EDGE)
    if several:
        return sigmoid(scale * np.log(safe / (1 - safe)) + offset)
    if chances.shape[1] == 2:
        second = sigmoid(scale * np.log(safe[:, 1] / safe[:, 0]) + offset)
        return np.stack([1 - second, second], axis=1)
    return _normalised(np.exp(scale * (np.log(safe) - np.log(safe).max(axis=1, keepdims=True))))


def apply_isotonic(chances: NDArray[np.float64], known: Known, *, several: bool) -> NDArray[np.float64]:
    """Correct probabilities by the curves under ``isotonic`` alone; see `apply_calibration`."""
    curves = known.get("isotonic")
    if not curves:
        return chances
    if len(curves) == 1:
        last = np.interp(chances[:, -1], curves[0]["x"], curves[0]["y"])
        return np.stack([1 - last, last], axis=1) if chances.shape[1] == 2 else last[:, None]
    columns = [np.interp(part, own["x"], own["y"]) for part, own in zip(chances.T, curves, strict=True)]
    joined = np.stack(columns, axis=1)
    return joined if several else _normalised(joined)


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give 1 / (1 + exp(-logits)), for large ones, too."""
    half: NDArray[np.float64] = 0.5 * (1 + np.tanh(logits / 2))
    return half


def _normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = values / np.maximum(values.sum(axis=1, keepdims=True), _EDGE)
    return total


def fit_temperature(
    chances: NDArray[np.float64], truth: NDArray[np.bool_], *, several: bool
) -> dict[str, Any]:
    """Fit one factor on the logits by maximum likelihood.

    Parameters
    ----------
    chances : (n, c) array
        Of examples that the model has not learned from.
    truth : (n, c) bool array
        What they are.
    several : bool
        As in `apply_calibration`.

    Returns
    -------
    dict
        With ``scale``.

    Notes
    -----
    Guo et al. 2017, "On calibration of modern neural networks".
    """
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        said = apply_scale(chances, {"scale": float(np.exp(logarithm))}, several=several)
        right = np.where(truth, said, 1 - said) if several else said[truth]
        return -float(np.log(np.maximum(right, _EDGE)).mean())

    best = minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded", options={"xatol": 1e-6}).x
    return {"method": "temperature", "scale": float(np.exp(best))}


def fit_isotonic(chances: NDArray[np.float64], truth: NDArray[np.bool_], *, several: bool) -> dict[str, Any]:
    """Fit a rising curve for each output, by least squares: pool adjacent violators.

    Parameters
    ----------
    chances, truth, several
        As in `fit_temperature`. Of two exclusive classes the second has a curve.

    Returns
    -------
    dict
        With ``isotonic``.

    Notes
    -----
    Zadrozny and Elkan 2002. A step of n examples states no less than 1 / (n + 2) and no more than 1 - 1 /
    (n + 2): that all of a few were right does not make the next one certain.
    """
    two = chances.shape[1] == 2 and not several
    columns = [1] if two else range(chances.shape[1])
    return {"method": "isotonic", "isotonic": [_curve(chances[:, c], truth[:, c]) for c in columns]}


def _curve(stated: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, list[float]]:
    """Give the points of the rising curve: both ends of each step."""
    values, first, counts = np.unique(stated, return_inverse=True, return_counts=True)
    sums = np.bincount(first, right.astype(np.float64))
    steps: list[list[float]] = []  # first, last, hits, number
    for value, hits, count in zip(values, sums, counts, strict=True):
        steps.append([value, value, hits, float(count)])
        while len(steps) > 1 and steps[-2][2] * steps[-1][3] >= steps[-1][2] * steps[-2][3]:
            _, last, more, n = steps.pop()
            steps[-1] = [steps[-1][0], last, steps[-1][2] + more, steps[-1][3] + n]
    x: list[float] = []
    y: list[float] = []
    for begin, end, hits, n in steps:
        level = float(np.clip(hits / n, 1 / (n + 2), 1 - 1 / (n + 2)))
        level = max(level, y[-1] if y else 0.0)
        x += [float(begin), float(end)] if end > begin else [float(begin)]
        y += [level] * (2 if end > begin else 1)
    return {"x": x, "y": y}
