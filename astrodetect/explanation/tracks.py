"""Grad-CAM of the postprocessor ``verify``: what of a trail speaks for a label, back in the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.core.detections import Detections
from astrodetect.core.geometry import boxes_overlap
from astrodetect.core.stages import Postprocessor
from astrodetect.explanation.occlusion import Box

if TYPE_CHECKING:
    from astrodetect.plugins.postprocessors.verify import Verify


def heat_of_track(
    found: Detections,
    after: Sequence[Postprocessor],
    window: Window,
    box: tuple[float, float, float, float],
    inner: Box,
    label: str,
) -> NDArray[np.float32] | None:
    """Give what of a detection's trail speaks for a label, as the network of ``verify`` sees it.

    Parameters
    ----------
    found : Detections
        What was detected in the window.
    after : sequence of Postprocessor
        Open, in order.
    window : Window
        Where they were detected.
    box : (x_min, y_min, x_max, y_max)
        Where the detection is, in the window.
    inner : (slice, slice)
        Part (h, w) of the window that is shown.
    label : str
        Asked for.

    Returns
    -------
    (h, w) float32 array or None
        0 to 1; None where there is no such stage or no trail.
    """
    from astrodetect.plugins.postprocessors.verify import Verify

    for stage in after:
        if isinstance(stage, Verify):
            row = _row_in(found, box, stage.least)
            return None if row is None else _heat(stage, found, row, window, inner, label)
        found = stage.process(found, window.stream)
    return None


def _row_in(found: Detections, box: tuple[float, float, float, float], least: int) -> int | None:
    """Give the detection with the longest track of those that meet a box."""
    names = ("x_min", "y_min", "x_max", "y_max")
    lengths = {
        row: len(found.track(row).get("frame", ()))
        for row in range(len(found))
        if boxes_overlap([float(found[name][row]) for name in names], box)
    }
    best = max(lengths, key=lambda row: lengths[row], default=None)
    return best if best is not None and lengths[best] >= least and found.cutouts is not None else None


def _heat(
    stage: Verify, found: Detections, row: int, window: Window, inner: Box, label: str
) -> NDArray[np.float32] | None:
    import torch

    from astrodetect.explanation.gradients import grad_cam, last_layer, patch_score
    from astrodetect.methods.along_track import path_of, places_in_trail
    from astrodetect.methods.features import View
    from astrodetect.methods.verifying import samples
    from astrodetect.plugins.models.checkpoints import load

    model = load(stage.file).model
    if label not in model.config.labels:
        return None
    view = View(window.stream.frame_rate, window.stream.shape, max(1, window.stream.n_frames - 1))
    given = torch.from_numpy(samples(found, [row], view))
    heat = grad_cam(last_layer(model), patch_score(model, label), given)[0]
    points = np.moveaxis(np.mgrid[inner].astype(np.float64), 0, -1)
    places = [
        np.rint(part).astype(int) for part in places_in_trail(path_of(found.track(row), window.start), points)
    ]
    inside = np.logical_and.reduce(
        [(part >= 0) & (part < n) for part, n in zip(places, heat.shape, strict=True)]
    )
    kept = [np.where(inside, part, 0) for part in places]
    return np.where(inside, heat[kept[0], kept[1]], 0).astype(np.float32)
