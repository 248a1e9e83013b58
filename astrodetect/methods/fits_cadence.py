"""What the time stamps of a sequence say: frame rate, gaps, repetitions."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: A difference of more than this many cadences means that frames are missing.
_GAP = 1.5
#: Share of equal neighbours from which time stamps count as coarser than the frames.
_COARSE = 0.2


class Cadence(NamedTuple):
    """How frames follow each other.

    Attributes
    ----------
    frame_rate : float
        Frames per second; NaN if the times do not tell.
    step : float
        Median difference of unequal neighbours (s); NaN if there is none.
    n_repeated : int
        Frames with the time stamp of the one before.
    coarse : bool
        Repetitions are the rule: the clock is coarser than the frames.
    gaps : tuple of (int, int)
        Frame before each gap, and how many frames are missing there.
    """

    frame_rate: float
    step: float
    n_repeated: int
    coarse: bool
    gaps: tuple[tuple[int, int], ...]

    @property
    def n_missing(self) -> int:
        """Frames missing in all gaps."""
        return sum(count for _, count in self.gaps)


def measure_cadence(times: ArrayLike) -> Cadence:
    """Measure the cadence of sorted time stamps.

    The rate is the inverse of the mean difference of neighbours, of those near the median; where the
    clock is coarser than the frames, the number of frames between ticks over the time between them.

    Parameters
    ----------
    times : (n,) array
        Seconds, not decreasing; NaN is left out.

    Returns
    -------
    Cadence

    Examples
    --------
    >>> cadence = measure_cadence([0.0, 0.25, 0.5, 1.25])
    >>> cadence.frame_rate, cadence.step, cadence.gaps
    (4.0, 0.25, ((2, 2),))
    """
    known: NDArray[np.float64] = np.asarray(times, dtype=np.float64)
    places = np.flatnonzero(np.isfinite(known))
    steps = np.diff(known[places])
    moving = steps[steps > 0]
    if not len(moving):
        return Cadence(math.nan, math.nan, len(steps), False, ())
    step = float(np.median(moving))
    n_repeated = int(np.count_nonzero(steps <= 0))
    coarse = n_repeated > _COARSE * len(steps)
    # the mean of ordinary steps: stamps that are rounded would leave the median alone a little off
    ordinary = moving[(moving > step / 2) & (moving <= _GAP * step)]
    rate = float(1 / np.mean(ordinary)) if len(ordinary) else 1 / step
    if coarse:
        ticks = np.flatnonzero(steps > 0)
        whole = steps[ticks[1:]]
        usual = whole <= _GAP * step
        # frames between two ticks, over the ticks that no gap lies in
        if usual.any():
            rate = float(np.diff(ticks)[usual].sum() / whole[usual].sum())
    wide = np.flatnonzero(steps > _GAP * step)
    gaps = tuple((int(places[i]), max(1, round((steps[i] - step) * rate))) for i in wide)
    return Cadence(rate, step, n_repeated, coarse, gaps)


def advances_fast(times: Sequence[float], limit: float) -> bool:
    """Tell whether times advance by a median under `limit` seconds, and advance at all."""
    known = np.sort(np.asarray(times, dtype=np.float64))
    return len(known) > 1 and bool(np.median(np.diff(known)) < limit) and bool(known[-1] > known[0])


@lru_cache(maxsize=4096)
def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Give the key that sorts names with numbers as people do.

    Examples
    --------
    >>> sorted(["f10.fit", "f9.fit"], key=natural_key)
    ['f9.fit', 'f10.fit']
    """
    parts = re.split(r"(\d+)", name.lower())
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


def cadence_warnings(cadence: Cadence, n_frames: int, n_backward: int) -> list[str]:
    """Tell what is odd about the times of a sequence, one line each.

    Parameters
    ----------
    cadence : Cadence
        From `measure_cadence`.
    n_frames : int
        Frames in the sequence.
    n_backward : int
        Files whose time stamp lies before that of the file before it by name.
    """
    lines = []
    if n_backward:
        lines.append(
            f"times go backwards {n_backward} times in the order of file names; frames are taken by DATE-OBS"
        )
    if cadence.n_repeated:
        why = "the clock is coarser than the frames" if cadence.coarse else "frames may be written twice"
        lines.append(f"{cadence.n_repeated} of {n_frames} frames repeat the time stamp before; {why}")
    if cadence.gaps:
        first, count = cadence.gaps[0]
        many = "1 gap" if len(cadence.gaps) == 1 else f"{len(cadence.gaps)} gaps"
        lines.append(
            f"{cadence.n_missing} frames are missing in {many}, the first ({count}) after frame {first}"
        )
    return lines
