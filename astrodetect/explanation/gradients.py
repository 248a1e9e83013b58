"""Grad-CAM: where the last convolutions of a network found what speaks for a class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from astrodetect.plugins.models.fcn import FcnMil
    from astrodetect.plugins.models.model import PatchModel
    from astrodetect.plugins.models.verify_net import VerifyNet

    Explained = PatchModel | FcnMil | VerifyNet


def grad_cam(layer: nn.Module, score: Callable[[Tensor], Tensor], images: Tensor) -> NDArray[np.float32]:
    """Give the parts of images that speak for a score.

    Parameters
    ----------
    layer : nn.Module
        Whose maps (B, F, h, w) are weighed: mostly the last convolution.
    score : callable
        From images (B, C, H, W) to (B,) scores, the logit of a class, through `layer`.
    images : (B, C, H, W) tensor
        What is looked at.

    Returns
    -------
    (B, H, W) float32 array
        From 0 to 1 for each image; 0 throughout where nothing speaks for it.

    Notes
    -----
    Selvaraju et al. 2017: each map counts by the mean gradient of the score over it, what is negative in the
    sum is left out.
    """
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _given: Any, made: Tensor) -> None:
        made.retain_grad()
        seen.append(made)

    handle = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            pixels = images.detach().clone().requires_grad_()
            score(pixels).sum().backward()  # type: ignore[no-untyped-call]
    finally:
        handle.remove()
    maps = seen[-1]
    assert maps.grad is not None
    weights = maps.grad.mean(dim=(2, 3), keepdim=True)
    heat = functional.relu((weights * maps.detach()).sum(dim=1, keepdim=True))
    large = functional.interpolate(heat, size=images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    highest = large.amax(dim=(1, 2), keepdim=True)
    scaled: NDArray[np.float32] = (large / highest.clamp_min(1e-12)).detach().cpu().numpy()
    return scaled.astype(np.float32)


def last_layer(model: Explained) -> nn.Module:
    """Give the part of a model whose maps are the last before they are pooled."""
    from astrodetect.plugins.models.fcn import FcnMil
    from astrodetect.plugins.models.verify_net import VerifyNet

    if isinstance(model, VerifyNet):
        return model.blocks[-1]
    return model.body if isinstance(model, FcnMil) else model.features.blocks


def evidence_of(model: Explained, pixels: Tensor) -> Tensor:
    """Give the logits (B, c) of patches (B, C, h, w), each taken alone."""
    from astrodetect.plugins.models.decisions import patch_evidence
    from astrodetect.plugins.models.verify_net import VerifyNet

    logits: Tensor = model(pixels).logits if isinstance(model, VerifyNet) else patch_evidence(model, pixels)
    return logits


def patch_score(model: Explained, label: str) -> Callable[[Tensor], Tensor]:
    """Give the function from patches (B, C, h, w), in units of the frame, to the logit of a class.

    Parameters
    ----------
    model : PatchModel, FcnMil or VerifyNet
        In evaluation mode.
    label : str
        Name of the class; of two exclusive ones the first has the negative logit of the second.
    """
    config = model.config
    names = [config.label(number) for number in range(config.n_classes)]

    def score(pixels: Tensor) -> Tensor:
        evidence = evidence_of(model, pixels)
        if config.n_outputs == 1 and config.n_classes == 2:
            return evidence[:, 0] if label == names[1] else -evidence[:, 0]
        return evidence[:, names.index(label)]

    return score


def patch_chance(model: Explained, label: str) -> Callable[[NDArray[np.float32]], NDArray[Any]]:
    """Give the function from patches to the probability of a class among all, before calibration."""
    config = model.config
    device = next(model.parameters()).device
    names = [config.label(number) for number in range(config.n_classes)]

    def chance(patches: NDArray[np.float32]) -> NDArray[Any]:
        with torch.no_grad():
            evidence = evidence_of(model, torch.from_numpy(patches).to(device))
        if config.n_outputs == 1 and config.n_classes == 2:
            second = torch.sigmoid(evidence[:, 0])
            return (second if label == names[1] else 1 - second).cpu().numpy()
        together = torch.sigmoid(evidence) if config.multilabel else torch.softmax(evidence, dim=1)
        return together[:, names.index(label)].cpu().numpy()

    return chance
