"""Which files are recordings: walk a tree part by part, let each file belong to one."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from astrodetect.core.choice import ALL, Choice
from astrodetect.core.data import Recording, fingerprint_files
from astrodetect.core.errors import AstrodetectError, PluginError
from astrodetect.core.search import Part, Search, current
from astrodetect.core.stages import FrameSource

_Item = TypeVar("_Item")
#: A class stands for its default settings.
Sources = Mapping[str, type[FrameSource] | FrameSource]


def walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Give the folders under `root` with the file names in each, in order of names.

    Hidden files and folders, and files that a source of higher priority has claimed, are left out;
    folders that are reached on several ways through symbolic links are given once. If `root` is a
    file, its folder and its name alone. During a search, a part of the tree at a time.

    Yields
    ------
    (Path, list of str)
        Absolute folder and sorted file names; folders without files left are skipped.
    """
    search = current.get()
    if root.is_file():
        if search is not None:
            search.walked |= root == search.root
        if search is None or not ({str(root)} & (search.claimed | search.before)):
            yield root.parent, [root.name]
        return
    if search is None:
        search = Search(Path(os.path.abspath(root)))
    start, deep = str(root), True
    if root == search.root:
        search.walked = True
        if search.part is not None:
            start, deep = search.part
    yield from search.walk(start, deep)


def make_recording(source: str, root: Path, location: Path, files: Sequence[Path]) -> Recording:
    """Make a `Recording` with its fingerprint.

    Parameters
    ----------
    source : str
        Entry-point name.
    root : Path
        What the source was asked to search: a folder, or the file itself.
    location : Path
        The file, or the folder of a sequence.
    files : sequence of Path
        The files, in reading order.
    """
    base = root.parent if root.is_file() or location == root else root
    names = tuple(path.relative_to(base).as_posix() for path in files)
    path = location.relative_to(base).as_posix()
    search = current.get()
    # what nobody asked for is not read
    wanted = search is None or search.choice.wants(path)
    fingerprint = fingerprint_files(base, names) if wanted else ""
    return Recording(path=path, root=str(base), files=names, source=source, fingerprint=fingerprint)


def find_files(source: type[FrameSource], root: Path, name: str = "") -> Iterator[Recording]:
    """Give one recording per file whose name ends in one of the source's `suffixes`."""
    for folder, names in walk(root):
        for file_name in names:
            if file_name.lower().endswith(source.suffixes):
                path = folder / file_name
                yield make_recording(name or source.__name__, root, path, [path])


@dataclass
class Tally:
    """What a search came by.

    Attributes
    ----------
    found : int
        Recordings that were asked for.
    left_out : int
        Recordings that were not asked for.
    """

    found: int = 0
    left_out: int = 0


def discover(
    inputs: Sequence[Path], sources: Sources, choice: Choice = ALL, tally: Tally | None = None
) -> Iterator[Recording]:
    """Find the recordings under some inputs, each file claimed by at most one source.

    Parameters
    ----------
    inputs : sequence of Path
        Files or folders.
    sources : mapping of str to FrameSource, class or instance
        By entry-point name; asked by falling priority, then by name. Of a class the default settings
        hold.
    choice : Choice
        Which recordings are asked for.
    tally : Tally, optional
        Is counted up on the way.

    Yields
    ------
    Recording
        In the order of folders; within a part of the tree by source. A folder that may not be listed
        is one without files and source: it fails when it is processed.

    Raises
    ------
    AstrodetectError
        An input does not exist.
    PluginError
        Two sources of one priority claim a file.

    Notes
    -----
    The tree is searched in parts that no recording spans (`Search.parts`), so memory follows the
    largest folder, not the archive. If one source searches by other means than `walk`, the whole
    tree is one part.
    """
    tally = tally if tally is not None else Tally()
    order = sorted(sources.items(), key=lambda item: (-item[1].priority, item[0]))
    roots = [Path(os.path.abspath(given)) for given in inputs]
    seen: set[int] = set()
    for number, (given, root) in enumerate(zip(inputs, roots, strict=True)):
        if not root.exists():
            raise AstrodetectError(
                f"{given}: no such file or folder; expected a recording or a folder of them"
            )
        before = frozenset(map(str, roots[:number]))
        if before & {str(folder) for folder in (root, *root.parents)}:
            continue
        search = Search(root, choice, before)
        for recording in _find_under(search, order, tally):
            if len(roots) > 1 and recording.recording_id in seen:
                continue
            seen.update([recording.recording_id] if len(roots) > 1 else [])
            yield recording


#: Recordings by part of a tree, and when its folder changed (ns).
Found = dict[Part | None, tuple[int, list[Recording]]]
#: So many parts are remembered.
_REMEMBERED = 256


