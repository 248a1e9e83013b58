"""Images that are zero but for some squares: their low-resolution view, from these squares alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from astrodetect.plugins.models.lit import Lit
from astrodetect.plugins.models.scenes import TensorScene
from astrodetect.plugins.models.views import View
from astrodetect.training.data.idx import SIDE


class SparseScene(TensorScene):
    """A batch of images of which it is known where they are not zero.

    For training only: what it gives is what the whole images would give, bit for bit, in a tenth of
    the time.

    Parameters
    ----------
    images : (B, C, H, W) uint8 array
        The images.
    boxes_yx : list of (p, 2) arrays
        For each image the corners of the squares of 28 pixels outside which it is zero.
    device : torch.device
        Where they go.
    """

    def __init__(
        self, images: NDArray[np.uint8], boxes_yx: list[NDArray[np.int32]], device: torch.device
    ) -> None:
        super().__init__(torch.from_numpy(images).to(device))
        self.pixels = images
        self.boxes_yx = boxes_yx

    def _squares(self, block: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Give image and first cell (p, 2) of the squares in a view, and how many cells they span."""
        owners = np.repeat(np.arange(len(self.boxes_yx)), [len(own) for own in self.boxes_yx])
        first = np.concatenate(self.boxes_yx).clip(0) // block
        return owners, first.astype(np.int64), (SIDE + block - 2) // block + 1

    def lit(self, view: View) -> Lit | None:
        """Give squares of the view outside which it is zero."""
        if not _whole(view):
            return None
        owners, first, n_cells = self._squares(view.block)
        return Lit(torch.from_numpy(owners).to(self.device), torch.from_numpy(first).to(self.device), n_cells)

    def view(self, view: View) -> Tensor:
        """Give the view of the images."""
        if not _whole(view):
            return super().view(view)
        block = view.block
        height, width = (view.cells(length) for length in self.images.shape[2:])
        owners, first, n_cells = self._squares(block)
        cells = first[:, :, None] + np.arange(n_cells)
        blocks = self._blocks(owners, first * block, block * n_cells, block)
        inside = (cells[:, 0] < height)[:, :, None] & (cells[:, 1] < width)[:, None, :]
        where = np.broadcast_to(owners[:, None, None], inside.shape)[inside]
        rows = np.broadcast_to(cells[:, 0, :, None], inside.shape)[inside]
        columns = np.broadcast_to(cells[:, 1, None, :], inside.shape)[inside]
        planes = []
        for kind in view.kinds:
            low = np.zeros((len(self.pixels), self.pixels.shape[1], height, width), np.float32)
            reduced = blocks.max(axis=(3, 5)) if kind == "max" else blocks.mean(axis=(3, 5), dtype=np.float32)
            low[where, :, rows, columns] = reduced.transpose(0, 2, 3, 1)[inside]
            planes.append(low)
        return torch.from_numpy(np.concatenate(planes, axis=1)).to(self.device)

    def _blocks(
        self, owners: NDArray[np.int64], corners: NDArray[np.int64], side: int, block: int
    ) -> NDArray[np.uint8]:
        """Cut squares (p, C, n, block, n, block); beyond the edge its last row and column repeat."""
        height, width = self.pixels.shape[2:]
        rows = np.minimum(corners[:, 0, None] + np.arange(side), height - 1)
        columns = np.minimum(corners[:, 1, None] + np.arange(side), width - 1)
        cut = self.pixels[owners[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        n = side // block
        split: NDArray[np.uint8] = cut.transpose(0, 3, 1, 2).reshape(len(cut), -1, n, block, n, block)
        return split


def _whole(view: View) -> bool:
    """Whether the blocks of a view are all of a whole number of pixels."""
    return abs(view.scale * view.block - 1) < 1e-9
