"""Tracks as series of numbers that mean the same for every camera: motion and light, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.features import USUAL_RATE

#: What the channels of a series are.
CHANNELS = ("known", "forward", "aside", "bent", "flux", "snr", "saturated", "duration")
#: Fluxes are not told apart below this part of the highest.
_FAINTEST = 1e-2


def track_series(track: Mapping[str, Any], frame_rate: float, length: int) -> NDArray[np.float32]:
    """Give a track as a series.

    Parameters
    ----------
    track : mapping of str to (n,) array
        ``frame``, ``x``, ``y`` in order of frames; ``flux``, ``snr``, ``n_saturated`` where they are known.
    frame_rate : float
        Frames per second; a usual one is taken where it is NaN.
    length : int
        Steps of the series. A track with more frames is thinned evenly; one with fewer ends in zeros.

    Returns
    -------
    (8, length) float32 array
        For each frame from the first to the last (`CHANNELS`): whether it has a point; speed along the way
        from end to end and across it, and the distance from the straight line, in pixels (inverse
        hyperbolic sine); logarithm of the flux over the highest, from 0 down to -1; logarithm of the
        signal-to-noise; whether pixels are saturated; and, the same throughout, the logarithm of the
        duration in seconds. In frames without a point all but the last are 0.

    Examples
    --------
    >>> track = {"frame": [3, 4, 6], "x": [0, 2, 6], "y": [0, 0, 0], "flux": [1, 10, 1]}
    >>> track_series(track, 30.0, 5)[[0, 4]].round(2).tolist()
    [[1.0, 1.0, 0.0, 1.0, 0.0], [-0.5, 0.0, 0.0, -0.5, 0.0]]
    """
    frame = np.asarray(track["frame"], np.int64)
    position = np.stack([np.asarray(track[axis], np.float64) for axis in "xy"], axis=1)
    offset = position - position[0]
    way = offset[-1] / max(float(np.hypot(*offset[-1])), 1e-6)
    along, across = offset @ way, offset @ np.array([-way[1], way[0]])
    gaps = np.maximum(np.diff(frame, prepend=frame[0] - 1), 1)
    forward, aside = (np.diff(part, prepend=part[0]) / gaps for part in (along, across))
    if len(frame) > 1:
        forward[0], aside[0] = forward[1], aside[1]
    flux = np.asarray(track.get("flux", np.ones(len(frame))), np.float64)
    light = np.clip(np.nan_to_num(flux) / max(float(np.nanmax(flux, initial=0.0)), 1e-9), _FAINTEST, 1)
    snr = np.maximum(np.nan_to_num(np.asarray(track.get("snr", np.ones(len(frame))), np.float64)), 1)
    full = np.asarray(track.get("n_saturated", np.zeros(len(frame)))) > 0
    columns = [
        np.ones(len(frame)), np.arcsinh(forward), np.arcsinh(aside), np.arcsinh(across),
        np.log10(light) / -np.log10(_FAINTEST), np.log10(snr), full,
    ]  # fmt: skip
    span = int(frame[-1] - frame[0]) + 1
    rate = frame_rate if frame_rate > 0 else USUAL_RATE
    series = np.zeros((len(CHANNELS), span), np.float32)
    series[:-1, frame - frame[0]] = np.stack(columns)
    series[-1] = np.log10(span / rate)
    return _of_length(series, length)


def _of_length(series: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Thin a series, or fill it up with zeros."""
    span = series.shape[1]
    if span > length:
        return np.ascontiguousarray(series[:, np.linspace(0, span - 1, length).round().astype(np.int64)])
    out = np.zeros((len(series), length), np.float32)
    out[:, :span] = series
    return out
