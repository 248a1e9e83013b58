"""Whether two cameras saw one meteor: by time, and where sites are known, by where their lines of sight meet.

Both cameras see the meteor on a great circle, that is, in a plane through the camera. A line of sight of
one cut with the plane of the other gives a place in the air, without regard to the clocks. So the test
holds with clocks that are seconds wrong: four such places (begin and end of both) must lie at heights of
meteors, go down, move in one direction at a speed of meteors, and the clocks that would explain where each
camera saw it must differ by no more than the window. Where the two planes nearly coincide, the cut is
uncertain, and is drawn to where the lines of sight of the same time come nearest to each other.

All pairs are tested at once, as arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from astrodetect.events.directions import Floats, unit
from astrodetect.events.shapes import Ints, Shapes, directions_at

#: Pairs that are tested at a time.
_CHUNK = 100_000
#: Neighbours in time that a detection is compared with, at most.
MAX_NEIGHBOURS = 2000
#: Uncertainty (m) of a place along a line of sight found from simultaneous lines: clocks of good stations.
_SIMULTANEOUS = 10_000.0
#: Lines of sight nearer to parallel than this (sine) have no nearest points.
_PARALLEL = 0.01
#: Height (m) taken where nothing determines it: two cameras at one place.
_USUAL_HEIGHT = 95_000.0
#: An uncertain great circle allows no more than this (deg), however far it is continued.
_MOST_ALLOWED = 2.0
#: A meteor may rise by so much (m): grazing ones, and errors.
_RISE = 5_000.0


@dataclass(frozen=True)
class Rules:
    """What two detections of one meteor may differ by."""

    #: Seconds by which clocks may differ. Wider: more of stations with bad clocks, and more chance pairs.
    window: Annotated[float, Gt(0)] = 5.0
    #: Lowest and highest place of a meteor (km). Most lie between 60 and 120; fireballs come down to 20.
    heights: tuple[float, float] = (20.0, 140.0)
    #: Degrees by which a line of sight may miss the other camera's plane: errors of the astrometry. What a
    #: short track leaves open of its plane is added.
    angle: Annotated[float, Gt(0)] = 0.3
    #: Lowest and highest speed (km/s), with room for the errors of short tracks.
    speeds: tuple[float, float] = (5.0, 110.0)
    #: Largest distance between two cameras (km): farther apart they do not see one place above the horizon.
    baseline: Annotated[float, Gt(0)] = 1200.0


@dataclass(frozen=True)
class Pairs:
    """Pairs that may be one meteor, n of them.

    Attributes
    ----------
    first, second : (n,) int64 array
        Which sightings.
    cost : (n,) float64 array
        0 is perfect.
    clock : (n,) float64 array
        Seconds by which the clock of the second is ahead of that of the first, as far as the geometry says.
    by_time_only : (n,) bool array
        A site or a direction is not known: nothing but the times has been compared.
    """

    first: Ints
    second: Ints
    cost: Floats
    clock: Floats
    by_time_only: NDArray[np.bool_]

    def take(self, rows: NDArray[np.bool_]) -> Pairs:
        """Give some of the pairs; `rows` is (n,)."""
        return Pairs(
            self.first[rows], self.second[rows], self.cost[rows], self.clock[rows], self.by_time_only[rows]
        )


def neighbours(begin: Floats, end: Floats, window: float) -> Iterator[tuple[Ints, Ints]]:
    """Give pairs of which the times lie at most `window` seconds apart, in pieces.

    Parameters
    ----------
    begin, end : (n,) array
        UTC Unix seconds, in any order.
    window : float
        Seconds between the end of one and the beginning of the other.

    Yields
    ------
    first, second : (k,) int64 array
        The first begins before the second. No detection is paired with more than `MAX_NEIGHBOURS` later ones.
    """
    order = np.argsort(begin, kind="stable")
    starts = begin[order]
    last = np.searchsorted(starts, end[order] + window, "right")
    counts = np.minimum(last - np.arange(len(order)) - 1, MAX_NEIGHBOURS)
    total = np.concatenate([[0], np.cumsum(counts)])
    row = 0
    while row < len(order):
        stop = max(row + 1, int(np.searchsorted(total, total[row] + _CHUNK, "right")) - 1)
        here = counts[row:stop]
        first = np.repeat(np.arange(row, stop), here)
        within = np.arange(len(first)) - np.repeat(total[row:stop] - total[row], here)
        yield order[first], order[first + 1 + within]
        row = stop


def find_pairs(shapes: Shapes, rules: Rules) -> Pairs:
    """Give the pairs of different cameras that may be one meteor.

    Parameters
    ----------
    shapes : Shapes
        Of all sightings.
    rules : Rules
        What is allowed.
    """
    found = []
    located = shapes.located
    for first, second in neighbours(shapes.begin, shapes.end, rules.window):
        other = shapes.cameras[first] != shapes.cameras[second]
        known = located[first] & located[second]
        near = ~known | (
            np.linalg.norm(shapes.site[first] - shapes.site[second], axis=1) < rules.baseline * 1e3
        )
        a, b, known = (values[other & near] for values in (first, second, known))
        middle = (shapes.begin + shapes.end) / 2
        cost, clock = np.abs(middle[b] - middle[a]) / rules.window, np.full(len(a), np.nan)
        cost[known], clock[known] = meet(shapes, a[known], b[known], rules)
        kept = np.isfinite(cost)
        found.append((a[kept], b[kept], cost[kept], clock[kept], ~known[kept]))
    joined = [np.concatenate(parts) for parts in zip(*found, strict=True)] if found else [np.zeros(0)] * 5
    return Pairs(
        joined[0].astype(np.int64), joined[1].astype(np.int64), joined[2], joined[3], joined[4].astype(bool)
    )


def meet(shapes: Shapes, a: Ints, b: Ints, rules: Rules) -> tuple[Floats, Floats]:
    """Give the cost of k pairs, infinite where they are not one meteor, and the difference of the clocks.

    Parameters
    ----------
    shapes : Shapes
        With known sites and directions of all that are asked for.
    a, b : (k,) int64 array
        The pairs.
    rules : Rules
        What is allowed.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        places_a, missed_a = _places(shapes, a, b, rules)
        places_b, missed_b = _places(shapes, b, a, rules)
        move_a, move_b = places_a[:, 1] - places_a[:, 0], places_b[:, 1] - places_b[:, 0]
        speed_a = np.linalg.norm(move_a, axis=1) / (shapes.end[a] - shapes.begin[a])
        speed_b = np.linalg.norm(move_b, axis=1) / (shapes.end[b] - shapes.begin[b])
        along = unit(unit(move_a) + unit(move_b))
        agree = np.sum(unit(move_a) * unit(move_b), axis=1)
        # The longer path knows the speed better.
        weight_a, weight_b = np.linalg.norm(move_a, axis=1), np.linalg.norm(move_b, axis=1)
        speed = (speed_a * weight_a + speed_b * weight_b) / (weight_a + weight_b)
        gap = np.sum((places_b.mean(axis=1) - places_a.mean(axis=1)) * along, axis=1)
        middle = (shapes.begin + shapes.end) / 2
        clock = middle[b] - middle[a] - gap / speed
        ratio = np.abs(np.log(speed_a / speed_b))
        slow, fast = (limit * 1e3 for limit in rules.speeds)
        good = (
            np.isfinite(missed_a + missed_b)
            & (agree > 0.5)
            & (np.minimum(speed_a, speed_b) > slow)
            & (np.maximum(speed_a, speed_b) < fast)
            & (ratio < 1.0)
            & (np.abs(clock) <= rules.window)
            & (_rise(places_a) < _RISE)
            & (_rise(places_b) < _RISE)
        )
        cost = (missed_a + missed_b) / 2 + np.abs(clock) / rules.window + ratio + (1 - agree)
    return np.where(good, cost, np.inf), np.where(good, clock, np.nan)


