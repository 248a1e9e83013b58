"""What tells that a window shows nothing: zeros, saturation, pixels without a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from astrodetect.core.data import Window
from astrodetect.core.lazy import is_lazy

#: Share of saturated or unobserved pixels from which the user is told.
_NOTEWORTHY = 0.5


@dataclass
class Complaints:
    """Counts the windows in which something was noticed: one line each, not one per window."""

    counts: dict[str, int] = field(default_factory=dict)
    n_windows: int = 0

    def add(self, messages: Iterable[str]) -> None:
        """Note the messages of one window."""
        self.n_windows += 1
        for message in messages:
            self.counts[message] = self.counts.get(message, 0) + 1

    def lines(self) -> list[str]:
        """Give one line per message.

        Examples
        --------
        >>> complaints = Complaints()
        >>> complaints.add(["all pixels are zero"])
        >>> complaints.add([])
        >>> complaints.lines()
        ['all pixels are zero in 1 of 2 windows']
        """
        return [f"{text} in {count} of {self.n_windows} windows" for text, count in self.counts.items()]


def blind_messages(window: Window) -> list[str]:
    """Tell why nothing can be seen in a window, if so.

    Parameters
    ----------
    window : Window
        With its planes.
    """
    largest = window.planes.get("max")
    if largest is None or largest.size == 0 or is_lazy(largest):
        return []
    messages = []
    if not largest.any():
        messages.append("all pixels are zero")
    elif window.n_frames > 1 and "image" in window.planes and not window.planes["image"].any():
        messages.append("all frames are the same")
    saturation = window.stream.saturation
    if np.isfinite(saturation) and np.count_nonzero(largest >= saturation) > _NOTEWORTHY * largest.size:
        messages.append(f"more than {_NOTEWORTHY:.0%} of the pixels are saturated")
    mask = window.mask
    if mask is not None and np.count_nonzero(mask) > _NOTEWORTHY * mask.size:
        messages.append(f"more than {_NOTEWORTHY:.0%} of the pixels are masked or without a finite value")
    return messages