def recordings_before(this: Recording, sources: Sources, known: Found) -> Iterator[Recording]:
    """Give the recordings of a tree that come before one in the order of paths, the nearest first.

    The tree is searched backward, part by part, as far as recordings are asked for.

    Parameters
    ----------
    this : Recording
        The one; its `root` is the tree.
    sources : mapping of str to FrameSource
        By entry-point name.
    known : dict
        What was found before in this tree by these sources; is added to, and empty in the beginning.
    """
    order = sorted(sources.items(), key=lambda item: (-item[1].priority, item[0]))
    search, ahead = Search(Path(this.root)), Search(Path(this.root))
    whole = search.root.is_file() or not all(follows_walk(source, search) for _, source in order)
    parts: Iterator[Part | None] = iter([None]) if whole else ahead.parts_before(this.path)
    for part in parts:
        changed = os.stat(this.root if part is None else part.folder).st_mtime_ns
        if part not in known or known[part][0] != changed:
            while len(known) >= _REMEMBERED:
                del known[next(iter(known))]
            known[part] = changed, sorted(find_in(search, part, order, Tally()))
        found = known[part][1]
        yield from reversed(found[: bisect_left(found, this.path, key=lambda recording: recording.path)])


def _find_under(search: Search, order: Sequence[tuple[str, Any]], tally: Tally) -> Iterator[Recording]:
    for part in _parts(search, order):
        yield from find_in(search, part, order, tally)
    yield from _denied(search)  # a folder that may not be listed is no part, and may be the last


def _parts(search: Search, order: Sequence[tuple[str, Any]]) -> Iterator[Part | None]:
    """Give the parts in which the tree is searched; None is all of it."""
    if search.root.is_file() or not all(follows_walk(source, search) for _, source in order):
        return iter([None])
    # By itself: its listings must not be forgotten while a part is searched.
    ahead = Search(
        search.root, search.choice, search.before, unlistable=search.unlistable, links=search.links
    )
    return ahead.parts()


def follows_walk(source: Any, search: Search) -> bool:
    """Say whether a source searches by `walk` alone, by letting it search nothing."""
    empty = Search(search.root, search.choice, part=Part(os.devnull, False))
    default = getattr(source.claims, "__func__", None) is getattr(FrameSource.claims, "__func__", 0)
    for ask in (source.find, *([] if default else [source.claims])):
        empty.walked = False
        if next(_stepwise(ask, empty), None) is not None or not empty.walked:
            return False
    return True


def find_in(
    search: Search, part: Part | None, order: Sequence[tuple[str, Any]], tally: Tally
) -> Iterator[Recording]:
    """Find the recordings in one part of a tree.

    Parameters
    ----------
    search : Search
        Of the tree.
    part : Part or None
        Where; None for all of the tree.
    order : sequence of (str, FrameSource)
        By falling priority.
    tally : Tally
        Is counted up.
    """
    search.enter(part)
    sources = dict(order)
    claimed: dict[str, str] = {}
    for name, source in order:
        search.claimed = {path for path, who in claimed.items() if sources[who].priority > source.priority}
        for recording in _stepwise(source.find, search):
            if not _claim(recording, name, sources, claimed):
                continue
            if search.choice.wants(recording.path):
                tally.found += 1
                yield replace(recording, source=name)
            else:
                tally.left_out += 1
        for path in _stepwise(source.claims, search):
            claimed.setdefault(str(path), name)
    yield from _denied(search)


def _denied(search: Search) -> Iterator[Recording]:
    """Give the folders that could not be listed since this was asked before."""
    for folder in sorted(search.unlistable):
        yield make_recording("", search.root, Path(folder), [])
    search.unlistable.clear()


def _stepwise(ask: Callable[[Path], Iterator[_Item]], search: Search) -> Iterator[_Item]:
    found: Iterator[_Item] | None = None
    while True:
        # Set for each step alone: a generator runs in the context of whoever asks for the next item.
        token = current.set(search)
        try:
            found = iter(ask(search.root)) if found is None else found
            item = next(found, None)
        finally:
            current.reset(token)
        if item is None:
            return
        yield item


def _claim(
    recording: Recording,
    name: str,
    sources: Sources,
    claimed: dict[str, str],
) -> bool:
    files = [str(path) for path in recording.file_paths]
    for path in files:
        other = claimed.get(path)
        if other is None:
            continue
        if other == name or sources[other].priority > sources[name].priority:
            return False
        raise PluginError(
            f"{path}: claimed by the sources {other!r} and {name!r} of equal priority; "
            "name one of them in [source] use"
        )
    claimed.update(dict.fromkeys(files, name))
    return True
