"""Classical ways to find meteors, as whole detectors: what `benchmarks/peers.py` compares with.

Written anew from their descriptions, on OpenCV and scikit-learn: the frame difference with tests of
linearity of FRIPON/freeture, a threshold with the probabilistic Hough transform as many scripts have it,
and the chain of the Desert Fireball Network (Towner et al. 2020): blurred differences, tiles of 25x25
pixels, a network of ten units, Hough. A pipeline names one as ``use = "peer_detectors:FrameDifference"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from astrodetect.core.data import Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.stages import Detector, Postprocessor

#: Side of a tile, and units of the network, of the Desert Fireball Network.
TILE, UNITS = 25, 10
#: Deviation of the blur before a threshold, in pixels: about that of a star.
BLUR = 1.0
#: Start and end of a line: x, y, frame each.
Line = tuple[float, float, int, float, float, int]


def rows(lines: Sequence[Line], start: int) -> Detections:
    """Give lines as detections; frames are counted from the window's first."""
    if not lines:
        return Detections.empty()
    x0, y0, t0, x1, y1, t1 = (np.array(part, np.float64) for part in zip(*lines, strict=True))
    return Detections(
        {
            "x_min": np.minimum(x0, x1) - 1, "y_min": np.minimum(y0, y1) - 1,
            "x_max": np.maximum(x0, x1) + 2, "y_max": np.maximum(y0, y1) + 2,
            "x_start": x0, "y_start": y0, "x_end": x1, "y_end": y1,
            "frame_start": t0 + start, "frame_end": t1 + start,
            "label": ["meteor"] * len(lines), "probability": np.ones(len(lines)),
        }
    )  # fmt: skip


