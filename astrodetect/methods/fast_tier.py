"""When the compiled tier takes over: once it is loaded, and only where that pays.

Importing numba and loading machine code takes as long as reducing a few windows, compiling it as long
as reducing hundreds. Both tiers give the same values, so work begins with NumPy, the other is made
ready beside it, and takes over between two windows.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from astrodetect.methods.compiled import INSTALLED

Tier = Literal["auto", "numpy", "numba"]

#: Pixels times frames that are reduced before machine code is loaded that is on the disk already, and
#: before it is made: a window and a half, and about 60 windows, of a camera of 1.3 megapixels.
_BEFORE_LOADING, _BEFORE_COMPILING = 1.2e8, 5e9
#: Pixels times frames for which it is worth waiting for machine code: loading takes as long as six windows.
_WORTH_WAITING = 5e8

_lock = threading.Lock()
_work: dict[tuple[str, int], float] = {}
_started: set[tuple[str, int]] = set()
_ready: dict[tuple[str, int], ModuleType] = {}


def compiled(frames: np.ndarray[Any, Any], tier: Tier = "auto") -> ModuleType | None:
    """Give the compiled tier for a type of pixel, if it is to be used now.

    Parameters
    ----------
    frames : (T, ...) array
        What is to be reduced: its size counts towards the decision to load machine code.
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
    # An even number of frames has a median of another type.
    key = frames.dtype.name, len(frames) % 2
    if tier == "numba":
        return _load(*key)
    if key not in _ready:
        _work[key] = _work.get(key, 0.0) + frames.size
        if key not in _started and _work[key] > (_BEFORE_LOADING if _on_disk() else _BEFORE_COMPILING):
            _started.add(key)
            # Not a daemon: a compiler must not be torn out of a process that ends.
            threading.Thread(target=_load, args=key, name="astrodetect-compiler").start()
    return _ready.get(key)


def expect(frames: np.ndarray[Any, Any], pixels: float) -> None:
    """Tell that so many pixels of such frames are going to be reduced: where it pays, get ready at once.

    Parameters
    ----------
    frames : (T, ...) array
        What comes first.
    pixels : float
        Pixels times frames of all.
    """
    if INSTALLED and pixels > _WORTH_WAITING and not loaded(frames) and _on_disk():
        _load(frames.dtype.name, len(frames) % 2)


def loaded(frames: np.ndarray[Any, Any]) -> bool:
    """Tell whether the machine code for such frames (T, ...) is there."""
    return (frames.dtype.name, len(frames) % 2) in _ready


@lru_cache(maxsize=1)
def _on_disk() -> bool:
    """Tell whether machine code of this version lies beside the modules."""
    folder = Path(__file__).parent
    written = (folder / "fast_reduction.py").stat().st_mtime
    kept = (folder / "__pycache__").glob("fast_reduction.reduce_range-*.nbi")
    return any(path.stat().st_mtime >= written for path in kept)


def _load(name: str, odd: int) -> ModuleType:
    with _lock:
        if (name, odd) not in _ready:
            from astrodetect.methods import fast_activity, fast_reduction

            if name in fast_reduction.TYPES:
                fast_reduction.warm_up(name, odd)
            if name in fast_activity.TYPES:
                fast_activity.warm_up(name)
            _ready[name, odd] = fast_reduction
        return _ready[name, odd]
