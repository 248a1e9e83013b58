"""One search through a tree: links are followed once, folders come in parts that fit in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from astrodetect.core.choice import ALL, Choice

#: Folders below a folder with files up to which they may be one recording together.
SPAN = 16
#: What reports have in that many bytes at their beginning.
_REPORT, _HEAD = b'name="generator" content="astrodetect report"', 1024


class Listing(NamedTuple):
    """What lies in a folder, hidden names left out, sorted; `links` are those folders that are links."""

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    links: frozenset[str] = frozenset()


class Part(NamedTuple):
    """A folder, with what is below it or without."""

    folder: str
    deep: bool


@dataclass
class Search:
    """The state of a search under one input.

    Attributes
    ----------
    root : Path
        The input, absolute.
    choice : Choice
        What is asked for.
    before : frozenset of str
        Inputs that were searched already: what lies there is not offered again.
    claimed : set of str
        Files that sources of higher priority have.
    unlistable : dict of str to str
        Folders that could not be listed, and why.
    part : Part or None
        Where `walk` is to stay; None: everywhere.
    walked : bool
        Whether `root` was walked since this was set to False.
    links : dict of str to str
        Real paths of folders that are walked under the name of a link, and that name.
    """

    root: Path
    choice: Choice = ALL
    before: frozenset[str] = frozenset()
    claimed: set[str] = field(default_factory=set)
    unlistable: dict[str, str] = field(default_factory=dict)
    part: Part | None = None
    walked: bool = False
    links: dict[str, str] = field(default_factory=dict)
    _listings: dict[str, Listing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._real_root = os.path.realpath(self.root)
        self.links[self._real_root] = str(self.root)

    def enter(self, part: Part | None) -> None:
        """Go to a part of the tree, and forget the one before."""
        self.part = part
        self._listings.clear()

    def listing(self, folder: str) -> Listing:
        """List a folder; one that cannot be listed is noted and empty."""
        known = self._listings.get(folder)
        if known is None:
            try:
                known = list_folder(folder)
            except OSError as error:
                self.unlistable[folder] = error.strerror or str(error)
                known = Listing()
            if self.part is not None:
                self._listings[folder] = known
        return known

    def inner(self, folder: str) -> list[str]:
        """Give the folders in a folder that are to be searched."""
        listing = self.listing(folder)
        paths = [os.path.join(folder, name) for name in listing.folders]
        return [
            path
            for name, path in zip(listing.folders, paths, strict=True)
            if path not in self.before
            and not (self.choice.exclude and self.choice.skips(self._relative(path)))
            and self._is_new(path, name in listing.links)
        ]

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def _is_new(self, path: str, is_link: bool) -> bool:
        """Say whether a folder is not walked elsewhere under another name."""
        if not is_link:
            return len(self.links) == 1 or self.links.get(os.path.realpath(path), path) == path
        real = os.path.realpath(path)
        if real not in self.links and any(_shows(base, real) for base in self.links):
            return False
        return self.links.setdefault(real, path) == path

    def walk(self, start: str, deep: bool) -> Iterator[tuple[Path, list[str]]]:
        """Give folders and the files in them that are on offer, depth first, in order of names."""
        pending = [start]
        while pending:
            folder = pending.pop()
            names = [name for name in self.listing(folder).files if self._offers(folder, name)]
            if names:
                yield Path(folder), names
            if deep:
                pending.extend(reversed(self.inner(folder)))

    def _offers(self, folder: str, name: str) -> bool:
        path = os.path.join(folder, name)
        return path not in self.claimed and path not in self.before

    def parts(self, start: str = "") -> Iterator[Part]:
        """Split the tree, or what is below `start`, so that no recording is split.

        A recording lies in one folder; or in a folder that holds files and the few folders below it.
        So folders that hold only folders are split, and those that have more than `SPAN` folders
        below them.
        """
        pending = [start or str(self.root)]
        while pending:
            folder = pending.pop()
            self.enter(Part(folder, True))
            inner = self.inner(folder)
            has_files = bool(self.listing(folder).files)
            if has_files and not (inner and self._is_large(folder)):
                yield Part(folder, True)
                continue
            self.note_split(folder)
            if has_files:
                yield Part(folder, False)
            pending.extend(reversed(inner))

    def parts_before(self, path: str) -> Iterator[Part]:
        """Split the tree as `parts` does, and give what may lie before a path, the nearest first.

        Only the folders on the way are listed, so asking for a few parts costs little in any tree.
        """
        pending = [Part(str(self.root), True)]
        while pending:
            folder, deep = part = pending.pop()
            if not deep:
                yield part
                continue
            self.enter(part)
            inner = self.inner(folder)
            has_files = bool(self.listing(folder).files)
            if has_files and not (inner and self._is_large(folder)):
                yield part
                continue
            if has_files:
                pending.append(Part(folder, False))
            names = sorted(self._relative(other) + "/" for other in inner)
            pending += [
                Part(os.path.join(self.root, name[:-1]), True)
                for name in names
                if name < path or path.startswith(name)
            ]

    def note_split(self, folder: str) -> None:
        """Learn that a folder was split; it may be empty. For those who come back to it."""

    def _is_large(self, folder: str) -> bool:
        count, pending = 0, [folder]
        while pending:  # in the order of `walk`, which decides under which name a link is followed
            pending.extend(reversed(self.inner(pending.pop())))
            count += 1
            if count > SPAN + 1:
                return True
        return False


def list_folder(folder: str) -> Listing:
    """List a folder without hidden names and what is neither file nor folder; reports count as empty.

    Raises
    ------
    OSError
        It cannot be listed.
    """
    folders: list[str] = []
    files: list[str] = []
    links: set[str] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                is_folder, is_link = entry.is_dir(), entry.is_symlink()
                is_special = not (is_folder or is_link or entry.is_file())
            except OSError:
                is_folder = is_link = is_special = False
            if is_special:  # a pipe or device would keep whoever opens it waiting for ever
                continue
            (folders if is_folder else files).append(entry.name)
            if is_folder and is_link:
                links.add(entry.name)
    if "index.html" in files and _is_report(os.path.join(folder, "index.html")):
        return Listing()
    return Listing(tuple(sorted(folders)), tuple(sorted(files)), frozenset(links))


def _is_report(page: str) -> bool:
    """Say whether a page is a report of this program, whose pictures are no recordings."""
    try:
        with open(page, "rb") as stream:
            return _REPORT in stream.read(_HEAD)
    except OSError:
        return False


def _shows(base: str, path: str) -> bool:
    """Say whether a walk through `base` comes by `path`."""
    if base == path:
        return True
    inside = path.removeprefix(base.rstrip(os.sep) + os.sep)
    return inside != path and not any(name.startswith(".") for name in inside.split(os.sep))


#: The search that goes on in this context.
current: ContextVar[Search | None] = ContextVar("current", default=None)
