"""What a detection is, from pictures of it and numbers about it: the network of `verify`, in NumPy.

It is trained with torch (`astrodetect.plugins.models.verify_net`). A pipeline runs it on a few dozen tracks
of a recording: loading torch would take longer than all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.along_track import CHANNELS, COLUMNS, ROWS
from astrodetect.methods.features import NAMES, View
from astrodetect.methods.link import joined_vector

Floats = NDArray[np.float64]
#: What the planes of a sample are.
PARTS = (*CHANNELS, "numbers")
#: Numbers of a sample: those of a track, and how many other tracks there are at its time, near it then, and
#: beginning with it (logarithms). Sparks, rain and light on haze come in swarms.
NUMBERS = (*NAMES, "during", "near", "together")
#: Part of the diagonal of the frame within which another track is near, and frames within which it begins
#: with one.
_NEAR, _TOGETHER = 0.1, 3
#: Numbers are limited to so many standard deviations.
FARTHEST = 4.0
#: What batch normalisation adds to variances (torch's own).
EPSILON = 1e-5


def samples(detections: Detections, rows: list[int], view: View) -> NDArray[np.float32]:
    """Give what the network looks at.

    Parameters
    ----------
    detections : Detections
        With pictures as cutouts (`astrodetect.methods.along_track`) and the columns of ``streak``.
    rows : list of int
        Which; those have a track of two points or more.
    view : View
        Where and when it could have been seen.

    Returns
    -------
    (n, 5, 32, 64) float32 array
        The pictures, and a plane whose first columns hold the numbers (`NUMBERS`), the same in every row.
    """
    made = np.zeros((len(rows), len(CHANNELS) + 1, ROWS, COLUMNS), np.float32)
    for place, row in enumerate(rows):
        made[place, :-1] = detections.cutouts[row]
        own = {name: values[row] for name, values in detections.columns.items()}
        made[place, -1, :, : len(NAMES)] = joined_vector(own, detections.track(row), view)
    made[:, -1, :, len(NAMES) : len(NUMBERS)] = _company(detections, rows, view)[:, None]
    return made


def _company(detections: Detections, rows: list[int], view: View) -> Floats:
    """Give for each row how many other tracks there are: at its time, near it then, and beginning with it."""
    moving = np.flatnonzero(np.asarray(detections["n_frames"]) > 1)
    names = ("frame_start", "frame_end", "x_min", "x_max", "y_min", "y_max")
    own, other = (
        [np.asarray(detections[name], np.float64)[chosen] for name in names] for chosen in (rows, moving)
    )
    others = np.asarray(rows)[:, None] != moving

    def apart(low: int, high: int) -> Floats:
        gap: Floats = np.maximum(own[low][:, None] - other[high], other[low] - own[high][:, None])
        return gap

    during = others & (apart(0, 1) <= 0)
    near = during & (np.maximum(apart(2, 3), apart(4, 5)) < _NEAR * float(np.hypot(*view.shape)))
    together = others & (np.abs(own[0][:, None] - other[0]) <= _TOGETHER)
    counts: Floats = np.log1p(np.stack([part.sum(axis=1) for part in (during, near, together)], axis=1))
    return counts


@dataclass(frozen=True)
class Network:
    """Convolutions over the pictures, joined with the numbers, and two dense layers.

    Attributes
    ----------
    labels : tuple of str
        Classes, in order.
    blocks : tuple of (weights, bias)
        Convolutions (C', C, 3, 3) with a step of 2.
    numbers : (mean, scale)
        The numbers are standardised with them.
    dense : tuple of (weights, bias)
        Of the pictures, of both together, of the classes.
    info : mapping
        What is stored with the weights.
    left_out : tuple of int
        Planes that it was trained without.
    """

    labels: tuple[str, ...]
    blocks: tuple[tuple[Floats, Floats], ...]
    numbers: tuple[Floats, Floats]
    dense: tuple[tuple[Floats, Floats], ...]
    info: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[int, ...] = ()

    def logits(self, given: NDArray[np.float32]) -> Floats:
        """Give the logit of each class.

        Parameters
        ----------
        given : (n, 5, 32, 64) array
            From `samples`.

        Returns
        -------
        (n, c) float64 array
        """
        seen: Floats = given.astype(np.float64)
        seen[:, list(self.left_out)] = 0
        image = seen[:, :-1]
        for weights, bias in self.blocks:
            image = np.maximum(_convolved(image, weights) + bias[:, None, None], 0)
        mean, scale = self.numbers
        numbers = np.clip((seen[:, -1, 0, : len(mean)] - mean) / scale, -FARTHEST, FARTHEST)
        first, second, last = self.dense
        looked = np.maximum(image.reshape(len(image), -1) @ first[0].T + first[1], 0)
        joined = np.concatenate([looked, numbers], axis=1)
        said: Floats = np.maximum(joined @ second[0].T + second[1], 0) @ last[0].T + last[1]
        return said

    def chances(self, given: NDArray[np.float32]) -> Floats:
        """Give the calibrated probability of each class, (n, c)."""
        from astrodetect.methods.calibrated import apply_calibration
        from astrodetect.methods.probability import softmax

        known = self.info.get("calibration", {}).get("frame", {})
        return apply_calibration(softmax(self.logits(given)), known, several=False)


def _convolved(image: Floats, weights: Floats) -> Floats:
    """Convolve (n, C, H, W) with (C', C, 3, 3), zeros beyond the edges, a step of 2."""
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    parts = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    n, channels, height, width = parts.shape[:4]
    rows = parts.transpose(0, 2, 3, 1, 4, 5).reshape(n * height * width, channels * 9)
    made: Floats = (rows @ weights.reshape(len(weights), -1).T).reshape(n, height, width, -1)
    return made.transpose(0, 3, 1, 2)


@cache
def load_network(path: Path) -> Network:
    """Read a network that `astrodetect train` made.

    Raises
    ------
    AstrodetectError
        The file is missing, damaged, of another method, or was made for other numbers.
    """
    from safetensors import SafetensorError, safe_open

    from astrodetect.plugins.models.header import read_info

    info = read_info(path)
    try:
        with safe_open(path, framework="numpy") as file:
            config = json.loads((file.metadata() or {}).get("config", "{}"))
            tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise AstrodetectError(f"{path}: damaged, or not a safetensors file: {error}") from None
    if config.get("method") != "verify":
        raise AstrodetectError(f'{path}: a model of method "{config.get("method")}"; expected "verify"')
    return _network(tensors, tuple(config["labels"]), info, path)


def _network(
    tensors: Mapping[str, Floats], labels: tuple[str, ...], info: Mapping[str, Any], path: Path
) -> Network:
    """Fold the normalisation into the weights."""
    try:
        blocks: list[tuple[Floats, Floats]] = []
        while f"blocks.{len(blocks)}.0.weight" in tensors:
            at = f"blocks.{len(blocks)}"
            part = {
                name: tensors[f"{at}.1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
            }
            factor = part["weight"] / np.sqrt(part["running_var"] + EPSILON)
            weights = tensors[f"{at}.0.weight"] * factor[:, None, None, None]
            blocks.append((weights, part["bias"] - factor * part["running_mean"]))
        mean, spread = tensors["numbers.running_mean"], np.sqrt(tensors["numbers.running_var"] + EPSILON)
        dense = tuple(
            (tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in ("seen", "joined", "last")
        )
    except KeyError as error:
        raise AstrodetectError(f"{path}: damaged: {error} is missing") from None
    if len(mean) != len(NUMBERS) or blocks[0][0].shape[1] != len(CHANNELS):
        raise AstrodetectError(
            f"{path}: made for {len(mean)} numbers and {blocks[0][0].shape[1]} pictures of a track; "
            f"expected {len(NUMBERS)} and {len(CHANNELS)}"
        )
    missing = info.get("training", {}).get("data", {}).get("leave_out", ())
    left_out = tuple(number for number, name in enumerate(PARTS) if name in missing)
    return Network(labels, tuple(blocks), (mean, spread), dense, info, left_out)
