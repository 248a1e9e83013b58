"""Which recordings are asked for: patterns of paths, and a share of many."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from astrodetect.core.data import stable_id
from astrodetect.core.errors import AstrodetectError


@dataclass(frozen=True)
class Choice:
    """Which recordings of an archive are asked for, by their paths alone.

    Attributes
    ----------
    include : tuple of str
        Patterns, one of which must match; none: everything.
    exclude : tuple of str
        Patterns, none of which may match. Folders that match are not searched.
    shard : (int, int) or None
        Number of a share, from 1, and how many shares there are. A recording's share follows from
        its path, so it stays the same when the archive grows.

    Notes
    -----
    ``*`` and ``?`` do not match a slash, ``**`` does. A pattern without a slash matches any one
    component of the path, one with a slash the path from its beginning; what lies in a folder that
    matches, matches.

    Examples
    --------
    >>> Choice(include=("2024/**/*.avi",), exclude=("captures",)).wants("2024/08/a.avi")
    True
    >>> Choice(exclude=("captures",)).wants("2024/captures/a.fit")
    False
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None

    def wants(self, path: str) -> bool:
        """Say whether the recording with this relative path is asked for."""
        if self.include and not matches(path, self.include):
            return False
        return not matches(path, self.exclude) and (self.shard is None or self._is_ours(path))

    def skips(self, folder: str) -> bool:
        """Say whether nothing below a folder, by relative path, is asked for."""
        return matches(folder, self.exclude)

    def _is_ours(self, path: str) -> bool:
        assert self.shard is not None
        number, of = self.shard
        return stable_id(path) % of == number - 1


#: Everything.
ALL = Choice()


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Say whether a relative path, or a folder above it, matches one of some patterns."""
    return any(_expression(pattern).match(path) for pattern in patterns)


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    text = pattern.strip("/")
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = "".join(meanings.get(part, re.escape(part)) for part in parts)
    start = "" if "/" in text or text == "**" else "(?:.*/)?"
    return re.compile(f"{start}{body}(?:/.*)?\\Z", re.DOTALL)


def parse_shard(text: str) -> tuple[int, int]:
    """Read a share such as ``3/40``.

    Raises
    ------
    AstrodetectError
        It is none.

    Examples
    --------
    >>> parse_shard("3/40")
    (3, 40)
    """
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if match and 1 <= int(match[1]) <= int(match[2]):
        return int(match[1]), int(match[2])
    raise AstrodetectError(
        f"--shard {text}: expected i/n with 1 <= i <= n, for example 3/40: the third of forty shares"
    )
