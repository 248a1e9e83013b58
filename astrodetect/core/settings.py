"""Settings: the fields of a dataclass, from a TOML table and back, checked and documented."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from astrodetect.core.errors import ConfigurationError
from astrodetect.core.registry import nearest

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """One setting of a stage, as ``plugins show`` prints it.

    Attributes
    ----------
    name, type : str
        Key in the TOML table, and what it accepts.
    default : object
        `dataclasses.MISSING` if it must be given.
    help : str
        The ``#:`` comment above the field.
    """

    name: str
    type: str
    default: Any
    help: str


def build(cls: type[T], table: Mapping[str, Any], where: str, base: Path, problems: list[str]) -> T | None:
    """Make an instance of a dataclass from a TOML table.

    Parameters
    ----------
    cls : dataclass
        Its fields are the settings.
    table : mapping
        Keys and values as TOML gives them.
    where : str
        File and table, for messages.
    base : Path
        Folder that relative paths start from.
    problems : list of str
        Gets one line per mistake.

    Returns
    -------
    instance or None
        None if there were mistakes.
    """
    settings = {field.name: field for field in fields(cls) if field.init}  # type: ignore[arg-type]
    hints = _hints(cls)
    before = len(problems)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in settings:
            problems.append(f"{where} {key} = {_shown(value)}: unknown key{nearest(key, settings)}")
            continue
        try:
            values[key] = _check(hints[key], value, base)
        except ValidationError as error:
            texts = _messages(error, type_text(hints[key]), value)
            problems.extend(f"{where} {key} = {_shown(value)}: {text}" for text in texts)
    for name, field in settings.items():
        if name not in table and not _has_default(field):
            problems.append(f"{where}: {name} is missing; expected {type_text(hints[name])}")
    if len(problems) > before:
        return None
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:  # what __post_init__ says of settings taken together
        problems.append(f"{where}: {error}")
        return None


def build_alone(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make an instance of a dataclass from a TOML or JSON table that stands by itself.

    Raises
    ------
    ConfigurationError
        All mistakes, one line each, beginning with `where`.
    """
    problems: list[str] = []
    made = build(cls, table, where, Path(), problems)
    if made is None:
        raise ConfigurationError(problems)
    return made


def _hints(cls: type[Any]) -> dict[str, Any]:
    """Give the types of the settings alone: other fields may name types that are not imported."""
    names = {field.name for field in fields(cls) if field.init}
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        own = {name: hint for name, hint in inspect.get_annotations(base).items() if name in names}
        holder = types.SimpleNamespace(__annotations__=own)
        scope = {**vars(sys.modules[base.__module__]), base.__name__: base}
        hints.update(get_type_hints(holder, scope, include_extras=True))
    return hints


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _check(hint: Any, value: Any, base: Path) -> Any:
    # TOML has no tuples and no paths: those two are converted, everything else must be of its type.
    adapter: TypeAdapter[Any] = TypeAdapter(
        hint, config=ConfigDict(strict=True, arbitrary_types_allowed=True)
    )
    checked = adapter.validate_python(_tuples(hint, value))
    return _resolved(checked, base)


def _tuples(hint: Any, value: Any) -> Any:
    inner = _inner_types(hint)
    if isinstance(value, list) and tuple in inner and list not in inner:
        (own, *_) = typing.get_args(hint) or (Any,)
        return tuple(_tuples(own, item) for item in value)
    if isinstance(value, str) and Path in inner and str not in inner:
        return value if value in _choices(hint) else Path(value)
    return value


def _choices(hint: Any) -> tuple[Any, ...]:
    """Give the words that a type names beside others: what is given by name or as a file."""
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    return tuple(word for item in typing.get_args(hint) for word in _choices(item))


def _inner_types(hint: Any) -> set[Any]:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _inner_types(typing.get_args(hint)[0])
    if origin in (tuple, list, dict):
        return {origin}
    arguments = typing.get_args(hint)
    if arguments and origin is not typing.Literal:
        return set().union(*(_inner_types(argument) for argument in arguments))
    return {hint}


def _resolved(value: Any, base: Path) -> Any:
    if isinstance(value, Path):
        return value if value.is_absolute() else base / value
    if isinstance(value, tuple):
        return tuple(_resolved(item, base) for item in value)
    return value


def _messages(error: ValidationError, expected: str, given: Any) -> list[str]:
    texts = []
    for item in error.errors(include_url=False):
        text = item["msg"].replace("Input should be", "expected")
        if item["type"] == "tuple_type":  # TOML has lists
            text = f"expected a list, {expected}"
            text += f'; write ["{given}"]' if isinstance(given, str) else ""
        texts.append(text[0].lower() + text[1:])
    return list(dict.fromkeys(texts))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def to_table(instance: Any) -> dict[str, Any]:
    """Give the settings of an instance as TOML values, all of them except those that are None."""
    table: dict[str, Any] = {}
    for field in fields(instance):
        if not field.init:
            continue
        value = _plain(getattr(instance, field.name))
        if value is not None:
            table[field.name] = value
    return table


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def type_text(hint: Any) -> str:
    """Give a type as a user reads it.

    Examples
    --------
    >>> from typing import Annotated, Literal
    >>> from annotated_types import Ge
    >>> type_text(Annotated[float, Ge(0)]), type_text(Literal["a", "b"]), type_text(int | None)
    ('float >= 0', '"a" | "b"', 'int, or absent')
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        bounds = [_bound_text(bound) for bound in arguments[1:]]
        return " ".join([type_text(arguments[0]), ", ".join(bound for bound in bounds if bound)]).strip()
    if origin is typing.Literal:
        return " | ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in arguments)
    if hint is Path:
        return "path"
    if origin is dict:
        return "table"
    if origin in (tuple, list):
        return "[" + ", ".join("..." if item is Ellipsis else type_text(item) for item in arguments) + "]"
    if arguments:
        parts = [type_text(item) for item in arguments if item is not type(None)]
        return " or ".join(parts) + (", or absent" if type(None) in arguments else "")
    return getattr(hint, "__name__", str(hint))


def _bound_text(bound: Any) -> str:
    symbols = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
    texts = [f"{s} {getattr(bound, n)}" for n, s in symbols if getattr(bound, n, None) is not None]
    return ", ".join(texts)


def describe(cls: type[Any]) -> list[Setting]:
    """Give the settings of a stage class with their documentation."""
    hints = _hints(cls)
    comments: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        comments.update(_comments(base))
    result = []
    for field in fields(cls):
        if not field.init:
            continue
        default = field.default
        if default is MISSING and field.default_factory is not MISSING:
            default = field.default_factory()
        result.append(
            Setting(field.name, type_text(hints[field.name]), default, comments.get(field.name, ""))
        )
    return result


def _comments(cls: type[Any]) -> dict[str, str]:
    """Read the ``#:`` comments above annotated names in the source of a class."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
        tree = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return {}
    lines = source.splitlines()
    found = {}
    for node in getattr(tree, "body", []):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        text: list[str] = []
        row = node.lineno - 2
        while row >= 0 and lines[row].strip().startswith("#:"):
            text.insert(0, lines[row].strip()[2:].strip())
            row -= 1
        found[node.target.id] = " ".join(text)
    return found
