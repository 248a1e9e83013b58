"""How a public name goes: it works on, says so once with what to use instead, and is then removed."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class AstrodetectDeprecationWarning(FutureWarning):
    """A name is used that a later version will not have.

    A `FutureWarning`, so that users see it, not only those who run tests.
    """


def warn_deprecated(
    name: str, *, since: str, removed_in: str, instead: str = "", stacklevel: int = 2
) -> None:
    """Say that a name will go.

    Parameters
    ----------
    name : str
        What is deprecated, as users write it.
    since, removed_in : str
        Versions: from when on, and the first without it (two minor versions later, or more).
    instead : str
        What to use.
    stacklevel : int
        As for `warnings.warn`.
    """
    advice = f"; use {instead}" if instead else ""
    warnings.warn(
        f"{name} is deprecated since astrodetect {since} and will be removed in {removed_in}{advice}",
        AstrodetectDeprecationWarning,
        stacklevel=stacklevel + 1,
    )


def deprecated(
    *, since: str, removed_in: str, instead: str = ""
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function, a method or a class that will go; each use warns, and works.

    Parameters
    ----------
    since, removed_in, instead : str
        As for `warn_deprecated`.

    Examples
    --------
    >>> import warnings
    >>> @deprecated(since="0.3", removed_in="0.5", instead="area_px")
    ... def area(a, b):
    ...     return a * b
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     area(2, 3)
    6
    >>> str(caught[0].message)
    'area is deprecated since astrodetect 0.3 and will be removed in 0.5; use area_px'
    """

    def mark(called: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(called)
        def warned(*arguments: P.args, **named: P.kwargs) -> R:
            name = getattr(called, "__qualname__", repr(called)).rpartition("<locals>.")[2]
            warn_deprecated(name, since=since, removed_in=removed_in, instead=instead)
            return called(*arguments, **named)

        return warned

    return mark
