"""Explain one detection of any detector or classifier plugin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.compose import ComposedDetector, cut_patches
from astrodetect.core.data import Window
from astrodetect.core.detections import Detections
from astrodetect.core.geometry import boxes_overlap, patch_corners
from astrodetect.core.maps import Selection
from astrodetect.core.stages import Detector, Postprocessor
from astrodetect.explanation.occlusion import Box, occluded, occlusion_map, part_of

if TYPE_CHECKING:
    from astrodetect.plugins.models.stage import LearnedStage

#: Pixels around what is explained that a classifier may look at, too.
_AROUND = 32
#: ``x_min, y_min, x_max, y_max``, half open.
Edges = tuple[float, float, float, float]


@dataclass(frozen=True)
class Explanation:
    """What a decision rests on.

    Attributes
    ----------
    image : (h, w) float32 array
        What is explained: the plane ``image`` there.
    corner_yx : (int, int)
        Its first pixel in the frame.
    label, probability : str, float
        The decision, as it is without anything hidden.
    occlusion : (h, w) float32 array
        Probability that is lost when a pixel is hidden.
    gradients : (h, w) float32 array or None
        Grad-CAM, 0 to 1; None for what has no gradients.
    """

    image: NDArray[np.float32]
    corner_yx: tuple[int, int]
    label: str
    probability: float
    occlusion: NDArray[np.float32]
    gradients: NDArray[np.float32] | None = None


def explain(
    detector: Detector,
    window: Window,
    box: Edges,
    label: str,
    *,
    after: Sequence[Postprocessor] = (),
    side: int = 56,
    size: int = 0,
) -> Explanation:
    """Explain why something in a window was given a label.

    Of four stages the classifier is explained, on the patch about the middle of the box; a whole detector
    decides anew about the surroundings each time.

    Parameters
    ----------
    detector : Detector
        Open.
    window : Window
        With its planes.
    box : (x_min, y_min, x_max, y_max)
        Where the detection is.
    label : str
        Its label.
    after : sequence of Postprocessor
        Open; what has the last word on labels and probabilities behind the detector.
    side : int
        Height and width of what is explained, at least; more where the box is larger.
    size : int
        Side of what is hidden at a time, in steps of half of it; 0: a quarter of what is explained.

    Returns
    -------
    Explanation
    """
    centre = ((box[1] + box[3] - 1) / 2, (box[0] + box[2] - 1) / 2)
    shown = _about(centre, max(side, int(np.ceil(max(box[2] - box[0], box[3] - box[1])))), window.shape)
    wide = _widened(shown, window.shape)
    near = part_of(window, wide)
    inner = (_moved(shown[0], wide[0].start), _moved(shown[1], wide[1].start))
    shifted = (box[0] - wide[1].start, box[1] - wide[0].start, box[2] - wide[1].start, box[3] - wide[0].start)
    decide = decider(detector, shifted, label, after)
    whole = decide(near)

    def hidden(part: Box) -> float:
        rows, columns = (_moved(own, -base.start) for own, base in zip(part, inner, strict=True))
        return decide(occluded(near, (rows, columns)))

    shape = (shown[0].stop - shown[0].start, shown[1].stop - shown[1].start)
    image = np.array(to_numpy(near.planes["image"])[inner], np.float32)
    size = size or max(6, max(shape) // 4)
    lost = occlusion_map(hidden, whole, shape, size, max(1, size // 2))
    gradients = _gradients(detector, near, inner, label)
    if gradients is None and after:
        from astrodetect.explanation.tracks import heat_of_track

        found = _detecting(detector, shifted)(near)
        gradients = heat_of_track(found, after, near, shifted, inner, label)
    return Explanation(image, (shown[0].start, shown[1].start), label, whole, lost, gradients)


def _about(centre_yx: tuple[float, float], side: int, shape: tuple[int, int]) -> Box:
    corner = patch_corners(centre_yx, (side, side)).tolist()
    first = [max(0, min(at, length - side)) for at, length in zip(corner, shape, strict=True)]
    return slice(first[0], min(shape[0], first[0] + side)), slice(first[1], min(shape[1], first[1] + side))


def _widened(box: Box, shape: tuple[int, int]) -> Box:
    rows, columns = (
        slice(max(0, part.start - _AROUND), min(length, part.stop + _AROUND))
        for part, length in zip(box, shape, strict=True)
    )
    return rows, columns


def _moved(part: slice, by: int) -> slice:
    return slice(part.start - by, part.stop - by)


def decider(
    detector: Detector, box: Edges, label: str, after: Sequence[Postprocessor] = ()
) -> Callable[[Window], float]:
    """Give the function from a window to the probability that the detection in the box has its label.

    Parameters
    ----------
    detector : Detector
        Open. Of four stages the classifier decides, about the patch in the middle of the box.
    box : (x_min, y_min, x_max, y_max)
        In the windows that are asked for.
    label : str
        Which; 0 where there is nothing of the label.
    after : sequence of Postprocessor
        Open; they go through what the detector gives.
    """

    detect = _detecting(detector, box)

    def decide(window: Window) -> float:
        found = detect(window)
        for stage in after:
            found = stage.process(found, window.stream)
        return _said(found, box, label)

    return decide


def _detecting(detector: Detector, box: Edges) -> Callable[[Window], Detections]:
    """Give the function from a window to what is detected about a box."""
    if not isinstance(detector, ComposedDetector):
        return detector.detect
    centre = np.array([[(box[1] + box[3] - 1) / 2, (box[0] + box[2] - 1) / 2]])
    one = Selection(np.zeros(1, np.int64), centre, np.ones(1, np.float32), np.ones(1, np.float32))
    extractor, classifier = detector.extractor, detector.classifier

    def classified(window: Window) -> Detections:
        return classifier.classify(cut_patches(extractor, one, window, classifier.needs), window)

    return classified


def _said(found: Detections, box: Edges, label: str) -> float:
    """Give the highest probability of a label among detections that meet a box; 0: none."""
    names = ("x_min", "y_min", "x_max", "y_max")
    rows = [row for row in found if row["label"] == label and boxes_overlap([row[n] for n in names], box)]
    return max((float(row["probability"]) for row in rows), default=0.0)


def _gradients(detector: Detector, window: Window, inner: Box, label: str) -> NDArray[np.float32] | None:
    """Give Grad-CAM of a stage with a network that knows the label; None of others."""
    from astrodetect.plugins.models.stage import ModelDecision

    stage: Any = detector.classifier if isinstance(detector, ComposedDetector) else detector
    return _of_network(stage, window, inner, label) if isinstance(stage, ModelDecision) else None


def _of_network(stage: LearnedStage, window: Window, inner: Box, label: str) -> NDArray[np.float32] | None:
    import torch

    from astrodetect.explanation.gradients import grad_cam, last_layer, patch_score

    model = stage.checkpoint.model
    if label not in [model.config.label(number) for number in range(model.config.n_classes)]:
        return None
    planes = [np.asarray(to_numpy(window.planes[name]), np.float32)[inner] for name in stage.planes]
    device = next(model.parameters()).device
    pixels = torch.from_numpy(np.nan_to_num(np.stack(planes)))[None].to(device)
    heat: NDArray[np.float32] = grad_cam(last_layer(model), patch_score(model, label), pixels)[0]
    return heat
