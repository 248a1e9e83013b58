"""Text, numbers and times as HTML. Whatever comes from files goes through here."""

from __future__ import annotations

import html
import math
from typing import Any

from astrodetect.catalogs.overview import iso, printable

#: What stands for "not known".
UNKNOWN = "\u2013"


def text(value: object) -> str:
    r"""Give text for an element or a quoted attribute: escaped, control characters made visible.

    Examples
    --------
    >>> text('<b a="1">\x1b')
    '&lt;b a=&quot;1&quot;&gt;\\x1b'
    """
    return html.escape(printable(str(value)))


def lines(value: object) -> str:
    """Give text of several lines, for ``<pre>``."""
    return "\n".join(text(line.replace("\t", "    ")) for line in str(value).splitlines())


def number(value: Any, digits: int = 1) -> str:
    r"""Give a number with some decimals, or a dash if it is none.

    Examples
    --------
    >>> number(1234.56), number(float("nan")), number(0.4, 0)
    ('1234.6', '\u2013', '0')
    """
    value = float(value)
    return f"{value:.{digits}f}" if math.isfinite(value) else UNKNOWN


def short(value: Any) -> str:
    r"""Give a number with about three digits.

    Examples
    --------
    >>> short(0.01234), short(3.14159), short(45678.9), short(float("nan"))
    ('0.0123', '3.14', '45679', '\u2013')
    """
    value = float(value)
    if not math.isfinite(value):
        return UNKNOWN
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def count(n: int, what: str) -> str:
    """Give a number of things.

    Examples
    --------
    >>> count(1, "frame"), count(12000, "frame")
    ('1 frame', '12\\u202f000 frames')
    """
    return f"{grouped(n)} {what}" if n == 1 else f"{grouped(n)} {what}s"


def grouped(n: int) -> str:
    """Give a whole number in groups of three digits."""
    return f"{n:,}".replace(",", "\u202f")


def when(seconds: float) -> str:
    """Give UTC Unix seconds as a ``<time>`` element, date and time of day, or a dash.

    Examples
    --------
    >>> when(0.25)
    '<time datetime="1970-01-01T00:00:00.250Z">1970-01-01 00:00:00.250</time>'
    """
    moment = iso(seconds)
    if moment == "-":
        return UNKNOWN
    return f'<time datetime="{moment}Z">{moment.replace("T", " ")}</time>'


def sort_key(value: Any) -> str:
    """Give the attribute by which a cell is sorted; what is not known comes last."""
    if isinstance(value, str):
        return f' data-sort="{text(value)}"'
    value = float(value)
    return f' data-sort="{value:.10g}"' if math.isfinite(value) else ' data-sort=""'
