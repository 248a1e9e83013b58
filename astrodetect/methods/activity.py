"""What lit up where and when: the cells of a window over time.

A maximum image mixes all times: under broken, lit clouds or beside birds and insects a faint meteor has no
pixel of its own in it. In a single frame it has. So every frame is compared with the background in small
bins, the brightest bin of each cell is kept, and cells that light up one after the other, each beside
the last, are a chain. The evidence of chains ranks the cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.bins import FLOOR, SIDE, Bins
from astrodetect.methods.recent import Recent
from astrodetect.methods.reduction import temporal_median
from astrodetect.methods.statistics import frame_percentiles

#: Frames from which on a cell's usual light is known.
LEAST_FRAMES = 8
#: A cell that exceeds its usual light by this much adds to a chain; what it adds or takes at most.
_THRESHOLD, _LEAST, _MOST = 3.5, -3.0, 8.0
#: Part of a chain's evidence that is left a frame later: what is long gone counts little.
_KEPT = 0.7
#: Cells around a track, on each side, in which other light is counted.
_AROUND = 4


@dataclass(frozen=True)
class Activity:
    """Evidence of chains of cells that light up one after the other.

    Attributes
    ----------
    gain : (T, h, w) float32 array
        What each cell adds in each frame.
    until, since : (T, h, w) float32 array
        Evidence of the best chain that ends there, and of the best that begins there.
    """

    gain: NDArray[np.float32]
    until: NDArray[np.float32]
    since: NDArray[np.float32]

    @property
    def score(self) -> NDArray[np.float32]:
        """(h, w) float32 array: evidence of the best chain through each cell, by which it is ranked."""
        through = np.where(self.gain > 0, self.until + self.since - self.gain, np.float32(0))
        best: NDArray[np.float32] = through.max(axis=0)
        return best


def activity_of(window: Window, stride: int = 16) -> Activity:
    """Give the evidence of chains in a window.

    The last answer is kept while its window lives, as scorer and classifier ask for the same.

    Parameters
    ----------
    window : Window
        With frames (`LEAST_FRAMES` or more) and the plane ``background``.
    stride : int
        Side of a cell (px), a multiple of two.

    Returns
    -------
    Activity
        With ceil(H / stride) by ceil(W / stride) cells. Not to be written to.
    """
    return _recent.of(window, lambda: chained(excess_light(window, stride)), stride)


def excess_light(window: Window, stride: int) -> NDArray[np.float32]:
    """Give by how much the brightest bin of each cell exceeds what is usual there.

    Parameters
    ----------
    window : Window
        With frames and the plane ``background``.
    stride : int
        Side of a cell (px), a multiple of two.

    Returns
    -------
    (T, h, w) float32 array
        Standard deviations of that cell's brightest bin over time. What all cells of a frame have in
        common (key frames of a codec, lightning) is taken off.
    """
    per_cell = max(stride // SIDE, 1)
    sums, highest = Bins(window).in_cells(per_cell)
    # What fills a cell and its neighbours is a cloud, or light on it.
    common = _wide_mean(sums) / per_cell**2
    return _standardised(highest * np.float32(0.5) - 4 * np.maximum(common, 0))


def _wide_mean(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter

    out: NDArray[np.float32] = uniform_filter(cells, (1, 3, 3), mode="nearest")
    return out


def _standardised(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give light relative to the cell's usual light and scatter, and to the frame's."""
    light -= temporal_median(light)
    scatter = 1.4826 * temporal_median(np.abs(light))
    light /= np.maximum(scatter, max(FLOOR * float(np.median(scatter)), 1e-6))
    middle, high = frame_percentiles(light, 50, 84)
    light -= middle
    # The brightest of many bins is skewed: its upper spread is 1.13 times the robust one.
    light /= np.maximum((high - middle) / 1.13, 1)
    return light


def chained(light: NDArray[np.float32]) -> Activity:
    """Join cells that light up one after the other.

    Parameters
    ----------
    light : (T, h, w) float32 array
        See `excess_light`.

    Returns
    -------
    Activity
        From frame to frame a chain stays in its cell or goes on to one of its eight neighbours
        (dynamic programming, as in track before detect; Barniv 1985).
    """
    gain = np.clip(light - np.float32(_THRESHOLD), _LEAST, _MOST)
    return Activity(gain, _accumulated(gain), _accumulated(gain[::-1])[::-1])


def _accumulated(gain: NDArray[np.float32]) -> NDArray[np.float32]:
    n, height, width = gain.shape
    out = np.empty_like(gain)
    # Evidence is never below zero, so zeros around it change no maximum.
    evidence, across = (
        np.zeros((height + 2, width + 2), np.float32),
        np.empty((height + 2, width), np.float32),
    )
    inside, kept = evidence[1:-1, 1:-1], np.float32(_KEPT)
    for frame in range(n):
        near = out[frame]
        np.maximum(evidence[:, :-2], evidence[:, 2:], out=across)
        np.maximum(across, evidence[:, 1:-1], out=across)
        np.maximum(across[:-2], across[2:], out=near)
        np.maximum(near, across[1:-1], out=near)
        near *= kept
        near += gain[frame]
        np.maximum(near, 0, out=near)
        inside[...] = near
    return out


def surroundings(
    activity: Activity, frame: NDArray[Any], y: NDArray[Any], x: NDArray[Any], stride: int = 16
) -> tuple[float, float, float]:
    """Tell whether a track is a piece of something longer, or one of many glimmers.

    Parameters
    ----------
    activity : Activity
        Of the window.
    frame : (n,) int array
        Frames of the track in the window, rising.
    y, x : (n,) arrays
        Where it was (px).
    stride : int
        Side of a cell (px).

    Returns
    -------
    before, after, clutter : float
        See `astrodetect.methods.features.Shape`.
    """
    rows, columns = (np.asarray(values).astype(np.int64) // stride for values in (y, x))
    speed = np.hypot(y[-1] - y[0], x[-1] - x[0]) / max(int(frame[-1] - frame[0]), 1)
    # Light is faint at first: what counts was there two frames earlier, or is there two later.
    reach = 1 + min(round(2 * speed / stride), 3)
    before = _highest(activity.until, int(frame[0]) - 2, (rows[0], columns[0]), reach)
    after = _highest(activity.since, int(frame[-1]) + 2, (rows[-1], columns[-1]), reach)
    own = 1 + round(speed / stride)
    shares = []
    for number in np.unique(np.linspace(0, len(frame) - 1, 6).astype(int)):
        lit = activity.gain[int(frame[number])] > 0
        wide, near = (_box(lit, rows[number], columns[number], r) for r in (own + _AROUND, own))
        shares.append((wide.sum() - near.sum()) / max(wide.size - near.size, 1))
    return before, after, float(np.mean(shares))


def _highest(evidence: NDArray[np.float32], frame: int, cell: tuple[int, int], reach: int) -> float:
    if not 0 <= frame < len(evidence):
        return 0.0
    return float(_box(evidence[frame], *cell, reach).max(initial=0.0))


def _box(cells: NDArray[Any], row: int, column: int, reach: int) -> NDArray[Any]:
    rows = slice(max(row - reach, 0), max(row + reach + 1, 0))
    return cells[rows, max(column - reach, 0) : max(column + reach + 1, 0)]


_recent: Recent[Activity] = Recent()
