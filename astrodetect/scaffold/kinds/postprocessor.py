"""A postprocessor: what is too small is told, not dropped."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from astrodetect import Detections, Postprocessor, Stream


@dataclass
class Example(Postprocessor):
    """Reject detections whose box is shorter than a least length."""

    #: Least diagonal of the box in pixels. Longer: fewer false alarms, short meteors are lost.
    length: Annotated[float, Ge(0)] = 5.0

    def process(self, detections: Detections, stream: Stream) -> Detections:
        """Give a reason to what is too short; what has a reason is kept in the catalog, not accepted."""
        if not len(detections):
            return detections
        wide = detections["x_max"] - detections["x_min"]
        high = detections["y_max"] - detections["y_min"]
        before = detections["reason"] if "reason" in detections else np.full(len(detections), "")
        short = np.hypot(wide, high) < self.length
        reasons = [old or ("too short" if small else "") for old, small in zip(before, short, strict=True)]
        return detections.with_columns(reason=reasons)
