"""Which files are recordings: walk a tree once per source, let each file belong to one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path

from astrodetect.core.data import Recording, fingerprint_files
from astrodetect.core.errors import AstrodetectError, PluginError
from astrodetect.core.stages import FrameSource

#: Absolute paths that a source of higher priority has claimed.
_claimed: ContextVar[Mapping[str, str]] = ContextVar("_claimed", default={})  # noqa: B039

#: Folders that could not be listed during the present search, and why.
_unlistable: ContextVar[dict[str, str]] = ContextVar("_unlistable", default={})  # noqa: B039


def walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Give the folders under `root` with the file names in each, in order of names.

    Hidden files and folders, folders that were visited already (symbolic link loops) and files that
    a source of higher priority has claimed are left out. If `root` is a file, its folder and its
    name alone.

    Yields
    ------
    (Path, list of str)
        Absolute folder and sorted file names; folders without files left are skipped.
    """
    claimed = _claimed.get()
    if root.is_file():
        if str(root) not in claimed:
            yield root.parent, [root.name]
        return
    seen: set[tuple[int, int]] = set()
    unlistable = _unlistable.get()

    def note(error: OSError) -> None:
        unlistable[str(error.filename)] = error.strerror or str(error)

    for folder, folders, names in os.walk(root, onerror=note, followlinks=True):
        try:
            status = os.stat(folder)
        except OSError:
            folders.clear()
            continue
        key = (status.st_dev, status.st_ino)
        if key in seen:
            folders.clear()
            continue
        seen.add(key)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(folder)
        kept = sorted(name for name in names if not name.startswith(".") and str(here / name) not in claimed)
        if kept:
            yield here, kept


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
    return Recording(
        path=location.relative_to(base).as_posix(),
        root=str(base),
        files=names,
        source=source,
        fingerprint=fingerprint_files(base, names),
    )


def find_files(source: type[FrameSource], root: Path, name: str = "") -> Iterator[Recording]:
    """Give one recording per file whose name ends in one of the source's `suffixes`."""
    for folder, names in walk(root):
        for file_name in names:
            if file_name.lower().endswith(source.suffixes):
                path = folder / file_name
                yield make_recording(name or source.__name__, root, path, [path])


def discover(
    inputs: Sequence[Path], sources: Mapping[str, type[FrameSource] | FrameSource]
) -> Iterator[Recording]:
    """Find the recordings under some inputs, each file claimed by at most one source.

    Parameters
    ----------
    inputs : sequence of Path
        Files or folders.
    sources : mapping of str to FrameSource, class or instance
        By entry-point name; asked by falling priority, then by name. Of a class the default settings
        hold.

    Yields
    ------
    Recording
        A folder that may not be listed is one without files and source: it fails when it is processed.

    Raises
    ------
    AstrodetectError
        An input does not exist.
    PluginError
        Two sources of one priority claim a file.
    """
    order = sorted(sources.items(), key=lambda item: (-item[1].priority, item[0]))
    claimed: dict[str, str] = {}
    seen: set[int] = set()
    unlistable: dict[str, str] = {}
    for given in inputs:
        root = Path(os.path.abspath(given))
        if not root.exists():
            raise AstrodetectError(
                f"{given}: no such file or folder; expected a recording or a folder of them"
            )
        for name, source in order:
            higher = {path: who for path, who in claimed.items() if sources[who].priority > source.priority}
            for recording in _find(source, root, higher, unlistable):
                if _claim(recording, name, sources, claimed) and recording.recording_id not in seen:
                    seen.add(recording.recording_id)
                    yield replace(recording, source=name)
            for path in source.claims(root):
                claimed.setdefault(str(path), name)
        for folder in sorted(unlistable):
            yield make_recording("", root, Path(folder), [])
        unlistable.clear()


def _find(
    source: type[FrameSource] | FrameSource,
    root: Path,
    claimed: Mapping[str, str],
    unlistable: dict[str, str],
) -> Iterator[Recording]:
    found = iter(source.find(root))
    while True:
        # Set for each step alone: a generator runs in the context of whoever asks for the next item.
        tokens = _claimed.set(claimed), _unlistable.set(unlistable)
        try:
            recording = next(found, None)
        finally:
            _claimed.reset(tokens[0])
            _unlistable.reset(tokens[1])
        if recording is None:
            return
        yield recording


def _claim(
    recording: Recording,
    name: str,
    sources: Mapping[str, type[FrameSource] | FrameSource],
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
