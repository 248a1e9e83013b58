"""What is drawn: boxes and tracks over a picture, light curves. Inline SVG, sharp at any size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.report.markup import count, short, text

#: Points of a curve beyond which neighbours are joined.
_MOST_POINTS = 160
_CURVE = (132.0, 40.0)


def overlay(shape: tuple[int, int], marks: Sequence[Mapping[str, Any]], more: str = "") -> str:
    """Give the drawing over a picture.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the frame. Its pixels are the units: (0, 0) is the centre of the first.
    marks : sequence of mapping
        ``kind`` (``accepted``, ``rejected`` or ``camera``), ``label``, ``box`` (x_min, y_min, x_max,
        y_max; half open) and ``track`` (n, 2) of x, y.
    more : str
        SVG that is drawn below them.
    """
    height, width = shape
    parts = []
    for mark in marks:
        x0, y0, x1, y1 = mark["box"]
        drawn = (
            f'<rect class="box" x="{x0 - 0.5:.6g}" y="{y0 - 0.5:.6g}" '
            f'width="{x1 - x0:.6g}" height="{y1 - y0:.6g}"/>'
        )
        track = mark["track"]
        if len(track):
            points = " ".join(f"{x:.6g},{y:.6g}" for x, y in track)
            x, y = track[0]
            drawn += f'<polyline class="track" points="{points}"/>'
            drawn += (
                f'<circle class="track start" cx="{x:.6g}" cy="{y:.6g}" r="{max(width, height) / 300:.3g}"/>'
            )
        whose = f'data-label="{text(mark["label"])}" data-of="{mark.get("of", "")}"'
        parts.append(f'<g class="mark {mark["kind"]}" {whose}>{drawn}</g>')
    return (
        f'<svg class="overlay" viewBox="-0.5 -0.5 {width} {height}" preserveAspectRatio="none" '
        f'aria-hidden="true">{more}{"".join(parts)}</svg>'
    )


def track_points(row: Mapping[str, Any], track: Mapping[str, Any]) -> NDArray[np.float64]:
    """Give the path of a detection: its track, or the line between its ends, or nothing.

    Parameters
    ----------
    row : mapping
        ``x_start``, ``y_start``, ``x_end``, ``y_end`` where known.
    track : mapping of str to (n,) array
        ``x`` and ``y``, or empty.

    Returns
    -------
    (n, 2) float64 array
        x, y in frame pixels, finite.
    """
    if "x" in track and len(track["x"]) > 1:
        points = np.column_stack([track["x"], track["y"]]).astype(np.float64)
    else:
        points = np.array(
            [[float(row.get(f"{axis}_{end}", math.nan)) for axis in "xy"] for end in ("start", "end")]
        )
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) > 4 * _MOST_POINTS:
        points = points[np.linspace(0, len(points) - 1, 4 * _MOST_POINTS).astype(np.int64)]
    return points if len(points) > 1 else points[:0]


def light_curve(track: Mapping[str, Any]) -> str:
    """Give flux against frame as a small drawing, saturated frames marked; a dash without a track.

    Parameters
    ----------
    track : mapping of str to (n,) array
        ``frame``, ``flux`` (ADU), and ``n_saturated`` where known; in order of frames.
    """
    if "flux" not in track or "frame" not in track:
        return "\u2013"
    known = np.isfinite(track["flux"])
    frames = track["frame"][known].astype(np.float64)
    flux = track["flux"][known].astype(np.float64)
    if len(flux) < 2:
        return "\u2013"
    saturated = np.zeros(len(flux), dtype=bool)
    if "n_saturated" in track:
        saturated = track["n_saturated"][known] > 0
    brightest = int(np.argmax(flux))
    said = f"Light curve of {count(len(flux), 'frame')}, brightest in frame {frames[brightest]:.0f} " + (
        f"with {short(flux[brightest])} ADU"
    )
    if saturated.any():
        said += f", saturated in {count(int(saturated.sum()), 'frame')}"
    return _curve(frames, flux, saturated, said)


def _curve(
    frames: NDArray[np.float64], flux: NDArray[np.float64], saturated: NDArray[np.bool_], said: str
) -> str:
    if len(flux) > _MOST_POINTS:
        starts = np.unique(np.linspace(0, len(flux), _MOST_POINTS, endpoint=False).astype(np.int64))
        frames, flux = frames[starts], np.maximum.reduceat(flux, starts)
        saturated = np.logical_or.reduceat(saturated, starts)
    width, height = _CURVE
    low, high = min(0.0, float(flux.min())), max(float(flux.max()), 1e-9)
    x = 3 + (width - 6) * (frames - frames[0]) / max(1.0, frames[-1] - frames[0])
    y = 3 + (height - 6) * (high - flux) / max(high - low, 1e-9)
    base = 3 + (height - 6) * high / max(high - low, 1e-9)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    dots = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.2"/>'
        for a, b in zip(x[saturated], y[saturated], strict=True)
    )
    return (
        f'<svg class="curve" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{said}"><title>{said}</title>'
        f'<line x1="3" x2="{width - 3:.0f}" y1="{base:.1f}" y2="{base:.1f}"/>'
        f'<polyline points="{points}"/>{dots}</svg>'
    )
