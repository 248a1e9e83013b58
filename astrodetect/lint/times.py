"""Times of rows: their order, their steps, and the frame rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from astrodetect.events.directions import Floats
from astrodetect.lint.notes import Notes

#: Relative difference between a stated frame rate and that of the times.
_RATE = 0.02
#: A row may lie so many frames from where its number puts it.
_OFF_FRAME = 0.6
#: A gap is one at another time: so many usual steps, and so many seconds.
_GAP_STEPS, _GAP_SECONDS = 20.0, 5.0


def check_times(lines: Sequence[int], time: Floats, frame: Floats | None, rate: float, notes: Notes) -> None:
    """Look at the times of one meteor.

    Parameters
    ----------
    lines : sequence of int
        Lines of the n rows.
    time : (n,) array
        UTC Unix seconds; NaN where there is none.
    frame : (n,) array or None
        Numbers of the frames.
    rate : float
        Frames per second as the file states it; NaN if it does not.
    notes : Notes
        Where to write findings and corrections.
    """
    known = np.flatnonzero(np.isfinite(time))
    rows, times = np.asarray(lines)[known], time[known]
    if len(rows) < 2:
        return
    _check_order(rows, times, notes)
    order = np.argsort(times, kind="stable")
    if frame is not None and np.all(np.isfinite(frame[known])):
        _check_frames(rows[order], times[order], frame[known][order], rate, notes)
    else:
        _check_steps(rows[order], times[order], rate, notes)


def _check_order(rows: Floats, times: Floats, notes: Notes) -> None:
    back = np.flatnonzero(np.diff(times) < 0) + 1
    same = np.flatnonzero(np.diff(times) == 0) + 1
    distinct = len(np.unique(times)) == len(times)
    if len(back) and distinct:
        notes.orders.append(rows[np.argsort(times, kind="stable")].tolist())
    what = [f"the time is {times[i - 1] - times[i]:g} s before that of the row above" for i in back]
    notes.add_rows("time-order", rows[back].tolist(), what, fixable=distinct)
    notes.add_rows("time-order", rows[same].tolist(), ["the same time as in the row above"] * len(same))


def _check_frames(rows: Floats, times: Floats, frame: Floats, rate: float, notes: Notes) -> None:
    if np.ptp(frame) < 2:
        return
    slopes = np.diff(times) / np.where(np.diff(frame) == 0, np.nan, np.diff(frame))
    slope = float(np.nanmedian(slopes)) if np.any(np.isfinite(slopes)) else math.nan
    if not slope > 0:
        notes.add("time-step", int(rows[0]), "times do not grow with the numbers of the frames")
        return
    measured = 1.0 / slope
    if rate > 0 and abs(measured / rate - 1.0) > _RATE:
        notes.add("frame-rate", int(rows[0]), _rates(rate, measured))
    offset = times - frame * slope
    off = np.abs(offset - np.median(offset)) / slope
    late = np.flatnonzero(off > _OFF_FRAME + 0.02 * np.ptp(frame))
    what = [f"the time is {off[i]:.1f} frames from where frame {frame[i]:g} is" for i in late]
    notes.add_rows("time-step", rows[late].tolist(), what)


def _check_steps(rows: Floats, times: Floats, rate: float, notes: Notes) -> None:
    steps = np.diff(times)
    usual = float(np.median(steps))
    if rate > 0 and usual > 0:
        # Frames may be missing, so steps may be multiples.
        frames = np.maximum(np.round(steps * rate), 1.0)
        measured = float(np.median(frames / np.where(steps > 0, steps, np.nan)))
        if abs(measured / rate - 1.0) > 5 * _RATE:
            notes.add("frame-rate", int(rows[0]), _rates(rate, 1 / usual))
    gaps = np.flatnonzero(steps > max(_GAP_STEPS * usual, _GAP_SECONDS)) + 1
    what = [f"the time is {times[i] - times[i - 1]:.3f} s after that of the row before" for i in gaps]
    notes.add_rows("time-step", rows[gaps].tolist(), what)


def _rates(stated: float, measured: float) -> str:
    return f"{stated:g} frames per second are stated; the times say {measured:.3f}"
