"""Events in catalogs, from files to tables: what the command ``astrodetect events`` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.events.grouping import Event, group
from astrodetect.events.pairs import Rules
from astrodetect.events.shapes import Shapes, shapes_of
from astrodetect.events.showers import Paths, associate
from astrodetect.events.sightings import Sighting, read_sightings, with_sites
from astrodetect.events.trajectory import Trajectory, shower_of_trajectory, trajectory_of


@dataclass(frozen=True)
class Found:
    """All that was found.

    Attributes
    ----------
    sightings : tuple of Sighting
        In order of time.
    showers : tuple of str
        Of each sighting by itself; empty where its site or its direction is not known.
    events : tuple of Event
        In order of time; members are rows of `sightings`.
    trajectories : tuple of Trajectory
        One per event.
    event_showers : tuple of str
        One per event: by the trajectory, else what most of its sightings say by themselves.
    """

    sightings: tuple[Sighting, ...]
    showers: tuple[str, ...]
    events: tuple[Event, ...]
    trajectories: tuple[Trajectory, ...]
    event_showers: tuple[str, ...]

    def seen_by(self, least: int) -> Found:
        """Give the same with the events that at least so many cameras saw."""
        kept = [i for i, event in enumerate(self.events) if len(self.cameras(event)) >= least]
        return replace(
            self,
            events=tuple(self.events[i] for i in kept),
            trajectories=tuple(self.trajectories[i] for i in kept),
            event_showers=tuple(self.event_showers[i] for i in kept),
        )

    def members(self, event: Event) -> list[Sighting]:
        """Give the sightings of an event."""
        return [self.sightings[i] for i in event.members]

    def cameras(self, event: Event) -> list[str]:
        """Give the cameras of an event, each once, in order of time."""
        return list(dict.fromkeys(sighting.camera for sighting in self.members(event)))


def catalogs_in(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Give the files to read: those named, and what lies in named folders; True for those that were named.

    Raises
    ------
    AstrodetectError
        One is not there.
    """
    for path in paths:
        if path.is_dir() and path.suffix != ".parts":
            yield from ((file, False) for file in sorted(path.rglob("*")) if _may_be_catalog(file))
        elif path.exists() or path.with_name(path.name + ".parts").is_dir():
            yield path, True
        else:
            raise AstrodetectError(f"{path}: no such file or folder")


def _may_be_catalog(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and ".parts" not in path.parent.suffix


def read_all(
    paths: Sequence[Path], *, everything: bool = False
) -> tuple[list[Sighting], list[str], list[Path]]:
    """Read the sightings of many files.

    Parameters
    ----------
    paths : sequence of Path
        Files, and folders of files.
    everything : bool
        Rejected detections too.

    Returns
    -------
    sightings : list of Sighting
    failures : list of str
        What could not be read, one line each. In a folder, files of no known format are passed over.
    read : list of Path
        What could be read.
    """
    from astrodetect.exchange import format_of_file

    sightings: list[Sighting] = []
    failures: list[str] = []
    read: list[Path] = []
    for path, named in catalogs_in(paths):
        if not named and path.suffix != ".h5":
            try:
                format_of_file(path)
            except AstrodetectError:
                continue
        try:
            sightings += read_sightings(path, everything=everything)
            read.append(path)
        except AstrodetectError as error:
            failures.append(str(error))
    return sightings, failures, read


def find_events(sightings: Sequence[Sighting], sites: Mapping[str, Site], rules: Rules) -> Found:
    """Group sightings to meteors and name their showers.

    Parameters
    ----------
    sightings : sequence of Sighting
        In any order.
    sites : mapping of str to Site
        Where cameras stand, as far as the files do not say it, or say it wrong.
    rules : Rules
        What sightings of one meteor may differ by.
    """
    placed = sorted(with_sites(sightings, sites), key=lambda s: (s.begin, s.camera, s.catalog, s.number))
    shapes = shapes_of(placed)
    showers = single_showers(placed, shapes)
    events = group(shapes, rules)
    trajectories = [trajectory_of(event.members, shapes) for event in events]
    named = [_shower(e, t, placed, showers) for e, t in zip(events, trajectories, strict=True)]
    return Found(tuple(placed), tuple(showers), tuple(events), tuple(trajectories), tuple(named))


def single_showers(sightings: Sequence[Sighting], shapes: Shapes) -> list[str]:
    """Give the shower of each sighting by itself; nothing where there is no site or no direction."""
    if not len(sightings):
        return []
    sites = np.array([s.site or (np.nan,) * 3 for s in sightings], dtype=np.float64)
    paths = Paths(
        shapes.rays[:, 0], shapes.rays[:, 1], shapes.poles, shapes.tilts, sites, shapes.begin,
        shapes.end - shapes.begin,
    )  # fmt: skip
    codes = associate(paths)
    return [str(code) if known else "" for code, known in zip(codes, shapes.located, strict=True)]


def _shower(event: Event, found: Trajectory, sightings: Sequence[Sighting], single: Sequence[str]) -> str:
    first = next((sightings[i] for i in event.members if sightings[i].site is not None), None)
    code = shower_of_trajectory(found, first) if first is not None else ""
    if code:
        return code
    votes = Counter(single[i] for i in event.members if single[i])
    return votes.most_common(1)[0][0] if votes else ""


def by_time_alone(found: Found) -> dict[str, list[str]]:
    """Give the cameras of which sightings are paired by time alone, by the reason, sorted."""
    shapes = shapes_of(found.sightings)
    cameras: dict[str, set[str]] = {}
    for sighting, known in zip(found.sightings, shapes.located, strict=True):
        if not known:
            cameras.setdefault(_lacks(sighting), set()).add(sighting.camera or "?")
    return {reason: sorted(names) for reason, names in sorted(cameras.items())}


def _lacks(sighting: Sighting) -> str:
    if not sighting.has_positions:
        return "no positions on the sky: no calibration, or nothing was measured"
    if sighting.site is None:
        return "no site; --sites gives sites"
    return "seen at one place of the sky only, as what stands still is"
