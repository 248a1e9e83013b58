"""A region scorer: the brightest pixel of every cell."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from astrodetect import RegionScorer, ScoreMap, Window


@dataclass
class Example(RegionScorer):
    """Score every square of the frame by its brightest pixel above the background."""

    needs: ClassVar[tuple[str, ...]] = ("image",)

    #: Side of a square in pixels. Smaller ones locate better, larger ones are faster.
    cell: Annotated[int, Ge(1)] = 8

    def score(self, window: Window) -> ScoreMap:
        """Give the map; masked pixels count for nothing, a square without a pixel left is never chosen."""
        image = np.asarray(window.planes["image"], dtype=np.float32)
        if window.mask is not None:
            image = np.where(window.mask, -np.inf, image)
        rows, columns = (-(-length // self.cell) for length in image.shape)
        padded = np.full((rows * self.cell, columns * self.cell), -np.inf, np.float32)
        padded[: image.shape[0], : image.shape[1]] = image
        best = padded.reshape(rows, self.cell, columns, self.cell).max(axis=(1, 3))
        centre = (self.cell - 1) / 2
        return ScoreMap(best, (self.cell, self.cell), (centre, centre))
