"""One trail is one detection, however many gaps and tiles it crosses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from astrodetect.core.data import Stream
from astrodetect.core.detections import Detections
from astrodetect.core.stages import Postprocessor


@dataclass
class JoinTrails(Postprocessor):
    """Joins pieces of straight trails in single exposures, for `line` and others that label ``streak``.

    Pieces are cut off by stars on the way, by blinking, or by the borders of tiles. Ends, box and light are
    joined; light that two tiles both saw counts once. What moves from frame to frame is joined by `link`.
    """

    #: Pixels by which pieces may miss each other across. Raise it where the optics bend lines.
    distance: Annotated[float, Ge(0)] = 3.0
    #: Pixels between the ends of two pieces of one trail; half the length of the longer one where that is
    #: more. Raise it for aircraft and tumbling satellites.
    gap: Annotated[float, Ge(0)] = 50.0

    def process(self, detections: Detections, stream: Stream) -> Detections:
        """Give the detections of one recording, joined."""
        from astrodetect.methods.trail_joining import join_trails

        return join_trails(detections, distance=self.distance, gap=self.gap)