def noise_of(values: NDArray[Any]) -> tuple[float, float]:
    """Give centre and robust deviation of some values, from a sample of them."""
    sample = np.asarray(values).ravel()[:: max(1, values.size // 20_000)].astype(np.float64)
    centre = float(np.median(sample))
    return centre, max(1e-3, 1.4826 * float(np.median(np.abs(sample - centre))))


@dataclass
class FrameDifference(Detector):
    """Positive differences of consecutive frames, joined to tracks that must be straight."""

    #: Least difference, in standard deviations of all differences.
    sigma: Annotated[float, Gt(0)] = 6.0
    #: Least number of pixels of a spot, after it was widened by one.
    area: Annotated[int, Ge(1)] = 12
    #: Farthest jump from one frame to the next, in pixels.
    reach: Annotated[float, Gt(0)] = 50.0
    #: Frames in which a track may be missing.
    gap: Annotated[int, Ge(0)] = 4
    #: Least number of points of a track.
    least: Annotated[int, Ge(2)] = 4
    #: Least distance between the ends, in pixels.
    length: Annotated[float, Ge(0)] = 12.0

    needs: ClassVar[tuple[str, ...]] = ()

    def detect(self, window: Window) -> Detections:
        """Give the straight tracks."""
        if window.frames is None:
            return Detections.empty()
        tracks: list[list[tuple[int, float, float]]] = []
        for t in range(1, window.n_frames):
            for x, y in self._spots(window.frames[t], window.frames[t - 1]):
                self._join(tracks, (t, x, y))
        lines = [line for track in tracks if (line := self._straight(track)) is not None]
        return rows(lines, window.start)

    def _spots(self, frame: NDArray[Any], before: NDArray[Any]) -> list[tuple[float, float]]:
        difference = cv2.GaussianBlur(frame.astype(np.float32) - before, (0, 0), BLUR)
        centre, deviation = noise_of(difference)
        mask = cv2.dilate(
            (difference > centre + self.sigma * deviation).astype(np.uint8), np.ones((3, 3), np.uint8)
        )
        n, _, stats, middles = cv2.connectedComponentsWithStats(mask)
        areas = stats[1:n, cv2.CC_STAT_AREA]
        chosen = np.flatnonzero(areas >= self.area)
        chosen = chosen[np.argsort(-areas[chosen])][:30]
        return [(float(x), float(y)) for x, y in middles[1:n][chosen]]

    def _join(self, tracks: list[list[tuple[int, float, float]]], point: tuple[int, float, float]) -> None:
        t, x, y = point
        open_ = [track for track in tracks if 0 < t - track[-1][0] <= self.gap + 1]
        near = [(np.hypot(track[-1][1] - x, track[-1][2] - y), number) for number, track in enumerate(open_)]
        best = min(near, default=(np.inf, -1))
        if best[0] <= self.reach:
            open_[best[1]].append(point)
        else:
            tracks.append([point])

    def _straight(self, track: list[tuple[int, float, float]]) -> Line | None:
        """Test a track for linearity: enough points, all in one direction, near one line, even in time."""
        if len(track) < self.least:
            return None
        t, x, y = np.array(track).T
        ends = np.array([x[-1] - x[0], y[-1] - y[0]])
        length = float(np.hypot(*ends))
        if length < self.length:
            return None
        steps = np.stack([np.diff(x), np.diff(y)], axis=1)
        forward = (steps @ (ends / length)) > 0
        across = np.abs((x - x[0]) * ends[1] - (y - y[0]) * ends[0]) / length
        along = ((x - x[0]) * ends[0] + (y - y[0]) * ends[1]) / length
        uneven = float(np.std(along - np.polyval(np.polyfit(t, along, 1), t)))
        if forward.mean() < 0.8 or across.max() > max(2.5, 0.05 * length) or uneven > max(3.0, 0.1 * length):
            return None
        return float(x[0]), float(y[0]), int(t[0]), float(x[-1]), float(y[-1]), int(t[-1])


def hough(mask: NDArray[np.uint8], votes: int, length: float, gap: float) -> list[NDArray[np.float64]]:
    """Give lines (x0, y0, x1, y1) of a mask; lines on top of each other are joined, the longest lead."""
    found = cv2.HoughLinesP(mask, 1, np.pi / 180, votes, minLineLength=length, maxLineGap=gap)
    if found is None:
        return []
    segments = found.reshape(-1, 4).astype(np.float64)
    spans = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
    kept: list[NDArray[np.float64]] = []
    for segment in segments[np.argsort(-spans)][:400]:
        for number, other in enumerate(kept):
            if _same_line(other, segment):
                kept[number] = _joined(other, segment)
                break
        else:
            kept.append(segment)
    return kept[:20]


def _same_line(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Say whether a segment lies along another: both ends near its line, at least one near it."""
    direction = one[2:] - one[:2]
    length = np.hypot(*direction)
    unit = direction / max(length, 1e-6)
    offsets = other.reshape(2, 2) - one[:2]
    across = np.abs(offsets @ np.array([-unit[1], unit[0]]))
    along = offsets @ unit
    return bool((across < 8).all() and along.min() < length + 15 and along.max() > -15)


def _joined(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.concatenate([one.reshape(2, 2), other.reshape(2, 2)])
    along = points @ (one[2:] - one[:2])
    return np.concatenate([points[along.argmin()], points[along.argmax()]])


def timed(segment: NDArray[np.float64], argmax: NDArray[Any], mask: NDArray[np.uint8]) -> Line:
    """Give a line the frames of its ends, from when the pixels there were brightest; earlier end first."""
    ends = [_time_at(argmax, mask, x, y) for x, y in segment.reshape(2, 2)]
    x0, y0, x1, y1 = segment.tolist()
    if ends[0] <= ends[1]:
        return x0, y0, ends[0], x1, y1, ends[1]
    return x1, y1, ends[1], x0, y0, ends[0]


def _time_at(argmax: NDArray[Any], mask: NDArray[np.uint8], x: float, y: float) -> int:
    rows_, columns = (slice(max(0, round(v) - 3), round(v) + 4) for v in (y, x))
    lit = argmax[rows_, columns][mask[rows_, columns] > 0]
    return int(np.median(lit)) if len(lit) else int(np.median(argmax[rows_, columns]))


@dataclass
class ThresholdHough(Detector):
    """What is over a threshold in maximum minus median, and in it straight lines."""

    #: Least brightness, in standard deviations of the image.
    sigma: Annotated[float, Gt(0)] = 7.0
    #: Least number of votes of a line.
    votes: Annotated[int, Ge(1)] = 15
    #: Least length, and largest gap in it, in pixels.
    length: Annotated[float, Gt(0)] = 15.0
    gap: Annotated[float, Ge(0)] = 8.0

    needs: ClassVar[tuple[str, ...]] = ("image", "argmax")

    def detect(self, window: Window) -> Detections:
        """Give the lines."""
        image = cv2.GaussianBlur(np.asarray(window.planes["image"]), (0, 0), BLUR)
        centre, deviation = noise_of(image)
        mask = (image > centre + self.sigma * deviation).astype(np.uint8) * 255
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        argmax = np.asarray(window.planes["argmax"])
        lines = [timed(segment, argmax, mask) for segment in hough(mask, self.votes, self.length, self.gap)]
        return rows(lines, window.start)


def blurred_differences(window: Window, sigma: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Give where each half of a window is brighter than the blurred other one, widened; and by how much.

    The network compares exposures of 25 s; here these are the maxima of the two halves of a window.
    """
    assert window.frames is not None
    half = max(1, window.n_frames // 2)
    first, second = (
        part.max(axis=0).astype(np.float32) for part in (window.frames[:half], window.frames[half:])
    )
    differences = [b - cv2.GaussianBlur(a, (0, 0), 2.0) for a, b in ((first, second), (second, first))]
    mask = np.zeros(window.shape, np.uint8)
    for difference in differences:
        centre, deviation = noise_of(difference)
        mask |= (difference > centre + sigma * deviation).astype(np.uint8)
    mask = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    return mask, np.maximum(*differences) * mask


def tiles_of(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give the tiles (n, 25, 25) of an image at half size, each by its highest value, and their corners."""
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_LINEAR)
    height, width = (length // TILE for length in small.shape)
    cut = small[: height * TILE, : width * TILE].reshape(height, TILE, width, TILE).swapaxes(1, 2)
    tiles = cut.reshape(-1, TILE, TILE)
    lit = np.flatnonzero((tiles > 0).sum(axis=(1, 2)) >= 4)
    corners = np.stack(np.divmod(lit, width), axis=1) * TILE
    chosen = tiles[lit]
    return chosen / np.maximum(chosen.max(axis=(1, 2), keepdims=True), 1e-6), corners


@dataclass
class DesertFireball(Detector):
    """Blurred differences, tiles that a small network calls streaks, and lines through these."""

    #: Weights of the network (.npz), as `benchmarks/peers.py` trains it.
    weights: Path
    #: Least difference, in standard deviations.
    sigma: Annotated[float, Gt(0)] = 6.0
    #: Least probability of a tile.
    least: Annotated[float, Gt(0)] = 0.5

    needs: ClassVar[tuple[str, ...]] = ("argmax",)
    _layers: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the network."""
        with np.load(self.weights, allow_pickle=False) as file:
            self._layers = [file[name] for name in ("w1", "b1", "w2", "b2")]

    def detect(self, window: Window) -> Detections:
        """Give the lines through tiles with streaks."""
        if window.frames is None:
            return Detections.empty()
        mask, image = blurred_differences(window, self.sigma)
        tiles, corners = tiles_of(image)
        if not len(tiles):
            return Detections.empty()
        w1, b1, w2, b2 = self._layers
        hidden = 1 / (1 + np.exp(-(tiles.reshape(len(tiles), -1) @ w1 + b1)))
        chances = 1 / (1 + np.exp(-(hidden @ w2 + b2)))[:, 0]
        kept = np.zeros_like(mask)
        for y, x in corners[chances >= self.least] * 2:
            square = (slice(y, y + 2 * TILE), slice(x, x + 2 * TILE))
            kept[square] = mask[square] * 255
        argmax = np.asarray(window.planes["argmax"])
        return rows([timed(s, argmax, kept) for s in hough(kept, 15, 15.0, 10.0)], window.start)


@dataclass
class Longest(Postprocessor):
    """Of detections in overlapping windows that lie on one line, keep the longest."""

    def process(self, detections: Detections, stream: Stream) -> Detections:
        """Give the detections that remain."""
        if not len(detections):
            return detections
        names = ("x_start", "y_start", "x_end", "y_end")
        segments = np.stack([np.asarray(detections[name], np.float64) for name in names], axis=1)
        frames = np.stack([np.asarray(detections[n], np.int64) for n in ("frame_start", "frame_end")], axis=1)
        spans = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
        kept: list[int] = []
        for row in np.argsort(-spans):
            meets = [
                k for k in kept
                if frames[row, 0] <= frames[k, 1] + 5 and frames[k, 0] <= frames[row, 1] + 5
                and _same_line(segments[k], segments[row])
            ]  # fmt: skip
            if not meets:
                kept.append(int(row))
        return detections.take(np.array(sorted(kept), np.int64))
