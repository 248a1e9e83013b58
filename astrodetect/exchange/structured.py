"""JSON and XML of strangers, read within limits."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.text import decode, read_bytes, read_text

#: Nothing that is exchanged is nested deeper.
MAX_DEPTH = 60
_DECLARATION = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_PROLOGUE = re.compile(r"\s*<\?xml.*?\?>", re.DOTALL)
_FORBIDDEN = re.compile(r"<!(?!--|\[CDATA\[)")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises
    ------
    AstrodetectError
        It cannot be read, is no JSON, is cut off, or is nested deeper than `MAX_DEPTH`.
    """
    text = read_text(path)
    try:
        value = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        raise AstrodetectError(f"{path}, line {error.lineno}: no JSON, or cut off: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise AstrodetectError(f"{path}: no JSON of detections: {error}") from None
    if _depth(value) > MAX_DEPTH:
        raise AstrodetectError(f"{path}: nested deeper than {MAX_DEPTH}; expected a file of detections")
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        inner = [v for v in level if isinstance(v, dict | list) and v]
        level = [w for v in inner for w in (v.values() if isinstance(v, dict) else v)]
    return depth


def dumps(value: Any) -> bytes:
    """Give JSON text; NaN, which JSON has not, becomes null."""
    text = json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode("utf-8", "replace")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_xml(path: Path | str) -> ElementTree.Element:
    """Read an XML file in the encoding that it has; nothing is expanded, nothing is fetched.

    Raises
    ------
    AstrodetectError
        It cannot be read, is no XML, is cut off, or has a document type: that alone could define
        entities.
    """
    data = read_bytes(path)
    declared = _DECLARATION.search(data[:200])
    text = decode(data, declared[1].decode("ascii") if declared else "")
    return ElementTree.fromstring(check_xml(path, text))


def check_xml(path: Path | str, text: str) -> str:
    """Give the text of an XML file without its first declaration, if nothing is wrong with it.

    Raises
    ------
    AstrodetectError
        It declares a document type or entities, is no XML, is cut off, or is nested too deep.
    """
    found = _FORBIDDEN.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        what = text[found.start() : found.start() + 20].split("\n", maxsplit=1)[0]
        raise AstrodetectError(f"{path}, line {line}: {what!r}: document types and entities are not read")
    body = _PROLOGUE.sub("", text.lstrip("\ufeff"), count=1)
    depth = 0

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise AstrodetectError(f"{path}: nested deeper than {MAX_DEPTH}; expected a file of detections")

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(body.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        reason = str(error).partition(":")[0]
        raise AstrodetectError(f"{path}, line {error.lineno}: no XML, or cut off: {reason}") from None
    return body


def mapping(path: Path | str, value: Any, what: str) -> dict[str, Any]:
    """Give a JSON object.

    Raises
    ------
    AstrodetectError
        It is none.
    """
    if not isinstance(value, dict):
        raise AstrodetectError(f"{path}: {what} is {_shown(value)}; expected an object")
    return value


def items(path: Path | str, value: Any, what: str) -> list[Any]:
    """Give a JSON array; an absent one is empty.

    Raises
    ------
    AstrodetectError
        It is none.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise AstrodetectError(f"{path}: {what} is {_shown(value)}; expected a list")
    return value


def real(path: Path | str, value: Any, what: str) -> float:
    """Give a number of JSON or XML, also one that is written as text; NaN for what is absent.

    Raises
    ------
    AstrodetectError
        It is none.
    """
    if value is None or value == "":
        return math.nan
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise AstrodetectError(f"{path}: {what} is {_shown(value)}; expected a number") from None
    return number if math.isfinite(number) else math.nan


def reals(path: Path | str, values: Any, n: int, what: str) -> list[float]:
    """Give a list of `n` numbers.

    Raises
    ------
    AstrodetectError
        It is none.
    """
    listed = items(path, values, what)
    if len(listed) != n:
        raise AstrodetectError(f"{path}: {what} is {_shown(values)}; expected {n} numbers")
    return [real(path, value, what) for value in listed]


def whole(value: float, limit: float = 1e9) -> int:
    """Give a whole number, -1 for one that is not known or absurd."""
    return int(value) if abs(value) < limit else -1


def texts(values: Mapping[str, Any], names: Iterable[str]) -> str:
    """Give the first text that is there under one of several names."""
    return next(
        (
            str(values[name])
            for name in names
            if isinstance(values.get(name), str | int) and values[name] != ""
        ),
        "",
    )


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) < 40 else f"{shown[:37]}..."
