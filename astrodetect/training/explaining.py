"""Explain what a model says of the images of a data set, for `astrodetect evaluate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from astrodetect.core.geometry import patch_corners
from astrodetect.explanation.explain import Explanation
from astrodetect.explanation.gradients import grad_cam, last_layer, patch_chance, patch_score
from astrodetect.explanation.occlusion import occlusion_of_image
from astrodetect.plugins.models.scenes import cut_patches

if TYPE_CHECKING:
    from astrodetect.explanation.gradients import Explained

#: Images up to this side are explained whole.
_WHOLE = 128
#: Patches of an image that are explained.
_PATCHES = 3


def explain_image(model: Explained, image: NDArray[Any], label: str) -> list[Explanation]:
    """Explain what a model says of an image: of all of a small one, of the best patches of a large one.

    Parameters
    ----------
    model : PatchModel, FcnMil or VerifyNet
        In evaluation mode.
    image : (C, H, W) array
        What it looks at.
    label : str
        Class that is asked for.

    Returns
    -------
    list of Explanation
        Probabilities are those of the patch alone, before calibration.
    """
    device = next(model.parameters()).device
    pixels = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None].to(device)
    size = (int(image.shape[1]), int(image.shape[2]))
    if max(size) <= _WHOLE:
        corners = np.zeros((1, 2), np.int64)
    else:
        size = model.config.patch
        with torch.no_grad():
            output = model(pixels)
        valid = output.valid[0].cpu().numpy()
        corners = patch_corners(output.centres_yx[0].cpu().numpy()[valid][:_PATCHES], size)
    patches = cut_patches(pixels, torch.from_numpy(corners)[None].to(device), size, model.config.black)[0]
    heat = grad_cam(last_layer(model), patch_score(model, label), patches)
    chance = patch_chance(model, label)
    raw = patches.cpu().numpy()
    boxes = max(4, min(size) // 5)
    numbers = int(model.config.method == "verify")  # its last plane is no picture, and is not hidden
    lost = [
        occlusion_of_image(
            _beside(chance, patch[len(patch) - numbers :]),
            patch[: len(patch) - numbers],
            boxes,
            max(1, boxes // 3),
        )
        for patch in raw
    ]
    places = [(int(y), int(x)) for y, x in corners]
    chances = chance(raw).tolist()
    return [
        Explanation(patch[0], place, label, p, gone, hot)
        for patch, place, p, gone, hot in zip(raw, places, chances, lost, heat, strict=True)
    ]


def _beside(
    chance: Callable[[NDArray[np.float32]], NDArray[Any]], kept: NDArray[np.float32]
) -> Callable[[NDArray[np.float32]], NDArray[Any]]:
    """Give the function of images without their last planes, these being as they are."""

    def whole(images: NDArray[np.float32]) -> NDArray[Any]:
        more = np.broadcast_to(kept, (len(images), *kept.shape))
        return chance(np.concatenate([images, more], axis=1))

    return whole


def draw_explanation(model: Explained, image: NDArray[Any], label: str, title: str, path: Path) -> None:
    """Draw what a model says of an image; see `explain_image`."""
    from astrodetect.plots.explanations import plot_explanations

    plot_explanations(explain_image(model, image, label), title).savefig(path, dpi=110)
