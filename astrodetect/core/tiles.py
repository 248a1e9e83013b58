"""Tiles over a frame: where they lie, what of a window lies in them, and which answers for what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.core.detections import Detections


@dataclass(frozen=True)
class Tile:
    """A rectangle of a frame, half open (px)."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def tile_starts(length: int, size: int, overlap: int) -> NDArray[np.int64]:
    """Give where the tiles along an axis begin: the last one ends at the last pixel.

    Examples
    --------
    >>> tile_starts(1000, 400, 100).tolist(), tile_starts(300, 400, 100).tolist()
    ([0, 300, 600], [0])
    """
    if length <= size:
        return np.zeros(1, np.int64)
    step = size - overlap
    count = -(-(length - overlap) // step)
    return np.minimum(np.arange(count) * step, length - size)


class TileGrid:
    """The tiles over a frame, and which of them answers for which pixel.

    Each point of the frame has one owner: neighbours share what they both see in the middle.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the frame. Where it is smaller than a tile, the tile is as small.
    size, overlap : int
        Side of a tile and pixels that neighbours share.
    """

    def __init__(self, shape: tuple[int, int], size: int, overlap: int) -> None:
        self.shape = shape
        self.sides = [min(size, length) for length in shape]
        self.starts = [tile_starts(length, size, overlap) for length in shape]
        self.seams = [
            (starts[1:] + starts[:-1] + side) / 2 - 0.5
            for starts, side in zip(self.starts, self.sides, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.starts[0]) * len(self.starts[1])

    def __iter__(self) -> Iterator[Tile]:
        height, width = self.sides
        for top, left in product(*(starts.tolist() for starts in self.starts)):
            yield Tile(top, left, top + height, left + width)

    def owners(self, centres_yx: NDArray[Any]) -> NDArray[np.int64]:
        """Give the number of the tile that owns each point (N, 2)."""
        row, column = (np.searchsorted(seams, centres_yx[:, axis]) for axis, seams in enumerate(self.seams))
        return np.asarray(row * len(self.starts[1]) + column, dtype=np.int64)

    def in_overlap(self, boxes: NDArray[Any]) -> NDArray[np.bool_]:
        """Say which boxes (N, 4) reach into what two tiles see."""
        touches = np.zeros(len(boxes), np.bool_)
        for axis, (starts, side) in enumerate(zip(self.starts, self.sides, strict=True)):
            low, high = boxes[:, 1 - axis], boxes[:, 3 - axis]
            for first, last in zip(starts[1:], starts[:-1] + side, strict=True):
                touches |= (low < last) & (high > first)
        return touches

    def depths(self, centres_yx: NDArray[Any], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give how deep points (N, 2) lie in what some tiles own (px); below 0 outside, without seams inf."""
        depth = np.full(len(centres_yx), np.inf)
        for axis, index in enumerate(np.divmod(numbers, len(self.starts[1]))):
            seams = np.concatenate([[-np.inf], self.seams[axis], [np.inf]])
            place = centres_yx[:, axis]
            np.minimum(depth, np.minimum(place - seams[index], seams[index + 1] - place), out=depth)
        return depth

    def borders(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give where the view of tiles ends (N, 4) as x_min, y_min, x_max, y_max; nowhere at the frame's."""
        row, column = np.divmod(numbers, len(self.starts[1]))
        low = [self.starts[0][row].astype(np.float64), self.starts[1][column].astype(np.float64)]
        high = [start + side for start, side in zip(low, self.sides, strict=True)]
        for axis, length in enumerate(self.shape):
            low[axis][low[axis] <= 0] = -np.inf
            high[axis][high[axis] >= length] = np.inf
        return np.stack([low[1], low[0], high[1], high[0]], axis=1)


class _CutPlanes(Mapping[str, Any]):
    """The planes of a window within a tile, cut (and read, where lazy) when they are asked for."""

    def __init__(self, planes: Mapping[str, Any], tile: Tile) -> None:
        self._planes, self._tile = planes, tile
        self._cut: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._cut:
            self._cut[name] = self._planes[name][self._tile.slices]
        return self._cut[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._planes)

    def __len__(self) -> int:
        return len(self._planes)


def cut_window(window: Window, tile: Tile) -> Window:
    """Give the part of a window that lies in a tile, as a window of its own."""
    rows, columns = tile.slices
    masks = [None if mask is None else mask[rows, columns] for mask in (window.mask, window.stream.mask)]
    return replace(
        window,
        stream=replace(window.stream, shape=tile.shape, mask=masks[1]),
        frames=None if window.frames is None else window.frames[:, rows, columns],
        planes=_CutPlanes(window.planes, tile),
        mask=masks[0],
    )


def moved(found: Detections, tile: Tile) -> Detections:
    """Give detections of a tile in pixels of the frame: columns ``x_...``, ``y_...``, tracks ``x``, ``y``."""
    by = {"x": tile.left, "y": tile.top}

    def shifted(columns: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: values + by[name[0]] if name in by or name[:2] in ("x_", "y_") else values
            for name, values in columns.items()
        }

    return Detections(shifted(found.columns), shifted(found.tracks), found.cutouts)
