"""What was last worked out of a window, kept while the window lives."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from astrodetect.core.data import Window

T = TypeVar("T")


class Recent(Generic[T]):
    """Remembers one answer per thread, as scorer and classifier ask for the same of one window.

    The answer belongs to the window's ``image`` plane: a window with another one is another question.
    """

    def __init__(self) -> None:
        self._memory = threading.local()

    def of(self, window: Window, compute: Callable[[], T], *settings: Hashable) -> T:
        """Give the answer for a window.

        Parameters
        ----------
        window : Window
            With the plane ``image``.
        compute : callable
            Works the answer out.
        settings : hashable
            What the answer depends on beside the window.

        Returns
        -------
        The answer, not to be written to.
        """
        plane = window.planes["image"]
        key = (id(plane), window.recording, window.start, window.shape, id(window.mask), *settings)
        last = getattr(self._memory, "last", None)
        if last is not None and last[0] == key and last[1]() is plane:
            known: T = last[2]
            return known
        answer = compute()
        try:
            self._memory.last = (key, weakref.ref(plane), answer)
        except TypeError:  # a lazy plane of another kind: not kept
            self._memory.last = None
        return answer
