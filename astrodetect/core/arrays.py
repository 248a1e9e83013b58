"""From NumPy to torch and back, without a copy where possible and without importing torch needlessly."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from astrodetect.core.data import Array

if TYPE_CHECKING:
    import torch


def is_torch(array: Any) -> bool:
    """Tell whether `array` is a torch tensor; never imports torch."""
    module = sys.modules.get("torch")
    return module is not None and isinstance(array, module.Tensor)


def to_numpy(array: Any) -> Array:
    """Give a NumPy array; a view of the same memory for a tensor on the CPU."""
    if is_torch(array):
        return array.detach().cpu().numpy()  # type: ignore[no-any-return]
    return np.asarray(array)


def to_torch(array: Any, device: str = "cpu") -> torch.Tensor:
    """Give a torch tensor; a view of the same memory where NumPy and the device allow it."""
    import torch

    if is_torch(array):
        return array.to(device)  # type: ignore[no-any-return]
    native = np.asarray(array)
    if (
        not native.dtype.isnative
        or any(stride < 0 for stride in native.strides)
        or not native.flags.writeable
    ):
        native = native.astype(native.dtype.newbyteorder("="))  # torch knows none of these
    return torch.from_numpy(native).to(device)
