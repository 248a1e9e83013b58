"""Versions, compared as pip does where only numbers and dots matter."""

from __future__ import annotations

import operator
import re

_COMPARE = {">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
            ">": operator.gt, "<": operator.lt}  # fmt: skip


def numbers(version: str) -> tuple[int, ...]:
    """Give the numbers of a version, without zeros at the end.

    Examples
    --------
    >>> numbers("2.6.0+cpu"), numbers("3.0rc1")
    ((2, 6), (3,))
    """
    found = re.match(r"\d+(\.\d+)*", version.strip())
    parts = [int(part) for part in found[0].split(".")] if found else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def meets(version: str, requirement: str) -> bool:
    """Tell whether a version fits a requirement like ``"torch>=2.6,<2.14"``.

    Examples
    --------
    >>> meets("2.13.1+cpu", "torch>=2.6,<2.14"), meets("2.0", "torch >=2.6"), meets("1", "torch")
    (True, False, True)
    """
    conditions = re.findall(r"(>=|<=|==|!=|>|<)\s*([\w.+]+)", requirement)
    return all(_COMPARE[sign](numbers(version), numbers(bound)) for sign, bound in conditions)
