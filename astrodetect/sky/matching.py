"""Which star is which: blind for all-sky lenses, and by nearness where a model is nearly right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Distance from the axis in focal lengths, by angle from the axis, of the usual fisheye lenses.
PROJECTIONS: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "equidistant": lambda theta: theta,
        "equisolid": lambda theta: 2 * np.sin(theta / 2),
        "stereographic": lambda theta: 2 * np.tan(theta / 2),
        "orthographic": np.sin,
    }
)
#: Radii of the horizon that are tried, in parts of the shorter and the longer side, and the step.
_SMALLEST, _LARGEST, _STEP = 0.33, 0.66, 0.035
#: The zenith is looked for within this part of the sides about the middle of the frame.
_OFF_CENTRE = 0.12
#: Cells across the shorter side of the map that hypotheses are looked up in, and their reach in cells.
_CELLS, _REACH = 100, 2.0
#: Degrees between the directions that are tried.
_TURN = 3.0
#: So many of the brightest stars of the catalogue, and of what was found, are compared.
_STARS, _FOUND = 40, 60


@dataclass(frozen=True)
class Sighting:
    """What is compared in one exposure: what was found, and what should be there.

    Attributes
    ----------
    x, y : (N,) float64 arrays
        Star-like sources (px), the brightest first.
    az, alt : (M,) float64 arrays
        Apparent places of catalogue stars (deg), the brightest first as seen through the air.
    """

    x: Floats
    y: Floats
    az: Floats
    alt: Floats


@dataclass(frozen=True)
class Hypothesis:
    """A rough model of an all-sky camera.

    ``x = x0 + handed * focal * rho * sin(az + rotation)``, ``y = y0 - focal * rho * cos(az + rotation)``
    with ``rho`` the projection of the zenith distance.

    Attributes
    ----------
    score : float
        Stars that have a source near them, each counted by its nearness from 0 to 1.
    projection : str
        One of `PROJECTIONS`.
    focal : float
        Focal length (px).
    mirrored : bool
        Whether east is right of north, as in a mirror, where one looks up (``handed`` is 1, else -1).
    rotation : float
        Of azimuths (deg).
    x0, y0 : float
        Zenith (px).
    """

    score: float
    projection: str
    focal: float
    mirrored: bool
    rotation: float
    x0: float
    y0: float

    def project(self, az: Floats, alt: Floats) -> tuple[Floats, Floats]:
        """Give the pixels of apparent places (deg)."""
        radius = self.focal * PROJECTIONS[self.projection](np.radians(90 - alt))
        angle = np.radians(az + self.rotation)
        handed = 1 if self.mirrored else -1
        return self.x0 + handed * radius * np.sin(angle), self.y0 - radius * np.cos(angle)


def brightest_seen(magnitude: Floats, alt: Floats, lowest: float = 20.0) -> NDArray[np.int64]:
    """Give the indices of the brightest stars as seen through the air, above `lowest` degrees."""
    up = np.flatnonzero(alt > lowest)
    seen = magnitude[up] + 0.25 / np.sin(np.radians(alt[up]))
    return up[np.argsort(seen, kind="stable")[:_STARS]]


class NearnessMaps:
    """How near to a source every place of a frame is: 1 on it, 0 from `_REACH` cells on.

    Parameters
    ----------
    found : sequence of ((N,), (N,)) arrays
        x and y of what was found in each exposure (px), the brightest first.
    shape : (int, int)
        Height and width of the frame.
    shift : float
        Places may be off by this part of the sides.
    """

    def __init__(self, found: Sequence[tuple[Floats, Floats]], shape: tuple[int, int], shift: float) -> None:
        self.cell = min(shape) / _CELLS
        self.reach = (int(shift * shape[0] / self.cell), int(shift * shape[1] / self.cell))
        self._margin = int(max(shape) / self.cell)
        self._maps = [self._shifted(x[:_FOUND], y[:_FOUND], shape) for x, y in found]

    def _shifted(self, x: Floats, y: Floats, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Give for every cell the map, seen through the window of all shifts about it."""
        from scipy.spatial import cKDTree

        height, width = (int(side / self.cell) + 1 for side in shape)
        nearness = np.zeros((height, width), dtype=np.float32)
        if len(x):
            cells = np.indices((height, width), dtype=np.float64).reshape(2, -1).T
            distance = cKDTree(np.column_stack([y, x]) / self.cell).query(cells)[0]
            nearness = np.clip(1 - distance / _REACH, 0, 1).astype(np.float32).reshape(height, width)
        window = (2 * self.reach[0] + 1, 2 * self.reach[1] + 1)
        return np.lib.stride_tricks.sliding_window_view(np.pad(nearness, self._margin), window)

    def best_shift(self, expected: Sequence[tuple[Floats, Floats]]) -> tuple[float, float, float]:
        """Give the shift that brings expected places nearest to what was found, and how near.

        Parameters
        ----------
        expected : sequence of ((M,), (M,)) arrays
            x and y in each exposure (px); NaN counts nothing.

        Returns
        -------
        score, dx, dy : float
            Sum of nearness, and the shift of all x and y (px).
        """
        total = np.zeros((2 * self.reach[0] + 1, 2 * self.reach[1] + 1), dtype=np.float32)
        for (x, y), shifted in zip(expected, self._maps, strict=True):
            known = np.isfinite(x) & np.isfinite(y)
            rows = np.rint(y[known] / self.cell).astype(np.int64) + self._margin - self.reach[0]
            columns = np.rint(x[known] / self.cell).astype(np.int64) + self._margin - self.reach[1]
            inside = (rows >= 0) & (rows < shifted.shape[0]) & (columns >= 0) & (columns < shifted.shape[1])
            total += shifted[rows[inside], columns[inside]].sum(0)
        row, column = np.unravel_index(int(total.argmax()), total.shape)
        dx, dy = (int(column) - self.reach[1]) * self.cell, (int(row) - self.reach[0]) * self.cell
        return float(total[row, column]), dx, dy


