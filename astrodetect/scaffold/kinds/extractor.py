"""A patch extractor: one index for all patches at once."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from astrodetect import PatchExtractor
from astrodetect.core.arrays import to_numpy


@dataclass
class Example(PatchExtractor):
    """Cut patches by fancy indexing; pixels outside the frame are zero."""

    #: Height and width of a patch in pixels. As large as the object and some sky about it.
    size: Annotated[int, Ge(1)] | tuple[int, int] = 56

    def extract(self, images: Any, corners_yx: NDArray[np.int64], size: tuple[int, int]) -> Any:
        """Cut (B, K, C, h, w) out of (B, C, H, W); corners may lie outside."""
        images = to_numpy(images)
        height, width = images.shape[-2:]
        y = corners_yx[..., 0, None] + np.arange(size[0])  # (B, K, h)
        x = corners_yx[..., 1, None] + np.arange(size[1])  # (B, K, w)
        inside = ((y >= 0) & (y < height))[..., None] & ((x >= 0) & (x < width))[..., None, :]
        rows, columns = y.clip(0, height - 1)[..., None], x.clip(0, width - 1)[..., None, :]
        batch = np.arange(len(images))[:, None, None, None]
        cut = np.moveaxis(images.transpose(0, 2, 3, 1)[batch, rows, columns], -1, 2)
        return np.where(inside[:, :, None], cut, images.dtype.type(0))
