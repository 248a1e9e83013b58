"""The low-resolution view of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from astrodetect.plugins.models.geometry import Grid

#: Pixels that are looked at together.
_BAND_PIXELS = 1 << 19


class View(nn.Module):
    """Mean and maximum over blocks of pixels, for any scale.

    Pixel y belongs to block ``floor((y + 1/2) * scale)``, so blocks never overlap and block i is
    centred at ``(i + 1/2) / scale - 1/2``. Where `scale` is not the inverse of a whole number, blocks
    differ by a pixel in size; shorter ones count their last pixel twice in the mean.

    Parameters
    ----------
    scale : float
        Cells of the view per pixel, in (0, 1].
    kinds : sequence of {"mean", "max"}
        What is kept; the view has ``len(kinds)`` times as many planes as the image.
    """

    def __init__(self, scale: float, kinds: Sequence[str] = ("mean", "max")) -> None:
        super().__init__()
        self.scale = scale
        self.kinds = tuple(kinds)

    @property
    def grid(self) -> Grid:
        """Positions of the cells in pixels."""
        return Grid(1 / self.scale, 0.5 / self.scale - 0.5)

    @property
    def block(self) -> int:
        """Largest side of a block in pixels."""
        return math.ceil(1 / self.scale - 1e-9)

    def cells(self, length: int) -> int:
        """Number of cells for so many pixels."""
        return math.floor((length - 0.5) * self.scale + 1e-9) + 1

    def counts(self, length: int) -> Tensor:
        """Give the number of pixels in each block of an axis, int64."""
        pixels = torch.arange(length, dtype=torch.float64)
        blocks = torch.floor((pixels + 0.5) * self.scale + 1e-9).long()
        return torch.bincount(blocks, minlength=self.cells(length))

    def forward(self, images: Tensor) -> Tensor:
        """Give the view (B, C * kinds, h, w) of images (B, C, H, W), as float32 or what they are."""
        rows, columns = (self.counts(length) for length in images.shape[-2:])
        step = len(rows)
        if images.device.type == "cpu":  # in bands: what lies between them stays in the cache
            step = max(1, _BAND_PIXELS * step // images.numel())
        ends = torch.cumsum(rows, 0).tolist()
        bands = []
        for first in range(0, len(rows), step):
            last = min(first + step, len(rows)) - 1
            band = images[..., ends[first] - int(rows[first]) : ends[last], :]
            bands.append(self.reduce(band, rows[first : last + 1], columns))
        return bands[0] if len(bands) == 1 else torch.cat(bands, dim=-2)

    def reduce(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Give the view of images, or of a band of them, with so many pixels in each block."""
        if images.dtype != torch.uint8:  # bytes are joined as they are, torch can do little with others
            images = _floating(images)
        images = self._even_blocks(self._even_blocks(images, -2, rows), -1, columns)
        return torch.cat([self._pool(images, kind) for kind in self.kinds], dim=1)

    def _pool(self, images: Tensor, kind: str) -> Tensor:
        """Give mean or maximum of whole blocks."""
        if kind == "max":
            return _floating(self._joined(images, torch.maximum))
        # Bytes are added as short integers, which hold the sum of a row of up to 128.
        small = images.dtype == torch.uint8 and self.block <= 128
        return self._joined(images.short() if small else _floating(images), torch.add) / self.block**2

    def _joined(self, images: Tensor, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Join the rows of each block, then its columns: much faster than a pooling layer."""
        *outer, height, width = images.shape
        rows = images.reshape(*outer, height // self.block, self.block, width).unbind(-2)
        columns = reduce(join, rows).reshape(*outer, height // self.block, -1, self.block).unbind(-1)
        return reduce(join, (_floating(column) if join is torch.add else column for column in columns))

    def _even_blocks(self, images: Tensor, axis: int, counts: Tensor) -> Tensor:
        """Repeat rows or columns so that every block has the same number of them."""
        if bool((counts == self.block).all()):
            return images
        first = torch.cumsum(counts, 0) - counts
        offsets = torch.arange(self.block).expand(len(counts), -1)
        places = (first[:, None] + torch.minimum(offsets, counts[:, None] - 1)).reshape(-1)
        return images.index_select(axis, places.to(images.device))


def _floating(data: Tensor) -> Tensor:
    return data if data.is_floating_point() else data.float()