def blind_hypotheses(
    sightings: Sequence[Sighting], shape: tuple[int, int], most: int = 6
) -> list[Hypothesis]:
    """Look for rough models of an all-sky camera that points about to the zenith.

    Every direction, focal length, projection and either handedness is tried; the place of the zenith
    that fits best to each is found by adding up shifted maps of nearness to what was found.

    Parameters
    ----------
    sightings : sequence of Sighting
        A few exposures of the same camera, hours apart if there are such.
    shape : (int, int)
        Height and width of the frame.
    most : int
        How many to give.

    Returns
    -------
    list of Hypothesis
        The best first, all different by more than the steps of the search; the best of either
        handedness is always among them.
    """
    maps = NearnessMaps([(one.x, one.y) for one in sightings], shape, _OFF_CENTRE)
    found = [_placed(start, maps, sightings) for start in _grid(shape)]
    found.sort(key=lambda one: -one.score)
    chosen: list[Hypothesis] = []
    for one in found:
        if len(chosen) >= most:
            break
        if not any(_alike(one, other) for other in chosen):
            chosen.append(one)
    for mirrored in (False, True):
        if not any(one.mirrored is mirrored for one in chosen):
            chosen.extend([one for one in found if one.mirrored is mirrored][:1])
    return chosen


def _grid(shape: tuple[int, int]) -> Iterator[Hypothesis]:
    """Give all projections, focal lengths, hands and directions, with the zenith in the middle."""
    height, width = shape
    smallest, largest = _SMALLEST * min(shape), _LARGEST * max(shape)
    radii = smallest * np.exp(_STEP * np.arange(int(np.log(largest / smallest) / _STEP) + 1))
    turns = np.arange(0.0, 360.0, _TURN)
    for name, radius, mirrored, turn in product(PROJECTIONS, radii, (False, True), turns):
        focal = radius / PROJECTIONS[name](np.array(np.pi / 2))
        yield Hypothesis(0.0, name, float(focal), mirrored, float(turn), width / 2, height / 2)


def _placed(start: Hypothesis, maps: NearnessMaps, sightings: Sequence[Sighting]) -> Hypothesis:
    score, dx, dy = maps.best_shift([start.project(one.az, one.alt) for one in sightings])
    return replace(start, score=score, x0=start.x0 + dx, y0=start.y0 + dy)


