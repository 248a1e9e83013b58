"""Files that belong together: what one says of the sites of cameras holds for the detections of another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import format_named, format_of_file
from astrodetect.exchange.model import Content, Observed

#: Files that are looked for beside those that state no site.
_BESIDE = ("CameraSites.txt", "platepar_cmn2010.cal", "platepars_all_recalibrated.json")


class Read(NamedTuple):
    """A file that was read: ``path``, name of its ``format``, ``content``, whether it holds detections."""

    path: Path
    format: str
    content: Content
    observes: bool


def read_together(
    paths: Iterable[Path],
    format: str | None = None,  # noqa: A002
    failed: Callable[[AstrodetectError], None] | None = None,
) -> list[Read]:
    """Read files, and give cameras the sites and frame sizes that others among them, or beside them, state.

    Parameters
    ----------
    paths : iterable of Path
        The files.
    format : str or None
        Their format; found by looking at each if not given.
    failed : callable, optional
        Told about each file that cannot be read; the others are read.

    Raises
    ------
    AstrodetectError
        One cannot be read, and nobody is to be told.
    """
    found = []
    for path in paths:
        try:
            found.append(_read(path, format))
        except AstrodetectError as error:
            if failed is None:
                raise
            failed(error)
    known = [recording for read in found for recording in read.content.recordings]
    if any(recording.site is None for recording in known):
        folders = dict.fromkeys(read.path.parent for read in found)
        for folder in folders:
            known += _beside(folder)
    stated = {_code(r.camera): r for r in known if r.site is not None and r.camera}
    return [
        read._replace(content=replace(read.content, recordings=tuple(
            _completed(r, stated.get(_code(r.camera))) for r in read.content.recordings)))
        for read in found
    ]  # fmt: skip


def _read(path: Path, name: str | None) -> Read:
    made = format_of_file(path) if name is None else format_named(name)
    return Read(path, made.name, made.read(path), made.observes)


def _beside(folder: Path) -> list[Observed]:
    recordings: list[Observed] = []
    for name in _BESIDE:
        path = folder / name
        if path.is_file():
            try:
                recordings += _read(path, None).content.recordings
            except AstrodetectError:
                continue  # it was not asked for
    return recordings


def _code(camera: str) -> str:
    """Give a code as CAMS compares it: zeros before it do not count."""
    return camera.lstrip("0") or camera


def _completed(recording: Observed, stated: Observed | None) -> Observed:
    if stated is None or recording.site is not None:
        return recording
    site: Site | None = stated.site
    if recording.width > 0:
        return replace(recording, site=site)
    return replace(recording, site=site, width=stated.width, height=stated.height)
