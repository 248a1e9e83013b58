"""Light that lasts for several frames and changes slowly: clouds that drift, blocks that a codec keeps.

A frame shares it with the frames around it. What moves is elsewhere in them, so their mean, without the
nearest, is what to expect where nothing moves.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Frames that the mean is taken of, on either side, and frames beside each that do not count.
LONG, _SHORT = 9, 2


def independence_of(m: NDArray[np.float32]) -> float:
    """Give the share of independent frames, from the correlation of each frame with the next.

    Parameters
    ----------
    m : (T, h, w) float32 array
        Standard deviations.

    Returns
    -------
    float
        At most 1.
    """
    limited = np.clip(m, -3, 3)
    square = float(np.mean(np.square(limited)))
    repeated = float(np.mean(limited[1:] * limited[:-1])) / max(square, 1e-6)
    repeated = min(max(repeated, 0.0), 0.95)
    return (1 - repeated) / (1 + repeated)


def lasting(d: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the mean of the frames around each frame, without the nearest.

    Parameters
    ----------
    d : (T, h, w) float32 array
        Differences from the background. What is ten times the noise counts no more than that.

    Returns
    -------
    (T, h, w) float32 array
    """
    limit = np.float32(10 * 1.4826 * np.median(np.abs(d[:, ::5, ::5])))
    sums = np.zeros((len(d) + 1, *d.shape[1:]), np.float32)
    np.cumsum(np.clip(d, -limit, limit), axis=0, out=sums[1:])
    out = np.empty_like(d)
    for frame in range(len(d)):
        far, near, count = _around(frame, len(d))
        out[frame] = (sums[far.stop] - sums[far.start] - sums[near.stop] + sums[near.start]) / count
    return out


def without_lasting(frames: Iterator[NDArray[np.float32]], n: int) -> Iterator[NDArray[np.float32]]:
    """Give frame after frame less the mean of the frames around it, without the nearest.

    Parameters
    ----------
    frames : iterator of (h, w) float32 array
        Differences from the background, limited to what noise may be; each need only be valid until the
        next.
    n : int
        Number of frames, more than `2 * LONG`.

    Yields
    ------
    (h, w) float32 array
        Valid until the next.
    """
    kept = {0: next(frames).copy()}
    sums, out = kept[0].copy(), np.empty_like(kept[0])
    last_far, last_near = range(1), range(0)
    for frame in range(n):
        far, near, count = _around(frame, n)
        for other in range(last_far.stop, far.stop):
            kept[other] = next(frames).copy()
            sums += kept[other]
        for other in range(last_far.start, far.start):
            sums -= kept.pop(other)
        for other in range(last_near.start, near.start):
            sums += kept[other]
        for other in range(last_near.stop, near.stop):
            sums -= kept[other]
        last_far, last_near = far, near
        np.multiply(sums, np.float32(-1.0 / count), out=out)
        out += kept[frame]
        yield out


def _around(frame: int, n: int) -> tuple[range, range, int]:
    """Give the frames around a frame, the nearest of them, and how many there are without these."""
    far, near = (range(max(frame - reach, 0), min(frame + reach + 1, n)) for reach in (LONG, _SHORT))
    return far, near, len(far) - len(near)
