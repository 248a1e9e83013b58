"""Frames of a recording as scenes: read in bands and patches, never copied as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from astrodetect.core.arrays import to_numpy
from astrodetect.core.data import Array
from astrodetect.core.geometry import clip_box
from astrodetect.plugins.models.views import View

#: Pixels that are looked at together when a view is made.
_BAND_PIXELS = 1 << 20


class PlaneScene:
    """C planes (H, W) that can be cut like arrays: arrays, memory maps, sections of FITS files.

    Parameters
    ----------
    planes : sequence of (H, W) array
        With `shape` and slicing ``[y0:y1, x0:x1]``.
    mask : (H, W) bool array, optional
        True where pixels are to be ignored: they become `black`, as do those that are no numbers.
    black : float
        What ignored pixels are taken for.
    device : str
        Where tensors go.
    """

    def __init__(
        self, planes: Sequence[Array], mask: Array | None = None, black: float = 0.0, device: str = "cpu"
    ) -> None:
        self.planes = list(planes)
        self.mask = mask
        self.black = black
        self.device = torch.device(device)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Size (1, C, H, W)."""
        height, width = self.planes[0].shape
        return 1, len(self.planes), int(height), int(width)

    def part(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Give pixels (C, h, w) of a rectangle inside the frame, without what is to be ignored."""
        pixels = np.stack([to_numpy(plane[rows, columns]).astype(np.float32) for plane in self.planes])
        unseen = ~np.isfinite(pixels)
        if self.mask is not None:
            unseen |= to_numpy(self.mask[rows, columns])
        pixels[unseen] = self.black
        return pixels

    def view(self, view: View) -> Tensor:
        """Give the view (1, C * kinds, h, w), made band by band."""
        _, _, height, width = self.shape
        rows, columns = view.counts(height), view.counts(width)
        ends = torch.cumsum(rows, 0)
        step = max(1, _BAND_PIXELS // (width * view.block))
        bands = []
        for first in range(0, len(rows), step):
            last = min(first + step, len(rows)) - 1
            pixels = self.part(slice(int(ends[first] - rows[first]), int(ends[last])), slice(0, width))
            tensor = torch.from_numpy(pixels)[None].to(self.device)
            bands.append(view.reduce(tensor, rows[first : last + 1], columns))
        return torch.cat(bands, dim=2)

    def cut(self, corners_yx: Tensor, size: tuple[int, int], fill: float | None) -> Tensor:
        """Cut patches (1, K, C, h, w) float32."""
        height, width = self.shape[2:]
        outside = self.black if fill is None else fill
        patches = np.full((corners_yx.shape[1], len(self.planes), *size), outside, np.float32)
        for patch, (y, x) in zip(patches, corners_yx[0].tolist(), strict=True):
            (rows, inner_rows), (columns, inner_columns) = (
                clip_box(y, size[0], height), clip_box(x, size[1], width),
            )  # fmt: skip
            if rows.start == rows.stop or columns.start == columns.stop:
                continue
            patch[:, inner_rows, inner_columns] = self.part(rows, columns)
            if fill is None:
                _repeat_edges(patch, inner_rows, inner_columns)
        return torch.from_numpy(patches)[None].to(self.device)


def _repeat_edges(patch: NDArray[np.float32], rows: slice, columns: slice) -> None:
    """Fill what lies around a rectangle of a patch (C, h, w) with its nearest pixels."""
    ys = np.clip(np.arange(patch.shape[1]), rows.start, rows.stop - 1)
    xs = np.clip(np.arange(patch.shape[2]), columns.start, columns.stop - 1)
    patch[:] = patch[:, ys[:, None], xs]
