"""Planes that are read where they are looked at: images larger than memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core import limits
from astrodetect.core.data import Array
from astrodetect.core.errors import AstrodetectError

#: Gives the pixels of some rows and columns, both with a start, a stop and a step of 1.
Reader = Callable[[slice, slice], Array]


class LazyPlane:
    """A plane (H, W) that is never whole in memory: ``plane[y0:y1, x0:x1]`` reads that part of it.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    dtype : numpy.dtype
        Type of the pixels.
    read : callable
        Given a slice of rows and one of columns, gives those pixels as an array of its own.

    Notes
    -----
    A stage that needs a whole array gets one, if a frame of that size may be read whole (``[limits]
    pixels``), and else one line that says so.
    """

    ndim = 2

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any] | type[Any], read: Reader) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._read = read

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    def __getitem__(self, where: Any) -> Array:
        if where is Ellipsis:
            _check_whole(self.shape)
            where = (slice(None), slice(None))
        if not (isinstance(where, tuple) and len(where) == 2 and all(isinstance(w, slice) for w in where)):
            raise TypeError("a lazy plane is cut as plane[y0:y1, x0:x1]")
        rows, columns = (_plain(cut, length) for cut, length in zip(where, self.shape, strict=True))
        return self._read(rows, columns)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        whole = self[...]
        return whole if dtype is None else whole.astype(dtype)


def _plain(cut: slice, length: int) -> slice:
    start, stop, step = cut.indices(length)
    if step != 1:
        raise TypeError("a lazy plane is cut in steps of one pixel")
    return slice(start, max(start, stop))


def _check_whole(shape: tuple[int, int]) -> None:
    height, width = shape
    if height * width > limits.current().pixels:
        raise AstrodetectError(
            f"an image of {width} x {height} pixels is read in tiles only, and this stage asks for "
            f"all of it; expected at most {limits.current().pixels} pixels ([limits] pixels)"
        )


def is_lazy(plane: Any) -> bool:
    """Say whether a plane is read where it is looked at."""
    return isinstance(plane, LazyPlane)


def joined_masks(first: Any, second: Any) -> NDArray[np.bool_]:
    """Give what either of two masks (H, W) ignores, lazy where one of them is."""
    if not (is_lazy(first) or is_lazy(second)):
        return np.asarray(first | second)
    joined: Any = LazyPlane(
        first.shape, np.bool_, lambda rows, columns: first[rows, columns] | second[rows, columns]
    )
    return joined  # type: ignore[no-any-return]
