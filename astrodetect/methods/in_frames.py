"""Finding what moves in the single frames of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.candidates import Candidate, Patch, Search, followed
from astrodetect.methods.measure import trail_width
from astrodetect.methods.paths import contrast, find_path, independent
from astrodetect.methods.spots import Spots, measure_spots
from astrodetect.methods.streaks import Line

#: Objects that are looked for in one patch.
_PER_PATCH = 3
#: Paths that turn out to be nothing, after which a patch is given up.
_VAIN = 3
#: Evidence that a path in the frames needs more than one in the maximum: there are more to choose from.
_TRIALS = 10.0
#: What is cut out around a path to measure its width (px on each side).
_BESIDE = 14


@dataclass(frozen=True)
class FrameSearch:
    """Looks into patches of all frames of a window."""

    window: Window
    search: Search

    def look_into(
        self, rows: slice, columns: slice, score: float, found: Sequence[Candidate]
    ) -> tuple[Patch, list[Candidate]]:
        """Find what moves in a patch and was not found before."""
        spots = measure_spots(self.window, rows, columns)
        patch = self._patch(spots, rows, columns, score)
        for known in found:
            _forget(spots, known)
        moving: list[Candidate] = []
        vain = 0
        while len(moving) < _PER_PATCH and vain < _VAIN:
            line = find_path(spots, self.search.evidence + _TRIALS)
            if line is None:
                break
            width = self._width(line, spots.restless)
            clear = contrast(spots, line)
            candidate = followed(
                self.window, patch, line, width, clear, self.search,
                restless=spots.restless, independent=float(independent(spots, line.speed)),
            )  # fmt: skip
            if candidate is None:
                vain += 1
                y, x, _ = line.at_frame(frames := np.arange(self.window.n_frames))
                spots.take_out(frames.tolist(), x.tolist(), y.tolist(), 4.0)
            else:
                moving.append(candidate)
                _forget(spots, candidate)
        return patch, moving

    def _patch(self, spots: Spots, rows: slice, columns: slice, score: float) -> Patch:
        """Give the maximum over time of a patch, against the spread of the maxima of noise."""
        highest = spots.m.max(axis=0)
        middle = np.median(highest)
        spread = 1.4826 * float(np.median(np.abs(highest - middle)))
        image = self.window.planes["max"][rows, columns].astype(np.float32)
        image -= np.asarray(self.window.planes["background"][rows, columns], dtype=np.float32)
        z = (highest - middle) / np.float32(max(spread, 0.3))
        when = np.zeros(highest.shape, np.int64)
        for frame in reversed(range(len(spots.m))):  # several times faster than argmax along the first axis
            np.copyto(when, frame, where=spots.m[frame] == highest)
        return Patch(rows, columns, z, when, image, score)

    def _width(self, line: Line, restless: bool) -> float:
        """Measure the width of a trail in the maximum of its own frames.

        Before restless light that is the maximum of the light: each pixel is then seen in the frame in which
        the object passed it.
        """
        window = self.window
        assert window.frames is not None
        y, x = line.position(np.array([line.first, line.last]))
        rows = slice(max(int(y.min()) - _BESIDE, 0), max(int(y.max()) + _BESIDE + 1, 1))
        columns = slice(max(int(x.min()) - _BESIDE, 0), max(int(x.max()) + _BESIDE + 1, 1))
        first = min(max(int(np.floor(line.time(line.first))), 0), window.n_frames - 1)
        last = min(max(int(np.ceil(line.time(line.last))), first), window.n_frames - 1)
        frames = window.frames[first : last + 1, rows, columns]
        passed = _passed(line, rows, columns, frames.shape[1:]) - first if restless else None
        seen = frames.max(axis=0) if passed is None else _each_in(frames, passed)
        image = seen.astype(np.float32) - np.asarray(window.planes["background"][rows, columns], np.float32)
        origin = line.origin_yx[0] - rows.start, line.origin_yx[1] - columns.start
        return trail_width(replace(line, origin_yx=origin), image)


def _passed(line: Line, rows: slice, columns: slice, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Give the frame in which an object passed each pixel of a piece, (h, w)."""
    y, x = np.mgrid[rows.start : rows.start + shape[0], columns.start : columns.start + shape[1]]
    along = (y - line.origin_yx[0]) * line.direction_yx[0] + (x - line.origin_yx[1]) * line.direction_yx[1]
    frames: NDArray[np.int64] = np.rint(line.time(np.clip(along, line.first, line.last))).astype(np.int64)
    return frames


def _each_in(frames: NDArray[Any], number: NDArray[np.int64]) -> NDArray[Any]:
    """Give each pixel of the frame whose number stands there, (h, w)."""
    limited = np.clip(number, 0, len(frames) - 1)
    pixels: NDArray[Any] = np.take_along_axis(frames, limited[None], axis=0)[0]
    return pixels


def _forget(spots: Spots, candidate: Candidate) -> None:
    """Take a candidate out of the frames, so that it is not found again."""
    if candidate.line is None:
        return
    points = candidate.points
    radius = 1.5 * candidate.shape.width + 2 + 0.6 * candidate.line.speed
    spots.take_out([p.frame for p in points], [p.x for p in points], [p.y for p in points], min(radius, 30.0))
