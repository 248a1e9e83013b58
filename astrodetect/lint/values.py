"""Positions on the sky, each by itself: ranges, zeros, and how corrected numbers are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from astrodetect.events.directions import Floats
from astrodetect.lint.notes import Notes

#: Below this altitude (deg) nothing is seen, whatever the horizon and the refraction.
_LOWEST = -3.0


def check_sky_values(lines: Sequence[int], columns: Mapping[str, Floats], notes: Notes) -> None:
    """Look at RA, Dec, azimuth and altitude row by row.

    Parameters
    ----------
    lines : sequence of int
        Lines of the n rows.
    columns : mapping of str to (n,) array
        ``ra, dec, azimuth, altitude``, those that are there; NaN where there is no number.
    notes : Notes
        Where to write findings and corrections.
    """
    rows = np.asarray(lines)
    for first, second in (("ra", "dec"), ("azimuth", "altitude")):
        if first in columns and second in columns:
            zero = rows[(columns[first] == 0) & (columns[second] == 0)].tolist()
            notes.add_rows("zero-sky", zero, [f"{first} and {second} are 0"] * len(zero))
    for name in ("dec", "altitude"):
        if name in columns:
            off = np.flatnonzero(np.abs(columns[name]) > 90.0)
            what = [f"{name} is {columns[name][i]:g}; expected -90 to 90" for i in off]
            notes.add_rows("range", rows[off].tolist(), what)
    if "altitude" in columns:
        low = np.flatnonzero((columns["altitude"] < _LOWEST) & (columns["altitude"] >= -90.0))
        what = [f"altitude is {columns['altitude'][i]:g}" for i in low]
        notes.add_rows("below-horizon", rows[low].tolist(), what)
    for name in ("ra", "azimuth"):
        if name in columns:
            _check_circle(name, rows, columns[name], notes)


def _check_circle(name: str, rows: Floats, values: Floats, notes: Notes) -> None:
    wild = np.flatnonzero(np.abs(values) > 360.0)
    notes.add_rows(
        "range", rows[wild].tolist(), [f"{name} is {values[i]:g}; expected 0 to 360" for i in wild]
    )
    turned = np.flatnonzero((values < 0.0) & (values >= -360.0))
    for i in turned:
        notes.cells[int(rows[i]), name] = repr(round(float(values[i]) % 360.0, 9))
    what = [f"{name} is {values[i]:g}; expected 0 to 360" for i in turned]
    notes.add_rows("azimuth-range", rows[turned].tolist(), what, fixable=True)


def written(value: float, like: str) -> str:
    """Give a number with as many decimals as another one has in a file, six at least.

    Examples
    --------
    >>> written(222.63887412, "042.638874"), written(1.5, "1e-3")
    ('222.638874', '1.500000')
    """
    decimals = len(like.strip().partition(".")[2]) if "e" not in like.lower() else 0
    return f"{value:.{max(6, decimals)}f}"
