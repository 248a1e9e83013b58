"""In which frames an object is seen, from the light along its path: a hidden Markov model of its brightness.

Nobody knows how bright an object is, but from one frame to the next it changes little, it begins and ends
faint, and it is there in consecutive frames.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Lowest level of brightness (signal-to-noise), and the ratio of neighbouring ones.
_LOWEST, _RATIO = 1.0, 1.3
#: Typical change of the logarithm of the brightness from frame to frame, and the share of sudden changes.
_CHANGE, _SUDDEN = 0.3, 0.03
#: Chance of a frame to be the first of an object, and of one at its faintest to be the last.
_BEGINS, _ENDS = 0.005, 0.3
#: Share of objects that do not begin or end faintly: fast ones, and what the edge of the picture cuts.
_ABRUPT = 0.3
#: Chance that it is there already when the first frame begins.
_BEFORE = 0.03
#: Brightness that is no more told apart.
_MOST = 60.0


class Seen(NamedTuple):
    """What frames say about an object.

    Attributes
    ----------
    chance : (n,) float64 array
        Posterior probability that it is there.
    brightness : (n,) float64 array
        Posterior mean of its brightness if it is there: its signal-to-noise where the depth is 1.
    evidence : float
        Logarithm of the likelihood ratio of all frames: it is there at some time, or never.
    """

    chance: NDArray[np.float64]
    brightness: NDArray[np.float64]
    evidence: float


def seen(
    snr: NDArray[np.float64],
    depth: NDArray[np.float64],
    edge_snr: float,
    open_ends: tuple[bool, bool] = (False, False),
) -> Seen:
    """Give the probability that an object is there in each frame, and how bright it then is.

    Parameters
    ----------
    snr : (n,) array
        Signal-to-noise along its path, of noise alone normal with standard deviation 1.
    depth : (n,) array
        Signal-to-noise of light of brightness 1: less where a cloud passes.
    edge_snr : float
        Signal-to-noise of its first and last frames on average (exponentially distributed).
    open_ends : (bool, bool)
        It may have been there before the first frame, and go on after the last: nobody looked.

    Returns
    -------
    Seen
        By the forward-backward algorithm (Rabiner 1989, "A tutorial on hidden Markov models").
    """
    level, change = _levels()
    limited, light = np.clip(snr, -_MOST, _MOST)[:, None], level * depth[:, None]
    # Bright light is known only to a part of itself: the path, the width and the pixels are not exact.
    spread = np.sqrt(1 + np.square(0.2 * light))
    gain = -0.5 * np.square((limited - light) / spread) - np.log(spread) + 0.5 * np.square(limited)
    faint = np.exp(-level / edge_snr)
    log_begin = np.log(_BEGINS * (_ABRUPT / len(level) + (1 - _ABRUPT) * faint / faint.sum()))
    ends = _ENDS * (0.3 * _ABRUPT + (1 - _ABRUPT) * faint)
    log_end, goes_on = np.log(ends), change * (1 - ends[:, None])
    n = len(gain)
    forth, back = np.empty_like(gain), np.empty_like(gain)
    forth[0] = gain[0] + (np.log(_BEFORE / len(level)) if open_ends[0] else log_begin)
    for t in range(1, n):
        forth[t] = gain[t] + np.logaddexp(_product(forth[t - 1], goes_on), log_begin)
    back[-1] = 0.0 if open_ends[1] else log_end
    for t in range(n - 2, -1, -1):
        back[t] = np.logaddexp(_product(back[t + 1] + gain[t + 1], goes_on.T), log_end)
    both = forth + back
    there = np.logaddexp.reduce(both, axis=1)
    ended = forth + log_end
    ended[-1] = forth[-1] + back[-1]
    evidence = float(np.logaddexp.reduce(ended, axis=None))
    # It is there at some time, or never: then all frames are noise, and the ratio is 1.
    chance = np.exp(np.minimum(there - np.logaddexp(evidence, 0.0), 0.0))
    return Seen(chance, np.exp(both - there[:, None]) @ level, evidence)


def _product(values: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the logarithm of the product of a vector, given by its logarithm, and a matrix."""
    highest = values.max()
    out: NDArray[np.float64] = np.log(np.exp(values - highest) @ matrix + 1e-300) + highest
    return out


@cache
def _levels() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the levels of brightness, and the chance to go from one to another in a frame."""
    count = int(np.ceil(np.log(_MOST / _LOWEST) / np.log(_RATIO))) + 1
    level: NDArray[np.float64] = _LOWEST * _RATIO ** np.arange(count, dtype=np.float64)
    apart = np.abs(np.arange(count)[:, None] - np.arange(count)) * np.log(_RATIO)
    change = np.exp(-apart / _CHANGE)
    change = (1 - _SUDDEN) * change / change.sum(axis=1, keepdims=True) + _SUDDEN / count
    return level, change
