"""What moved: a robust line through x, y and time, measured and told from other things."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from astrodetect.core.columns import Column
from astrodetect.core.data import Window
from astrodetect.core.detections import Detections
from astrodetect.core.maps import Patches
from astrodetect.core.operating import OperatingCurve, stored_curve
from astrodetect.core.stages import Classifier


@dataclass
class Streak(Classifier):
    """Classifies patches by what moved in them, without trained weights.

    Takes patches of any size as places to start from, and searches the frames there, or the planes
    ``image``, ``argmax``, ``background`` and ``max`` (H, W) of recordings that arrive reduced. Gives the
    labels ``meteor``, ``slow`` (satellite, aircraft), ``insect``, ``flash``, ``static``, ``noise``, and
    ``streak`` for single images, with a probability fitted on simulated recordings.
    """

    #: Least evidence for a path, as the logarithm of the likelihood ratio against noise: lower finds
    #: fainter ones and more noise.
    evidence: Annotated[float, Ge(0)] = 15.0
    #: Signal-to-noise that the faint frames at the ends of tracks have on average: lower makes tracks
    #: longer and their ends less sure.
    edge_snr: Annotated[float, Gt(0)] = 2.5
    #: Flux of the first and last frame of a track as a fraction of its highest: lower follows the faint
    #: wake of a bright one.
    edge_fraction: Annotated[float, Ge(0), Lt(1)] = 0.1
    #: Pixels that many standard deviations above the noise make up what does not move.
    significant: Annotated[float, Gt(0)] = 4.0
    #: Side of the blocks in which the noise is estimated, in pixels; best as in the scorer, which saves time.
    block: Annotated[int, Ge(8)] = 32
    #: Noise of static sources as a fraction of their brightness; best as in the scorer.
    twinkle: Annotated[float, Ge(0)] = 0.25
    #: File with the coefficients of the probability (JSON); none: those that come with the program.
    model: Path | None = None
    #: Add pictures of each track, seen from its own path, for the postprocessor `verify`.
    pictures: bool = False

    needs: ClassVar[tuple[str, ...]] = ("image", "background", "max")
    columns: ClassVar[tuple[Column, ...]] = (
        Column("evidence", "float64", "", "log likelihood ratio, path against noise; 0 without a path"),
        Column("contrast", "float64", "", "rate of pixels that agree with the path, less that beside it"),
        Column("width", "float64", "pix", "full width at half maximum across the path"),
        Column("area", "float64", "pix2", "significant pixels where it was found"),
        Column("common", "float64", "", "share of these with their maximum in the same two frames"),
        Column(
            "before", "float64", "", "evidence of light next to its beginning just before; 0 without frames"
        ),
        Column("after", "float64", "", "evidence of light next to its end just after; 0 without frames"),
        Column("clutter", "float64", "", "share of the cells around that light up while it is there"),
    )

    def operating_curve(self, label: str) -> OperatingCurve | None:
        """Give what a threshold on the probability of a label costs, where the model's file says it."""
        from astrodetect.methods.probability import BUILT_IN, load_model

        return stored_curve(vars(load_model(self.model)), label, str(self.model or BUILT_IN))

    def classify(self, patches: Patches, window: Window) -> Detections:
        """Give the detections in the patches, in pixels of the frame."""
        from astrodetect.methods.candidates import Search
        from astrodetect.methods.labels import to_detections
        from astrodetect.methods.look import Look, look_at
        from astrodetect.methods.probability import load_model
        from astrodetect.methods.search import find_candidates
        from astrodetect.methods.stills import find_streaks

        def look() -> Look:
            return look_at(window, block=self.block, twinkle=self.twinkle)

        size = (int(patches.data.shape[2]), int(patches.data.shape[3]))
        scores = [float(score) for score in patches.selection.scores]
        if window.n_frames == 1:
            return find_streaks(window, look(), patches.corners_yx, size, scores)
        search = Search(self.evidence, self.edge_snr, self.edge_fraction, self.significant)
        found = find_candidates(window, patches.corners_yx, size, scores, search, look)
        detections = to_detections(found, window, load_model(self.model))
        return _with_pictures(detections, window) if self.pictures else detections


def _with_pictures(detections: Detections, window: Window) -> Detections:
    """Add the pictures of what moved; those of what did not are empty."""
    from astrodetect.methods.along_track import nothing, pictures

    tracks = [detections.track(row) for row in range(len(detections))]
    seen = [pictures(own, window) if len(own["frame"]) > 1 else nothing() for own in tracks]
    return replace(detections, cutouts=np.stack(seen)) if seen else detections
