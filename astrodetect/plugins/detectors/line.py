"""Trails in single exposures: satellites, aircraft, asteroids, meteors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from astrodetect.core.columns import Column
from astrodetect.core.data import Window
from astrodetect.core.detections import Detections
from astrodetect.core.stages import Detector
from astrodetect.methods.line_search import Method, search_lines, verdict
from astrodetect.methods.look import look_at
from astrodetect.methods.stills import streak_table


@dataclass
class LineFinder(Detector):
    """Find straight trails by the Hough or the Radon transform, and follow each to its ends.

    Needs the planes that `background` makes of a still. Each trail is one detection with both ends
    (``x_start`` to ``y_end``, the left one first: which way it went is not known), its width, and the flux
    within it; labelled ``streak``, ``static`` along a row or column of the detector, or ``noise``. What is
    cut by gaps or by the borders of tiles is joined by `join-trails`.
    """

    #: How lines are looked for. "hough" counts bright pixels on them; "radon" adds up all pixels, and finds
    #: trails whose pixels do not stand out, if they cross much of the frame; "both" does one after the other.
    method: Method = "hough"
    #: Pixels that many standard deviations above the background are bright. Higher is faster and loses
    #: faint trails.
    threshold: Annotated[float, Gt(0)] = 2.5
    #: Standard deviations by which a line must hold more light than by chance to be looked at.
    strength: Annotated[float, Gt(0)] = 6.0
    #: Least length of a trail, in pixels. Shorter ones are easily rows of stars.
    length: Annotated[float, Ge(8)] = 20.0
    #: Full width at half maximum, in pixels, beyond which something is hardly a trail: clouds, the edge of an
    #: image circle. Raise it for aircraft near by and for defocused images.
    widest: Annotated[float, Gt(0)] = 8.0
    #: Trails that are looked for, at most.
    most: Annotated[int, Ge(1)] = 20
    #: Side of the blocks in which the noise is estimated, in pixels.
    block: Annotated[int, Ge(8)] = 32

    needs: ClassVar[tuple[str, ...]] = ("image", "background", "max")
    columns: ClassVar[tuple[Column, ...]] = (
        Column("evidence", "float64", "", "mean significance of its pixels times its length"),
        Column("contrast", "float64", "", "share of its length that stands out"),
        Column("width", "float64", "pix", "full width at half maximum across the trail"),
        Column("area", "float64", "pix2", "pixels of it"),
        Column("common", "float64", "", "share of these seen in the same frames: 1 in a single image"),
    )

    def detect(self, window: Window) -> Detections:
        """Give the trails in a window."""
        look = look_at(window, block=self.block)
        found = search_lines(
            look, threshold=self.threshold, least=self.strength, length=self.length, most=self.most,
            method=self.method,
        )  # fmt: skip
        verdicts = [verdict(streak, look.z, self.widest) for streak, _ in found]
        labels, chances = zip(*verdicts, strict=True) if verdicts else ((), ())
        return streak_table(found, window, look).with_columns(label=labels, probability=chances)
