"""A colour for each label, the same in all drawings; the colours are in ``report.css``."""

from __future__ import annotations

#: Labels that have a colour of their own.
COLOURED = ("meteor", "aircraft", "satellite", "slow", "insect", "bird", "lightning", "flash", "streak")


def colour_class(label: str) -> str:
    """Give the class of a label: its own, or that of all others.

    Examples
    --------
    >>> colour_class("meteor"), colour_class("my own")
    ('is-meteor', 'is-other')
    """
    return f"is-{label}" if label in COLOURED else "is-other"
