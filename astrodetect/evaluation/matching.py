"""When a detection is an object: both ends near, frames in common; one to one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.evaluation.truth import TruthObject

#: Ends may be this far away (px) ...
NEAR = 10.0
#: ... or this fraction of the object's length, whichever is more.
NEAR_FRACTION = 0.25


def tolerance(length: float) -> float:
    """Give how far an end may be from the truth, in pixels: 10, or a quarter of the length if that is more.

    Parameters
    ----------
    length : float
        Of the object, in pixels.
    """
    return max(NEAR, NEAR_FRACTION * length)


def separation(detection: Mapping[str, Any], truth: TruthObject) -> float:
    """Give the larger of the distances of both ends, first from first and last from last, in pixels.

    A detection without ends (a detector that gives boxes) is taken as a diagonal of its box, whichever fits
    best. NaN if positions are missing.

    Parameters
    ----------
    detection : mapping
        ``x_start, y_start, x_end, y_end``, or ``x_min, y_min, x_max, y_max``.
    truth : TruthObject
        What it is compared with.
    """
    ends = [float(detection.get(name, math.nan)) for name in ("x_start", "y_start", "x_end", "y_end")]
    if all(map(math.isfinite, ends)):
        return _ends_apart(ends, truth)
    box = [float(detection.get(name, math.nan)) for name in ("x_min", "y_min", "x_max", "y_max")]
    if not all(map(math.isfinite, box)):
        return math.nan
    x = (box[0], box[2] - 1)
    y = (box[1], box[3] - 1)
    corners = itertools.product((0, 1), repeat=2)
    return min(_ends_apart([x[i], y[j], x[1 - i], y[1 - j]], truth) for i, j in corners)


def _ends_apart(ends: Sequence[float], truth: TruthObject) -> float:
    first = math.hypot(ends[0] - truth.x_first, ends[1] - truth.y_first)
    last = math.hypot(ends[2] - truth.x_last, ends[3] - truth.y_last)
    return math.nan if math.isnan(first + last) else max(first, last)


def frames_overlap(detection: Mapping[str, Any], truth: TruthObject) -> bool:
    """Say whether there is a frame in common; frames that are not known do not stand in the way."""
    start, end = float(detection.get("frame_start", math.nan)), float(detection.get("frame_end", math.nan))
    if math.isnan(start + end) or math.isnan(truth.frame_first + truth.frame_last) or start < 0:
        return True
    return start <= math.ceil(truth.frame_last) and end >= math.floor(truth.frame_first)


def _by_time(truth: TruthObject) -> float:
    """Give the cost of a pair of which only the time decides, since nobody knows the object's place."""
    return math.nan if math.isnan(truth.frame_first + truth.frame_last) else 0.5


def match(detections: Sequence[Mapping[str, Any]], truth: Sequence[TruthObject]) -> list[tuple[int, int]]:
    """Pair the detections and the objects of one recording, one to one.

    An object of which frames are known, but no place (others may have stated the sky alone), is paired with a
    detection that has frames in common.

    As many pairs as possible, and of these the ones that lie closest (sum over pairs of the distance in
    units of the tolerance).

    Parameters
    ----------
    detections : sequence of mappings
        With catalog names.
    truth : sequence of TruthObject
        Objects.

    Returns
    -------
    list of (int, int)
        Detection and object of each pair.
    """
    if not detections or not truth:
        return []
    from scipy.optimize import linear_sum_assignment

    # An impossible pair costs more than all possible ones together.
    impossible = 2.0 * min(len(detections), len(truth)) + 1.0
    cost: NDArray[np.float64] = np.full((len(detections), len(truth)), impossible)
    for row, detection in enumerate(detections):
        for column, thing in enumerate(truth):
            apart = (
                separation(detection, thing) / tolerance(thing.length) if thing.has_ends else _by_time(thing)
            )
            if apart <= 1.0 and frames_overlap(detection, thing):
                cost[row, column] = apart
    rows, columns = linear_sum_assignment(cost)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if cost[i, j] < impossible]
