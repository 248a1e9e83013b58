"""Background and noise of an image that is not whole in memory, as lazy planes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Array, Window
from astrodetect.core.lazy import LazyPlane
from astrodetect.methods.background import box_size
from astrodetect.methods.background_grid import BackgroundGrid, background_grid

#: An image of no more pixels is worked on whole, whether or not it is looked at in tiles.
MOST_AT_ONCE = 1 << 22


def lazy_planes(window: Window, box: int | None = None) -> Window:
    """Give a window with a lazy plane ``max`` the other planes of a still, lazy too.

    Parameters
    ----------
    window : Window
        Its image is read once, in bands, for the background.
    box : int, optional
        Side of the boxes (px); by the size of the image if not given.
    """
    raw = window.planes["max"]
    side = min(box or box_size(window.shape), *(max(1, length // 3) for length in window.shape))
    parts = _Parts(raw, background_grid(raw, window.mask, side=side))
    made: dict[str, Any] = {
        name: LazyPlane(raw.shape, dtype, read)
        for name, dtype, read in (
            ("max", raw.dtype, parts.filled), ("image", np.float32, parts.image),
            ("background", np.float32, parts.grid.background), ("std", np.float32, parts.grid.noise),
            ("argmax", np.uint8, _zeros),
        )
    }  # fmt: skip
    if raw.dtype.kind == "f":
        unseen: Any = LazyPlane(raw.shape, np.bool_, parts.unseen)
        window = window.with_mask(unseen)
    return window.with_planes(**made)


def _zeros(rows: slice, columns: slice) -> NDArray[np.uint8]:
    return np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)


@dataclass
class _Parts:
    """Parts of an image; the last that was read is kept, as several planes are made of it."""

    raw: Any
    grid: BackgroundGrid
    _last: tuple[tuple[slice, slice], Array] | None = field(default=None, init=False)

    def pixels(self, rows: slice, columns: slice) -> Array:
        if self._last is None or self._last[0] != (rows, columns):
            self._last = (rows, columns), self.raw[rows, columns]
        return self._last[1]

    def unseen(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        pixels = self.pixels(rows, columns)
        return ~np.isfinite(pixels) if pixels.dtype.kind == "f" else np.zeros(pixels.shape, np.bool_)

    def filled(self, rows: slice, columns: slice) -> Array:
        """Give pixels with the background where there is none."""
        pixels, unseen = self.pixels(rows, columns).copy(), self.unseen(rows, columns)
        if unseen.any():
            pixels[unseen] = self.grid.background(rows, columns)[unseen].astype(pixels.dtype)
        return pixels

    def image(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Give pixels less the background, 0 where there is none."""
        image = (self.pixels(rows, columns) - self.grid.background(rows, columns)).astype(np.float32)
        image[self.unseen(rows, columns)] = 0
        return image
