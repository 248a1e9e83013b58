"""Whether two catalogs were made by the same pipeline."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

#: Where input and output lie says nothing about how it was made.
_PLACES = frozenset({"source.path", "catalog.path"})


def differences(there: str, now: str) -> list[str]:
    """Give what differs between two pipeline texts, one line each; none if they do the same.

    Comments, order of tables and where input and output lie do not count.

    Examples
    --------
    >>> differences("[window]\\nsize = 65", "[window]\\nsize = 33  # short")
    ['window.size = 65 there, 33 now']
    """
    if there == now:
        return []
    try:
        old, new = dict(_flat(tomllib.loads(there))), dict(_flat(tomllib.loads(now)))
    except tomllib.TOMLDecodeError:
        return ["the texts differ"]
    keys = [key for key in {**old, **new} if key not in _PLACES]
    return [
        f"{key} = {old.get(key, 'absent')} there, {new.get(key, 'absent')} now"
        for key in keys
        if old.get(key) != new.get(key)
    ]


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value, 1):
            yield from _flat(inner, f"{name}[{number}]")
    else:
        yield name, json.dumps(value, default=str)


def pipeline_name(provenance: Mapping[str, str]) -> str:
    """Give the name of a pipeline, or what it consists of.

    Examples
    --------
    >>> pipeline_name({"pipeline": "[score]\\nuse = 'peak-snr'\\n[classify]\\nuse = 'streak'"})
    'peak-snr + streak'
    """
    if provenance.get("pipeline_name"):
        return provenance["pipeline_name"]
    try:
        flat = dict(_flat(tomllib.loads(provenance.get("pipeline", ""))))
    except tomllib.TOMLDecodeError:
        return "unknown"
    stages = [
        json.loads(value) for key, value in flat.items() if key.endswith(".use") and key != "source.use"
    ]
    return " + ".join(map(str, stages)) or "unknown"
