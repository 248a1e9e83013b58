"""Patches cut by NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.data import Array
from astrodetect.core.stages import PatchExtractor
from astrodetect.methods.patches import extract_patches


@dataclass
class CpuPatches(PatchExtractor):
    """Copy patches of full resolution out of the planes.

    Notes
    -----
    Images (B, C, H, W) of any type and corners (B, K, 2) give patches (B, K, C, h, w) of the same
    type, on the CPU.
    """

    #: Height and width of a patch, in pixels; a number means a square. Large enough for what is
    #: looked for and some sky around it.
    size: Annotated[int, Ge(1)] | tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)]] = 56
    #: Value of pixels outside the frame (ADU of the planes). NaN marks them as unknown in
    #: floating-point planes.
    fill: float = 0.0

    def extract(self, images: Array, corners_yx: NDArray[np.int64], size: tuple[int, int]) -> Array:
        """Cut patches.

        Raises
        ------
        ValueError
            Shapes do not fit, corners are no integers, or the type cannot hold `fill`.
        """
        return extract_patches(to_numpy(images), to_numpy(corners_yx), size, self.fill)
