"""A region scorer in eight lines: every eighth pixel of the image."""

from dataclasses import dataclass

import numpy as np

from astrodetect import RegionScorer, ScoreMap


@dataclass
class Peak(RegionScorer):
    needs = ("image",)

    def score(self, window):
        return ScoreMap(window.planes["image"][4::8, 4::8].astype(np.float32), (8, 8), (4, 4))
