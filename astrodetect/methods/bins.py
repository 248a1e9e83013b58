"""The frames of a window in bins of two by two pixels, against the background and their noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from astrodetect.methods.reduction import share
from astrodetect.methods.scores import in_cells
from astrodetect.methods.statistics import frame_medians

#: Side of the bins (px).
SIDE = 2
#: Part of the common noise that every bin has at least: chance makes no bin quiet.
FLOOR = 0.8
#: Frames from which the noise of a bin is taken.
_SAMPLE = 16
#: Share of independent frames below which what lasts is taken off, and the standard deviations by which a
#: frame may count in it.
_REPEATED, _LIMIT = 0.8, np.float32(10)
#: A bin counts from minus to plus that many standard deviations.
_FAINTEST, _BRIGHTEST = -10.0, 40.0
#: Two neighbouring pixels as one number.
_PAIRS = {np.dtype(np.uint8): np.uint16, np.dtype(np.uint16): np.uint32}


class Bins:
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
        self._background = summed(background, *(np.empty(s, np.float32) for s in (self._rows.shape, half)))
        self._whole = frames.dtype.kind != "f" and background.dtype.kind != "f"
        self._limit: NDArray[np.float32] | None = None
        self._weight = np.float32(1) / self._noise_without_drift()
        for ignored in (window.mask, unknown):
            if ignored is not None and ignored.any():
                sums = (np.empty(shape, np.uint8) for shape in (self._rows.shape, half))
                self._weight[summed(ignored.view(np.uint8), *sums) > 0] = 0

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
        rounding = SIDE * ROUNDING if self._frames.dtype.kind in "ui" else 1e-6
        floor = max(FLOOR * float(np.median(noise[::4, ::4])), rounding)
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
        height, width = (side // SIDE for side in self._frames.shape[1:])
        d = _sums_of_every_fifth(self._frames)
        if self._frames.dtype.kind == "f":
            d[~np.isfinite(d)] = 0
        d -= self._background[:height:5, :width:5]
        d -= frame_medians(d, whole=self._whole)
        d /= noise[:height:5, :width:5]
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
        bounds = np.linspace(0, len(frames), (2 * threads if threads > 1 else 1) + 1).astype(int).tolist()
        parts = (slice(*pair) for pair in pairwise(bounds))
        share(lambda part: light(frames, words, part.start, part.stop, *given), parts, threads)
        return sums, highest

    def _difference(self, number: int) -> NDArray[np.float32]:
        """Give the bins of a frame less the background; valid until the next."""
        frame = self._frames[number]
        if frame.dtype.kind == "f":
            frame = np.nan_to_num(frame, posinf=0, neginf=0)
        np.copyto(self._z, summed(frame, self._rows, self._sums))
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


def _sums_of_every_fifth(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Sum two by two pixels, for every fifth bin of every fifth row: (T, h, w)."""
    height, width = (side // SIDE * SIDE for side in frames.shape[1:])
    step = 5 * SIDE
    pair = _PAIRS.get(frames.dtype)
    if pair is None or frames.shape[2] % 2 or not frames.flags.c_contiguous:
        d = frames[:, 0:height:step, 0:width:step].astype(np.float32)
        for row, column in ((0, 1), (1, 0), (1, 1)):
            d += frames[:, row:height:step, column:width:step]
        return d
    # Pixels far apart are fetched one by one: two at once take half the time.
    low, bits = pair(2 ** (8 * frames.itemsize) - 1), pair(8 * frames.itemsize)
    out = np.empty((len(frames), -(-height // step), -(-width // step)), np.float32)
    for pairs, total in zip(frames.view(pair), out, strict=True):
        upper, lower = (pairs[row:height:step, :: step // SIDE].copy() for row in range(SIDE))
        total[...] = ((upper & low) + (upper >> bits)) + ((lower & low) + (lower >> bits))
    return out


def summed(frame: NDArray[Any], rows: NDArray[Any], sums: NDArray[Any]) -> NDArray[Any]:
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
