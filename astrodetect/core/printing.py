"""Text from files and names of files, made safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Give text that a terminal only shows: control characters become escapes.

    Examples
    --------
    >>> printable("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def printable_lines(text: str) -> str:
    r"""Do the same with text of several lines.

    Examples
    --------
    >>> printable_lines("a\x07\nb")
    'a\\x07\nb'
    """
    return "\n".join(printable(line) for line in text.split("\n"))
