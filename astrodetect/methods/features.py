"""What tells a meteor from other things: numbers that mean the same for every camera.

All of them are ratios, logarithms or counts: nothing depends on the units of the pixels or the size
of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.streaks import Line

#: Frame rate that is assumed where a recording does not tell (Hz).
USUAL_RATE = 25.0
#: Seconds from which a longer duration tells nothing more: fireballs and satellites last as long, and
#: what counts is whether they begin and end.
LONG = 2.5


class Shape(NamedTuple):
    """What the pixels of a window say about a candidate, beside its track.

    Attributes
    ----------
    evidence : float
        Logarithm of the likelihood ratio, path against noise; 0 without a path.
    contrast : float
        Rate at which pixels on the path agree with it, less that beside it.
    width : float
        FWHM across the path (px).
    area : float
        Significant pixels of the patch.
    common : float
        Share of them that had their maximum in the same two frames.
    before, after : float
        Evidence that something lit up next to its beginning just before, and next to its end just after;
        0 where there are no frames.
    clutter : float
        Share of the cells around it that light up while it is there.
    """

    evidence: float
    contrast: float
    width: float
    area: float
    common: float
    before: float = 0.0
    after: float = 0.0
    clutter: float = 0.0


class View(NamedTuple):
    """Where and when an object could have been seen.

    Attributes
    ----------
    frame_rate : float
        Frames per second; NaN counts as `USUAL_RATE`.
    shape : (int, int)
        Height and width of the frame (px).
    last : int
        Last frame; the first is 0.
    """

    frame_rate: float
    shape: tuple[int, int]
    last: int


#: Names of the numbers, in the order of the model's coefficients.
NAMES = (
    "evidence", "contrast", "length", "frames", "speed", "angular", "seconds", "snr", "elongation", "width",
    "bend", "jitter", "fill", "rise", "fall", "open", "steady", "rough", "area", "common", "moving",
    "before", "after", "clutter", "edges",
)  # fmt: skip


def track_numbers(
    frame: NDArray[Any], x: NDArray[Any], y: NDArray[Any], flux: NDArray[Any], view: View
) -> dict[str, float]:
    """Describe a track: straightness, light curve, and whether it begins and ends.

    Parameters
    ----------
    frame : (n,) int array
        Frames, rising.
    x, y : (n,) float arrays
        Positions (px).
    flux : (n,) float array
        Brightness (ADU).
    view : View
        Where and when it could have been seen.

    Returns
    -------
    dict of str to float
        ``length`` (px), ``span`` (frames), ``speed`` (px per frame), ``bend`` (departure from
        a straight line, relative to the noise and the length), ``jitter`` (departure from steady motion, in
        steps), ``fill`` (share of frames seen), ``rise`` and ``fall`` (brightness at the ends
        relative to the highest), ``open`` (ends in the first or last frame: 0, 1, 2), ``edges`` (ends
        at the edge of the frame), ``steady`` (median over highest
        brightness), ``rough`` (change from frame to frame over the highest).
    """
    n = len(frame)
    if n < 2:
        nothing = dict.fromkeys(("length", "speed", "bend", "jitter", "open", "edges", "rough"), 0.0)
        return {**nothing, "span": float(n), "fill": 1.0, "rise": 1.0, "fall": 1.0, "steady": 1.0}
    span = float(frame[-1] - frame[0] + 1)
    length = float(np.hypot(x[-1] - x[0], y[-1] - y[0]))
    ux, uy = (x[-1] - x[0]) / max(length, 1e-9), (y[-1] - y[0]) / max(length, 1e-9)
    along, aside = (x - x[0]) * ux + (y - y[0]) * uy, (x - x[0]) * uy - (y - y[0]) * ux
    speed = length / max(span - 1, 1)
    bend = jitter = 0.0
    if n >= 4:
        aside = aside - np.polyval(np.polyfit(along, aside, 1), along) if length > 2 else aside
        bend = float(np.median(np.abs(aside))) / (0.5 + 0.01 * length)
        # Deceleration is no jitter: a parabola is allowed.
        late = along - np.polyval(np.polyfit(frame - frame[0], along, 2 if n > 6 else 1), frame - frame[0])
        jitter = float(np.median(np.abs(late))) / max(speed, 0.5)
    highest = float(np.max(_smoothed(flux))) or 1.0
    edge = max(1, n // 8)
    return {
        "length": length,
        "span": span,
        "speed": speed,
        "bend": bend,
        "jitter": jitter,
        "fill": n / span,
        "rise": float(np.mean(flux[:edge])) / highest,
        "fall": float(np.mean(flux[-edge:])) / highest,
        "open": float(frame[0] <= 1) + float(frame[-1] >= view.last - 1),
        "edges": _ends_at_edges(x, y, view.shape, 4.0 + 1.5 * speed),
        "steady": float(np.median(flux)) / highest,
        "rough": float(np.median(np.abs(np.diff(flux)))) / highest,
    }


def _ends_at_edges(x: NDArray[Any], y: NDArray[Any], shape: tuple[int, int], margin: float) -> float:
    """Count the ends of a track that lie so near to the edge that it may go on outside."""
    near = [min(x[i], y[i], shape[1] - 1 - x[i], shape[0] - 1 - y[i]) < margin for i in (0, -1)]
    return float(sum(near))


def feature_vector(
    shape: Shape, track: Mapping[str, float], peak_snr: float, view: View
) -> NDArray[np.float64]:
    """Give the numbers that the model is a function of.

    Parameters
    ----------
    shape : Shape
        From the pixels.
    track : mapping
        From `track_numbers`.
    peak_snr : float
        Highest signal-to-noise in one frame, aperture of 2 FWHM diameter.
    view : View
        Where and when it could have been seen; of the diagonal of the frame a camera sees about 100
        degrees.

    Returns
    -------
    (len(NAMES),) float64 array
    """
    known = np.isfinite(view.frame_rate) and view.frame_rate > 0
    rate = view.frame_rate if known else USUAL_RATE
    frame_size = float(np.hypot(*view.shape))
    moving = float(shape.evidence > 0 and track["span"] >= 2)
    values = {
        "evidence": np.log10(1 + max(shape.evidence, 0.0)),
        "contrast": shape.contrast,
        "length": np.log10(1 + track["length"]),
        "frames": np.log10(track["span"] * track["fill"] + 1e-9) if track["span"] > 0 else 0.0,
        "speed": np.log10(np.clip(track["speed"], 0.03, 60)),
        "angular": np.log10(np.clip(track["speed"] * rate / max(frame_size, 1.0), 1e-4, 10)),
        "seconds": np.log10(np.clip(track["span"] / rate, 0.01, LONG)),
        "snr": np.log10(np.clip(peak_snr, 1, 300)),
        "elongation": np.log10(1 + track["length"] / max(shape.width, 1.0)),
        "width": np.log10(np.clip(shape.width, 1, 30)),
        "bend": np.log10(0.05 + min(track["bend"], 10)),
        "jitter": np.log10(0.02 + min(track["jitter"], 10)),
        "fill": track["fill"],
        "rise": np.clip(track["rise"], 0, 1),
        "fall": np.clip(track["fall"], 0, 1),
        "open": track["open"],
        "edges": track["edges"],
        "steady": np.clip(track["steady"], 0, 1),
        "rough": np.clip(track["rough"], 0, 1),
        "area": np.log10(1 + shape.area),
        "common": shape.common,
        "moving": moving,
        "before": np.log10(1 + shape.before),
        "after": np.log10(1 + shape.after),
        "clutter": np.sqrt(shape.clutter),
    }
    return np.array([float(values[name]) for name in NAMES])


def beside(line: Line, z: NDArray[np.float32], argmax: NDArray[Any], width: float) -> float:
    """Give how much more often pixels agree with a path on it than beside it.

    Parameters
    ----------
    line : Line
        The path.
    z, argmax : (H, W) arrays
        Significance, frame of the maximum.
    width : float
        FWHM across (px).

    Returns
    -------
    float
        Between -1 and 1. Light that comes and goes over a whole area agrees beside the path as well.
    """
    s = np.linspace(line.first, line.last, int(np.clip(line.length + 1, 3, 400)))
    y, x = line.position(s)
    dy, dx = line.direction_yx
    clear = 2.0 * width + 3.0
    near = np.arange(-1.0, 1.5)
    far = np.concatenate([np.arange(-clear - 4, -clear + 0.5, 2.0), np.arange(clear, clear + 4.5, 2.0)])
    return _rate(line, s, y, x, (dy, dx), near, z, argmax) - _rate(line, s, y, x, (dy, dx), far, z, argmax)


def _rate(
    line: Line,
    s: NDArray[Any],
    y: NDArray[Any],
    x: NDArray[Any],
    direction: tuple[float, float],
    offsets: NDArray[Any],
    z: NDArray[np.float32],
    argmax: NDArray[Any],
) -> float:
    yy = np.rint(y[:, None] + offsets * direction[1]).astype(np.int64)
    xx = np.rint(x[:, None] - offsets * direction[0]).astype(np.int64)
    seen = (yy >= 0) & (yy < z.shape[0]) & (xx >= 0) & (xx < z.shape[1])
    if not seen.any():
        return 0.0
    yy, xx = np.where(seen, yy, 0), np.where(seen, xx, 0)
    agrees = (np.abs(argmax[yy, xx] - line.time(s)[:, None]) <= line.tolerance()) & (z[yy, xx] > 1.0) & seen
    return float(agrees.sum() / seen.sum())


def blob(z: NDArray[np.float32], argmax: NDArray[Any], significant: float = 4.0) -> tuple[float, float]:
    """Describe the significant pixels of a patch: how many, and how many at one time.

    Parameters
    ----------
    z, argmax : (h, w) arrays
        Significance, frame of the maximum.
    significant : float
        Standard deviations.

    Returns
    -------
    area, common : float
        Number of pixels, and the share of them with their maximum in the most common two frames.
    """
    times = np.sort(np.asarray(argmax)[z > significant].astype(np.int64))
    if not len(times):
        return 0.0, 0.0
    within = np.searchsorted(times, times + 1, side="right") - np.arange(len(times))
    return float(len(times)), float(within.max()) / len(times)


def _smoothed(values: NDArray[Any]) -> NDArray[np.float64]:
    """Median of three, so that one odd frame is not the highest."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 3:
        return values
    stacked = np.stack([values[:-2], values[1:-1], values[2:]])
    inner = np.median(stacked, axis=0)
    return np.concatenate([values[:1], inner, values[-1:]]) if len(values) < 5 else inner


def weighted(values: Sequence[float], weights: Sequence[float]) -> float:
    """Give the weighted mean; of nothing, 0."""
    total = float(np.sum(weights))
    return (
        float(np.dot(values, weights)) / total
        if total > 0
        else float(np.mean(values))
        if len(values)
        else 0.0
    )
