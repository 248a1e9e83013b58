"""One decision of a model as a picture: the image, the attention, the patches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from astrodetect.core.geometry import patch_corners
from astrodetect.plugins.models.scenes import cut_patches
from astrodetect.training.data.splits import DataSet
from astrodetect.training.losses import log_probabilities
from astrodetect.training.plots import plot_attention


def draw_decision(model: Any, image: NDArray[Any], data: DataSet, target: Any, path: Path) -> None:
    """Let a model decide about one image, and draw what it looked at.

    Parameters
    ----------
    model : PatchModel or FcnMil
        In evaluation mode.
    image : (C, H, W) array
        The first plane is drawn.
    data : DataSet
        For the names of the classes.
    target : int or (c,) array
        The truth.
    path : Path
        Picture to write.
    """
    config = model.config
    device = next(model.parameters()).device
    pixels = torch.from_numpy(np.ascontiguousarray(image)[None]).to(device)
    pixels = pixels if pixels.dtype == torch.uint8 else pixels.float()
    with torch.no_grad():
        output = model(pixels)
    logits = output.logits.double()
    p = (torch.sigmoid(logits) if config.multilabel else log_probabilities(logits).exp())[0].cpu().numpy()
    centres = output.centres_yx[0][output.valid[0]].cpu().numpy()
    corners = patch_corners(centres, config.patch)
    patches = cut_patches(pixels, torch.from_numpy(corners)[None].to(device), config.patch, config.black)
    grid = model.grid
    rows, columns = output.attention.shape[1:]
    first, step = grid.origin - grid.stride / 2, grid.stride
    extent = (first, first + step * columns, first + step * rows, first)
    evidence = output.evidence[0][output.valid[0]].amax(dim=-1).cpu().numpy()
    plot_attention(
        image[0],
        _shown(output.scores[0]),
        extent,
        patches[0, :, 0].cpu().numpy(),
        corners,
        path,
        title=f"truth: {_named(data, target > 0.5 if np.ndim(target) else target)}; said: {_said(data, p)}",
        evidence=[float(value) for value in evidence],
    )


def _shown(scores: torch.Tensor) -> NDArray[np.float32]:
    """Give scores as they are drawn: what may not be chosen is as dark as the lowest."""
    lowest = scores[torch.isfinite(scores)].min() if bool(torch.isfinite(scores).any()) else 0.0
    return torch.where(torch.isfinite(scores), scores, lowest).cpu().numpy()


def _named(data: DataSet, target: Any) -> str:
    if np.ndim(target):
        return " ".join(name for name, there in zip(data.classes, target, strict=True) if there) or "nothing"
    return data.classes[int(target)]


def _said(data: DataSet, p: NDArray[np.float64]) -> str:
    if data.several_labels:
        return _named(data, p >= 0.5)
    return f"{data.classes[int(p.argmax())]} ({p.max():.3f})"
