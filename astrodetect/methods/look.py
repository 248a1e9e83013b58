"""A window as scorer and classifier see it: significance of the pixels, and when they were brightest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.noise import ROUNDING, estimate_noise, flatten
from astrodetect.methods.recent import Recent
from astrodetect.methods.scores import smooth


@dataclass(frozen=True)
class Look:
    """What stands out in a window.

    Attributes
    ----------
    z : (H, W) float32 array
        Standard deviations above the noise; 0 where masked or not finite.
    argmax : (H, W) integer array
        Frame of the maximum.
    image : (H, W) array
        Maximum minus background (ADU).
    correlation : float
        Noise of the smoothed significance over that of independent pixels, at least 1: two or
        more in compressed video.
    """

    z: NDArray[np.float32]
    argmax: NDArray[Any]
    image: NDArray[Any]
    correlation: float = 1.0


def look_at(window: Window, *, block: int = 32, twinkle: float = 0.25) -> Look:
    """Give what stands out in a window, from its own noise.

    The last answer is kept while its window lives, as scorer and classifier ask for the same.

    Parameters
    ----------
    window : Window
        With planes ``image``, ``background`` and ``argmax``.
    block, twinkle
        See `astrodetect.methods.noise.estimate_noise`.

    Returns
    -------
    Look
        Not to be written to.
    """
    return _recent.of(window, lambda: _looked(window, block, twinkle), block, twinkle)


def _looked(window: Window, block: int, twinkle: float) -> Look:
    background = np.asarray(window.planes["background"])
    image, argmax = np.asarray(window.planes["image"]), _when(window)
    whole_numbers = "max" in window.planes and window.planes["max"].dtype.kind in "ui"
    model = estimate_noise(
        image,
        background,
        window.mask,
        block=block,
        rounding=ROUNDING if whole_numbers else 0.0,
        # In a single image stars stand in the image itself, not in the background.
        twinkle=twinkle if window.n_frames > 1 else 0.0,
    )
    z = model.significance(image, background, window.mask)
    if window.n_frames > 1:
        z = flatten(z)
        if window.mask is not None:
            z[window.mask] = 0
    return Look(z, argmax, image, _correlation(z))


def _when(window: Window) -> NDArray[Any]:
    """Give the frame of the maximum: a plane of what arrives reduced, worked out for short windows."""
    if "argmax" in window.planes or window.frames is None:
        return np.asarray(window.planes["argmax"])
    when: NDArray[np.int64] = np.argmax(window.frames, axis=0)
    return when


def _correlation(z: NDArray[np.float32]) -> float:
    """Compare the spread of smoothed and of single pixels, below the middle, where nothing shines."""
    if min(z.shape) < 12:
        return 1.0
    # Strips of rows all over the frame are enough.
    height = z.shape[0]
    strips = [z[top : top + 12] for top in np.linspace(0, height - 12, min(12, height // 12)).astype(int)]
    smoothed = np.concatenate([smooth(strip)[1:-1:3, 1:-1:3].ravel() for strip in strips])
    pixels = np.concatenate([strip[1:-1:3, 1:-1:3].ravel() for strip in strips])
    low, middle = np.percentile(smoothed, [16, 50])
    pixels_low, pixels_middle = np.percentile(pixels, [16, 50])
    return max(1.0, float((middle - low) / max(pixels_middle - pixels_low, 0.1)))


_recent: Recent[Look] = Recent()
