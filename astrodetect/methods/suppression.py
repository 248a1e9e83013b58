"""Of boxes that show the same object, keep the best: non-maximum suppression in its forms.

Boxes are those of `astrodetect.methods.boxes`, in two or three dimensions. Only boxes near each other
are compared, so a hundred thousand of them are no matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.methods.boxes import Overlap, axes_of, centres, overlap, sizes

#: Pairs of boxes that are compared at a time.
_CHUNK = 1 << 20

#: Levels of YOLO-CIANNA within a tile, for ``kind="diou"``: a box whose score is below the first number
#: is suppressed where it overlaps a better one by more than the second.
TILE_LEVELS: tuple[tuple[float, float], ...] = ((np.inf, 0.05), (0.7, -0.1), (0.5, -0.3), (0.3, -0.5))
#: The same between neighbouring tiles.
SEAM_LIMIT = -0.15


def suppress(
    boxes: ArrayLike,
    scores: ArrayLike,
    limit: ArrayLike = 0.5,
    kind: Overlap = "iou",
    *,
    classes: ArrayLike | None = None,
    other_limit: float | None = None,
    tiles: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Keep the best of boxes that overlap.

    From the highest score down, each box that is still there takes away those after it that overlap it
    by more than their limit.

    Parameters
    ----------
    boxes : (N, 4) or (N, 6) array
        Half-open boxes (px).
    scores : (N,) array
        Higher is better; of equal ones the first in the table is better.
    limit : float or (N,) array
        Overlap above which a box gives way, one for all or each box's own (`level_limits`).
    kind : str
        Measure of overlap, see `astrodetect.methods.boxes.overlap`.
    classes : (N,) array, optional
        Boxes of different classes are compared with `other_limit`, or not at all where that is None.
    other_limit : float, optional
        See `classes`.
    tiles : (N,) array, optional
        Boxes of the same tile are not compared: they were before.

    Returns
    -------
    (K,) int64 array
        Which boxes remain, best first.

    Raises
    ------
    ValueError
        The arrays differ in length, the boxes have neither four nor six numbers, or something is NaN.

    References
    ----------
    Neubeck & Van Gool (2006), ICPR; the levels and the comparison between tiles are those of Cornu et al.
    (2024), arXiv:2402.05925.

    Examples
    --------
    >>> suppress([[0, 0, 4, 4], [1, 0, 5, 4], [9, 9, 12, 12]], [0.5, 0.9, 0.1])
    array([1, 2])
    """
    box, score = np.asarray(boxes, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    limits = np.broadcast_to(np.asarray(limit, dtype=np.float64), score.shape)
    _check(box, score, limits)
    order = np.argsort(-score, kind="stable")
    box, limits = box[order], limits[order].copy()
    kinds = None if classes is None else np.asarray(classes)[order]
    places = None if tiles is None else np.asarray(tiles)[order]
    least = min([float(limits.min(initial=0.0)), *([] if other_limit is None else [other_limit])])
    worse: list[NDArray[np.int64]] = []
    better: list[NDArray[np.int64]] = []
    for pairs in near_pairs(box, kind, least):
        first, second = pairs.min(axis=1), pairs.max(axis=1)
        bound = limits[second]
        if kinds is not None:
            bound = np.where(
                kinds[first] == kinds[second], bound, np.inf if other_limit is None else other_limit
            )
        hit = overlap(box[first], box[second], kind) > bound
        if places is not None:
            hit &= places[first] != places[second]
        better.append(first[hit])
        worse.append(second[hit])
    return order[_survivors(len(box), better, worse)]


def level_limits(
    scores: ArrayLike, levels: Sequence[tuple[float, float]] = TILE_LEVELS
) -> NDArray[np.float64]:
    """Give each box its own limit: the less sure it is, the less it may overlap a better one.

    Parameters
    ----------
    scores : (N,) array
        Of the boxes.
    levels : sequence of (score, limit)
        A box with a score below the first number has the second as its limit; of several the least.

    Examples
    --------
    >>> level_limits([0.9, 0.6, 0.4, 0.1]).tolist()
    [0.05, -0.1, -0.3, -0.5]
    """
    score = np.asarray(scores, dtype=np.float64)
    limits = np.full(score.shape, np.inf)
    for below, limit in levels:
        limits[score < below] = np.minimum(limits[score < below], limit)
    return limits


def _check(boxes: NDArray[Any], scores: NDArray[Any], limits: NDArray[Any]) -> None:
    axes_of(boxes)
    if boxes.ndim != 2 or scores.shape != boxes.shape[:1]:
        raise ValueError(f"{boxes.shape} boxes and {scores.shape} scores do not belong together")
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()) or np.isnan(limits).any():
        raise ValueError("a box, a score or a limit is not a number")