def _rise(places: Floats) -> Floats:
    radius = np.linalg.norm(places, axis=2)
    rise: Floats = radius[:, 1] - radius[:, 0]
    return rise


def _places(shapes: Shapes, a: Ints, b: Ints, rules: Rules) -> tuple[Floats, Floats]:
    """Give where begin and end of `a` were (k, 2, 3), in the light of `b`, and by how much that misses.

    The second, (k,), is the larger angle between the place and the plane of `b`, over what is allowed;
    infinite where no height of meteors comes near it.
    """
    rays, origin = shapes.rays[a], shapes.site[a][:, None]
    pole, apart = shapes.poles[b][:, None], (shapes.site[b] - shapes.site[a])[:, None]
    low, high = (_range_at(origin, rays, height * 1e3) for height in rules.heights)
    toward = np.sum(rays * pole, axis=2)
    toward = np.where(np.abs(toward) < 1e-12, 1e-12, toward)
    offset = np.sum(apart * pole, axis=2)
    cut = offset / toward
    inside = np.clip(cut, low, high)
    seen = inside[..., None] * rays - apart
    distance = np.linalg.norm(seen, axis=2)
    off_track = np.linalg.norm(np.cross(seen, unit(shapes.rays[b].sum(axis=1))[:, None]), axis=2) / distance
    allowed = rules.angle + np.degrees(3 * shapes.tilts[b][:, None] * off_track)
    allowed = np.radians(np.minimum(allowed, max(_MOST_ALLOWED, rules.angle)))
    missed = np.abs(inside * toward - offset) / distance / allowed
    spread = allowed * distance / np.abs(toward)
    timed = _nearest_in_time(shapes, a, b)
    timed = np.where(np.isfinite(timed), timed, _range_at(origin, rays, _USUAL_HEIGHT))
    weight = _SIMULTANEOUS**2 / (_SIMULTANEOUS**2 + spread**2)
    chosen = np.clip(weight * cut + (1 - weight) * timed, np.maximum(low, cut - spread), None)
    chosen = np.clip(chosen, low, np.clip(cut + spread, low, high))
    worst = missed.max(axis=1)
    return origin + chosen[..., None] * rays, np.where(worst <= 1.0, worst, np.inf)


def _range_at(origin: Floats, rays: Floats, height: float) -> Floats:
    """Give the range (k, 2) in metres at which lines of sight reach a height, on a sphere about the Earth."""
    along = np.sum(origin * rays, axis=2)
    square = np.sum(origin * origin, axis=2)
    reach: Floats = -along + np.sqrt(along**2 + 2 * np.sqrt(square) * height + height**2)
    return reach


def _nearest_in_time(shapes: Shapes, a: Ints, b: Ints) -> Floats:
    """Give the range (k, 2) from `a` at which its line of sight comes nearest to the simultaneous one of `b`.

    The great circle of `b` is continued at its speed. NaN where the lines are nearly parallel.
    """
    rays, apart = shapes.rays[a], (shapes.site[b] - shapes.site[a])[:, None]
    seen = directions_at(shapes, b, np.stack([shapes.begin[a], shapes.end[a]], axis=1))
    cosine = np.sum(rays * seen, axis=2)
    sine2 = 1.0 - cosine**2
    reach = (np.sum(apart * rays, axis=2) - cosine * np.sum(apart * seen, axis=2)) / sine2
    return np.where((sine2 > _PARALLEL**2) & (reach > 0), reach, np.nan)
