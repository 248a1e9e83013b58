"""Which folders are events of freeture, and what the files in them are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from astrodetect.core.data import Recording
from astrodetect.core.discovery import walk
from astrodetect.core.errors import SourceError
from astrodetect.methods.fits_cadence import natural_key
from astrodetect.methods.fits_times import parse_utc
from astrodetect.plugins.sources._fits_files import is_fits_name, read_headers

_STAMP = r"(?P<date>\d{8})[Tt](?P<clock>\d{6})_UT"
_EVENT = re.compile(rf"^(?P<station>.+?)_{_STAMP}(?:_detection)?$", re.IGNORECASE)
_FITS = r"\.(?:fits?|fts)(?:\.gz|\.bz2|\.fz)?"
#: What a file in an event folder is, by its name.
_KINDS: Mapping[str, re.Pattern[str]] = {
    "frame": re.compile(rf"^frame_?\d+{_FITS}$", re.IGNORECASE),
    "cube": re.compile(rf"^fitscube{_FITS}$", re.IGNORECASE),
    "avi": re.compile(r"\.avi$", re.IGNORECASE),
    "positions": re.compile(r"^positions\.txt$", re.IGNORECASE),
    "map": re.compile(r"^(?:Ge|Dir)Map\.bmp$", re.IGNORECASE),
    "stack": re.compile(rf"^.+_{_STAMP}(?:{_FITS}|\.jpe?g|\.png|\.bmp)$", re.IGNORECASE),
}
_CAPTURE = re.compile(rf"^.+_{_STAMP}(?:-\d+)?{_FITS}$", re.IGNORECASE)
_CAPTURE_FOLDERS = {"captures", "stacks"}
_FRAME_FOLDER = "fits2d"


@dataclass
class Event:
    """An event folder and its files by kind.

    Attributes
    ----------
    folder : Path
        The folder.
    files : dict of str to list of Path
        By ``frame``, ``cube``, ``avi``, ``positions``, ``map``, ``stack``, each in order of names.
    """

    folder: Path
    files: dict[str, list[Path]] = field(default_factory=dict)

    @classmethod
    def of(cls, recording: Recording) -> Event:
        """Sort the files of a recording by what they are; a FITS file by itself is to be read."""
        event = cls(recording.location)
        alone = recording.files == (recording.path,)
        for path in recording.file_paths:
            kind = kind_of_file(path.name) or "stack"
            kind = "cube" if alone and is_fits_name(path.name) else kind
            event.files.setdefault(kind, []).append(path)
        return event

    def add(self, folder: Path, names: list[str]) -> None:
        """Take over the files of a folder that are freeture's."""
        for name in names:
            kind = kind_of_file(name)
            if kind == "frame" or (kind is not None and folder == self.folder):
                self.files.setdefault(kind, []).append(folder / name)

    def in_order(self) -> list[Path]:
        """Give all files: frames by number, then the rest."""
        ordered: list[Path] = []
        for kind in _KINDS:
            ordered += sorted(self.files.get(kind, []), key=lambda path: natural_key(path.name))
        return ordered


def kind_of_file(name: str) -> str | None:
    """Tell what a file of an event folder is by its name; None if it is not freeture's."""
    return next((kind for kind, pattern in _KINDS.items() if pattern.search(name)), None)


def without_packed_copies(paths: list[Path]) -> list[Path]:
    """Leave out ``frame_00.fit.gz`` where ``frame_00.fit`` lies beside it."""
    kept: dict[Path, Path] = {}
    for path in sorted(paths, key=lambda path: len(path.name)):
        plain = path.with_suffix("") if path.suffix.lower() in {".gz", ".bz2", ".fz"} else path
        kept.setdefault(plain, path)
    return sorted(kept.values(), key=lambda path: natural_key(path.name))


def event_name(folder: Path) -> tuple[str, float] | None:
    """Give station and start (UTC Unix seconds, whole) from ``STATION_YYYYMMDDThhmmss_UT``.

    None if the folder is not named so; in ``fits2D`` the folder above counts.

    Examples
    --------
    >>> event_name(Path("ITPI01_20190415T194950_UT"))
    ('ITPI01', 1555357790.0)
    """
    if folder.name.lower() == _FRAME_FOLDER:
        folder = folder.parent
    match = _EVENT.match(folder.name)
    if match is None:
        return None
    start, _ = parse_utc(f"{match['date']}T{match['clock']}")
    station = match["station"]
    return None if math.isnan(start) else (station.removeprefix("PRISMA_"), start)


def find_events(root: Path) -> Iterator[tuple[Path, Event]]:
    """Give the events under a folder, each with the place that its recording is named by.

    Names tell an event: of its folder, or of a folder ``fits2D`` with frames in it. Elsewhere, files
    named as frames are taken for an event if the first of them says that freeture wrote it.
    """
    pending: Event | None = None
    for folder, names in walk(root):
        if pending is not None and not folder.is_relative_to(pending.folder):
            yield from _finished(pending, root)
            pending = None
        home = _event_folder(folder, names)
        if home is None:
            continue
        if pending is None or home != pending.folder:
            if pending is not None:
                yield from _finished(pending, root)
            pending = Event(home)
        pending.add(folder, names)
    if pending is not None:
        yield from _finished(pending, root)


def _finished(event: Event, root: Path) -> Iterator[tuple[Path, Event]]:
    if not event.files:
        return
    inside = event.folder.is_relative_to(root)
    if not inside and (event.folder / "positions.txt").is_file():  # the input is fits2D itself
        event.add(event.folder, ["positions.txt"])
    yield (event.folder if inside else root), event


def _event_folder(folder: Path, names: list[str]) -> Path | None:
    if folder.name.lower() == _FRAME_FOLDER:
        return folder.parent if any(kind_of_file(name) == "frame" for name in names) else None
    if event_name(folder) is not None:
        return folder
    frames = [name for name in names if kind_of_file(name) == "frame"]
    return folder if frames and is_freeture_file(folder / frames[0]) else None


def is_freeture_file(path: Path) -> bool:
    """Tell whether a FITS file says that freeture wrote it."""
    try:
        found = read_headers(path)
    except SourceError:
        return False
    return found is not None and str(found[1].get("PROGRAM", "")).lower() == "freeture"


def is_capture_folder(folder: Path, root: Path) -> bool:
    """Tell whether a folder under `root` is, or lies in, ``captures`` or ``stacks`` below it."""
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else ()
    return any(part.lower() in _CAPTURE_FOLDERS for part in parts)


def points_at_captures(root: Path) -> bool:
    """Tell whether `root` is ``captures``, ``stacks``, or the folder of a code or a month in it."""
    return any(part.lower() in _CAPTURE_FOLDERS for part in root.parts[-3:])


def find_captures(root: Path) -> Iterator[Path]:
    """Give the long exposures and stacks under a folder."""
    everywhere = points_at_captures(root)
    for folder, names in walk(root):
        if everywhere or is_capture_folder(folder, root):
            yield from (folder / name for name in names if _CAPTURE.match(name))
