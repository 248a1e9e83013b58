"""Signal over local noise, and what moved, on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from astrodetect.core.data import Stream, Window
from astrodetect.core.maps import ScoreMap
from astrodetect.core.stages import RegionScorer


@dataclass
class PeakSnr(RegionScorer):
    """Scores regions by what lit up there for a moment, in the single frames or in their maximum.

    Where a window has frames, its cells are ranked by the evidence of chains: cells that become brighter
    than usual one after the other. Recordings that arrive reduced have ``image``, ``background`` and
    ``argmax`` (H, W) alone: there significance over the local noise and agreement of the times of maximum
    count. Single images are scored by straight lines. Gives cells of `stride` pixels.
    """

    #: Side of a cell, in pixels: smaller finds more positions of large objects, and costs time.
    stride: Annotated[int, Ge(2)] = 16
    #: Side of the blocks in which the noise is estimated, in pixels: smaller follows clouds better, larger
    #: is steadier.
    block: Annotated[int, Ge(8)] = 32
    #: Noise of static sources as a fraction of their brightness: raise it where stars twinkle or lamps
    #: flicker.
    twinkle: Annotated[float, Ge(0)] = 0.25
    #: Pixels that many standard deviations above the noise take part in the search for motion.
    bright: Annotated[float, Gt(0)] = 1.5
    #: Cells below this score are not offered for selection, in standard deviations (recordings that arrive
    #: reduced, single images): raise it to save time, lower it to keep more rejects.
    least: float = 4.0
    #: The same for windows with frames: least evidence of a chain of cells. Noise alone seldom reaches 8.
    least_chain: float = 3.0

    needs: ClassVar[tuple[str, ...]] = ("image", "background")

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Import what scoring needs: beside the first window, where there are cores for both."""
        del stream, device
        import scipy.ndimage  # noqa: F401

        from astrodetect.methods import activity, look  # noqa: F401

    def score(self, window: Window) -> ScoreMap:
        """Give a coarse map of scores."""
        from astrodetect.methods.activity import LEAST_FRAMES, activity_of

        stride = self.stride + self.stride % 2
        if window.frames is not None and window.n_frames >= LEAST_FRAMES:
            data, least = activity_of(window, stride).score, self.least_chain
        else:
            data, least = self._from_planes(window, stride), self.least
        data = np.where(data >= least, data, np.float32(-np.inf))
        return ScoreMap(data, (stride, stride), ((stride - 1) / 2, (stride - 1) / 2))

    def _from_planes(self, window: Window, stride: int) -> NDArray[np.float32]:
        from astrodetect.methods.look import look_at
        from astrodetect.methods.scores import motion_score, still_score

        look = look_at(window, block=self.block, twinkle=self.twinkle)
        if window.n_frames == 1:
            return still_score(look.z, stride=stride)
        return motion_score(look.z, look.argmax, window.n_frames, stride=stride, bright=self.bright)
