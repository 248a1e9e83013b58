"""The one interface of all formats, and where they are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from astrodetect.core.errors import AstrodetectError, PluginError
from astrodetect.core.registry import nearest
from astrodetect.exchange.model import Content

#: Entry-point group of the formats of other distributions.
GROUP = "astrodetect.exchange"
#: So much of a file is shown to `Format.sniff`, in bytes.
HEAD_BYTES = 8192
#: Our own formats by name, in the order in which they are asked whose a file is.
_OWN = {
    "gfe": "astrodetect.exchange.gfe:Gfe",
    "ftpdetectinfo": "astrodetect.exchange.ftpdetectinfo:FtpDetectInfo",
    "ufo": "astrodetect.exchange.ufo:Ufo",
    "ufo-csv": "astrodetect.exchange.ufo_csv:UfoCsv",
    "cams": "astrodetect.exchange.cams:Cams",
    "met": "astrodetect.exchange.fripon:Fripon",
    "allsky7": "astrodetect.exchange.allsky7:AllSky7",
    "platepar": "astrodetect.exchange.platepar:Platepar",
    "calstars": "astrodetect.exchange.calstars:CalStars",
    "mdrf": "astrodetect.exchange.mdrf:Mdrf",
    "coco": "astrodetect.exchange.coco:Coco",
    "ds9": "astrodetect.exchange.ds9:Ds9",
    "votable": "astrodetect.exchange.votable:VOTable",
    "yolo": "astrodetect.exchange.yolo:Yolo",
}


class Format(ABC):
    """A format of files that others exchange.

    Attributes
    ----------
    name : str
        Word of the command line.
    description : str
        One line.
    observes : bool
        Files hold detections; else calibrations, stars or sites alone.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    observes: ClassVar[bool] = True

    @abstractmethod
    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell whether a file is of this format, by its name and its first `HEAD_BYTES` bytes."""

    def read(self, path: Path) -> Content:
        """Read a file.

        Raises
        ------
        AstrodetectError
            It is damaged, or of another format; with the line.
        """
        self._only("written", path)

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give the files that `content` becomes: name and bytes of each.

        Raises
        ------
        AstrodetectError
            Something is missing without which the format cannot be written.
        """
        self._only("read", "export")

    def _only(self, verb: str, where: Any) -> NoReturn:
        raise AstrodetectError(f"{where}: the format {self.name} is only {verb}")

    @property
    def reads(self) -> bool:
        """Files can be read."""
        return type(self).read is not Format.read

    @property
    def writes(self) -> bool:
        """Files can be written."""
        return type(self).write is not Format.write


@cache
def targets() -> dict[str, str]:
    """Give ``package.module:Class`` of every format by its name: our own, then those of others."""
    found = dict(_OWN)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        found.setdefault(entry.name, entry.value)
    return found


def format_named(name: str) -> Format:
    """Give a format.

    Raises
    ------
    AstrodetectError
        There is none of this name.
    PluginError
        It cannot be imported, or is no format.
    """
    target = targets().get(name)
    if target is None:
        raise AstrodetectError(f"no format is named {name!r}{nearest(name, targets())}")
    module, _, attribute = target.partition(":")
    try:
        made = getattr(import_module(module), attribute)()
    except Exception as error:  # a stranger's module is told, not suffered
        line = str(error).splitlines()[0] if str(error) else ""
        raise PluginError(
            f"the format {name!r} ({target}) cannot be imported: {type(error).__name__}: {line}"
        ) from error
    if not isinstance(made, Format):
        raise PluginError(f"the format {name!r} is {made!r}; expected an astrodetect.exchange.Format")
    return made


def format_of_file(path: Path | str) -> Format:
    """Give the format of a file, by its name and its first bytes.

    Raises
    ------
    AstrodetectError
        It cannot be read, or no format knows it.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise AstrodetectError(f"{path}: cannot be read: {error.strerror or error}") from error
    for name in targets():
        try:
            made = format_named(name)
        except PluginError:
            continue  # a stranger's module that is broken; `catalog formats` says so
        if made.reads and made.sniff(path, head):
            return made
    raise AstrodetectError(f"{path}: of no known format; expected one of {', '.join(targets())}")


def read(path: Path | str, format: str | None = None) -> Content:  # noqa: A002
    """Read a file of another program.

    Parameters
    ----------
    path : path
        The file.
    format : str or None
        Name of its format; found by looking at it if not given.

    Raises
    ------
    AstrodetectError
        It cannot be read; with the line where there is one.
    """
    path = Path(path)
    found = format_of_file(path) if format is None else format_named(format)
    return found.read(path)
