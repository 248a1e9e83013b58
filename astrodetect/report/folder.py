"""The folder of a report: replaced only if it is one of ours, and never left without its page."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from astrodetect.core.errors import AstrodetectError, StoppedError

PAGE = "index.html"
#: In the head of every page of ours; the name of its folder of pictures is part of it.
MARK = '<meta name="generator" content="astrodetect report" data-pictures="{}">'
_MARK = re.compile(re.escape(MARK).replace(r"\{\}", "([a-z-]+)"))
_FOLDERS = ("pictures", "pictures-b")
_PICTURE = re.compile(r"\d{4,}(-(\d+|all|\d+-clip|patches-\d+))?\.(png|jpg|webp|gif)")
_UNFINISHED = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{}'
    "<title>Unfinished report</title></head>\n"
    "<body><p>This report is being written, or its writing was broken off.</p></body></html>\n"
)


def default_folder(catalog: Path) -> Path:
    """Give the folder for the report of a catalog.

    Examples
    --------
    >>> default_folder(Path("nights/2026-08-12.h5")).as_posix()
    'nights/2026-08-12-report'
    """
    return catalog.with_name(f"{catalog.stem}-report")


class ReportFolder:
    """Writes pictures beside those of an earlier report, and replaces the page at the end.

    Parameters
    ----------
    path : Path
        The folder, there or not.

    Attributes
    ----------
    pictures : Path
        Folder for the pictures of this report, empty.

    Raises
    ------
    AstrodetectError
        There is something else, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        former = _check(path)
        with told(path):
            name = next(name for name in _FOLDERS if name != former)
            self.pictures = path / name
            path.mkdir(parents=True, exist_ok=True)
            if former is None:
                # Marks the folder as ours, so that the next attempt may replace what this one leaves.
                self._put(_UNFINISHED.format(MARK.format(name)))
            _clear(self.pictures)
            self.pictures.mkdir(exist_ok=True)

    @property
    def mark(self) -> str:
        """The element that the page has to hold."""
        return MARK.format(self.pictures.name)

    def finish(self, page: str) -> Path:
        """Put the page in place and remove the pictures of the report that was there.

        Raises
        ------
        AstrodetectError
            It cannot be written; the former page is still there.
        """
        with told(self.path):
            self._put(page)
        for name in _FOLDERS:
            if name != self.pictures.name:
                with suppress(OSError):
                    _clear(self.path / name)
        return self.path / PAGE

    def _put(self, page: str) -> None:
        temporary = self.path / f".{PAGE}.tmp"
        try:
            with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.write(page)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path / PAGE)
        finally:
            temporary.unlink(missing_ok=True)


def _check(path: Path) -> str | None:
    """Give the name of the folder of pictures of the report that is there, if there is one."""
    with told(path):
        if not path.exists():
            return None
        if not path.is_dir():
            raise AstrodetectError(f"{path}: is a file; expected a folder for the report")
        if not any(path.iterdir()):
            return None
        head = ""
        if (path / PAGE).is_file():
            with (path / PAGE).open(encoding="utf-8", errors="replace") as file:
                head = file.read(4096)
    found = _MARK.search(head)
    if found is None:
        raise AstrodetectError(
            f"{path}: is not empty and holds no report of astrodetect; give another folder with -o"
        )
    return found[1]


def _clear(folder: Path) -> None:
    """Remove pictures that a report has written, and the folder if nothing else is in it."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if _PICTURE.fullmatch(path.name):
            path.unlink()
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what the system says into one line.

    Raises
    ------
    StoppedError
        The disk is full.
    AstrodetectError
        It cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        line = f"{error.filename or path}: the report cannot be written: {error.strerror or error}"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoppedError(line) from error
        raise AstrodetectError(line) from error
