"""Which sample is for training and which for judging: what belongs together stays together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from astrodetect.core.data import stable_id
from astrodetect.core.errors import AstrodetectError
from astrodetect.training.data.splits import SPLITS, SplitName
from astrodetect.training.samples.store import Sample

#: Windows of several stations with the wanted less than this many seconds apart show one event.
TOGETHER = 5.0
Group = Literal["event", "station"]


@dataclass(frozen=True)
class Dealing:
    """How samples are dealt out.

    Attributes
    ----------
    group : {"event", "station"}
        What is never divided.
    validation, test : float
        Shares of the groups.
    test_stations : tuple of str
        All of these go to the test.
    seed : int
        Other seeds deal otherwise.
    """

    group: Group = "event"
    validation: float = 0.15
    test: float = 0.15
    test_stations: tuple[str, ...] = ()
    seed: int = 0


def events_of(samples: Sequence[Sample], wanted: Sequence[str]) -> list[str]:
    """Give the event of each sample: the first of the recordings that show it.

    Recordings belong together that show something wanted at the same time (`TOGETHER`), from whichever
    station; any other recording is an event of its own.

    Parameters
    ----------
    samples : sequence of Sample
        Any number.
    wanted : sequence of str
        Labels that make an event.
    """
    parent = {sample.path: sample.path for sample in samples}

    def root(path: str) -> str:
        while parent[path] != path:
            path = parent[path]
        return path

    timed = sorted(
        (sample.time, sample.time + sample.seconds, sample.path)
        for sample in samples
        if sample.label in wanted and np.isfinite(sample.time)
    )
    end, last = -np.inf, ""
    for start, stop, path in timed:
        if start - end < TOGETHER and last:
            first, second = sorted((root(last), root(path)))
            parent[second] = first
        end, last = max(end, stop), path
    return [root(sample.path) for sample in samples]


def deal(samples: Sequence[Sample], wanted: Sequence[str], how: Dealing) -> tuple[list[str], list[str]]:
    """Give the split of each sample, and its group.

    Parameters
    ----------
    samples : sequence of Sample
        Any number.
    wanted : sequence of str
        Labels that are looked for: groups with and without them are dealt out apart.
    how : Dealing
        How.

    Returns
    -------
    list of str, list of str
        ``train``, ``validation``, ``test``, or empty: of an event that stations of several splits saw, only
        the views in one of these splits are kept.

    Raises
    ------
    AstrodetectError
        There are too few stations to divide.

    Notes
    -----
    The order in which groups are dealt is that of a hash of their names, so that recordings that are added
    later move few others from one split to another.
    """
    events = events_of(samples, wanted)
    stations = [sample.station or sample.path for sample in samples]
    groups = stations if how.group == "station" else events
    if how.group == "station" and len(set(groups)) < len(SPLITS):
        raise AstrodetectError(
            f'group = "station" needs {len(SPLITS)} stations at least, to train, to choose and to test; the '
            f'samples are of {", ".join(sorted(set(groups)))}; use group = "event"'
        )
    held = {group for group, one in zip(groups, samples, strict=True) if one.station in how.test_stations}
    rich = {group for group, one in zip(groups, samples, strict=True) if one.label in wanted} - held
    poor = set(groups) - rich - held
    dealt: dict[str, SplitName] = dict.fromkeys(held, "test")
    for part in (rich, poor):
        dealt |= _dealt(part, how, bool(how.test_stations))
    return _apart([dealt[group] for group in groups], events, how.seed), groups


def _dealt(groups: set[str], how: Dealing, tested: bool) -> dict[str, SplitName]:
    """Deal out groups by their shares; at least one to each split that has a share, where there are three."""
    order = sorted(groups, key=lambda name: stable_id(how.seed, name))
    shares = (0.0 if tested else how.test, how.validation)
    n_test, n_validation = (
        max(round(share * len(order)), int(share > 0 and len(order) >= len(SPLITS))) for share in shares
    )
    found: dict[str, SplitName] = dict.fromkeys(order, "train")
    found |= dict.fromkeys(order[:n_test], "test")
    return found | dict.fromkeys(order[n_test : n_test + n_validation], "validation")


def _apart(splits: Sequence[SplitName], events: Sequence[str], seed: int) -> list[str]:
    """Leave the views of each event in one split alone: that of one of its views, by chance."""
    views: dict[str, list[SplitName]] = {}
    for split, event in zip(splits, events, strict=True):
        views.setdefault(event, []).append(split)
    kept = {event: own[stable_id(seed, event) % len(own)] for event, own in views.items()}
    return [split if split == kept[event] else "" for split, event in zip(splits, events, strict=True)]
