"""What freeture's own detector had found: ``positions.txt``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.methods.fits_times import parse_utc

_LINE = re.compile(r"^\s*(\d+)\s+\(\s*(-?[\d.]+)\s*;\s*(-?[\d.]+)\s*\)\s+(\S+)\s*$")
#: A position belongs to a frame whose time differs by at most this share of the cadence.
_SAME_FRAME = 0.6


class Position(NamedTuple):
    """One line of ``positions.txt``.

    Attributes
    ----------
    number : int
        The index as written: into the camera's buffer, which may be shifted against the saved frames.
    x : float
        Pixels from the left, from 0.
    y_up : float
        As written: height less the row from the top.
    time : float
        UTC Unix seconds.
    """

    number: int
    x: float
    y_up: float
    time: float


def parse_positions(text: str) -> tuple[list[Position], list[int]]:
    """Read the lines of a ``positions.txt``.

    Parameters
    ----------
    text : str
        Lines of index, ``(x;y)`` and date.

    Returns
    -------
    positions : list of Position
        In order of lines.
    bad : list of int
        Numbers, from 1, of lines that are no position.

    Examples
    --------
    >>> parse_positions("30    (612;388)    2019-04-15T19:49:50.5")[0]
    [Position(number=30, x=612.0, y_up=388.0, time=1555357790.5)]
    """
    found: list[Position] = []
    bad: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = _LINE.match(line)
        time = parse_utc(match[4])[0] if match else math.nan
        if match is None or math.isnan(time):
            bad.append(number)
            continue
        try:
            found.append(Position(int(match[1]), float(match[2]), float(match[3]), time))
        except ValueError:
            bad.append(number)
    return found, bad


def row_from_top(y_up: ArrayLike, height: int) -> NDArray[np.float64]:
    """Turn freeture's y into an array row of the frame as the camera shows it.

    The program writes ``y = height - row``: the top row 0 has ``y = height`` and the bottom row
    ``height - 1`` has ``y = 1``, so the inverse is ``row = height - y`` without any other offset.
    Where it searched at half scale, x and y are twice a half-scale pixel and so even; nothing is
    added for that.

    Examples
    --------
    >>> row_from_top([966, 1], 966).tolist()
    [0.0, 965.0]
    """
    rows: NDArray[np.float64] = height - np.asarray(y_up, dtype=np.float64)
    return rows


def match_frames(positions: Sequence[Position], times: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    """Find the frame of each position by its date.

    Parameters
    ----------
    positions : sequence of Position
        Lines of the file.
    times : (n,) float64 array
        UTC Unix seconds of the frames, not decreasing.
    step : float
        Seconds between frames.

    Returns
    -------
    (len(positions),) int64 array
        -1 where no frame lies within 0.6 steps.
    """
    dates = np.array([position.time for position in positions])
    if not len(times) or not len(dates):
        return np.full(len(dates), -1, dtype=np.int64)
    after = np.clip(np.searchsorted(times, dates), 1, max(1, len(times) - 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    nearest = np.where(np.abs(times[after] - dates) < np.abs(times[before] - dates), after, before)
    close = np.abs(times[nearest] - dates) <= _SAME_FRAME * step
    return np.where(close, nearest, -1).astype(np.int64)


def clock_of(positions: Sequence[Position]) -> tuple[float, float]:
    """Give start (UTC Unix seconds of index 0) and frames per second from dates and indices.

    NaN if fewer than two indices are there. Only for recordings without any other clock.
    """
    first = min(positions, key=lambda position: position.number, default=None)
    last = max(positions, key=lambda position: position.number, default=None)
    if first is None or last is None or last.number == first.number or last.time <= first.time:
        return math.nan, math.nan
    rate = (last.number - first.number) / (last.time - first.time)
    return first.time - first.number / rate, rate
