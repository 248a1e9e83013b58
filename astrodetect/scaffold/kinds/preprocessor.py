"""A preprocessor: a smoother image."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from astrodetect import Preprocessor, Window


@dataclass
class Example(Preprocessor):
    """Average the plane ``image`` over a square: less noise, fainter points."""

    needs: ClassVar[tuple[str, ...]] = ("image",)
    gives: ClassVar[tuple[str, ...]] = ("image",)

    #: Pixels on each side of the centre. More of them suppress more noise and blur thin trails.
    radius: Annotated[int, Ge(0), Le(20)] = 1

    def process(self, window: Window) -> Window:
        """Replace the plane; the one that came in is left as it is."""
        image = np.asarray(window.planes["image"], dtype=np.float32)
        side = 2 * self.radius + 1
        padded = np.pad(image, self.radius, mode="edge")
        squares = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
        return window.with_planes(image=squares.mean(axis=(2, 3), dtype=np.float32))
