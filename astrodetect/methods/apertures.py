"""Light in apertures along a path in one frame: centroid, flux, background, saturated pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.noise import ROUNDING
from astrodetect.methods.streaks import Line

#: Half size of what is cut out around an object at most (px).
_LARGEST = 48
#: Frames on either side from which the light behind an object is taken, and how far away they may be.
_AROUND, _LONGEST_GAP = 6, 9


@dataclass(frozen=True)
class Point:
    """One frame of a track.

    Attributes
    ----------
    frame : int
        Index in the window.
    x, y : float
        Brightness-weighted centroid (px).
    flux : float
        Sum above background in the aperture along the path of this frame (ADU).
    background : float
        Background level per pixel (ADU).
    snr : float
        Signal-to-noise in the aperture along the path.
    aperture_snr : float
        Signal-to-noise in a round aperture of 2 FWHM diameter about the centroid.
    peak : float
        Highest pixel above background (ADU).
    n_saturated : int
        Saturated pixels.
    """

    frame: int
    x: float
    y: float
    flux: float
    background: float
    snr: float
    aperture_snr: float
    peak: float
    n_saturated: int


def measure_frame(
    window: Window,
    line: Line,
    frame: int,
    width: float,
    near: tuple[float, float] | None = None,
    restless: bool = False,
) -> Point | None:
    """Measure an object in one frame.

    Parameters
    ----------
    window : Window
        With planes ``max``, ``background``, ``image``, ``argmax``; frames where there are any.
    line : Line
        Where it went.
    frame : int
        Index in the window.
    width : float
        FWHM across (px).
    near : (float, float), optional
        Where it was (y, x) if it may have stayed there.
    restless : bool
        The light behind it changes: it is taken from the frames around this one.

    Returns
    -------
    Point or None
        None where it is outside the frame or cannot be measured.
    """
    (y0, y1), (x0, x1) = (np.ravel(v) for v in line.at_frame([frame - 0.5, frame + 0.5])[:2])
    if near is not None:
        # Beyond the end of the path: between where it was and where it should be.
        y0, x0 = near
    height, width_px = window.shape
    cy, cx = (y0 + y1) / 2, (x0 + x1) / 2
    if not (-1 <= cy < height + 1 and -1 <= cx < width_px + 1):
        return None
    reach = min(int(np.ceil(np.hypot(y1 - y0, x1 - x0) / 2 + 2.5 * width + 4)), _LARGEST)
    top, left = max(int(cy) - reach, 0), max(int(cx) - reach, 0)
    box = slice(top, int(cy) + reach + 1), slice(left, int(cx) + reach + 1)
    signal, known = signal_in(window, frame, box, gap_of(line.speed, width) if restless else 0)
    if signal.size < 9:
        return None
    yy, xx = np.mgrid[top : top + signal.shape[0], left : left + signal.shape[1]]
    away = _distance_to_segment(yy, xx, (y0, x0), (y1, x1))
    if window.mask is not None:
        known = known & ~window.mask[box]
    return _photometry(window, frame, box, signal, known, away, (yy, xx), width)


def _photometry(
    window: Window,
    frame: int,
    box: tuple[slice, slice],
    signal: NDArray[np.float32],
    known: NDArray[np.bool_],
    away: NDArray[Any],
    grid: tuple[NDArray[Any], NDArray[Any]],
    width: float,
) -> Point | None:
    yy, xx = grid
    outside = (away > 1.5 * width + 1) & known
    level, noise = _level_and_noise(window, box, signal, outside)
    signal = signal - level
    inside = (away <= width) & known
    if inside.sum() < 2:
        return None
    loud = _correlation(signal, outside, noise)
    region = _bright_region(signal, known, away, width, noise)
    weight = np.where(region, signal, 0).clip(0)
    total = float(weight.sum())
    if total <= 0:
        return None
    y, x = float((weight * yy).sum() / total), float((weight * xx).sum() / total)
    round_aperture = (np.hypot(yy - y, xx - x) <= width) & known
    flux = float(signal[inside | region].sum())
    excess = signal
    if window.frames is None:
        # A pixel of noise that had its maximum here stands above the background as well.
        chosen = signal[signal > 0]
        usual = float(np.median(np.asarray(window.planes["image"][box], dtype=np.float32)))
        excess = np.where(signal > 0, signal - min(usual, float(chosen.max(initial=0.0))), 0)
    background = (
        float(np.median(np.asarray(window.planes["background"][box], dtype=np.float64)[inside])) + level
    )
    saturated = 0
    if np.isfinite(window.stream.saturation):
        raw = window.frames[frame][box] if window.frames is not None else window.planes["max"][box]
        saturated = int((raw[inside | region] >= window.stream.saturation).sum())
    return Point(
        frame,
        x,
        y,
        flux,
        background,
        float(excess[inside].sum()) / (loud * noise * np.sqrt(inside.sum())),
        float(excess[round_aperture].sum()) / (loud * noise * np.sqrt(max(round_aperture.sum(), 1))),
        float(signal[inside | region].max()),
        saturated,
    )


def gap_of(speed: float, width: float) -> int:
    """Give after how many frames an object has left its place; 0 for what is too slow."""
    frames = int(np.ceil(2 * width / max(speed, 1e-3))) + 1
    return frames if frames <= _LONGEST_GAP else 0


def signal_in(
    window: Window, frame: int, box: tuple[slice, slice], gap: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Give what one frame shows above the background, and where that is known.

    The background is that of the window, or of the frames that are `gap` and a few more before and after.
    Where only the maximum was kept, a pixel is known in the frame of its maximum; elsewhere it was
    at most the maximum, and counts as empty.
    """
    background = np.asarray(window.planes["background"][box], dtype=np.float32)
    if window.frames is not None:
        around = [
            other
            for away in range(gap, gap + _AROUND)
            for other in (frame - away, frame + away)
            if gap and 0 <= other < window.n_frames
        ]
        if around:
            background = np.mean([window.frames[other][box] for other in around], axis=0, dtype=np.float32)
        signal = window.frames[frame][box].astype(np.float32) - background
        finite = np.isfinite(signal)
        return np.where(finite, signal, 0), finite
    here = np.asarray(window.planes["argmax"][box]) == frame
    signal = np.where(here, window.planes["max"][box].astype(np.float32) - background, 0)
    return signal, np.ones(signal.shape, dtype=bool)


