"""Events of pairs: who saw the same meteor, without chains.

Pairs are taken from the best to the worst, and two groups are joined when at least half of all pairs of
cameras between them hold, and no camera would be in the event twice with different things. So one chance
pair between two meteors of one second does not make one event of both. Where the difference of two clocks
shows in several meteors, pairs that need another difference are dropped first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astrodetect.events.directions import Floats, separation
from astrodetect.events.pairs import Pairs, Rules, find_pairs, neighbours
from astrodetect.events.shapes import Ints, Shapes, directions_at

#: Seconds that two pieces of one track of one camera may lie apart.
_GAP = 1.0
#: Degrees by which such pieces may miss the place where the other one puts them, and the share of the way
#: by which a continuation may.
_SAME_TRACK, _OTHER_SPEED = 1.0, 0.4
#: So many meteors of two cameras show how their clocks differ.
_ENOUGH = 5
#: Seconds by which a pair may differ from what its cameras' clocks differ by.
_CLOCK_SPREAD = 0.5


@dataclass(frozen=True)
class Event:
    """One meteor.

    Attributes
    ----------
    members : tuple of int
        Sightings, in order of time; those that one camera has twice, too.
    pairs : int
        How many pairs of cameras hold.
    by_time_only : bool
        No two members have a geometry that was compared.
    """

    members: tuple[int, ...]
    pairs: int
    by_time_only: bool


def group(shapes: Shapes, rules: Rules) -> list[Event]:
    """Give the meteors that two or more cameras saw, in order of time.

    Parameters
    ----------
    shapes : Shapes
        Of all sightings.
    rules : Rules
        What sightings of one meteor may differ by.
    """
    leaders = same_camera(shapes)
    pairs = _consistent(find_pairs(shapes, rules), shapes.cameras)
    groups = _joined(pairs, shapes, leaders, rules)
    held = _held_pairs(pairs)
    events = [_event(members, held, shapes) for members in groups]
    several = [event for event in events if len({int(shapes.cameras[i]) for i in event.members}) > 1]
    return sorted(several, key=lambda event: (float(shapes.begin[event.members[0]]), event.members))


def same_camera(shapes: Shapes) -> Ints:
    """Give for each sighting (n,) the first of those that are one track of one camera.

    Copies of a detection in several files, and the pieces of a track that a recording's border cut.
    Without directions, those that overlap in time.
    """
    leader = np.arange(len(shapes.begin))
    located = shapes.located
    for first, second in neighbours(shapes.begin, shapes.end, _GAP):
        one = shapes.cameras[first] == shapes.cameras[second]
        a, b = first[one], second[one]
        both = located[a] & located[b]
        with np.errstate(invalid="ignore"):
            same = np.where(both, _one_track(shapes, a, b), shapes.begin[b] <= shapes.end[a])
        for i, j in zip(a[same], b[same], strict=True):
            leader[_root(leader, j)] = _root(leader, i)
    return np.array([_root(leader, i) for i in range(len(leader))], dtype=np.int64)


def _root(leader: Ints, i: int) -> int:
    while leader[i] != i:
        leader[i] = leader[leader[i]]
        i = int(leader[i])
    return i


def _one_track(shapes: Shapes, a: Ints, b: Ints) -> NDArray[np.bool_]:
    """Tell which pairs (k,) are where the other one is, or would be, at the same time."""
    ends = np.stack([shapes.begin[b], shapes.end[b]], axis=1)
    expected = directions_at(shapes, a, ends)
    # A continuation may have another speed than the track so far.
    ahead = separation(expected, shapes.rays[a, 1][:, None])
    beyond = np.where(ends > shapes.end[a][:, None], ahead, 0.0)
    same: NDArray[np.bool_] = np.all(
        separation(expected, shapes.rays[b]) < _SAME_TRACK + _OTHER_SPEED * beyond, axis=1
    )
    return same


def _consistent(pairs: Pairs, cameras: Ints) -> Pairs:
    """Drop pairs whose clocks differ otherwise than those of the same two cameras usually do."""
    kept = np.ones(len(pairs.first), dtype=bool)
    a, b = cameras[pairs.first], cameras[pairs.second]
    clock = np.where(a <= b, pairs.clock, -pairs.clock)
    known = np.flatnonzero(~pairs.by_time_only)
    key = np.minimum(a, b).astype(np.int64) * (int(cameras.max(initial=0)) + 1) + np.maximum(a, b)
    order = known[np.argsort(key[known], kind="stable")]
    borders = np.flatnonzero(np.diff(key[order])) + 1
    for rows in np.split(order, borders):
        usual = _peak(clock[rows])
        if usual is not None:
            kept[rows] = np.abs(clock[rows] - usual) <= _CLOCK_SPREAD
    return pairs.take(kept)


def _peak(values: Floats) -> float | None:
    """Give where at least half of `_ENOUGH` or more values crowd; None where they do not."""
    if len(values) < _ENOUGH:
        return None
    ordered = np.sort(values)
    within = np.searchsorted(ordered, ordered + _CLOCK_SPREAD, "right") - np.arange(len(ordered))
    best = int(np.argmax(within))
    if within[best] < max(_ENOUGH, len(values) / 2):
        return None
    return float(np.median(ordered[best : best + within[best]]))


def _held_pairs(pairs: Pairs) -> dict[int, dict[int, bool]]:
    """Give for each sighting those it forms a pair with, and whether by time only."""
    held: dict[int, dict[int, bool]] = {}
    rows = zip(pairs.first.tolist(), pairs.second.tolist(), pairs.by_time_only.tolist(), strict=True)
    for a, b, only in rows:
        held.setdefault(a, {})[b] = only
        held.setdefault(b, {})[a] = only
    return held


def _joined(pairs: Pairs, shapes: Shapes, leaders: Ints, rules: Rules) -> list[list[int]]:
    """Give the groups of sightings, by joining the best pairs first."""
    held = _held_pairs(pairs)
    group_of = leaders.copy()
    members: dict[int, list[int]] = {}
    for i, leader in enumerate(leaders.tolist()):
        members.setdefault(leader, []).append(i)
    # What has a geometry comes first: it knows better than the times alone.
    for row in np.lexsort((pairs.cost, pairs.by_time_only)):
        one, other = int(group_of[pairs.first[row]]), int(group_of[pairs.second[row]])
        if one != other and _fit(members[one], members[other], held, shapes, leaders, rules):
            members[one] += members.pop(other)
            group_of[members[one]] = one
    return list(members.values())


def _fit(
    one: Sequence[int], other: Sequence[int], held: dict[int, dict[int, bool]], shapes: Shapes, leaders: Ints,
    rules: Rules,
) -> bool:  # fmt: skip
    """Tell whether two groups are one meteor: other cameras, and half of the pairs between them hold."""
    tracks_one, tracks_other = _by_track(one, leaders), _by_track(other, leaders)
    cameras = [{int(shapes.cameras[track]) for track in tracks} for tracks in (tracks_one, tracks_other)]
    if cameras[0] & cameras[1]:
        return False
    everyone = [*one, *other]
    if shapes.begin[everyone].max() - shapes.end[everyone].min() > 2 * rules.window:
        return False
    hold = sum(
        any(b in held.get(a, ()) for a in ones for b in others)
        for ones in tracks_one.values()
        for others in tracks_other.values()
    )
    return 2 * hold >= len(tracks_one) * len(tracks_other)


def _by_track(rows: Iterable[int], leaders: Ints) -> dict[int, list[int]]:
    tracks: dict[int, list[int]] = {}
    for row in rows:
        tracks.setdefault(int(leaders[row]), []).append(row)
    return tracks


def _event(members: Sequence[int], held: dict[int, dict[int, bool]], shapes: Shapes) -> Event:
    inside = set(members)
    found = [only for a in members for b, only in held.get(a, {}).items() if b in inside and a < b]
    ordered = tuple(sorted(members, key=lambda i: (float(shapes.begin[i]), i)))
    return Event(ordered, len(found), all(found))
