"""One file, all checks."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from astrodetect.core.errors import AstrodetectError
from astrodetect.lint.findings import Finding
from astrodetect.lint.notes import Notes

if TYPE_CHECKING:
    from astrodetect.exchange import Format


#: Names of files that say what they should be.
_BY_NAME = {
    "gfe": re.compile(r"\.ecsv$", re.IGNORECASE),
    "ftpdetectinfo": re.compile(r"^FTPdetectinfo_.*\.txt$", re.IGNORECASE),
}
#: Rules by which a file that was cut off is known already.
_CUT_OFF = frozenset({"column-count", "meteor-count", "no-rows", "segment-count", "unreadable"})


@dataclass(frozen=True)
class Report:
    """What was found in one file.

    Attributes
    ----------
    path : Path
        The file.
    format : str
        Its format.
    findings : tuple of Finding
        By line.
    corrected : str or None
        The text of a corrected copy; None where nothing can be corrected surely.
    """

    path: Path
    format: str
    findings: tuple[Finding, ...]
    corrected: str | None = None


def lint(path: Path | str) -> Report:
    """Check a file of another program.

    Global Fireball Exchange ECSV and FTPdetectinfo are checked in form and content; of other formats, what
    their reader finds wrong is given.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    AstrodetectError
        It cannot be opened, or is of no known format.
    """
    path = Path(path)
    found = _format(path)
    notes = Notes(path)
    _check_encoding(path, notes, fixable=found.name in _BY_NAME)
    text: str | None = None
    if found.name == "gfe":
        from astrodetect.exchange.gfe_text import parse
        from astrodetect.lint import gfe, gfe_fix

        content = parse(path)
        gfe.check(content, notes)
        text = gfe_fix.corrected(content, notes) if notes.rebuild and content.rows else None
    elif found.name == "ftpdetectinfo":
        from astrodetect.lint import ftp

        text = ftp.check(path, notes)
    else:
        try:
            for fault in found.read(path).faults:
                notes.add("unreadable", fault.line, fault.text)
        except AstrodetectError as error:
            place = re.match(rf"{re.escape(str(path))}(?:, line (\d+))?: ", str(error))
            line = int(place[1] or 0) if place else 0
            notes.add("unreadable", line, str(error)[place.end() if place else 0 :])
    if found.name in _BY_NAME and not notes.rules & _CUT_OFF:
        _check_end(path, notes)
    findings = sorted(notes.findings, key=lambda finding: finding.line)
    return Report(path, found.name, tuple(findings), text)


def _format(path: Path) -> Format:
    """Give the format of a file; a damaged one may be known by its name alone."""
    from astrodetect.exchange import format_named, format_of_file

    try:
        return format_of_file(path)
    except AstrodetectError:
        for name, known in _BY_NAME.items():
            if path.is_file() and known.search(path.name):
                return format_named(name)
        raise


def _check_encoding(path: Path, notes: Notes, *, fixable: bool) -> None:
    data = path.read_bytes()
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        notes.add("byte-order-mark", 1, "the file begins with a byte-order mark", fixable=fixable)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = f"byte {data[error.start]:#04x} is no UTF-8"
        notes.add("encoding", line, what, fixable=fixable)


def _check_end(path: Path, notes: Notes) -> None:
    """Every writer ends the last line; one that was cut may have all its values, the last of them short."""
    data = path.read_bytes()
    if data and not data.endswith((b"\n", b"\r")):
        line = data.count(b"\n") + 1
        notes.add("no-line-end", line, "the last line has no end: its last value may lack digits")


def copy_name(path: Path) -> Path:
    """Give the name of the corrected copy: ``night.fixed.ecsv`` beside ``night.ecsv``."""
    return path.with_name(f"{path.stem}.fixed{path.suffix}")


def write_copy(report: Report) -> Path:
    """Write the corrected copy beside the file.

    Raises
    ------
    AstrodetectError
        There is nothing to write, a file of that name is there already, or it cannot be written.
    """
    target = copy_name(report.path)
    if report.corrected is None:
        raise AstrodetectError(f"{report.path}: nothing in it can be corrected surely")
    if target.exists():
        raise AstrodetectError(f"{target}: is there already; move it away")
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(report.corrected, encoding="utf-8", newline="\n")
        os.replace(part, target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AstrodetectError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target