def _level_and_noise(
    window: Window, box: tuple[slice, slice], signal: NDArray[np.float32], outside: NDArray[np.bool_]
) -> tuple[float, float]:
    """Give the level around the object in this frame and the noise of a pixel (ADU)."""
    rounding = ROUNDING if window.planes["max"].dtype.kind in "ui" else 1e-6
    if window.frames is None:
        std = np.asarray(window.planes["std"][box]) if "std" in window.planes else None
        noise = (
            float(np.median(std))
            if std is not None
            else float(np.std(signal[outside]))
            if outside.any()
            else 1.0
        )
        return 0.0, max(noise, rounding)
    around = signal[outside]
    if len(around) < 12:
        return 0.0, max(float(np.std(signal)), rounding)
    around = np.sort(around)
    n = len(around)
    # Mean of the middle half resolves fractions of a grey level; the spread is of a normal one.
    level = float(around[n // 4 : max(3 * n // 4, n // 4 + 1)].mean())
    low, high = around[int(0.16 * (n - 1))], around[int(0.84 * (n - 1))]
    tails = float(np.sqrt(np.mean(np.square(around[: int(0.84 * n)] - level)))) / 0.858
    return level, max((high - low) / 2 if high - low > 4 else tails, rounding)


def _correlation(signal: NDArray[np.float32], outside: NDArray[np.bool_], noise: float) -> float:
    """Give by how much apertures are noisier than independent pixels would make them.

    Compressed video, clouds and defocused stars have noise that is correlated between neighbours:
    the scatter of means over 4 by 4 pixels tells.
    """
    height, width = signal.shape[0] // 4 * 4, signal.shape[1] // 4 * 4
    if height < 12 or width < 12:
        return 1.0
    blocks = signal[:height, :width].reshape(height // 4, 4, width // 4, 4).mean(axis=(1, 3))
    clear = outside[:height, :width].reshape(height // 4, 4, width // 4, 4).all(axis=(1, 3))
    if clear.sum() < 8:
        return 1.0
    means = blocks[clear]
    spread = 1.4826 * float(np.median(np.abs(means - np.median(means))))
    return max(1.0, 4.0 * spread / noise)


def _bright_region(
    signal: NDArray[np.float32], known: NDArray[np.bool_], away: NDArray[Any], width: float, noise: float
) -> NDArray[np.bool_]:
    """Give the pixels of the object: above the noise, joined to where it should be."""
    from scipy.ndimage import label

    core = (away <= 0.5 * width + 1) & known
    highest = float(signal[core].max(initial=0.0))
    threshold = max(2.0 * noise, 0.15 * highest)
    bright = (signal > threshold) & known
    near = bright & (away <= max(width, 2.0))
    if highest < 8 * noise:
        return near
    parts, _ = label(bright, structure=np.ones((3, 3)))
    names = np.unique(parts[near])
    joined: NDArray[np.bool_] = np.isin(parts, names[names > 0])
    return joined


def _distance_to_segment(
    y: NDArray[Any], x: NDArray[Any], a: tuple[float, float], b: tuple[float, float]
) -> NDArray[np.float64]:
    dy, dx = b[0] - a[0], b[1] - a[1]
    square = max(dy * dy + dx * dx, 1e-12)
    share = np.clip(((y - a[0]) * dy + (x - a[1]) * dx) / square, 0, 1)
    away: NDArray[np.float64] = np.hypot(y - a[0] - share * dy, x - a[1] - share * dx)
    return away
