"""The track of an object in frames: fitted to all at once, as far as it is seen, and measured in each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.apertures import Point, measure_frame
from astrodetect.methods.path_light import Cutouts, Motion, cut_out, fitted_motion, light_along
from astrodetect.methods.streaks import Line
from astrodetect.methods.visibility import seen

#: Frames beyond each end that are looked at, at least; of a long track half as many as it has.
_BEYOND = 6
#: How often a path is fitted again to the frames in which it turned out to be seen.
_REFITTED = 4
#: Frames of a path.
_LEAST = 3
#: By how much the brightness of a faint frame is not known (signal-to-noise).
_UNSURE = 0.5
#: Distance at which the light beside a path is looked at (widths).
_ASIDE = 1.5
#: Signal-to-noise below which an object is not seen in a frame, and from which on a frame tells its place.
_FAINT, _PLACED = 1.4, 4.0


def fitted_track(
    window: Window,
    line: Line,
    width: float,
    *,
    edge_snr: float = 2.5,
    edge_fraction: float = 0.1,
    restless: bool = False,
    independent: float = 1.0,
) -> tuple[Line, list[Point]]:
    """Fit a path to the frames, find in which of them the object is seen, and measure it there.

    Parameters
    ----------
    window : Window
        With frames, and planes ``max`` and ``background``.
    line : Line
        Where it is thought to be.
    width : float
        FWHM across (px).
    edge_snr : float
        Signal-to-noise that the faint frames at the ends of tracks have on average.
    edge_fraction : float
        Least flux of the first and the last frame, as a fraction of the track's highest.
    restless : bool
        The light behind it changes from frame to frame, as under clouds.
    independent : float
        Share of frames along the path whose noise is not that of the frame before.

    Returns
    -------
    Line, list of Point
        The path with its evidence, and the object in the frames in which it is seen; empty if in fewer
        than three.
    """
    first = max(int(np.floor(line.time(line.first) + 0.5)), 0)
    last = min(int(np.ceil(line.time(line.last) - 0.5)), window.n_frames - 1)
    y, x, _ = line.at_frame([first, last])
    motion = Motion(first, last, (float(y[0]), float(x[0])), (float(y[1]), float(x[1])))
    for _ in range(_REFITTED):
        beyond = max(_BEYOND, (last - first + 1) // 2)
        frames = range(max(first - beyond, 0), min(last + beyond + 1, window.n_frames))
        cutouts = cut_out(window, motion, frames, width, restless)
        inside = (cutouts.frames >= first) & (cutouts.frames <= last)
        if inside.sum() < _LEAST:
            return line, []
        motion = fitted_motion(cutouts[inside], motion, width)
        light = light_along(cutouts, motion, width) * np.sqrt(independent)
        light /= _restlessness(cutouts, motion, width)
        there, evidence = _seen(cutouts, light, window.n_frames, edge_snr, edge_fraction)
        if there.sum() < _LEAST:
            return line, []
        ends = int(cutouts.frames[there][0]), int(cutouts.frames[there][-1])
        motion = motion.between(*ends)
        if ends == (first, last):
            break
        first, last = ends
    path = motion.line(min(evidence, line.evidence))
    points = [
        replace(point, snr=float(snr))
        for frame, snr in zip(cutouts.frames[there].tolist(), light[there], strict=True)
        if (point := measure_frame(window, path, frame, width, restless=restless)) is not None
    ]
    kept = bright_part(np.array([p.flux for p in points]), np.array([p.snr for p in points]), edge_fraction)
    return path, _placed(points[kept], motion)


def _seen(
    cutouts: Cutouts, light: NDArray[np.float64], n_frames: int, edge_snr: float, edge_fraction: float
) -> tuple[NDArray[np.bool_], float]:
    """Tell in which frames an object is seen, and give the evidence of all of them."""
    depth = float(np.median(cutouts.noise)) / cutouts.noise.astype(np.float64)
    open_ends = bool(cutouts.frames[0] == 0), bool(cutouts.frames[-1] == n_frames - 1)
    chance, brightness, evidence = seen(light, depth, edge_snr, open_ends)
    there = (chance > 0.5) & (brightness >= _FAINT)
    least = edge_fraction * brightness.max(where=there, initial=0.0) - _UNSURE
    bright = np.flatnonzero(there & (brightness >= least))
    if len(bright):
        there[: bright[0]] = there[bright[-1] + 1 :] = False
    return there, evidence


def _restlessness(cutouts: Cutouts, motion: Motion, width: float) -> float:
    """Give how much the light beside a path scatters, in units of independent pixels; at least 1."""
    away = _ASIDE * width + 1.5
    beside = [light_along(cutouts, motion.moved(0, by).moved(1, by), width) for by in (-away, away)]
    return max(1.0, 1.4826 * float(np.median(np.abs(beside))))


def bright_part(flux: NDArray[np.float64], snr: NDArray[np.float64], edge_fraction: float) -> slice:
    """Give the part of a track without the ends that are clearly fainter than a fraction of its highest flux.

    Parameters
    ----------
    flux, snr : (n,) arrays
        Brightness in each frame (ADU) and its signal-to-noise.
    edge_fraction : float
        The fraction.

    Returns
    -------
    slice
    """
    if not len(flux):
        return slice(0)
    noise = float(np.median(flux / np.maximum(snr, 1.0)))
    bright = (flux + noise >= edge_fraction * flux.max()) & (snr + 1 >= edge_fraction * snr.max())
    seen_in = np.flatnonzero(bright)
    return slice(int(seen_in[0]), int(seen_in[-1]) + 1) if len(seen_in) else slice(len(flux))


def _placed(points: list[Point], motion: Motion) -> list[Point]:
    """Put both ends onto the path where they are too faint to tell where they are."""
    for number in {0, len(points) - 1} if points else ():
        if points[number].snr < _PLACED:
            y, x = motion.at(points[number].frame)
            points[number] = replace(points[number], y=float(y), x=float(x))
    return points
