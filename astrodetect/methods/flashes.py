"""Frames in which much of the picture lit up: lightning, headlights, an aircraft's lamp in haze.

In the maximum of a window such a frame hides what else happened. Its large-scale light is taken off
before it may give the maximum of a pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.noise import estimate_noise

#: A frame that holds more than this share of the maxima, and so many times its due, lit up.
_SHARE, _TIMES = 0.06, 4.0
#: Largest part of the frames of a window that can be called flashes.
_MOST = 0.25


def flash_frames(argmax: NDArray[Any], n_frames: int) -> NDArray[np.int64]:
    """Find the frames in which an implausible share of the pixels had their maximum.

    Parameters
    ----------
    argmax : (H, W) integer array
        Frame of the maximum.
    n_frames : int
        Frames in the window.

    Returns
    -------
    (n,) int64 array
        By falling share; the first frame is never one, as pixels that do not change have their
        first maximum there.
    """
    sampled = np.asarray(argmax)[::3, ::3]
    share = np.bincount(sampled.ravel(), minlength=n_frames)[:n_frames] / sampled.size
    share[0] = 0
    order = np.argsort(-share, kind="stable")[: int(_MOST * n_frames)]
    found: NDArray[np.int64] = order[share[order] > max(_SHARE, _TIMES / n_frames)]
    return found


def without_flashes(window: Window) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give image and frame of the maximum with the common light of flashes taken off.

    Parameters
    ----------
    window : Window
        With frames; others, and those without flashes, give their planes back.

    Returns
    -------
    image : (H, W) float32 array
        Maximum minus background (ADU).
    argmax : (H, W) integer array
        Frame of the maximum.
    """
    image, argmax = np.asarray(window.planes["image"]), np.asarray(window.planes["argmax"])
    if window.frames is None or window.n_frames < 8:
        return image, argmax
    flashes = flash_frames(argmax, window.n_frames)
    if not len(flashes):
        return image, argmax
    lit = _all_lit(window, set(flashes.tolist()))
    highest: NDArray[Any] | None = None
    when = np.zeros(image.shape, np.int16)
    for number in range(window.n_frames):
        if number in lit:
            continue
        frame = window.frames[number]
        if highest is None:
            highest = frame.copy()
            when[:] = number
            continue
        higher = frame > highest
        np.copyto(highest, frame, where=higher)
        when[higher] = number
    assert highest is not None
    background = np.asarray(window.planes["background"], dtype=np.float32)
    best = highest.astype(np.float32) - background
    for number in sorted(lit):
        signal = window.frames[number].astype(np.float32) - background
        model = estimate_noise(signal, background, window.mask, block=16, twinkle=0.0)
        signal -= model.spread_out(model.level, slice(None), slice(None))
        higher = signal > best
        np.copyto(best, signal, where=higher)
        when[higher] = number
    return best, when


def _all_lit(window: Window, lit: set[int]) -> set[int]:
    """Add the frames that lit up less than those which are known, and are hidden by them."""
    assert window.frames is not None
    sampled = window.frames[:, ::6, ::6].astype(np.float32)
    while len(lit) < _MOST * window.n_frames:
        sampled[sorted(lit)] = -np.inf
        # What is sampled already needs no further thinning.
        when = np.repeat(np.repeat(sampled.argmax(axis=0), 3, axis=0), 3, axis=1)
        more = set(flash_frames(when, window.n_frames).tolist()) - lit
        if not more:
            break
        lit = lit | more
    return lit
