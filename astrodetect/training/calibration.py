"""Calibrate a trained model on its validation split, and store with it what a threshold costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from astrodetect.core.operating import operating_curve
from astrodetect.methods.calibrated import apply_calibration, fit_isotonic, fit_temperature
from astrodetect.plugins.models.checkpoints import Checkpoint, load
from astrodetect.plugins.models.header import write_info
from astrodetect.training.data.splits import DataSet, Split
from astrodetect.training.predict import predict

Method = Literal["temperature", "isotonic"]
_FITS = {"temperature": fit_temperature, "isotonic": fit_isotonic}


def calibrate(
    path: Path, data: DataSet, method: Method, device: str = "cpu", batch: int = 16
) -> dict[str, Any]:
    """Calibrate a model on the validation split, and store the calibration with it.

    Parameters
    ----------
    path : Path
        The model; its weights stay as they are.
    data : DataSet
        What it was trained on.
    method : {"temperature", "isotonic"}
        One factor on the logits, or a rising curve: this needs a few hundred images of each class.
    device : str
        A torch device.
    batch : int
        Images at a time.

    Returns
    -------
    dict
        What was stored: ``calibration`` and ``operating``.

    Raises
    ------
    AstrodetectError
        The model cannot be read or written, or the split lacks a class.
    """
    checkpoint = load(path, device)
    split = data.split("validation")
    chances = predict(checkpoint.model, split, torch.device(device), batch)
    several = data.several_labels
    known = _FITS[method](chances, truth_of(split, chances.shape[1]), several=several)
    corrected = apply_calibration(chances, known, several=several)
    what = ["frame", "patch"] if _whole_is_patch(checkpoint, split) else ["frame"]
    stored: dict[str, Any] = {"calibration": dict.fromkeys(what, known)}
    if not several:
        stored["operating"] = operating_of(corrected, split, data.classes)
    write_info(path, stored)
    return stored


def truth_of(split: Split, n_classes: int) -> NDArray[np.bool_]:
    """Give for each image and class whether it is there, (n, c)."""
    targets = split.targets
    return targets > 0.5 if targets.ndim == 2 else targets[:, None] == np.arange(n_classes)


def calibrated_by(path: Path, chances: NDArray[np.float64], *, several: bool) -> NDArray[np.float64]:
    """Correct probabilities of whole images by what is stored with a model, if anything is."""
    from astrodetect.plugins.models.header import read_info

    known = read_info(path).get("calibration", {}).get("frame", {})
    return apply_calibration(chances, known, several=several)


def _whole_is_patch(checkpoint: Checkpoint, split: Split) -> bool:
    """Say whether an image is what the model takes for one patch."""
    config = checkpoint.model.config
    return config.method == "fcn-mil" or tuple(split.image(0).shape[1:]) == config.patch


def operating_of(chances: NDArray[np.float64], split: Split, classes: tuple[str, ...]) -> dict[str, Any]:
    """Give for each class but the first what a threshold on its probability costs.

    Parameters
    ----------
    chances : (n, c) array
        Calibrated.
    split : Split
        n images; its `hours` make false alarms those of a night.
    classes : tuple of str
        Names. Of two the second is found where its probability passes, of more where it is the highest, too.
    """
    said = chances.argmax(axis=1)
    curves = {}
    for number, name in enumerate(classes[1:], start=1):
        found = chances[:, number].copy()
        if len(classes) > 2:
            found[said != number] = np.nan
        own = split.targets == number
        false = found[~own]
        curves[name] = operating_curve(found[own], false[~np.isnan(false)], split.hours).to_dict()
    return curves
