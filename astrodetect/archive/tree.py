"""A tree that grows: which recordings in it are complete, and which have changed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astrodetect.core.choice import ALL, Choice
from astrodetect.core.data import Recording
from astrodetect.core.discovery import Sources, Tally, find_in, follows_walk
from astrodetect.core.search import Listing, Part, Search, list_folder

#: Seconds after its last change for which every file of a folder is watched.
_HOT = 900.0
#: A folder that changed less than this (s) before it was listed may hold more than was listed.
_RACY = 2.0
#: Everything is looked at again after so many times the time that takes, or so many seconds.
_FULL_FACTOR, _FULL_LEAST = 20.0, 60.0

Stat = tuple[int, int]


class _Folders(Search):
    """Lists a folder again only if it has changed; knows which folders are split into parts."""

    def __init__(self, root: Path, choice: Choice) -> None:
        super().__init__(root, choice)
        self.known: dict[str, tuple[int, bool, Listing]] = {}
        self.splits: dict[str, int] = {}

    def enter(self, part: Part | None) -> None:
        """Keep everything."""

    def mtime(self, folder: str) -> int:
        """Give when a folder changed last (ns); -1 if it is gone."""
        try:
            return os.stat(folder).st_mtime_ns
        except OSError:
            return -1

    def listing(self, folder: str) -> Listing:
        """Give the folders in a folder, and whether it holds files."""
        mtime = self.mtime(folder)
        known = self.known.get(folder)
        if known is not None and known[0] == mtime and known[1]:
            return known[2]
        sure = time.time() - mtime / 1e9 > _RACY
        try:
            listing = list_folder(folder)
        except OSError:
            listing = Listing()
        listing = listing._replace(files=listing.files[:1])
        self.known[folder] = (mtime, sure, listing)
        return listing

    def note_split(self, folder: str) -> None:
        """Remember a folder whose folders are parts by themselves."""
        self.splits[folder] = self.known[folder][0] if self.known[folder][1] else -2

    def changed_splits(self) -> list[str]:
        """Give the split folders in which something came or went since they were noted."""
        changed = [folder for folder, mtime in self.splits.items() if self.mtime(folder) != mtime]
        for folder in changed:
            del self.splits[folder]
        return changed

    def state(self, part: Part) -> tuple[int, ...]:
        """Give what changes when files come or go in a part: the times of its folders."""
        times, pending = [], [part.folder]
        while pending:
            folder = pending.pop()
            times.append(self.mtime(folder))
            if part.deep:
                pending += self.inner(folder)
        return tuple(times)


@dataclass
class _Hot:
    """A part of the tree in which every file is watched."""

    part: Part
    #: When it was looked at last.
    looked: float
    #: When a file in it came, went or changed.
    changed: float = float("-inf")
    files: dict[str, Stat] = field(default_factory=dict)
    #: Since when each file is as it is, on the clock of `time.monotonic`.
    since: dict[str, float] = field(default_factory=dict)
    #: Of recordings that were given, by path: the place where their files lie, and how these were.
    given: dict[str, tuple[str, frozenset[tuple[str, Stat]]]] = field(default_factory=dict)
    #: When it was searched last.
    searched: float = float("-inf")

    def look(self, folders: Search, within: float = 0.0) -> None:
        """Take in how the files are now.

        What has changed did so since the last look, or `within` so many seconds: the times of files
        say when, unless they are those of another machine's clock.
        """
        now, clock, found = time.monotonic(), time.time(), {}
        within = max(within, now - self.looked + _RACY)
        for path, stat, touched in _stats(self.part, folders):
            found[path] = stat
            if self.files.get(path) != stat:
                ago = clock - touched
                self.since[path] = now - min(ago, _HOT) if 0 < ago < within else now
                self.changed = max(self.changed, self.since[path])
        if self.files.keys() - found.keys():
            self.changed = now
        self.since = {path: self.since[path] for path in found}
        self.files, self.looked = found, now

    def place(self, recording: Recording) -> str:
        """Give where the files of a recording lie, those too that may yet come."""
        place = str(recording.location)
        return os.path.dirname(place) if place in self.files and len(recording.files) > 1 else place

    def inside(self, place: str) -> frozenset[tuple[str, Stat]]:
        """Give the files in a place: a file, or all that is below a folder."""
        if place in self.files:
            return frozenset({(place, self.files[place])})
        folder = place.rstrip(os.sep) + os.sep
        return frozenset(item for item in self.files.items() if item[0].startswith(folder))


def _stats(part: Part, folders: Search) -> Iterator[tuple[str, Stat, float]]:
    """Give the files of a part, and when each was written or given its name."""
    pending = [part.folder]
    while pending:
        folder = pending.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    if not entry.name.startswith(".") and entry.is_file():
                        status = entry.stat()
                        touched = max(status.st_mtime, status.st_ctime)
                        yield entry.path, (status.st_size, status.st_mtime_ns), touched
        if part.deep:
            pending += folders.inner(folder)


@dataclass
class Tree:
    """A folder that is watched.

    Parameters
    ----------
    root : Path
        The folder, absolute.
    sources : mapping of str to FrameSource
        By entry-point name.
    choice : Choice
        Which recordings are asked for.
    settle : float
        Seconds for which the files of a recording must not have changed.

    Notes
    -----
    Folders are watched by their times of change, which costs a call of the system per folder and
    look; files only where something changed in the last quarter of an hour. Memory is a few hundred
    bytes per folder.
    """

    root: Path
    sources: Sources
    choice: Choice = ALL
    settle: float = 2.0

    def __post_init__(self) -> None:
        self._order: Sequence[tuple[str, Any]] = sorted(
            self.sources.items(), key=lambda item: (-item[1].priority, item[0])
        )
        self._folders = _Folders(self.root, self.choice)
        # its links are those of the watched tree, so that both follow the same ones
        self._search = Search(
            self.root, self.choice, unlistable=self._folders.unlistable, links=self._folders.links
        )
        self._in_parts = all(follows_walk(source, self._search) for _, source in self._order)
        self._hot: dict[Part, _Hot] = {}
        self._cold: dict[Part, int] = {}
        self._told: set[str] = set()
        self._passed = False
        self._looked = time.monotonic()
        self._everything = self._parts(self.root)
        self._started = self._next = time.monotonic()

    @property
    def n_watched(self) -> int:
        """Number of places in which files are watched at present."""
        return len(self._hot)

    def rest(self, end: float) -> Iterator[Recording]:
        """Look at everything, bit by bit: what is there in the beginning, what escaped notice later.

        Parameters
        ----------
        end : float
            On the clock of `time.monotonic`; then it is left for the next time.
        """
        if time.monotonic() < self._next:
            return
        for part in self._everything:
            yield from self._look(part)
            if time.monotonic() > end:
                return
        took = time.monotonic() - self._started
        self._started = self._next = time.monotonic() + max(_FULL_LEAST, _FULL_FACTOR * took)
        self._everything = self._parts(self.root)
        self._passed = True

    def _parts(self, start: Path | str) -> Iterator[Part]:
        return self._folders.parts(str(start)) if self._in_parts else iter([Part(str(self.root), True)])

    def changed(self) -> Iterator[Recording]:
        """Give what has been completed since the last time."""
        for folder in self._folders.changed_splits():
            for part in self._parts(folder):
                yield from self._look(part)
        self._looked = time.monotonic()
        for hot in list(self._hot.values()):
            if hot.part.deep and hot.part.folder in self._folders.splits:
                del self._hot[hot.part]  # it has become many parts
            else:
                yield from self._watch(hot)

    def _look(self, part: Part) -> Iterator[Recording]:
        """Look at a part that may have changed; at once give what has not changed for long."""
        state = self._folders.state(part)
        if part in self._hot or self._cold.get(part) == hash(state):
            return
        for inner in [other for other in self._hot if part.deep and _is_inside(other.folder, part.folder)]:
            del self._hot[inner]  # it has become a part of this one
        hot = self._hot[part] = _Hot(part, self._looked)
        if part in self._cold or time.time() - max(state) / 1e9 < _HOT:
            # what was there before the watch may be complete for long
            hot.look(self._folders, math.inf if part in self._cold or not self._passed else 0.0)
            if not hot.files:
                hot.changed = hot.looked
            return
        self._cold[part] = hash(state)
        del self._hot[part]
        for recording in self._find(part, self.choice):
            if age(recording) < self.settle:
                self._hot[part] = hot
            else:
                yield recording

    def _watch(self, hot: _Hot) -> Iterator[Recording]:
        hot.look(self._folders)
        now = hot.looked
        ripe = [t for t in hot.since.values() if hot.searched < t + self.settle <= now]
        if not ripe and not (hot.searched < hot.changed + self.settle <= now):
            if now - hot.changed > _HOT:
                self._cold[hot.part] = hash(self._folders.state(hot.part))
                del self._hot[hot.part]
            return
        hot.searched = now
        for recording in self._find(hot.part, _NotGiven(self.choice, hot)):
            place = hot.place(recording)
            files = hot.inside(place)
            if files and all(now - hot.since[path] >= self.settle for path, _ in files):
                hot.given[recording.path] = (place, files)
                yield recording

    def _find(self, part: Part, choice: Choice) -> Iterator[Recording]:
        self._search.choice = choice
        try:
            # all at once: the search must not be under way when the next one begins
            found = list(find_in(self._search, part if self._in_parts else None, self._order, Tally()))
        finally:
            self._search.choice = self.choice
        for recording in found:
            if recording.files:
                yield recording
            elif recording.path not in self._told:
                self._told.add(recording.path)
                yield recording


class _NotGiven(Choice):
    """What is asked for and was not given as it is now."""

    def __init__(self, choice: Choice, hot: _Hot) -> None:
        super().__init__(choice.include, choice.exclude, choice.shard)
        object.__setattr__(self, "hot", hot)

    def wants(self, path: str) -> bool:
        """Say whether the recording with this path is asked for, and has changed."""
        hot: _Hot = self.__dict__["hot"]
        given = hot.given.get(path)
        return super().wants(path) and (given is None or hot.inside(given[0]) != given[1])


def _is_inside(folder: str, other: str) -> bool:
    return folder.startswith(other.rstrip(os.sep) + os.sep)


def age(recording: Recording) -> float:
    """Give the seconds since the youngest file of a recording changed; large if there is none.

    A file from the future (another machine's clock) counts as old.
    """
    now, youngest = time.time(), float("inf")
    for path in recording.file_paths:
        with suppress(OSError):
            seconds = now - path.stat().st_mtime
            youngest = min(youngest, seconds if seconds > -1 else float("inf"))
    return youngest
