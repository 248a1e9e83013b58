"""What region scorers, selectors and extractors hand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.geometry import cell_centres


@dataclass(frozen=True)
class ScoreMap:
    """How interesting each region of a frame is.

    Attributes
    ----------
    data : (h, w) float32 array
        Scores, higher is more interesting; ``-inf`` where nothing may be selected.
    stride : (float, float)
        Pixels between cells in y and x.
    origin_yx : (float, float)
        Centre of cell (0, 0) in pixels. Cell (i, j) is centred at ``origin_yx + stride * (i, j)``.
    """

    data: Any
    stride: tuple[float, float]
    origin_yx: tuple[float, float]

    def __post_init__(self) -> None:
        if self.data.ndim != 2:
            raise ValueError(f"a score map has two dimensions, not {self.data.ndim}")
        if min(self.stride) <= 0:
            raise ValueError(f"stride must be positive, not {self.stride}")

    def _repr_html_(self) -> str:
        from astrodetect.core.showing import figure

        height, width = self.data.shape
        return figure(self.data, f"scores of {width}x{height} regions, stride {self.stride} px")

    def centres(self, indices: NDArray[Any]) -> NDArray[np.float64]:
        """Give the image positions (K, 2) of cells, in pixels."""
        height, width = self.data.shape
        return cell_centres(indices, (height, width), self.stride, self.origin_yx)


@dataclass(frozen=True)
class Selection:
    """The K cells that were chosen, best first.

    Attributes
    ----------
    indices : (K,) int64 array
        Into the flat score map.
    centres_yx : (K, 2) float64 array
        Pixels.
    scores : (K,) float32 array
        Scores of the cells.
    weights : (K,) float32 array
        How much each counts in an aggregation.
    """

    indices: Any
    centres_yx: NDArray[np.float64]
    scores: Any
    weights: Any

    def __post_init__(self) -> None:
        lengths = {len(self.indices), len(self.centres_yx), len(self.scores), len(self.weights)}
        if len(lengths) != 1:
            raise ValueError("indices, centres_yx, scores and weights differ in length")

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class Patches:
    """K patches of C planes, cut from a full-resolution frame.

    Attributes
    ----------
    data : (K, C, h, w) array
        Pixels.
    names : tuple of str
        The planes, C of them.
    corners_yx : (K, 2) int64 array
        First pixel of each patch in the frame; may be negative.
    selection : Selection
        Where they come from.
    """

    data: Any
    names: tuple[str, ...]
    corners_yx: NDArray[np.int64]
    selection: Selection

    def __post_init__(self) -> None:
        if self.data.ndim != 4 or self.data.shape[1] != len(self.names):
            raise ValueError(f"patches are (K, C, h, w) with C = {len(self.names)}, not {self.data.shape}")
        if len(self.data) != len(self.corners_yx) or len(self.data) != len(self.selection):
            raise ValueError("patches, corners and selection differ in length")

    def __len__(self) -> int:
        return len(self.data)

    def _repr_html_(self) -> str:
        from astrodetect.core.showing import figure

        cells = [
            f"<div style='display: inline-block'>{figure(patch[0], f'{rank}: {float(score):.3g}')}</div>"
            for rank, (patch, score) in enumerate(zip(self.data, self.selection.scores, strict=True), 1)
            if len(patch)
        ]
        return f"<p>{len(self)} patches of {self.names[0] if self.names else 'no plane'}</p>{''.join(cells)}"
