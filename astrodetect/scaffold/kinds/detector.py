"""A detector: every connected group of bright pixels."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt
from scipy import ndimage

from astrodetect import Detections, Detector, Window


@dataclass
class Example(Detector):
    """Detect connected groups of pixels that stand out of the plane ``image``."""

    needs: ClassVar[tuple[str, ...]] = ("image",)

    #: Least height of a pixel, in robust standard deviations of the frame. Higher: fewer, surer finds.
    sigma: Annotated[float, Gt(0)] = 8.0
    #: Least number of connected pixels. One pixel alone is mostly a hot pixel or a cosmic ray.
    pixels: Annotated[int, Ge(1)] = 3

    def detect(self, window: Window) -> Detections:
        """Give a box about each group; label ``unknown``, since the shape alone does not tell."""
        image = np.asarray(window.planes["image"], dtype=np.float64)
        used = np.ones(image.shape, bool) if window.mask is None else ~window.mask
        if not used.any():
            return Detections.empty()
        median = np.median(image[used])
        spread = max(1.4826 * float(np.median(np.abs(image[used] - median))), 1e-6)
        groups, _ = ndimage.label(used & (image - median > self.sigma * spread), np.ones((3, 3)))
        sizes = np.bincount(groups.ravel())
        boxes = [
            (box[1].start, box[0].start, box[1].stop, box[0].stop)
            for number, box in enumerate(ndimage.find_objects(groups), start=1)
            if sizes[number] >= self.pixels
        ]
        corners = np.array(boxes, dtype=np.float64).reshape(-1, 4).T
        columns: dict[str, Any] = dict(zip(("x_min", "y_min", "x_max", "y_max"), corners, strict=True))
        return Detections({**columns, "label": ["unknown"] * len(boxes), "probability": [0.5] * len(boxes)})
