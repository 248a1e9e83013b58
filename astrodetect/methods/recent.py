"""What was last worked out of a window, kept while the window lives."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from astrodetect.core.data import Window

T = TypeVar("T")

#: Answers that are kept: of the window that is worked on, and of the next.
_KEPT = 2


class Recent(Generic[T]):
    """Remembers the last answers, as scorer and classifier ask for the same of one window.

    The answer belongs to the window's ``image`` plane: a window with another one is another question.
    Any thread may ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: deque[tuple[Hashable, weakref.ref[Any], T]] = deque()

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
        with self._lock:
            for known, owner, answer in self._answers:
                if known == key and owner() is plane:
                    return answer
        answer = compute()
        with self._lock, suppress(TypeError):  # a lazy plane of another kind is not kept
            alive = [kept for kept in self._answers if kept[1]() is not None]
            self._answers = deque([*alive, (key, weakref.ref(plane), answer)], _KEPT)
        return answer
