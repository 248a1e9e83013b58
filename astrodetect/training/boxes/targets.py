"""What is to be found in an image: boxes with classes and parameters, checked at birth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.core.errors import AstrodetectError


def _none() -> Any:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class BoxTargets:
    """The objects of one image.

    Attributes
    ----------
    boxes : (N, 6) float32 array
        ``x_min, y_min, z_min, x_max, y_max, z_max`` in pixels, half open; (N, 4) boxes without depth are
        given 0 and 1 in z.
    classes : (N,) int64 array
        Number of the class, from 0.
    parameters : (N, P) float32 array
        What else is to be told of each, such as `astrodetect.methods.shape_parameters` encodes it; NaN:
        not known. P is 0 where there is nothing.
    difficult : (N,) bool array
        Objects that need not be found: too faint, or cut off.
    class_only : bool
        The boxes are not known, only what class the image shows: ``classes`` has one number, and its box
        is not looked at.

    Raises
    ------
    AstrodetectError
        A box is empty or no number, the numbers of rows differ, a class is negative, or a parameter is
        infinite. The first such row is named.

    Examples
    --------
    >>> BoxTargets([[2, 3, 7, 9]], [0]).boxes.tolist()
    [[2.0, 3.0, 0.0, 7.0, 9.0, 1.0]]
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    parameters: NDArray[np.float32] = field(default_factory=_none)
    difficult: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    class_only: bool = False

    def __post_init__(self) -> None:
        boxes = _with_depth(self.boxes)
        n = len(boxes)
        classes = np.asarray(self.classes, np.int64).reshape(-1)
        parameters = np.asarray(self.parameters, np.float32)
        if not parameters.size:
            parameters = np.zeros((n, parameters.shape[1] if parameters.ndim == 2 else 0), np.float32)
        difficult = np.asarray(self.difficult, bool).reshape(-1)
        if not difficult.size:
            difficult = np.zeros(n, bool)
        _check(boxes, classes, parameters, difficult)
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "parameters", parameters)
        object.__setattr__(self, "difficult", difficult)

    @classmethod
    def empty(cls, n_parameters: int = 0) -> BoxTargets:
        """Give the targets of an image in which nothing is."""
        return cls(
            np.zeros((0, 6), np.float32), np.zeros(0, np.int64), np.zeros((0, n_parameters), np.float32)
        )

    def __len__(self) -> int:
        """Give the number of objects."""
        return len(self.classes)

    def take(self, rows: NDArray[Any]) -> BoxTargets:
        """Give some of the objects.

        Parameters
        ----------
        rows : (k,) int or (n,) bool array
            Which.
        """
        return replace(
            self,
            boxes=self.boxes[rows],
            classes=self.classes[rows],
            parameters=self.parameters[rows],
            difficult=self.difficult[rows],
        )

    def with_boxes(self, boxes: ArrayLike) -> BoxTargets:
        """Give the same objects with other boxes."""
        return replace(self, boxes=np.asarray(boxes, np.float32))

    def shifted(self, x: float, y: float, z: float = 0.0) -> BoxTargets:
        """Give the same objects elsewhere, by so many pixels."""
        return self.with_boxes(self.boxes + np.array([x, y, z, x, y, z], np.float32))

    def inside(self, shape: Sequence[int]) -> BoxTargets:
        """Give the objects whose boxes lie fully inside an image.

        Parameters
        ----------
        shape : (H, W) or (D, H, W)
            Of the image.
        """
        edges = np.array([*reversed(shape), 1][:3])
        low, high = self.boxes[:, :3], self.boxes[:, 3:]
        within: NDArray[np.bool_] = np.concatenate([low >= 0, high <= edges], axis=1)
        return self.take(np.asarray(within.all(axis=1)))

    def clipped(self, shape: Sequence[int], least: float = 1.0) -> BoxTargets:
        """Give the parts of the boxes that lie inside an image.

        Parameters
        ----------
        shape : (H, W) or (D, H, W)
            Of the image.
        least : float
            Parts with a side below this are left out (pixels).
        """
        edges = np.array([*reversed(shape), 1][:3], np.float32)
        low = np.clip(self.boxes[:, :3], 0, edges)
        high = np.clip(self.boxes[:, 3:], 0, edges)
        kept = (high - low >= np.minimum(least, self.boxes[:, 3:] - self.boxes[:, :3])).all(axis=1)
        kept &= (high > low).all(axis=1)
        cut = np.concatenate([low, high], axis=1)[kept]
        return self.take(kept).with_boxes(cut)


def _with_depth(boxes: Any) -> NDArray[np.float32]:
    """Give boxes as (N, 6)."""
    given = np.asarray(boxes, np.float32)
    if given.size == 0:
        return np.zeros((0, 6), np.float32)
    if given.ndim != 2 or given.shape[1] not in {4, 6}:
        raise AstrodetectError(
            f"boxes have the shape {given.shape}; expected (n, 4): x_min, y_min, x_max, y_max, "
            "or (n, 6): x_min, y_min, z_min, x_max, y_max, z_max"
        )
    if given.shape[1] == 6:
        return given
    flat = np.zeros((len(given), 6), np.float32)
    flat[:, [0, 1, 3, 4]] = given
    flat[:, 5] = 1.0
    return flat


def _check(
    boxes: NDArray[Any], classes: NDArray[Any], parameters: NDArray[Any], difficult: NDArray[Any]
) -> None:
    n = len(boxes)
    if parameters.ndim != 2 or not len(classes) == len(parameters) == len(difficult) == n:
        raise AstrodetectError(
            f"{n} boxes, {len(classes)} classes, parameters of shape {parameters.shape} and "
            f"{len(difficult)} marks of difficulty; expected one row each"
        )
    good = np.isfinite(boxes).all(axis=1) & (boxes[:, 3:] > boxes[:, :3]).all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        values = ", ".join(f"{value:g}" for value in boxes[row])
        raise AstrodetectError(
            f"box {row} is empty or no number: {values}; expected x_min, y_min, z_min below the maxima"
        )
    if (classes < 0).any():
        row = int(np.argmin(classes >= 0))
        raise AstrodetectError(f"box {row} has the class {classes[row]}; expected a number from 0")
    if np.isinf(parameters).any():
        row = int(np.argmax(np.isinf(parameters).any(axis=1)))
        raise AstrodetectError(f"box {row} has an infinite parameter: {parameters[row].tolist()}")
