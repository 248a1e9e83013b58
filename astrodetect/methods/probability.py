"""The probability of each class, from the numbers of `astrodetect.methods.features`.

A small network (one hidden layer, softmax) fitted to candidates in simulated recordings. Its
coefficients, and what they were fitted on, are in a JSON file of a few kilobytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.features import NAMES

#: The model that comes with the program.
BUILT_IN = "streak-v1.json"
#: Logarithm of the frames below which nothing is called a meteor.
_TWO_FRAMES = 0.4
#: Least peak signal-to-noise times the root of the number of frames of a meteor.
_TOGETHER = 11.0


@dataclass(frozen=True)
class ClassModel:
    """Softmax over classes of a network with one hidden layer.

    Attributes
    ----------
    classes : tuple of str
        Labels.
    names : tuple of str
        Features, in order.
    mean, scale : (n,) arrays
        The features are standardised with them, and limited to +-4.
    hidden_weights, hidden_bias : (n, h), (h,) arrays
        First layer; its function is tanh.
    weights, bias : (h + n, c), (c,) arrays
        Second layer, on the hidden units and the features themselves.
    provenance : mapping
        What it was fitted on, and how good it was on what it had not seen.
    operating : mapping
        For each label what a threshold on its probability costs, as
        `astrodetect.core.operating.OperatingCurve.to_dict` gives it; empty: not measured.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    hidden_weights: NDArray[np.float64]
    hidden_bias: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    operating: Mapping[str, Any] = field(default_factory=dict)

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the probability of each class.

        Parameters
        ----------
        features : (m, n) array

        Returns
        -------
        (m, c) float64 array
            Rows sum to 1.
        """
        standard = np.clip((features - self.mean) / self.scale, -4, 4)
        hidden = np.tanh(standard @ self.hidden_weights + self.hidden_bias)
        return softmax(np.concatenate([hidden, standard], axis=1) @ self.weights + self.bias)

    def decide(self, features: NDArray[np.float64]) -> tuple[str, float]:
        """Give the most probable class of one candidate, and its probability."""
        chances = self.probabilities(features[None])[0]
        if "meteor" in self.classes and not self._evident(features):
            chances[self.classes.index("meteor")] = 0
            chances /= chances.sum()
        best = int(np.argmax(chances))
        return self.classes[best], float(chances[best])

    def _evident(self, features: NDArray[np.float64]) -> bool:
        """Tell whether there is enough to call something a meteor at all.

        Two points lie on a line whatever they are, and among the pieces of what flutters through a
        night, or of its noise, some are straight: a few frames must be bright ones.
        """
        frames, snr = features[self.names.index("frames")], features[self.names.index("snr")]
        return bool(frames > _TWO_FRAMES and 10 ** (snr + frames / 2) > _TOGETHER)

    def to_json(self) -> str:
        """Give the model as text."""
        numbers = {
            name: np.round(getattr(self, name), 5).tolist()
            for name in ("mean", "scale", "hidden_weights", "hidden_bias", "weights", "bias")
        }
        text = {"classes": self.classes, "names": self.names, **numbers, "provenance": dict(self.provenance)}
        text |= {"operating": dict(self.operating)} if self.operating else {}
        return json.dumps(text, indent=1) + "\n"


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give exp(logits) normalised to 1 along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return out


def read_model(text: str, name: str) -> ClassModel:
    """Read a model.

    Parameters
    ----------
    text : str
        JSON, as `ClassModel.to_json` gives it.
    name : str
        Where it comes from, for messages.

    Raises
    ------
    AstrodetectError
        It is not such a model, or for other features than this version computes.
    """
    try:
        given = json.loads(text)
        arrays = {
            key: np.array(given[key], dtype=np.float64)
            for key in ("mean", "scale", "hidden_weights", "hidden_bias", "weights", "bias")
        }
        model = ClassModel(
            tuple(given["classes"]), tuple(given["names"]), **arrays,
            provenance=given.get("provenance", {}), operating=given.get("operating", {}),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise AstrodetectError(f"{name}: no model of the streak classifier ({error})") from error
    if model.names != NAMES:
        raise AstrodetectError(
            f"{name}: made for the features {', '.join(model.names)}; expected {', '.join(NAMES)}"
        )
    shapes = {"hidden_weights": (len(NAMES), len(model.hidden_bias)), "bias": (len(model.classes),)}
    shapes["weights"] = (len(NAMES) + len(model.hidden_bias), len(model.classes))
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise AstrodetectError(f"{name}: {key} has shape {arrays[key].shape}, expected {shape}")
    return model


@cache
def load_model(path: Path | None = None) -> ClassModel:
    """Read a model from a file, or the one that comes with the program.

    Raises
    ------
    AstrodetectError
        It cannot be read.
    """
    if path is None:
        text = resources.files("astrodetect.plugins.classifiers").joinpath(BUILT_IN).read_text("utf-8")
        return read_model(text, BUILT_IN)
    try:
        return read_model(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise AstrodetectError(
            f"{path}: cannot be read: {error.strerror}; expected a model in JSON"
        ) from error


def fit_model(
    features: NDArray[np.float64],
    labels: NDArray[Any],
    weights: NDArray[np.float64],
    *,
    hidden: int = 12,
    penalty: float = 1e-3,
    seed: int = 0,
) -> ClassModel:
    """Fit a model by maximum likelihood with a quadratic penalty (L-BFGS).

    Parameters
    ----------
    features : (m, n) array
        One row per candidate.
    labels : (m,) array of str
        What they are.
    weights : (m,) array
        How much each counts.
    hidden : int
        Hidden units.
    penalty : float
        Of the squares of the coefficients, per candidate.
    seed : int
        Of the start.

    Returns
    -------
    ClassModel
    """
    from scipy.optimize import minimize  # heavy; only in fitting

    classes = tuple(sorted(set(labels.tolist())))
    target = np.equal(labels[:, None], np.array(classes)[None]).astype(np.float64)
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    standard = np.clip((features - mean) / scale, -4, 4)
    n, c = features.shape[1], len(classes)
    shapes = [(n, hidden), (hidden,), (hidden + n, c), (c,)]
    sizes = [int(np.prod(shape)) for shape in shapes]
    start = np.random.default_rng(seed).normal(0, 0.3, sum(sizes))
    share = weights[:, None] / weights.sum()

    def split(flat: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        return [p.reshape(s) for p, s in zip(np.split(flat, np.cumsum(sizes)[:-1]), shapes, strict=True)]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w1, b1, w2, b2 = split(flat)
        inner = np.tanh(standard @ w1 + b1)
        full = np.concatenate([inner, standard], axis=1)
        chances = softmax(full @ w2 + b2)
        value = -float((share * target * np.log(chances + 1e-12)).sum()) + penalty * float(
            (w1**2).sum() + (w2**2).sum()
        )
        error = share * (chances - target)
        back = (error @ w2[:hidden].T) * (1 - inner**2)
        gradient = [
            standard.T @ back + 2 * penalty * w1,
            back.sum(0),
            full.T @ error + 2 * penalty * w2,
            error.sum(0),
        ]
        return value, np.concatenate([g.ravel() for g in gradient])

    solved = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    w1, b1, w2, b2 = split(solved.x)
    return ClassModel(classes, NAMES, mean, scale, w1, b1, w2, b2)


def calibrated(model: ClassModel, features: NDArray[np.float64], labels: NDArray[Any]) -> ClassModel:
    """Give a model whose probabilities are as often right as they say (temperature scaling).

    Parameters
    ----------
    model : ClassModel
        Fitted.
    features : (m, n) array
        Candidates that were not fitted.
    labels : (m,) array of str
        What they are.

    Returns
    -------
    ClassModel
        The same but for one factor on its logits (Guo et al. 2017, "On calibration of modern
        neural networks").
    """
    from scipy.optimize import minimize_scalar

    target = np.array([model.classes.index(name) for name in labels])

    def loss(logarithm: float) -> float:
        chances = _scaled(model, float(np.exp(logarithm))).probabilities(features)
        return -float(np.mean(np.log(chances[np.arange(len(target)), target] + 1e-9)))

    best = minimize_scalar(loss, bounds=(-1.5, 2.5), method="bounded").x
    return _scaled(model, float(np.exp(best)))


def _scaled(model: ClassModel, factor: float) -> ClassModel:
    return replace(model, weights=model.weights * factor, bias=model.bias * factor)