def _alike(a: Hypothesis, b: Hypothesis) -> bool:
    turned = abs((a.rotation - b.rotation + 180) % 360 - 180)
    return (
        a.mirrored is b.mirrored
        and turned < 3 * _TURN
        and bool(np.hypot(a.x0 - b.x0, a.y0 - b.y0) < 0.1 * a.focal)
        and abs(np.log(a.focal / b.focal)) < 0.2
    )


@dataclass(frozen=True)
class Nudge:
    """How expected places have to be turned, stretched and shifted to lie on what was found.

    Attributes
    ----------
    score : float
        Sum of nearness.
    turn : float
        About the middle of the frame (rad).
    scale : float
        Away from the middle.
    dx, dy : float
        Afterwards (px).
    mirrored : bool
        Left and right are exchanged before all else.
    """

    score: float
    turn: float = 0.0
    scale: float = 1.0
    dx: float = 0.0
    dy: float = 0.0
    mirrored: bool = False

    def apply(self, x: Floats, y: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
        """Give nudged places."""
        x0, y0 = shape[1] / 2, shape[0] / 2
        u, v = (x0 - x if self.mirrored else x - x0), y - y0
        c, s = self.scale * np.cos(self.turn), self.scale * np.sin(self.turn)
        return x0 + c * u - s * v + self.dx, y0 + s * u + c * v + self.dy


def nearby_start(
    found: Sequence[tuple[Floats, Floats]],
    expected: Sequence[tuple[Floats, Floats]],
    shape: tuple[int, int],
    mirrored: bool = False,
) -> Nudge:
    """Find how a rough model is off: by up to a sixth of the frame, 12 degrees and a tenth in scale.

    Parameters
    ----------
    found : sequence of ((N,), (N,)) arrays
        x and y of what was found in each exposure (px), the brightest first.
    expected : sequence of ((M,), (M,)) arrays
        Where the rough model puts the brightest stars (px).
    shape : (int, int)
        Height and width of the frame.
    mirrored : bool
        Look in the mirror image instead.
    """
    maps = NearnessMaps(found, shape, 1 / 6)
    best = Nudge(-1.0)
    for turn, scale in product(np.radians(np.arange(-12.0, 13.0)), np.exp(0.02 * np.arange(-5, 6))):
        start = Nudge(0.0, float(turn), float(scale), mirrored=mirrored)
        score, dx, dy = maps.best_shift([start.apply(x, y, shape) for x, y in expected])
        if score > best.score:
            best = replace(start, score=score, dx=dx, dy=dy)
    return best


def match_nearest(
    x: Floats, y: Floats, expected_x: Floats, expected_y: Floats, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair what was found with what is expected, each with the nearest, both ways.

    Parameters
    ----------
    x, y : (N,) float64 arrays
        What was found (px).
    expected_x, expected_y : (M,) float64 arrays
        What is expected; NaN never matches.
    radius : float
        Greatest distance (px).

    Returns
    -------
    found, expected : (K,) int64 arrays
        Indices of the pairs.

    Examples
    --------
    >>> match_nearest(np.array([1.0, 9.0]), np.zeros(2), np.array([8.0, 2.0]), np.zeros(2), 1.5)
    (array([0, 1]), array([1, 0]))
    """
    from scipy.spatial import cKDTree

    known = np.flatnonzero(np.isfinite(expected_x) & np.isfinite(expected_y))
    nothing = np.empty(0, dtype=np.int64)
    if not len(x) or not len(known):
        return nothing, nothing
    here = np.column_stack([x, y])
    there = np.column_stack([expected_x, expected_y])[known]
    distance, nearest = cKDTree(there).query(here, distance_upper_bound=radius)
    back = cKDTree(here).query(there)[1]
    found = np.flatnonzero(np.isfinite(distance))
    found = found[back[nearest[found]] == found]
    return found.astype(np.int64), known[nearest[found]].astype(np.int64)


def chance_matches(n_found: int, n_expected: int, radius: float, area: float) -> float:
    """Give how many expected stars have a source within `radius` by chance alone.

    Parameters
    ----------
    n_found, n_expected : int
        Sources and stars.
    radius : float
        Of the matching (px).
    area : float
        Over which the sources are spread (px²).
    """
    return float(n_expected * -np.expm1(-n_found * np.pi * radius**2 / max(area, 1.0)))
