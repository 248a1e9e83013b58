"""One object is one detection, however many patches and windows it crosses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from astrodetect.core.data import Stream
from astrodetect.core.detections import Detections
from astrodetect.core.stages import Postprocessor


@dataclass
class Link(Postprocessor):
    """Joins detections of overlapping patches and windows, and what continues over a gap.

    Pieces are one object where they are at one place in the frames they share, or where one
    continues the other in direction and speed; what does not move is joined by its place. Boxes, ends,
    brightness and
    tracks are joined, and detections of the classifier ``streak`` are judged again as a whole: what is long
    and slow over the recording is no meteor, even if each piece could be one.
    """

    #: Pixels by which pieces may miss each other; raise it for shaky cameras, lower it for crowded fields.
    distance: Annotated[float, Ge(0)] = 3.0
    #: Longest gap between pieces, in seconds (slow objects: twice that): clouds, strobes, faint parts.
    gap: Annotated[float, Ge(0)] = 0.4
    #: File with the coefficients of the probability, as given to the classifier; none: the built-in ones.
    model: Path | None = None

    def process(self, detections: Detections, stream: Stream) -> Detections:
        """Give the detections of one recording, joined, in the order of frames."""
        from astrodetect.methods.features import USUAL_RATE, View
        from astrodetect.methods.link import SHAPE_COLUMNS, assemble, judge_with, merge, strongest
        from astrodetect.methods.pieces import Rules, groups, pieces_of
        from astrodetect.methods.probability import load_model

        if len(detections) == 0:
            return detections
        rate = stream.frame_rate if stream.frame_rate > 0 else USUAL_RATE
        pieces = pieces_of(detections)
        joined = groups(pieces, Rules(self.distance, self.gap), rate)
        judge = None
        if all(name in detections for name in (*SHAPE_COLUMNS, "snr")) and "flux" in detections.tracks:
            last = stream.n_frames - 1 if stream.n_frames > 0 else max(int(p.frame[-1]) for p in pieces)
            if last > 0:
                judge = judge_with(load_model(self.model), View(stream.frame_rate, stream.shape, last))
        made = [merge(detections, members, judge) for members in joined]
        cutouts = detections.cutouts
        if cutouts is not None:
            cutouts = cutouts[[strongest(detections, members) for members in joined]]
        return assemble([row for row, _ in made], [track for _, track in made], cutouts)
