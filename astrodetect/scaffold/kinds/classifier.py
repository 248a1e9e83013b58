"""A classifier: how far the brightest pixel of a patch stands out."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt

from astrodetect import Classifier, Detections, Patches, Window


@dataclass
class Example(Classifier):
    """Call a patch ``unknown`` where something stands out of it, and ``noise`` where nothing does."""

    needs: ClassVar[tuple[str, ...]] = ("image",)

    #: Peak above the median of the patch, in robust standard deviations, at which both are as likely.
    half: Annotated[float, Gt(0)] = 8.0

    def classify(self, patches: Patches, window: Window) -> Detections:
        """Give one detection per patch, boxed by the part of the patch that lies in the frame."""
        if not len(patches):
            return Detections.empty()
        (height, width), (h, w) = window.shape, patches.data.shape[-2:]
        y, x = patches.corners_yx.T
        pixels = np.asarray(patches.data[:, 0], dtype=np.float64).reshape(len(patches), -1)
        median = np.median(pixels, axis=1)
        spread = 1.4826 * np.median(np.abs(pixels - median[:, None]), axis=1)
        ratio = (pixels.max(axis=1) - median) / np.maximum(spread, 1e-6)
        seen = ratio / (ratio + self.half)
        return Detections(
            {
                "x_min": x.clip(0, width - 1),
                "y_min": y.clip(0, height - 1),
                "x_max": (x + w).clip(1, width),
                "y_max": (y + h).clip(1, height),
                "label": np.where(seen >= 0.5, "unknown", "noise"),
                "probability": np.maximum(seen, 1 - seen),
                "score": patches.selection.scores,
            }
        )
