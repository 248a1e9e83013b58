"""Where straight lines are in an image: the Hough transform of bright pixels, the Radon transform of all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Directions over 180 degrees, and width of a strip (px), of the Hough transform. At its ends a line of 100
#: pixels is then within a strip of its direction.
DIRECTIONS, STRIP = 120, 2.0
#: Side of the blocks by which the density of bright pixels is known (px).
_BLOCK = 64
#: The image is reduced to about so many pixels along its longer side for the Radon transform.
_RADON_SIDE = 256


class StraightLine(NamedTuple):
    """A line over the whole frame: all (y, x) with ``x cos + y sin = distance``.

    `angle` is that of its normal, from +x towards +y (rad); `distance` is from the centre of the frame
    (px); `strength` says by how many standard deviations more lies on it than by chance.
    """

    angle: float
    distance: float
    strength: float

    def foot_yx(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Give its point nearest to the centre of a frame."""
        y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
        return y + self.distance * np.sin(self.angle), x + self.distance * np.cos(self.angle)

    def direction_yx(self) -> tuple[float, float]:
        """Give its unit vector."""
        return float(np.cos(self.angle)), float(-np.sin(self.angle))


@dataclass
class HoughVotes:
    """Bright pixels by the lines on which they lie; those of a line can be taken out again.

    Attributes
    ----------
    shape : (int, int)
        Of the frame.
    points : (N, 2) float32 array
        x and y of the bright pixels from the centre of the frame.
    votes : (DIRECTIONS, n_strips) int array
        How many lie in each strip.
    expected : (DIRECTIONS, n_strips) float32 array
        How many would by chance, where they are as dense as about it.
    """

    shape: tuple[int, int]
    points: NDArray[np.float32]
    votes: NDArray[np.int64]
    expected: NDArray[np.float32]

    @cached_property
    def _scale(self) -> NDArray[np.float32]:
        return np.asarray(1 / np.sqrt(self.expected + np.float32(1)))

    def best(self) -> StraightLine:
        """Give the line of the strip that holds most beyond chance."""
        excess = (self.votes.astype(np.float32) - self.expected) * self._scale
        row, column = divmod(int(np.argmax(excess)), excess.shape[1])
        distance = (column - excess.shape[1] // 2) * STRIP
        return StraightLine(float(_angles()[row]), float(distance), float(excess[row, column]))

    def remove(self, line: StraightLine, reach: float = 4.0) -> None:
        """Take out the pixels within `reach` (px) of a line."""
        along = np.array([np.cos(line.angle), np.sin(line.angle)], np.float32)
        near = np.abs(self.points @ along - np.float32(line.distance)) <= reach
        self.votes -= _count(self.points[near], self.votes.shape[1])
        self.points = self.points[~near]


@lru_cache(maxsize=1)
def _angles() -> NDArray[np.float64]:
    return np.arange(DIRECTIONS) * np.pi / DIRECTIONS


def _strips(shape: tuple[int, int]) -> int:
    """Give the number of strips over a frame, odd, the middle one through its centre."""
    return 2 * int(np.ceil(np.hypot(*shape) / 2 / STRIP)) + 3


def _count(
    points: NDArray[np.float32], n_strips: int, weights: NDArray[np.float64] | None = None
) -> NDArray[Any]:
    """Count points (N, 2), x and y from the centre, in the strips of every direction."""
    angles = _angles()
    normals = (np.stack([np.cos(angles), np.sin(angles)]) / STRIP).astype(np.float32)
    counts = np.empty((DIRECTIONS, n_strips), np.int64 if weights is None else np.float64)
    step = max(1, (1 << 17) // max(1, len(points)))  # what fits in the cache
    for first in range(0, DIRECTIONS, step):
        part = normals[:, first : first + step]
        places = (part.T @ points.T + np.float32(n_strips // 2 + 0.5)).astype(np.intp)
        places += np.arange(0, part.shape[1] * n_strips, n_strips)[:, None]  # strips of its own for each
        many = None if weights is None else np.tile(weights, part.shape[1])
        counted = np.bincount(places.ravel(), many, minlength=part.shape[1] * n_strips)
        counts[first : first + step] = counted.reshape(part.shape[1], n_strips)
    return counts


def hough_votes(bright: NDArray[np.bool_]) -> HoughVotes:
    """Count the bright pixels on every straight line of an image (Duda & Hart 1972, CACM 15, 11).

    Parameters
    ----------
    bright : (H, W) bool array
        Pixels above a threshold; few, or no line stands out.
    """
    height, width = bright.shape
    flat = np.flatnonzero(bright)
    y, x = np.divmod(flat, width)
    points = np.stack([x - (width - 1) / 2, y - (height - 1) / 2], axis=1).astype(np.float32)
    n_strips = _strips(bright.shape)
    columns = -(-width // _BLOCK)
    density = np.bincount((y // _BLOCK) * columns + x // _BLOCK, minlength=-(-height // _BLOCK) * columns)
    middles = [
        (np.arange(0, length, _BLOCK) + np.minimum(np.arange(0, length, _BLOCK) + _BLOCK, length) - length)
        / 2
        for length in bright.shape
    ]
    centres = np.stack([np.tile(middles[1], len(middles[0])), np.repeat(middles[0], columns)], axis=1)
    by_block = _count(centres.astype(np.float32), n_strips, density.astype(np.float64))
    return HoughVotes((height, width), points, _count(points, n_strips), _spread(by_block))


def _spread(counts: NDArray[np.float64]) -> NDArray[np.float32]:
    """Spread what lies in the middles of blocks over the strips that cross them."""
    half = int(_BLOCK / STRIP) // 2
    sums = np.cumsum(np.pad(counts, ((0, 0), (half + 1, half))), axis=1, dtype=np.float32)
    return np.asarray((sums[:, 2 * half + 1 :] - sums[:, : -2 * half - 1]) / np.float32(2 * half + 1))


def hough_lines(bright: NDArray[np.bool_], *, least: float = 8.0, most: int = 20) -> list[StraightLine]:
    """Find the straight lines on which bright pixels lie, the strongest first.

    The pixels of each line are taken out before the next is looked for.

    Parameters
    ----------
    bright : (H, W) bool array
        Pixels above a threshold.
    least : float
        Least strength, in standard deviations beyond chance.
    most : int
        So many lines at most.
    """
    votes = hough_votes(bright)
    found: list[StraightLine] = []
    while len(found) < most:
        line = votes.best()
        if line.strength < least:
            break
        found.append(line)
        votes.remove(line)
    return found


def radon_lines(z: NDArray[np.float32], *, least: float = 6.0, most: int = 20) -> list[StraightLine]:
    """Find straight lines that are brighter than chance as a whole, though none of their pixels need be.

    Parameters
    ----------
    z : (H, W) float32 array
        Significance of pixels; 0 where masked.
    least, most : float, int
        As for `hough_lines`.

    Notes
    -----
    Blocks are summed first, so that a line is some pixels wide; then scikit-image's Radon transform of what
    is left, over that of the noise. Lines that cross much of the frame gain most by it.
    """
    factor = max(1, -(-max(z.shape) // _RADON_SIDE))
    shape = [length // factor for length in z.shape]
    if min(shape) < 3:
        return []
    small = np.clip(z[: shape[0] * factor, : shape[1] * factor], -4, 4)
    small = small.reshape(shape[0], factor, shape[1], factor).sum(axis=(1, 3)) / factor
    found: list[StraightLine] = []
    yy, xx = ((np.arange(n) + 0.5) * factor - length / 2 for n, length in zip(shape, z.shape, strict=True))
    while len(found) < most:
        line = _brightest(small, factor)
        if line is None or line.strength < least:
            break
        found.append(line)
        away = np.abs(xx * np.cos(line.angle) + yy[:, None] * np.sin(line.angle) - line.distance)
        small[away <= 2.0 * factor] = 0
    return found


def _brightest(small: NDArray[np.float32], factor: int) -> StraightLine | None:
    from skimage.transform import radon

    angles = np.linspace(0.0, 180.0, max(small.shape), endpoint=False)
    side = (int(np.hypot(*small.shape)) + 4) | 1  # all of it lies in the circle that skimage looks at
    padded = _square(small, side)
    sums = radon(padded, theta=angles, circle=True)
    # The variance of a sum along a line is its length in the frame.
    lengths = _lengths(small.shape, side, len(angles))
    score = np.where(lengths > 0.1 * min(small.shape), sums / np.sqrt(np.maximum(lengths, 1.0)), 0.0)
    score = score / max(float(np.median(np.abs(score[score != 0]))) * 1.4826 if score.any() else 1.0, 1e-6)
    row, column = divmod(int(np.argmax(score)), score.shape[1])
    if score[row, column] <= 0:
        return None
    # skimage turns against our sense: a column of the turned image is x cos - y sin.
    angle = -np.radians(angles[column])
    distance = (row - side // 2) * factor
    return _normal(float(angle), float(distance), float(score[row, column]))


def _square(values: NDArray[Any], side: int) -> NDArray[np.float64]:
    out = np.zeros((side, side))
    top, left = (side // 2 - (length - 1) // 2 for length in values.shape)
    out[top : top + values.shape[0], left : left + values.shape[1]] = values
    return out


@lru_cache(maxsize=4)
def _lengths(shape: tuple[int, ...], side: int, n_angles: int) -> NDArray[np.float64]:
    from skimage.transform import radon

    angles = np.linspace(0.0, 180.0, n_angles, endpoint=False)
    lengths: NDArray[np.float64] = radon(_square(np.ones(shape), side), theta=angles, circle=True)
    return lengths


def _normal(angle: float, distance: float, strength: float) -> StraightLine:
    """Give a line with its angle in [0, pi)."""
    turns = np.floor(angle / np.pi)
    return StraightLine(float(angle - turns * np.pi), distance * (-1.0) ** int(turns), strength)
