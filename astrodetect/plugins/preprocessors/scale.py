"""Scale every frame to its own brightest pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from astrodetect.core.data import Array, Window
from astrodetect.core.stages import Preprocessor

#: What the brightest pixel of a frame becomes.
_TOP = 255
#: Planes in units of pixel values.
_VALUES = ("max", "background", "median", "mean", "std")


@dataclass
class Scale(Preprocessor):
    """Divide each frame by its brightest pixel and multiply by 255, as the thesis prepared its data.

    It made 8-bit and 16-bit cameras comparable for a network. It is here for comparison: a bright
    object darkens everything else in its frame, and units are lost. Put it before the reduction;
    windows that arrive reduced are scaled by the brightest pixel of their maximum.

    Notes
    -----
    The window's stream says uint8 (or float32) and no saturation afterwards.
    """

    gives: ClassVar[tuple[str, ...]] = ()

    #: Type of the scaled frames: ``uint8`` truncates, as the thesis did, and what is negative becomes
    #: 0; ``float32`` keeps signs and fractions and takes four times the memory.
    to: Literal["uint8", "float32"] = "uint8"

    def process(self, window: Window) -> Window:
        """Give the window with scaled frames, or scaled planes where it has planes."""
        dtype = np.dtype(self.to)
        stream = replace(window.stream, dtype=dtype, saturation=float("nan"))
        if "max" in window.planes or window.frames is None:
            return replace(_scaled_planes(window, dtype), stream=stream)
        frames = np.empty(window.frames.shape, dtype)
        for frame, out in zip(window.frames, frames, strict=True):
            by = factor(frame)
            seen = np.nan_to_num(frame, nan=0.0, posinf=0.0, neginf=0.0)
            np.multiply(_storable(seen, dtype), by, out=out, casting="unsafe")
        return replace(window, frames=frames, stream=stream)


def factor(frame: Array) -> np.float32:
    """Give what brings the brightest finite pixel of a frame to 255; 1 for a frame without light.

    Examples
    --------
    >>> float(factor(np.array([[51, 0]], dtype=np.uint16)))
    5.0
    """
    top = np.max(frame, initial=0, where=np.isfinite(frame)) if frame.dtype.kind == "f" else frame.max()
    return np.float32(_TOP / top) if top > 0 else np.float32(1)


def _storable(values: Array, dtype: np.dtype[Any]) -> Array:
    """Give what does not wrap round in `dtype`."""
    return np.maximum(values, 0) if dtype.kind == "u" and values.dtype.kind != "u" else values


def _scaled_planes(window: Window, dtype: np.dtype[Any]) -> Window:
    if "max" not in window.planes:
        return window
    by = factor(window.planes["max"])
    planes = {
        name: (_storable(window.planes[name], dtype) * by).astype(dtype)
        if name == "max"
        else (window.planes[name] * by).astype(np.float32)
        for name in _VALUES
        if name in window.planes
    }
    if "image" in window.planes:
        planes["image"] = (window.planes["image"] * by).astype(np.float32)
    return window.with_planes(**planes)
