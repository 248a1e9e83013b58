"""Patches cut where the planes are: by NumPy, or on the card by a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from astrodetect.core.arrays import is_torch, to_numpy
from astrodetect.core.data import Array
from astrodetect.core.stages import PatchExtractor
from astrodetect.methods.patches import extract_patches
from astrodetect.plugins.extractors._reporting import report_once


@dataclass
class CpuPatches(PatchExtractor):
    """Copy patches of full resolution out of the planes.

    Notes
    -----
    Images (B, C, H, W) of any type and corners (B, K, 2) give patches (B, K, C, h, w) of the same
    type, on the CPU; for tensors on a CUDA card they are cut there by the kernels of ``pycuda`` and
    stay there, if the extra ``cuda`` is installed.
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
        if is_torch(images) and str(images.device).startswith("cuda"):
            from astrodetect.cuda.device import CudaError
            from astrodetect.plugins.extractors.pycuda_extractor import cut_tensor

            try:
                cut: Array = cut_tensor(self, images, corners_yx, size, self.fill)
                return cut
            except CudaError as error:
                report_once(self, f"patches were cut on the CPU: {error}")
        return extract_patches(to_numpy(images), to_numpy(corners_yx), size, self.fill)
