"""Probabilities for the images of a split, by the same dense path that a pipeline takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from astrodetect.plugins.models.scenes import TensorScene
from astrodetect.training.data.loading import Batch, in_order
from astrodetect.training.data.splits import Split
from astrodetect.training.losses import log_probabilities
from astrodetect.training.sparse import SparseScene


def scene(batch: Batch, device: torch.device) -> TensorScene:
    """Give the images of a batch to a model; on a processor those known to be nearly empty in a fast form."""
    images = batch.images
    if batch.boxes_yx is not None and images.dtype == np.uint8 and device.type == "cpu":
        return SparseScene(images, batch.boxes_yx, device)
    # Bytes stay bytes, a quarter of the memory; all else becomes float32.
    plain = images if images.dtype == np.uint8 else images.astype(np.float32, copy=False)
    return TensorScene(torch.from_numpy(plain).to(device))


def targets_of(batch: Batch, device: torch.device) -> Tensor:
    """Give the targets of a batch on a device."""
    return torch.from_numpy(np.asarray(batch.targets)).to(device)


def predict(
    model: Any, split: Split, device: torch.device, batch: int, *, sparse: bool = False
) -> NDArray[np.float64]:
    """Give the probability of each class for each image.

    Parameters
    ----------
    model : nn.Module
        Put into evaluation mode for the time.
    split : Split
        n images.
    device : torch.device
        Where the model is.
    batch : int
        Images at a time.
    sparse : bool
        Skip what is known to be black, as training does: the same but for rounding. Figures that are
        reported come from whole images.

    Returns
    -------
    (n, c) float64 array
        Rows sum to 1, or where images have several labels each value stands by itself.
    """
    several = split.targets.ndim == 2
    training = model.training
    model.eval()
    found = []
    # A selector that draws at inference gives the same answer each time, and leaves no trace.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part in in_order(split, batch):
            images = scene(part, device)
            logits = model(images if sparse else images.images).logits.double()
            p = torch.sigmoid(logits) if several else log_probabilities(logits).exp()
            found.append(p.cpu().numpy())
    model.train(training)
    return np.concatenate(found)
