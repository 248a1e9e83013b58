"""Places in the image against the platepar beside a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astrodetect.core.data import Recording
from astrodetect.core.errors import AstrodetectError
from astrodetect.events.directions import Floats, separation
from astrodetect.lint.notes import Notes
from astrodetect.sky.frames import vectors

if TYPE_CHECKING:
    from astrodetect.core.calibration import Calibration

#: Median angle (deg) by which positions may differ from those of the platepar: it may be of another hour.
_TOLERANCE = 0.2
#: Turned over, they must agree this much better.
_BETTER = 5.0


@dataclass(frozen=True)
class Rows:
    """Rows of one recording.

    Attributes
    ----------
    recording : str
        Name of the FF file or clip: night files hold a platepar for each.
    lines : list of int
        Lines of the n rows.
    x, y, ra, dec, time : (n,) array
        Pixels, degrees, UTC Unix seconds.
    """

    recording: str
    lines: list[int]
    x: Floats
    y: Floats
    ra: Floats
    dec: Floats
    time: Floats


def check_platepar(folder: Path, meteors: Sequence[Rows], column: str, notes: Notes) -> bool:
    """Compare RA and Dec with those that a platepar in the folder gives.

    Parameters
    ----------
    folder : Path
        Where the file lies.
    meteors : sequence of Rows
        Of one camera.
    column : str
        Name of the column of y in the file.
    notes : Notes
        Where to write findings and corrections.

    Returns
    -------
    bool
        Whether a platepar tells from where y counts.
    """
    told = [(rows, c) for rows in meteors if (c := _platepar(folder, rows.recording)) is not None]
    if not told:
        return False
    top = float(np.median([_miss(c, rows, rows.y) for rows, c in told]))
    bottom = float(np.median([_miss(c, rows, _height(c) - 1 - rows.y) for rows, c in told]))
    line = told[0][0].lines[0]
    if bottom < min(top / _BETTER, _TOLERANCE) and top > _TOLERANCE:
        for rows, c in told:
            for number, y in zip(rows.lines, rows.y.tolist(), strict=True):
                notes.cells[number, column] = f"{_height(c) - 1 - y:07.2f}"
        what = (
            f"y counts from the bottom: the platepar puts it {top:.2f} deg off, and {bottom:.3f} turned over"
        )
        notes.add("y-from-bottom", line, what, "write Y_res - 1 - y", fixable=len(told) == len(meteors))
        return True
    if top > _TOLERANCE:
        what = f"ra and dec are {top:.3f} deg (median) from where the platepar beside the file puts x and y"
        notes.add("platepar", line, what)
        return False
    return bottom > _BETTER * max(top, 0.01)


def _height(calibration: Calibration) -> int:
    return calibration.shape[0] if calibration.shape is not None else 0


def _platepar(folder: Path, recording: str) -> Calibration | None:
    from astrodetect.plugins.calibrations.platepar import PlateparFile

    source = PlateparFile()
    where = Recording(recording or "recording", str(folder.resolve()))
    try:
        path = source.find(where)
        found = None if path is None else source.load(path, where)
        return None if found is None or found.shape is None else found
    except AstrodetectError:  # a platepar that is none tells nothing of this file
        return None


def _miss(calibration: Calibration, rows: Rows, y: Floats) -> float:
    sky = calibration.pixel_to_sky(rows.x, y, rows.time)
    misses = separation(vectors(sky.ra, sky.dec), vectors(rows.ra, rows.dec))
    return float(np.median(misses)) if np.all(np.isfinite(misses)) else np.inf
