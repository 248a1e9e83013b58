"""Paths and light curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astrodetect.core.detections import Detections
from astrodetect.plots.style import COLOURS, axes_or_new, style


def plot_tracks(found: Detections, axes: Any = None, *, shape: tuple[int, int] | None = None) -> Any:
    """Draw the path of every detection over the frame, coloured by label; a dot where it begins.

    Parameters
    ----------
    found : Detections
        With tracks, or with their ends.
    axes : matplotlib Axes, optional
        Where, for example over an image of `plot_image`; new ones if not given.
    shape : (int, int), optional
        Height and width of the frame.
    """
    with style():
        axes = axes_or_new(axes)
        labels = sorted({str(label) for label in found["label"]})
        for number, label in enumerate(labels):
            colour = COLOURS[number % len(COLOURS)]
            for row in np.flatnonzero(found["label"] == label).tolist():
                x, y = _path(found, row)
                axes.plot(x, y, color=colour, linewidth=0.8)
                axes.plot(x[:1], y[:1], "o", color=colour, markersize=2.5)
            axes.plot([], [], color=colour, label=label)
        if shape is not None:
            axes.set_xlim(-0.5, shape[1] - 0.5)
            axes.set_ylim(shape[0] - 0.5, -0.5)
        elif not axes.yaxis_inverted():
            axes.invert_yaxis()
        axes.set(xlabel="x (px)", ylabel="y (px)", aspect="equal")
        if labels:
            axes.legend()
    return axes


def _path(found: Detections, row: int) -> tuple[Any, Any]:
    track = found.track(row)
    if len(track.get("x", ())) > 1:
        return track["x"], track["y"]
    ends = [
        np.array(
            [found[f"{axis}_{end}"][row] if f"{axis}_{end}" in found else np.nan for end in ("start", "end")]
        )
        for axis in "xy"
    ]
    return ends[0], ends[1]


def plot_light_curve(
    track: Mapping[str, Any], axes: Any = None, *, seconds: bool = True, label: str = ""
) -> Any:
    """Draw the flux of one detection in each frame; saturated frames are open circles.

    Parameters
    ----------
    track : mapping of str to (n,) array
        From `Detections.track`: ``frame``, ``flux``, optionally ``time``, ``n_saturated``, ``snr`` (for
        error bars: flux over snr), ``magnitude`` (drawn instead of the flux, if known in all frames).
    axes : matplotlib Axes, optional
        Where; new ones if not given.
    seconds : bool
        Seconds from the first frame below, instead of frames, where times are known.
    label : str
        For the legend.
    """
    with style():
        axes = axes_or_new(axes)
        values = {name: np.asarray(column, dtype=np.float64) for name, column in track.items()}
        magnitude = values.get("magnitude")
        by_magnitude = magnitude is not None and bool(np.isfinite(magnitude).all())
        y = values["magnitude"] if by_magnitude else values["flux"]
        time = values.get("time")
        timed = seconds and time is not None and bool(np.isfinite(time).all()) and len(time) > 0
        x = values["time"] - values["time"][0] if timed else values["frame"]
        axes.plot(x, y, color=COLOURS[0], label=label or None)
        saturated = values.get("n_saturated", np.zeros(len(x))) > 0
        axes.plot(x[~saturated], y[~saturated], ".", color=COLOURS[0], markersize=3)
        if saturated.any():
            axes.plot(x[saturated], y[saturated], "o", mfc="none", color=COLOURS[1], ms=4, label="saturated")
        if not by_magnitude and "snr" in values:
            error = np.where(values["snr"] > 0, y / np.maximum(values["snr"], 1e-9), np.nan)
            axes.errorbar(x, y, np.abs(error), fmt="none", ecolor=COLOURS[0], elinewidth=0.4)
        axes.set(
            xlabel="time (s)" if timed else "frame", ylabel="magnitude" if by_magnitude else "flux (ADU)"
        )
        if by_magnitude:
            axes.invert_yaxis()
        if label or saturated.any():
            axes.legend()
    return axes
