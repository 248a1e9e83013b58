"""Machine code where numba is installed (extra ``fast``), plain Python where it is not."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

#: Whether numba is there.
INSTALLED = find_spec("numba") is not None


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Give a view that cannot be written to: machine code is made for one kind of arrays, not for both."""
    view = array.view()
    view.flags.writeable = False
    return view


def compiled(function: F) -> F:
    """Compile a function when it is first called, without the interpreter's lock, and keep it on disk.

    Without numba the function stays as it is, which is right but far too slow: callers look at
    `INSTALLED`.

    Parameters
    ----------
    function : callable
        At the top of a module, as the code is kept beside it.
    """
    if not INSTALLED:
        return function
    from numba import njit

    made: F = njit(cache=True, nogil=True, boundscheck=False)(function)
    return made
