"""Global Fireball Exchange ECSV as text: keys, columns, rows and line numbers, whatever is wrong with them.

The files of networks are often no valid ECSV: columns that the head does not declare, units that are none,
keys that are missing. So they are read here leniently, and what is wrong is named.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from astrodetect.exchange.model import Fault, Item, Row
from astrodetect.exchange.text import read_text

#: The head is small; more is an attack or another file.
MAX_HEAD_LINES = 2000
#: Without these there is nothing to exchange.
MANDATORY_COLUMNS = ("datetime", "ra", "dec", "azimuth", "altitude")
MANDATORY_META = ("obs_latitude", "obs_longitude", "obs_elevation")
_PLAIN = re.compile(r"-?\s*\{?\s*(?P<key>[A-Za-z_][\w .-]*?)\s*:\s*(?P<value>.*?)\s*\}?\s*")


class Declared(NamedTuple):
    """A column as the head declares it."""

    line: int
    name: str
    unit: str
    datatype: str


@dataclass(frozen=True)
class GfeText:
    """A whole file.

    Attributes
    ----------
    path : Path
        The file.
    version : str
        Of ECSV; empty if the first line does not say it.
    delimiter : str
        Comma, or blank.
    declared : mapping of str to Declared
        Columns of the head.
    meta : mapping of str to Item
        Keys of the head, values as text.
    header : Row
        ``cells`` maps the names of the columns, as the line above the rows has them, to themselves.
    rows : tuple of Row
        In order.
    faults : tuple of Fault
        What is wrong with the form; of the values nothing is looked at.
    """

    path: Path
    version: str
    delimiter: str
    declared: dict[str, Declared]
    meta: dict[str, Item]
    header: Row
    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.header.cells)


def parse(path: Path | str) -> GfeText:
    """Read the text of a file; what is wrong with it becomes faults.

    Raises
    ------
    AstrodetectError
        It cannot be read, or is no text.
    """
    path = Path(path)
    lines = [Item(i, line) for i, line in enumerate(read_text(path).split("\n"), 1)]
    faults: list[Fault] = []
    head = [Item(line, text[1:].removeprefix(" ")) for line, text in lines if text.startswith("#")]
    version = _version(head, faults)
    declared, meta, delimiter = _head(head, faults)
    body = [item for item in lines if item.text.strip() and not item.text.startswith("#")]
    header, rows = _table(body, delimiter or _guess(body), faults)
    faults += _undeclared(declared, header)
    return GfeText(path, version, delimiter or ",", declared, meta, header, rows, tuple(faults))


def _version(head: list[Item], faults: list[Fault]) -> str:
    match = re.match(r"%ECSV\s+(\S+)", head[0].text) if head else None
    if match is None:
        faults.append(Fault(1, "the first line is not '# %ECSV 0.9'"))
        return ""
    return match[1]


def _head(head: list[Item], faults: list[Fault]) -> tuple[dict[str, Declared], dict[str, Item], str]:
    lines = [item for item in head if not item.text.startswith("%ECSV")]
    if len(lines) > MAX_HEAD_LINES:
        faults.append(Fault(lines[0].line, f"a head of {len(lines)} lines; expected one of GFE", fatal=True))
        return {}, {}, ""
    numbers = [item.line for item in lines]
    try:
        node = yaml.compose("\n".join(item.text for item in lines), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = numbers[min(mark.line, len(numbers) - 1)] if mark is not None and numbers else 0
        faults.append(Fault(line, "the head is not valid YAML; read line by line"))
        return _line_by_line(lines)
    entries = dict(_pairs(node))
    declared = {}
    for column in getattr(entries.get("datatype"), "value", None) or ():
        values = {key: value.value for key, value in _pairs(column) if isinstance(value.value, str)}
        line = numbers[column.start_mark.line]
        name = values.get("name", "")
        declared[name] = Declared(line, name, values.get("unit", ""), values.get("datatype", ""))
    meta = {
        key: Item(numbers[value.start_mark.line], _text(value)) for key, value in _meta(entries.get("meta"))
    }
    delimiter = entries.get("delimiter")
    return declared, meta, delimiter.value if isinstance(delimiter, yaml.ScalarNode) else ""


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, value


def _meta(node: Any) -> Iterator[tuple[str, Any]]:
    """Give the keys of ``meta``: an ordered map (a list of single pairs), or a plain one."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _pairs(item)
    else:
        yield from _pairs(node)


def _text(node: Any) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def _line_by_line(lines: list[Item]) -> tuple[dict[str, Declared], dict[str, Item], str]:
    """Read a head that is no YAML: one key a line."""
    declared: dict[str, Declared] = {}
    meta: dict[str, Item] = {}
    delimiter = ""
    for line, text in lines:
        if "name:" in text:
            parts = dict(part.split(":", 1) for part in text.strip(" -{}").split(",") if ":" in part)
            values = {key.strip(): value.strip(" '\"") for key, value in parts.items()}
            name = values.get("name", "")
            declared[name] = Declared(line, name, values.get("unit", ""), values.get("datatype", ""))
        elif match := _PLAIN.fullmatch(text.strip()):
            value = match["value"].strip("'\"")
            if match["key"] == "delimiter":
                delimiter = value
            elif match["key"] not in ("datatype", "meta", "schema"):
                meta[match["key"]] = Item(line, value)
    return declared, meta, delimiter


def _guess(body: list[Item]) -> str:
    return "," if body and "," in body[0].text else " "


def _table(body: list[Item], delimiter: str, faults: list[Fault]) -> tuple[Row, tuple[Row, ...]]:
    if not body:
        faults.append(Fault(0, "no table; expected a line of column names, and rows", fatal=True))
        return Row(0, {}), ()
    names = _cells(body[0].text, delimiter)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        faults.append(Fault(body[0].line, f"the column {twice[0]!r} is there twice", fatal=True))
    rows = []
    for line, text in body[1:]:
        cells = _cells(text, delimiter)
        if len(cells) != len(names):
            expected = f"{len(cells)} values, but {len(names)} columns"
            faults.append(Fault(line, f"cut off, or wrong: {expected}", fatal=True))
            continue
        rows.append(Row(line, dict(zip(names, cells, strict=True))))
    return Row(body[0].line, {name: name for name in names}), tuple(rows)


def _cells(text: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        text = " ".join(text.split())
    try:
        found = next(
            csv.reader([text], delimiter=delimiter if len(delimiter) == 1 else ",", skipinitialspace=True)
        )
    except (csv.Error, StopIteration):
        return [text]
    return [cell.strip() for cell in found]


def _undeclared(declared: dict[str, Declared], header: Row) -> Iterator[Fault]:
    names = list(header.cells)
    for name in names:
        if name not in declared:
            yield Fault(header.line, f"the column {name!r} is not declared in the head: no valid ECSV")
    for name, column in declared.items():
        if name not in header.cells:
            yield Fault(column.line, f"the column {name!r} is declared, but is not in the table")
    common = [name for name in names if name in declared]
    if common != [name for name in declared if name in header.cells]:
        yield Fault(header.line, "the columns are in another order than in the head: no valid ECSV")
