"""What was simulated: one row per object, one point per object and frame, as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

NAN = float("nan")


class TrackPoint(NamedTuple):
    """An object in one frame.

    Attributes
    ----------
    frame : int
        Counted from 0 in the recording.
    x, y : float
        Mean position of its light during the exposure (px): what a centroid measures.
    flux : float
        Expected sum above background in this frame (ADU of the 12-bit camera), as it reaches the sensor.
    snr : float
        Expected signal-to-noise in an aperture of 2 FWHM diameter at (x, y); NaN for what is not a source.
    """

    frame: int
    x: float
    y: float
    flux: float = NAN
    snr: float = NAN

    def scaled(self, factor: float) -> TrackPoint:
        """Give the same point of a source `factor` times as bright."""
        return self._replace(flux=self.flux * factor, snr=self.snr * factor)


class TruthRow(NamedTuple):
    """An object in a recording.

    Attributes
    ----------
    object : str
        Its name, unique in the recording.
    label : str
        Class, as in the catalog.
    frame_first, frame_last : int
        Frames in which it is visible (``Settings.visible_fraction`` and ``visible_snr``), inclusive.
    x_first, y_first, x_last, y_last : float
        `TrackPoint` positions in these frames.
    time_first : float
        Start of exposure of the first frame, UTC Unix seconds.
    peak_snr : float
        Highest `TrackPoint.snr`.
    peak_magnitude : float
        Of the highest flux in one frame, above the atmosphere and before vignetting.
    speed : float
        Pixels per frame, mean over the frames above.
    """

    object: str
    label: str
    frame_first: int
    frame_last: int
    x_first: float
    y_first: float
    x_last: float
    y_last: float
    time_first: float
    peak_snr: float = NAN
    peak_magnitude: float = NAN
    speed: float = NAN


TRUTH_COLUMNS = ("path", *TruthRow._fields)
TRACK_COLUMNS = ("path", "object", "frame", "time", "x", "y", "flux", "snr")


def visible_points(points: Sequence[TrackPoint], fraction: float, snr: float) -> list[TrackPoint]:
    """Give the points from the first to the last in which an object counts as visible.

    Parameters
    ----------
    points : sequence of TrackPoint
        In order of frames.
    fraction : float
        Of the highest flux.
    snr : float
        Signal-to-noise; for an object that never has it, half of its own highest.
    """
    if not points or math.isnan(points[0].flux):
        return list(points)
    peak = max(point.flux for point in points)
    least = min(snr, 0.5 * max(point.snr for point in points))
    seen = [
        number
        for number, point in enumerate(points)
        if point.flux > 0 and point.flux >= fraction * peak and point.snr >= least
    ]
    return list(points[seen[0] : seen[-1] + 1]) if seen else []


def make_row(
    name: str, label: str, points: Sequence[TrackPoint], time: float, magnitude: float = NAN
) -> TruthRow:
    """Give the row of an object from its visible points; `time` is that of the first."""
    first, last = points[0], points[-1]
    frames = last.frame - first.frame
    length = math.hypot(last.x - first.x, last.y - first.y)
    return TruthRow(
        name, label, first.frame, last.frame, first.x, first.y, last.x, last.y, time,
        peak_snr=max((point.snr for point in points if not math.isnan(point.snr)), default=NAN),
        peak_magnitude=magnitude,
        speed=length / frames if frames else NAN,
    )  # fmt: skip


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6f}" if abs(value) > 1e8 else f"{value:.4f}"
    return str(value)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], *, append: bool) -> None:
    """Write rows of a CSV file; a number that is not known is left empty.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str
        Its head, written unless `append`.
    rows : iterable of sequences
        Values in the order of `columns`.
    append : bool
        Add to the file.
    """
    with path.open("a" if append else "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not append:
            writer.writerow(columns)
        writer.writerows([_text(value) for value in row] for row in rows)
