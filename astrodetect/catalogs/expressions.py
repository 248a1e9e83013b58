"""Conditions on detections as text: ``label = meteor and probability > 0.9``.

A small language with a parser of its own; nothing of it is ever executed as a program. ``and``, ``or``,
``not`` and parentheses join comparisons of a column with a value: ``= != < <= > >=`` and
``in (a, b)``. A value is a number, a time (``2026-08-12T22:30``, UTC), ``true`` or ``false``, or text,
in quotes where it has spaces. A column of truth values may stand alone: ``accepted and not label = slow``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from astrodetect.core.columns import Column
from astrodetect.core.errors import AstrodetectError

_TOKEN = re.compile(r"""\s*(?:(<=|>=|!=|==|[=<>(),])|'([^']*)'|"([^"]*)"|([^\s()=<>!,'"]+))""")
_OPERATORS = {"=": "=", "==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WORDS = ("and", "or", "not", "in")
#: Longer or deeper expressions are a mistake, or an attack.
_LONGEST, _DEEPEST = 10_000, 50


@dataclass(frozen=True)
class Comparison:
    """A column against values: `operator` is one of ``= != < <= > >=``; ``=`` and ``!=`` take several."""

    column: str
    operator: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Every:
    """All parts hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Some:
    """At least one part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Opposite:
    """The part does not hold."""

    part: Node


@dataclass(frozen=True)
class Cone:
    """A detection begins or ends within `radius` of a place on the sky (all in degrees, ICRS)."""

    ra: float
    dec: float
    radius: float


Node = Comparison | Every | Some | Opposite | Cone


def parse(text: str, columns: Mapping[str, Column]) -> Node:
    """Read a condition.

    Parameters
    ----------
    text : str
        The condition.
    columns : mapping of str to Column
        What may be asked for.

    Raises
    ------
    AstrodetectError
        It is none; the message says where and what was expected.

    Examples
    --------
    >>> columns = {"snr": Column("snr", "float64", "", ""), "label": Column("label", "str", "", "")}
    >>> parse("label = meteor and snr > 5", columns).parts[1]
    Comparison(column='snr', operator='>', values=(5.0,))
    """
    if len(text) > _LONGEST:
        raise AstrodetectError(f"a condition of {len(text)} characters; expected at most {_LONGEST}")
    return _Parser(text, columns).whole()


@dataclass(frozen=True)
class _Token:
    kind: str  # "sign", "quoted", "word" or "end"
    text: str
    place: int


def _tokens(text: str) -> list[_Token]:
    found = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise AstrodetectError(
                f"{text!r}: cannot be read at character {place + 1}: {text[place:][:20]!r}"
            )
        group = match.lastindex or 4
        kind = {1: "sign", 4: "word"}.get(group, "quoted")
        found.append(_Token(kind, match[group], match.start(group)))
        place = match.end()
    return [*found, _Token("end", "the end", len(text))]


class _Parser:
    """Recursive descent: ``or`` binds least, then ``and``, ``not``, comparisons."""

    def __init__(self, text: str, columns: Mapping[str, Column]) -> None:
        self._text, self._columns = text, columns
        self._tokens = _tokens(text)
        self._next = self._depth = 0

    def whole(self) -> Node:
        node = self._any_of()
        if self._peek().kind != "end":
            raise self._expected("and, or, or the end")
        return node

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._peek()
        self._next += token.kind != "end"
        return token

    def _took(self, kind: str, text: str) -> bool:
        token = self._peek()
        if token.kind != kind or token.text.lower() != text:
            return False
        self._next += 1
        return True

    def _expected(self, what: str) -> AstrodetectError:
        token = self._peek()
        return AstrodetectError(
            f"{self._text!r}: expected {what} at character {token.place + 1}, found {token.text!r}"
        )

    def _any_of(self) -> Node:
        parts = [self._all_of()]
        while self._took("word", "or"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _all_of(self) -> Node:
        parts = [self._factor()]
        while self._took("word", "and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _factor(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise AstrodetectError(f"{self._text[:60]!r}...: nested more than {_DEEPEST} deep")
        try:
            if self._took("word", "not"):
                return Opposite(self._factor())
            if self._took("sign", "("):
                node = self._any_of()
                if not self._took("sign", ")"):
                    raise self._expected("')'")
                return node
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Node:
        if self._peek().kind != "word" or self._peek().text.lower() in _WORDS:
            raise self._expected("a column")
        column = self._column(self._peek().text)
        self._take()
        negated = self._took("word", "not")
        if self._took("word", "in"):
            return Comparison(column.name, "!=" if negated else "=", self._list(column))
        operator = _OPERATORS.get(self._peek().text) if self._peek().kind == "sign" else None
        if operator is None or negated:
            if column.dtype == "bool" and not negated:
                return Comparison(column.name, "=", (True,))
            raise self._expected("one of = != < <= > >= in")
        self._take()
        if operator in ("<", "<=", ">", ">=") and column.dtype in ("str", "bool"):
            kind = "text" if column.dtype == "str" else "true or false"
            raise AstrodetectError(f"{self._text!r}: {column.name} is {kind}; compare it by =, != or in")
        return Comparison(column.name, operator, (self._value(column),))

    def _column(self, name: str) -> Column:
        if name in self._columns:
            return self._columns[name]
        from astrodetect.core.registry import nearest

        raise AstrodetectError(
            f"{self._text!r}: no column {name!r}{nearest(name, self._columns)}; there are "
            f"{', '.join(self._columns)}"
        )

    def _list(self, column: Column) -> tuple[Any, ...]:
        if not self._took("sign", "("):
            raise self._expected("'('")
        values = [self._value(column)]
        while self._took("sign", ","):
            values.append(self._value(column))
        if not self._took("sign", ")"):
            raise self._expected("',' or ')'")
        return tuple(values)

    def _value(self, column: Column) -> Any:
        token = self._peek()
        if token.kind not in ("word", "quoted"):
            raise self._expected("a value")
        try:
            value = value_of(token.text, column)
        except ValueError:
            kind = {"str": "text", "bool": "true or false"}.get(column.dtype, "a number")
            more = " or a time" if column.name.startswith("time") else ""
            raise self._expected(f"{kind}{more}") from None
        self._take()
        return value


def value_of(text: str, column: Column) -> Any:
    """Give a value for a column.

    Raises
    ------
    ValueError
        The column holds nothing like that.
    """
    if column.dtype == "str":
        return text
    if column.dtype == "bool":
        return (
            {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _no(text)
        )
    try:
        number = float(text)
    except ValueError:
        if not column.name.startswith("time"):
            raise
        return seconds_of(text)
    if math.isnan(number):
        return _no(text)
    # numbers of 64 bits, such as ids, are not all among the floating-point ones
    return int(text) if column.dtype.startswith(("int", "uint")) and text.lstrip("+-").isdecimal() else number


def _no(text: str) -> Any:
    raise ValueError(text)


def seconds_of(text: str) -> float:
    """Give UTC Unix seconds of ISO text.

    Raises
    ------
    ValueError
        It is no time.
    """
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