def _survivors(n: int, better: list[NDArray[np.int64]], worse: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Give what is left when each row that is there takes away its worse ones, in the order of rows."""
    alive = np.ones(n, dtype=np.bool_)
    first = np.concatenate(better) if better else np.empty(0, np.int64)
    second = np.concatenate(worse) if worse else np.empty(0, np.int64)
    order = np.argsort(first, kind="stable")
    first, second = first[order], second[order]
    rows, starts, counts = np.unique(first, return_index=True, return_counts=True)
    for row, start, count in zip(rows.tolist(), starts.tolist(), counts.tolist(), strict=True):
        if alive[row]:
            alive[second[start : start + count]] = False
    return np.flatnonzero(alive)


def near_pairs(boxes: NDArray[Any], kind: Overlap = "iou", least: float = 0.0) -> Iterator[NDArray[np.int64]]:
    """Give the pairs of boxes that may overlap by more than `least`, and some more, each once.

    Parameters
    ----------
    boxes : (N, 4) or (N, 6) array
        Finite.
    kind : str
        Measure of overlap.
    least : float
        Overlap of interest; below 0 boxes that do not touch may have it.

    Yields
    ------
    (P, 2) int64 array
        Rows of `boxes`.

    Notes
    -----
    Boxes are sorted by size in octaves, so that a few large ones do not make neighbours of all others.
    """
    from scipy.spatial import KDTree

    if len(boxes) < 2:
        return
    middle = centres(boxes)
    diagonal = np.sqrt(np.square(sizes(boxes)).sum(axis=1))
    octave = np.ceil(np.log2(np.maximum(diagonal, 1e-3))).astype(np.int64)
    reach = _reach(kind, least)
    groups = [np.flatnonzero(octave == number) for number in np.unique(octave)]
    trees = [KDTree(middle[rows]) for rows in groups]
    widest = [float(diagonal[rows].max()) for rows in groups]
    for i, rows in enumerate(groups):
        inner = trees[i].query_pairs(reach * widest[i], output_type="ndarray")
        yield from _in_chunks(rows[inner])
        for j in range(i):
            radius = reach * (widest[i] + widest[j]) / 2
            found = trees[i].sparse_distance_matrix(trees[j], radius, output_type="ndarray")
            yield from _in_chunks(np.stack([rows[found["i"]], groups[j][found["j"]]], axis=1))


def _in_chunks(pairs: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(pairs), _CHUNK):
        yield pairs[start : start + _CHUNK]


def _reach(kind: Overlap, least: float) -> float:
    """Give how far apart centres may be, in units of the mean of both diagonals.

    Boxes that share something: by 1. Others have an overlap of ``-d/c`` ("diou"), where the diagonal c of
    what encloses both is at most d and both diagonals together; likewise for its square; "giou" bounds
    the extent of what encloses them by the sum of their sides.
    """
    apart = -least
    if apart <= 0:
        return 1.0 + 1e-9
    if apart >= 1 or kind == "iou":
        return float("inf")
    if kind == "giou":
        return 2.0 / (1.0 - apart)
    share = np.sqrt(apart) if kind == "diou2" else apart
    return float(max(1.0, 2.0 * share / (1.0 - share))) + 1e-9
