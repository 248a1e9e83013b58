"""How far two boxes are the same: IoU and its kin, in two and three dimensions.

A box is ``x_min, y_min, x_max, y_max``, or ``x_min, y_min, z_min, x_max, y_max, z_max``, half open,
in pixels. Everything takes NumPy arrays or torch tensors and gives the same kind.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from astrodetect.core.arrays import is_torch

#: Measures of overlap: plain IoU, generalised IoU, and IoU less the distance of the centres in units
#: of the diagonal of the enclosing box, plain ("diou") or squared ("diou2").
Overlap = Literal["iou", "giou", "diou", "diou2"]
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)


def _library(array: Any) -> Any:
    if is_torch(array):
        import torch

        return torch
    return np


def axes_of(boxes: Any) -> int:
    """Give the number of axes of boxes, 2 or 3.

    Raises
    ------
    ValueError
        The last axis holds neither four nor six numbers.
    """
    if boxes.shape[-1] not in {4, 6}:
        raise ValueError(f"boxes have 4 or 6 numbers (x_min, y_min, [z_min,] x_max, ...), not {boxes.shape}")
    return int(boxes.shape[-1]) // 2


def centres(boxes: Any) -> Any:
    """Give the centres (..., D) of boxes (..., 2 D): half the sum of both edges of an axis."""
    n = axes_of(boxes)
    return (boxes[..., :n] + boxes[..., n:]) / 2


def sizes(boxes: Any) -> Any:
    """Give the sides (..., D) of boxes (..., 2 D), in pixels."""
    n = axes_of(boxes)
    return boxes[..., n:] - boxes[..., :n]


def overlap(a: Any, b: Any, kind: Overlap = "iou") -> Any:
    """Give how far boxes are the same, one by one.

    Parameters
    ----------
    a, b : (..., 4) or (..., 6) array or tensor
        Boxes, of shapes that broadcast.
    kind : str
        With ``I`` the volume (area) that both share, ``U`` that of their union, ``C`` that of the box
        that encloses both, ``d`` the distance of the centres and ``c`` the diagonal of the enclosing box:
        ``"iou"`` I/U, ``"giou"`` I/U - (C - U)/C, ``"diou"`` I/U - d/c, ``"diou2"`` I/U - d^2/c^2.

    Returns
    -------
    (...) array or tensor
        1 for equal boxes; boxes without volume share nothing. The least is 0 for IoU and above -1 for
        the others.

    Raises
    ------
    ValueError
        `kind` is unknown, or the boxes have neither four nor six numbers.

    References
    ----------
    Rezatofighi et al. 2019 (GIoU, arXiv:1902.09630), Zheng et al. 2020 (DIoU, arXiv:1911.08287), Cornu et
    al. 2024 (the distance that is not squared, arXiv:2402.05925).

    Examples
    --------
    >>> a, b = np.array([0.0, 0.0, 2.0, 2.0]), np.array([1.0, 0.0, 3.0, 2.0])
    >>> float(overlap(a, b)), round(float(overlap(a, b, "diou")), 4)
    (0.3333333333333333, 0.056)
    """
    if kind not in OVERLAPS:
        raise ValueError(f"overlap is one of {', '.join(OVERLAPS)}, not {kind!r}")
    n, lib = axes_of(a), _library(a)
    if axes_of(b) != n:
        raise ValueError(f"boxes of {n} and of {axes_of(b)} axes cannot be compared")
    shared: Any = 1
    volume_a: Any = 1
    volume_b: Any = 1
    for low, high in zip(range(n), range(n, 2 * n), strict=True):
        shared = shared * lib.clip(
            lib.minimum(a[..., high], b[..., high]) - lib.maximum(a[..., low], b[..., low]), 0, None
        )
        volume_a = volume_a * (a[..., high] - a[..., low])
        volume_b = volume_b * (b[..., high] - b[..., low])
    union = volume_a + volume_b - shared
    ratio = shared / _not_zero(union, lib)
    return ratio if kind == "iou" else ratio - _penalty(a, b, union, kind)


def _penalty(a: Any, b: Any, union: Any, kind: Overlap) -> Any:
    n, lib = axes_of(a), _library(a)
    enclosing: Any = 1
    diagonal: Any = 0
    distance: Any = 0
    for low, high in zip(range(n), range(n, 2 * n), strict=True):
        extent = lib.maximum(a[..., high], b[..., high]) - lib.minimum(a[..., low], b[..., low])
        if kind == "giou":
            enclosing = enclosing * extent
            continue
        diagonal = diagonal + extent**2
        distance = distance + ((a[..., low] + a[..., high]) - (b[..., low] + b[..., high])) ** 2 / 4
    if kind == "giou":
        return (enclosing - union) / _not_zero(enclosing, lib)
    squared = distance / _not_zero(diagonal, lib)
    return squared if kind == "diou2" else lib.sqrt(squared)


def _not_zero(values: Any, lib: Any) -> Any:
    """Stand in for a zero below a fraction bar: what is above it is zero as well."""
    return lib.where(values > 0, values, lib.ones_like(values))


def iou(a: Any, b: Any) -> Any:
    """Give the intersection over union of boxes, one by one; see `overlap`."""
    return overlap(a, b, "iou")


def giou(a: Any, b: Any) -> Any:
    """Give the generalised IoU of boxes, one by one; see `overlap`."""
    return overlap(a, b, "giou")


def diou(a: Any, b: Any) -> Any:
    """Give IoU less the distance of the centres over the diagonal, one by one; see `overlap`."""
    return overlap(a, b, "diou")


def diou_squared(a: Any, b: Any) -> Any:
    """Give IoU less the squared distance over the squared diagonal, one by one; see `overlap`."""
    return overlap(a, b, "diou2")


def pairwise(a: Any, b: Any, kind: Overlap = "iou") -> Any:
    """Give how far each of N boxes is the same as each of M.

    Parameters
    ----------
    a : (..., N, 4) or (..., N, 6) array or tensor
        Boxes.
    b : (..., M, 4) or (..., M, 6) array or tensor
        Boxes.
    kind : str
        As for `overlap`.

    Returns
    -------
    (..., N, M) array or tensor
        `overlap` of each pair.
    """
    return overlap(a[..., :, None, :], b[..., None, :, :], kind)
