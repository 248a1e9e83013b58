"""When the compiled tier takes over: once it is loaded, and only where that pays.

Importing numba and loading machine code takes as long as reducing a few windows, compiling it as long
as reducing hundreds. Both tiers give the same values, so work begins with NumPy, the other is made
ready beside it, and takes over between two windows.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np

from astrodetect.methods.compiled import INSTALLED

Tier = Literal["auto", "numpy", "numba"]

#: Pixels times frames that are reduced before machine code is loaded that is on the disk already, and
#: before it is made: a window and a half, and about 60 windows, of a camera of 1.3 megapixels.
_BEFORE_LOADING, _BEFORE_COMPILING = 1.2e8, 5e9

_lock = threading.Lock()
_work: dict[str, float] = {}
_started: set[str] = set()
_ready: dict[str, ModuleType] = {}


def compiled(dtype: np.dtype[np.generic], n_samples: int, tier: Tier = "auto") -> ModuleType | None:
    """Give the compiled tier for a type of pixel, if it is to be used now.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the pixels.
    n_samples : int
        Pixels times frames that are to be reduced; they count towards the decision to load it.
    tier : {"auto", "numpy", "numba"}
        ``"numba"`` waits until it is there.

    Returns
    -------
    module or None
        `astrodetect.methods.fast_reduction`.

    Raises
    ------
    ValueError
        ``"numba"`` is asked for and numba is not installed.
    """
    if tier == "numpy" or (tier == "auto" and not INSTALLED):
        return None
    if not INSTALLED:
        raise ValueError("numba is not installed; install astrodetect[fast], or leave the choice to it")
    name = dtype.name
    if tier == "numba":
        return _load(name)
    if name not in _ready:
        _work[name] = _work.get(name, 0.0) + n_samples
        if name not in _started and _work[name] > (_BEFORE_LOADING if _on_disk() else _BEFORE_COMPILING):
            _started.add(name)
            # Not a daemon: a compiler must not be torn out of a process that ends.
            threading.Thread(target=_load, args=(name,), name="astrodetect-compiler").start()
    return _ready.get(name)


def _on_disk() -> bool:
    folder = Path(__file__).parent / "__pycache__"
    return next(folder.glob("fast_reduction.reduce_range-*.nbi"), None) is not None


def _load(name: str) -> ModuleType:
    with _lock:
        if name not in _ready:
            from astrodetect.methods import fast_reduction

            if name in fast_reduction.TYPES:
                fast_reduction.warm_up(name)
            _ready[name] = fast_reduction
        return _ready[name]
