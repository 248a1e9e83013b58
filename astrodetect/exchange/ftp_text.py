"""FTPdetectinfo as text: meteors, rows and line numbers, whatever is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from astrodetect.exchange.model import Fault, Item, Row
from astrodetect.exchange.text import number, read_text

#: Columns of a row by their number: CAMS, RMS to 2023, RMS since.
COLUMNS = ("frame", "x", "y", "ra", "dec", "azimuth", "altitude", "level", "magnitude", "background", "snr",
           "n_saturated")  # fmt: skip
WIDTHS = (8, 9, 12)
#: Fields of the line above the rows of a meteor.
HEAD = ("camera", "meteor", "segments", "fps", "hnr", "mle", "bin", "speed", "rho", "phi")
#: Lines before the first meteor.
HEADER_LINES = 11
_COUNT = re.compile(r"\s*Meteor Count\s*=\s*(\S+)", re.IGNORECASE)
_RULE = re.compile(r"-{20,}\s*")


class FtpMeteor(NamedTuple):
    """One meteor: name of the FF file, line of its calibration, head and rows as text.

    ``status`` has line 0 where there is none (files of CAMS).
    """

    ff_name: Item
    status: Item
    head: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class FtpText:
    """A whole file.

    Attributes
    ----------
    path : Path
        The file.
    header : tuple of Item
        What stands before the first meteor.
    count : Item
        The number of meteors that the file states; line 0 if it does not.
    meteors : tuple of FtpMeteor
        In order.
    faults : tuple of Fault
        What is wrong with the form; the values are not looked at beyond being numbers.
    """

    path: Path
    header: tuple[Item, ...]
    count: Item
    meteors: tuple[FtpMeteor, ...]
    faults: tuple[Fault, ...]


def looks_like_ftpdetectinfo(head: str) -> bool:
    """Tell by the first lines of a file."""
    return _COUNT.match(head) is not None


def parse(path: Path | str) -> FtpText:
    """Read the text of a file; what is wrong with it becomes faults.

    Raises
    ------
    AstrodetectError
        It cannot be read, or is no text.
    """
    path = Path(path)
    lines = [Item(i, line.rstrip()) for i, line in enumerate(read_text(path).split("\n"), 1)]
    count = next((Item(line, m[1]) for line, text in lines[:3] if (m := _COUNT.match(text))), Item(0, ""))
    blocks = list(_blocks(lines))
    header = tuple(blocks[0]) if blocks else ()
    faults: list[Fault] = []
    if not count.line:
        faults.append(Fault(1, "no 'Meteor Count = n'; expected a file of FTPdetectinfo", fatal=True))
    meteors = tuple(made for block in blocks[1:] if (made := _meteor(block, faults)) is not None)
    if count.line:
        faults += _check_count(count, len(meteors))
    return FtpText(path, header, count, meteors, tuple(faults))


def _check_count(count: Item, n: int) -> Iterator[Fault]:
    try:
        stated = int(count.text)
    except ValueError:
        yield Fault(count.line, f"Meteor Count is {count.text!r}; expected a whole number")
        return
    if stated != n:
        yield Fault(count.line, f"Meteor Count is {stated}, but there are {n} meteors", fatal=stated > n)


def _blocks(lines: list[Item]) -> Iterator[list[Item]]:
    """Give the header, then the lines of each meteor: what lies between rules of dashes.

    Rules stand within the header too; a meteor begins after the line that names the columns of a row.
    """
    block: list[Item] = []
    in_header = True
    for item in lines:
        if _RULE.fullmatch(item.text):
            if not in_header or _names_columns(block) or len(block) > HEADER_LINES:
                yield block
                block, in_header = [], False
            continue
        if item.text:
            block.append(item)
    if block:
        yield block


def _names_columns(block: list[Item]) -> bool:
    return bool(block) and block[-1].text.lower().startswith("per segment")


def _meteor(block: list[Item], faults: list[Fault]) -> FtpMeteor | None:
    if not block:
        return None
    ff_name, rest = block[0], block[1:]
    status = Item(0, "")
    if rest and not _is_head(rest[0].text):
        status, rest = rest[0], rest[1:]
    if not rest or not _is_head(rest[0].text):
        line = rest[0].line if rest else ff_name.line
        faults.append(
            Fault(line, f"{ff_name.text}: cut off, or no meteor; expected {' '.join(HEAD)}", fatal=True)
        )
        return None
    cells = rest[0].text.split()
    head = Row(rest[0].line, dict(zip(HEAD, cells, strict=False)))
    wrong = [name for name in HEAD[4:] if not _is_number(head.cells.get(name, ""))]
    faults += [
        Fault(head.line, f"{name} is {head.cells[name]!r}; expected a number", fatal=True) for name in wrong
    ]
    rows = tuple(_rows(rest[1:], faults))
    _check_segments(head, rows, faults)
    return FtpMeteor(ff_name, status, head, rows)


def _is_head(text: str) -> bool:
    cells = text.split()
    return len(cells) >= 4 and cells[1].isdigit() and cells[2].isdigit() and _is_number(cells[3])


def _is_number(text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


def _rows(items: list[Item], faults: list[Fault]) -> Iterator[Row]:
    width = 0
    for line, text in items:
        cells = text.split()
        bad = next((cell for cell in cells if not _is_number(cell)), None)
        if bad is not None:
            faults.append(Fault(line, f"{bad!r} is no number; expected {' '.join(COLUMNS)}", fatal=True))
            continue
        if len(cells) not in WIDTHS or (width and len(cells) != width):
            expected = str(width) if width else "8, 9 or 12"
            faults.append(Fault(line, f"a row of {len(cells)} columns; expected {expected}", fatal=True))
            continue
        width = len(cells)
        yield Row(line, dict(zip(COLUMNS, cells, strict=False)))


def _check_segments(head: Row, rows: tuple[Row, ...], faults: list[Fault]) -> None:
    stated = int(head.cells["segments"])
    if stated != len(rows):
        text = f"{stated} segments are stated, but there are {len(rows)} rows"
        faults.append(Fault(head.line, text, fatal=stated > len(rows)))
