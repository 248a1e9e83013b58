"""Signal over local noise, and what moved, on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from astrodetect.core.data import Window
from astrodetect.core.maps import ScoreMap
from astrodetect.core.stages import RegionScorer


@dataclass
class PeakSnr(RegionScorer):
    """Scores regions by significance over the local noise and by agreement of times of maximum.

    Reads ``image``, ``background`` and ``argmax`` (H, W); gives cells of `stride` pixels. Level and
    spread of the noise are taken from the image itself in blocks; static bright sources count as
    noisy in proportion to their brightness. Single images are scored by straight lines.
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
    #: Cells below this score are not offered for selection: raise it to save time, lower it to keep more
    #: rejects.
    least: float = 4.0

    needs: ClassVar[tuple[str, ...]] = ("image", "background", "argmax")

    def score(self, window: Window) -> ScoreMap:
        """Give a coarse map of scores."""
        from astrodetect.methods.look import look_at
        from astrodetect.methods.scores import motion_score, still_score

        look = look_at(window, block=self.block, twinkle=self.twinkle)
        z = look.z
        if window.n_frames > 1:
            stride = self.stride + self.stride % 2
            data = motion_score(z, look.argmax, window.n_frames, stride=stride, bright=self.bright)
        else:
            stride = self.stride
            data = still_score(z, stride=stride)
        data = np.where(data >= self.least, data, np.float32(-np.inf))
        return ScoreMap(data, (stride, stride), ((stride - 1) / 2, (stride - 1) / 2))
