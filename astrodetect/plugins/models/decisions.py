"""From logits to labels and probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from astrodetect.methods.calibrated import apply_isotonic
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.fcn import FcnMil
from astrodetect.plugins.models.model import PatchModel


def calibrated(logits: Tensor, info: Mapping[str, Any], what: str) -> Tensor:
    """Give logits times the scale plus the offset that `info` holds under ``calibration``, if any.

    Parameters
    ----------
    logits : tensor
        Any shape.
    info : mapping
        Of a checkpoint; ``info["calibration"][what]`` is a mapping of ``scale`` and ``offset``; curves of
        an isotonic calibration are applied to the probabilities.
    what : {"patch", "frame"}
        Which logits they are.
    """
    known = info.get("calibration", {}).get(what, {})
    return logits.float() * float(known.get("scale", 1.0)) + float(known.get("offset", 0.0))


def patch_evidence(model: PatchModel | FcnMil, pixels: Tensor) -> Tensor:
    """Give what each of some patches (K, C, h, w), in units of the frame, says alone: (K, n_outputs)."""
    if isinstance(model, FcnMil):
        return model.pool(model.map(pixels).flatten(2))
    config = model.config
    scaled = (pixels - config.black) / (config.white - config.black)
    return model.aggregator.evidence(model.encode(scaled))


def labelled(
    evidence: Tensor, config: ModelConfig, info: Mapping[str, Any]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give the class of each patch, and the probability that the patch shows it.

    Parameters
    ----------
    evidence : (K, n_outputs) tensor
        One logit: of class 1 against nothing. Several: of the classes, or of each label by itself.
    config : ModelConfig
        What the outputs are.
    info : mapping
        Of the checkpoint, with its calibration.

    Returns
    -------
    classes, probabilities : (K,) arrays
    """
    logits = calibrated(evidence, info, "patch").double()
    if config.n_outputs == 1:
        chances = torch.sigmoid(logits)
        first = 1 if config.n_classes == 2 else 0
    elif config.multilabel:
        chances, first = torch.sigmoid(logits), 0
    elif config.aggregation == "count":
        nothing = torch.zeros_like(logits[:, :1])
        chances, first = torch.softmax(torch.cat([nothing, logits], dim=1), dim=1)[:, 1:], 0
    else:
        chances, first = torch.softmax(logits, dim=1), 0
    corrected = _risen(chances, config, info, "patch")
    best = corrected.argmax(axis=1)
    return best + first, corrected[np.arange(len(best)), best]


def frame_label(logits: Tensor, config: ModelConfig, info: Mapping[str, Any]) -> tuple[str, float]:
    """Give the class of a whole frame and its probability, of logits (n_classes,)."""
    levels = calibrated(logits, info, "frame").double()
    chances = torch.sigmoid(levels) if config.multilabel else torch.softmax(levels, dim=0)
    corrected = _risen(chances[None], config, info, "frame")[0]
    number = int(corrected.argmax())
    return config.label(number), float(corrected[number])


def _risen(chances: Tensor, config: ModelConfig, info: Mapping[str, Any], what: str) -> NDArray[np.float64]:
    """Give probabilities (n, c) after the curves of an isotonic calibration, if there is one."""
    known = info.get("calibration", {}).get(what, {})
    alone = config.multilabel or config.aggregation == "count"
    return apply_isotonic(chances.cpu().numpy(), known, several=alone)
