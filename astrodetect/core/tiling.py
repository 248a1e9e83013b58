"""Run any detector on overlapping tiles of a frame, so that the frame need not be in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.stages import Detector
from astrodetect.core.tables import TileSettings
from astrodetect.core.tiles import TileGrid, cut_window, moved

#: Boxes that come closer than this to a border within the frame may be cut off there (px).
_EDGE = 1.0
#: A box that a border cuts gives way to a whole one that holds more than this share of it.
_MOST = 0.5


def boxes_of(found: Detections) -> NDArray[np.float64]:
    """Give the boxes (N, 4) of detections: x_min, y_min, x_max, y_max."""
    return np.stack([found[name] for name in ("x_min", "y_min", "x_max", "y_max")], axis=1)


def centres_of(found: Detections) -> NDArray[np.float64]:
    """Give the middles of detections (N, 2), y and x: between their ends, or of their boxes where unknown."""
    middles = []
    for axis in "yx":
        middle = (found[f"{axis}_min"] + found[f"{axis}_max"] - 1) / 2
        if f"{axis}_start" in found and f"{axis}_end" in found:
            ends = (found[f"{axis}_start"] + found[f"{axis}_end"]) / 2
            middle = np.where(np.isfinite(ends), ends, middle)
        middles.append(middle)
    return np.stack(middles, axis=1)


def seen_once(
    found: Detections, tiles: NDArray[np.int64], grid: TileGrid, settings: TileSettings
) -> Detections:
    """Of what neighbouring tiles both saw, keep one.

    What lies away from the seams and inside its owner's view is reported by the owner alone, so the result
    does not depend on where the seams are. At a seam, and for what is longer than the overlap, the overlap
    of the boxes decides: whole ones go before those that a border cuts, and these before none at all.

    Parameters
    ----------
    found : Detections
        Of all tiles, in pixels of the frame.
    tiles : (N,) int array
        Number of the tile that found each.
    grid : TileGrid
        The tiles.
    settings : TileSettings
        `overlap`, `measure` and `limit` count.
    """
    from astrodetect.methods.suppression import suppress

    boxes, centres = boxes_of(found), centres_of(found)
    owners = grid.owners(centres)
    whole = _within(boxes, grid.borders(tiles))
    depth, margin = grid.depths(centres, tiles), settings.overlap / 4
    sure = whole & (depth > margin)
    kept = (depth > -margin) | ~_within(boxes, grid.borders(owners))
    shared = grid.in_overlap(boxes)
    rows = np.flatnonzero(kept & shared)
    rank = 4.0 * sure + 2.0 * whole + found["probability"]
    left = suppress(boxes[rows], rank[rows], settings.limit, settings.measure, tiles=tiles[rows])
    kept[np.delete(rows, left)] = False
    kept |= sure
    held = np.flatnonzero(kept & whole & shared)
    kept[_swallowed(boxes, held, np.flatnonzero(kept & ~whole), tiles)] = False
    return found.take(kept)


def _within(boxes: NDArray[Any], borders: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which boxes stay clear of the borders within the frame."""
    clear = (boxes[:, :2] >= borders[:, :2] + _EDGE) & (boxes[:, 2:] <= borders[:, 2:] - _EDGE)
    return np.asarray(clear.all(axis=1))


def _swallowed(
    boxes: NDArray[Any], whole: NDArray[np.int64], cut: NDArray[np.int64], tiles: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give which of the boxes that a border cuts lie for the most part in a whole one of another tile."""
    gone = []
    for row in cut.tolist():
        box = boxes[row]
        sides = np.minimum(boxes[whole, 2:], box[2:]) - np.maximum(boxes[whole, :2], box[:2])
        shared = np.clip(sides, 0, None).prod(axis=1) / (box[2:] - box[:2]).prod()
        if np.any((shared > _MOST) & (tiles[whole] != tiles[row])):
            gone.append(row)
    return np.array(gone, dtype=np.int64)


@dataclass
class Tiled(Detector):
    """Any detector, run on overlapping tiles of each window.

    Memory is that of a batch of tiles and of what was found; planes that are lazy are never whole.

    Attributes
    ----------
    detector : Detector
        What finds.
    settings : TileSettings
        The ``[tile]`` table.
    """

    detector: Detector
    settings: TileSettings = field(default_factory=TileSettings)

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Open the detector for frames of a tile's size."""
        tile = next(iter(self._grid(stream.shape)))
        mask = None if stream.mask is None else stream.mask[tile.slices]
        self.detector.open(replace(stream, shape=tile.shape, mask=mask), device)

    def close(self) -> None:
        """Close the detector."""
        self.detector.close()

    def take_reports(self) -> list[str]:
        """Give and forget what the detector reported."""
        return self.detector.take_reports()

    def detect(self, window: Window) -> Detections:
        """Detect in every tile, and keep once what several saw."""
        grid = self._grid(window.shape)
        parts: list[Detections] = []
        numbers: list[NDArray[np.int64]] = []
        numbered = enumerate(grid)
        while batch := list(islice(numbered, self.settings.batch)):
            windows = [cut_window(window, tile) for _, tile in batch]
            for (number, tile), found in zip(batch, self.detector.detect_batch(windows), strict=True):
                if len(found):
                    parts.append(moved(found, tile))
                    numbers.append(np.full(len(found), number, np.int64))
        if len(grid) == 1 or not parts:
            return Detections.concatenate(parts)
        return seen_once(Detections.concatenate(parts), np.concatenate(numbers), grid, self.settings)

    def _grid(self, shape: tuple[int, int]) -> TileGrid:
        return TileGrid(shape, self.settings.size, self.settings.overlap)


def untiled(detector: Detector) -> Detector:
    """Give the detector that finds: that of a `Tiled` one, or itself."""
    return detector.detector if isinstance(detector, Tiled) else detector
