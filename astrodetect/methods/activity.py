"""What lit up where and when: the cells of a window over time.

A maximum image mixes all times: under broken, lit clouds or beside birds and insects a faint meteor has no
pixel of its own in it. In a single frame it has. So every frame is compared with the background in small
bins, the brightest bin of each cell is kept, and cells that light up one after the other, each beside
the last, are a chain. The evidence of chains ranks the cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.cores import available_cores
from astrodetect.core.data import Window
from astrodetect.methods.fast_tier import loaded
from astrodetect.methods.lasting import LONG, independence_of, without_lasting
from astrodetect.methods.noise import ROUNDING
from astrodetect.methods.recent import Recent
from astrodetect.methods.reduction import share, temporal_median
from astrodetect.methods.scores import in_cells

#: Frames from which on a cell's usual light is known.
LEAST_FRAMES = 8
#: Side of the bins (px).
_BIN = 2
#: Frames from which the noise of a bin is taken.
_SAMPLE = 16
#: Share of independent frames below which what lasts is taken off, and the standard deviations by which a
#: frame may count in it.
_REPEATED, _LIMIT = 0.8, np.float32(10)
#: Part of the common noise that every bin has at least: chance makes no bin quiet.
_FLOOR = 0.8
#: A bin counts from minus to plus that many standard deviations.
_FAINTEST, _BRIGHTEST = -10.0, 40.0
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
    per_cell = max(stride // _BIN, 1)
    sums, highest = _Bins(window).in_cells(per_cell)
    # What fills a cell and its neighbours is a cloud, or light on it.
    common = _wide_mean(sums) / per_cell**2
    return _standardised(highest * np.float32(0.5) - 4 * np.maximum(common, 0))


class _Bins:
    """Sums over two by two pixels of the frames of a window, against background and noise.

    The arrays are made once: a fresh one per frame costs more than the sums. A last odd row or column is
    repeated.
    """

    def __init__(self, window: Window) -> None:
        assert window.frames is not None
        self._frames = frames = window.frames
        self._fast = _compiled_for(frames)
        background = np.asarray(window.planes["background"])
        unknown = None if background.dtype.kind != "f" else ~np.isfinite(background)
        if unknown is not None:
            background = np.where(unknown, 0, background)
        half = tuple((side + 1) // 2 for side in window.shape)
        self._rows = np.empty((half[0], window.shape[1]), self._type_of_sums(window))
        self._sums = np.empty(half, np.float32 if self._rows.dtype.kind == "f" else np.int32)
        self._z, self._pairs = np.empty(half, np.float32), np.empty(half, np.float32)
        self._weight = np.ones(half, np.float32)
        self._background = _summed(background, *(np.empty(s, np.float32) for s in (self._rows.shape, half)))
        self._limit: NDArray[np.float32] | None = None
        self._weight = np.float32(1) / self._noise_without_drift()
        for ignored in (window.mask, unknown):
            if ignored is not None and ignored.any():
                sums = (np.empty(shape, np.uint8) for shape in (self._rows.shape, half))
                self._weight[_summed(ignored.view(np.uint8), *sums) > 0] = 0

    @staticmethod
    def _type_of_sums(window: Window) -> Any:
        """Give the narrowest type that holds the sum of four pixels: the narrower, the faster."""
        assert window.frames is not None
        dtype = window.frames.dtype
        if dtype.kind == "f":
            return np.float32
        highest = window.planes["max"].max() if "max" in window.planes else np.iinfo(dtype).max
        return np.uint16 if dtype.kind == "u" and 4 * int(highest) < 2**16 else np.int32

    def _noise_without_drift(self) -> NDArray[np.float32]:
        """Give the noise of bins; where frames resemble the next ones, decide to take off what lasts.

        Clouds that drift are brighter than what passes behind them. If the noise becomes worse, it was no
        drift, but lightning.
        """
        noise = self._noise()
        if len(self._frames) <= 2 * LONG or independence_of(self._sample(noise)) >= _REPEATED:
            return noise
        fast, self._fast, self._limit = self._fast, None, _LIMIT * noise
        less = self._noise()
        if less.mean() < noise.mean():
            return less
        self._fast, self._limit = fast, None
        return noise

    def _noise(self) -> NDArray[np.float32]:
        """Give the noise of bins over time, from two sets of frames: what passes is in one of them only."""
        n = len(self._frames)
        chosen = np.linspace(0, n - 1, min(_SAMPLE, n)).astype(int)
        means = [self._distance(part) / len(part) for part in (chosen[0::2], chosen[1::2])]
        # The mean absolute deviation of normal noise is sqrt(2 / pi) of the standard deviation.
        noise = np.minimum(*means) * np.float32(np.sqrt(np.pi / 2))
        rounding = _BIN * ROUNDING if self._frames.dtype.kind in "ui" else 1e-6
        floor = max(_FLOOR * float(np.median(noise[::4, ::4])), rounding)
        out: NDArray[np.float32] = np.maximum(noise, np.float32(floor))
        return out

    def _distance(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Add up how far the bins of some frames are from the background."""
        total = np.zeros_like(self._z)
        if self._fast:
            frames, words = self._fast.as_words(self._frames)
            self._fast.distances(frames, words, chosen, self._background, total)
            return total
        for difference in self._differences(chosen.tolist()):
            total += np.abs(difference, out=difference)
        return total

    def _sample(self, noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the standard deviations of every fifth bin of every fifth row, (T, h, w), without flashes."""
        height, width = (side // 2 * 2 for side in self._frames.shape[1:])
        step = 5 * _BIN
        d = self._frames[:, 0:height:step, 0:width:step].astype(np.float32)
        for row, column in ((0, 1), (1, 0), (1, 1)):
            d += self._frames[:, row:height:step, column:width:step]
        if self._frames.dtype.kind == "f":
            d[~np.isfinite(d)] = 0
        d -= self._background[: height // _BIN : 5, : width // _BIN : 5]
        d -= np.median(d, axis=(1, 2), keepdims=True)
        d /= noise[: height // _BIN : 5, : width // _BIN : 5]
        return d

    def in_cells(self, per_cell: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give for each frame and cell the sum of its bins, and the highest sum of two by two of them."""
        shape = (len(self._frames), *(-(-side // per_cell) for side in self._z.shape))
        sums, highest = np.empty(shape, np.float32), np.empty(shape, np.float32)
        if not self._fast:
            for number, difference in enumerate(self._differences(range(len(self._frames)))):
                sums[number] = in_cells(self._significance(difference), per_cell, "sum")
                highest[number] = in_cells(self._squares(), per_cell, "max")
            return sums, highest
        frames, words = self._fast.as_words(self._frames)
        ends = np.float32(_FAINTEST), np.float32(_BRIGHTEST)
        given = self._background, self._weight, ends, per_cell, sums, highest
        light, threads = self._fast.light_of_cells, available_cores()
        bounds = np.linspace(0, len(frames), threads + 1).astype(int).tolist()
        parts = [slice(*pair) for pair in pairwise(bounds)]
        share(lambda part: light(frames, words, part.start, part.stop, *given), parts, threads)
        return sums, highest

    def _difference(self, number: int) -> NDArray[np.float32]:
        """Give the bins of a frame less the background; valid until the next."""
        frame = self._frames[number]
        if frame.dtype.kind == "f":
            frame = np.nan_to_num(frame, posinf=0, neginf=0)
        np.copyto(self._z, _summed(frame, self._rows, self._sums))
        self._z -= self._background
        return self._z

    def _differences(self, chosen: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """Give the same of some frames in order, without what lasts where that is taken off."""
        limit = self._limit
        if limit is None:
            yield from map(self._difference, chosen)
            return
        limited = (np.clip(self._difference(n), -limit, limit, out=self._z) for n in range(len(self._frames)))
        for number, change in enumerate(without_lasting(limited, len(self._frames))):
            if number in chosen:
                yield change

    def _significance(self, difference: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the standard deviations of bins from their differences; valid until the next."""
        np.multiply(difference, self._weight, out=self._z)
        return np.clip(self._z, np.float32(_FAINTEST), np.float32(_BRIGHTEST), out=self._z)

    def _squares(self) -> NDArray[np.float32]:
        """Give twice the same of squares of two by two bins.

        Some square holds a whole star, a trail fills it.
        """
        z, pairs = self._z, self._pairs
        # As one long row, which is several times faster than row by row; its ends are put right after.
        np.add(z.ravel()[:-1], z.ravel()[1:], out=pairs.ravel()[:-1])
        pairs[:, -1] = z[:, -1]
        np.add(pairs[:-1], pairs[1:], out=z[:-1])
        z[-1] = pairs[-1]
        return z


def _compiled_for(frames: NDArray[Any]) -> ModuleType | None:
    """Give the machine code for such frames, where there is some and it is loaded."""
    if any(side % 2 for side in frames.shape[1:]) or not frames.flags.c_contiguous or not loaded(frames):
        return None
    from astrodetect.methods import fast_activity

    return fast_activity if frames.dtype.name in fast_activity.TYPES else None


def _summed(frame: NDArray[Any], rows: NDArray[Any], sums: NDArray[Any]) -> NDArray[Any]:
    """Sum two by two pixels into `sums`; a last odd row or column counts twice."""
    height, width = (side // 2 for side in frame.shape)
    pairs = frame[: 2 * height].reshape(height, 2, frame.shape[1])
    np.add.reduce(pairs, axis=1, dtype=rows.dtype, out=rows[:height])
    if len(rows) > height:
        np.add(frame[-1], frame[-1], out=rows[-1], dtype=rows.dtype, casting="unsafe")
    if rows.dtype == np.uint16 and sums.shape[1] == width:
        # Two neighbours as one number: times 1 + 2**16, its upper half is their sum.
        np.multiply(rows.view(np.uint32), np.uint32(0x10001), out=sums.view(np.uint32))
        return np.right_shift(sums.view(np.uint32), np.uint32(16), out=sums.view(np.uint32)).view(np.int32)
    np.add(rows[:, : 2 * width : 2], rows[:, 1::2], out=sums[:, :width])
    if sums.shape[1] > width:
        np.add(rows[:, -1], rows[:, -1], out=sums[:, -1])
    return sums


def _wide_mean(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter

    out: NDArray[np.float32] = uniform_filter(cells, (1, 3, 3), mode="nearest")
    return out


def _standardised(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give light relative to the cell's usual light and scatter, and to the frame's."""
    light -= temporal_median(light)
    scatter = 1.4826 * temporal_median(np.abs(light))
    light /= np.maximum(scatter, max(_FLOOR * float(np.median(scatter)), 1e-6))
    middle, high = np.percentile(light, (50, 84), axis=(1, 2), keepdims=True)
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
    from scipy.ndimage import maximum_filter

    out = np.empty_like(gain)
    evidence: NDArray[np.float32] = np.zeros_like(gain[0])
    for frame, more in enumerate(gain):
        near: NDArray[np.float32] = maximum_filter(evidence, 3, mode="constant")
        evidence = near * np.float32(_KEPT) + more
        np.maximum(evidence, 0, out=evidence)
        out[frame] = evidence
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
