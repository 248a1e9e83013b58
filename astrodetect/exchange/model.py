"""What a file of another program says, in the terms of our catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from astrodetect.core.columns import DETECTION_COLUMNS, TRACK_COLUMNS
from astrodetect.core.data import Site
from astrodetect.core.detections import ROW, Detections, full_column
from astrodetect.core.errors import AstrodetectError

NAN = float("nan")
_NONE: Mapping[str, Any] = MappingProxyType({})
#: Columns of a track in which positions on the sky and brightness are kept.
SKY = ("ra", "dec", "az", "alt")
_TRACK_TYPES = {column.name: column for column in TRACK_COLUMNS}
_DETECTION_TYPES = {column.name: column for column in DETECTION_COLUMNS}


class Item(NamedTuple):
    """A value as it stands in a file: ``text``, and the ``line`` (from 1) that holds it."""

    line: int
    text: str


class Fault(NamedTuple):
    """Something wrong in a file.

    Attributes
    ----------
    line : int
        From 1; 0 where it concerns the whole file.
    text : str
        What is there, and what was expected.
    fatal : bool
        The content cannot be relied on: reading is refused.
    """

    line: int
    text: str
    fatal: bool = False

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class Row(NamedTuple):
    """A row of a text table: its ``line`` (from 1), and its ``cells`` by the name of the column, as text."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Observed:
    """One recording as a file describes it.

    Attributes
    ----------
    path : str
        Name of the recording: the FF file, the clip, the image.
    detections : Detections
        With tracks. Sky positions of the points are in the columns ``ra, dec`` (deg, ICRS), ``az, alt``
        (deg, of date, without refraction; azimuth east of north), brightness in ``magnitude``; NaN where
        the format has none.
    camera : str
        Station or camera.
    site : Site or None
        Where it stands (degrees north, degrees east, metres above sea level).
    time_start : float
        UTC Unix seconds of frame 0; NaN if unknown.
    frame_rate : float
        Frames per second; NaN if unknown.
    width, height : int
        Size of a frame in pixels; -1 if unknown.
    n_frames : int
        Frames of the recording; -1 if unknown.
    meta : mapping of str to (str, float, int, bool)
        What else the file says of it.
    """

    path: str
    detections: Detections = field(default_factory=Detections.empty)
    camera: str = ""
    site: Site | None = None
    time_start: float = NAN
    frame_rate: float = NAN
    width: int = -1
    height: int = -1
    n_frames: int = -1
    meta: Mapping[str, Any] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True)
class Content:
    """All that a file says.

    Attributes
    ----------
    recordings : tuple of Observed
        In the order of the file.
    stars : mapping of str to (n,) array
        Stars, where the format has them: some of ``recording`` (name), ``time`` (UTC Unix seconds), ``x, y``
        (px), ``flux``, ``magnitude``, ``ra, dec, az, alt`` (deg).
    calibrations : mapping of str to mapping
        Calibrations as plain data, by name of the recording or of the camera.
    faults : tuple of Fault
        What is wrong in the file and could be read all the same.
    raw : object
        The file as text with lines, where the format's ``parse`` gives it.
    """

    recordings: tuple[Observed, ...] = ()
    stars: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    calibrations: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _NONE)
    faults: tuple[Fault, ...] = ()
    raw: Any = None


def refuse(path: Path | str, faults: Iterable[Fault]) -> None:
    """Raise for the first fatal fault.

    Raises
    ------
    AstrodetectError
        There is one; with file and line.
    """
    for fault in faults:
        if fault.fatal:
            where = f"{path}, line {fault.line}" if fault.line else str(path)
            raise AstrodetectError(f"{where}: {fault.text}")


def detections_of(
    tracks: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Any] | None = None,
    *,
    label: str | Sequence[str] = "meteor",
    absolute: bool = True,
    width: int = -1,
    height: int = -1,
) -> Detections:
    """Make detections of their tracks, one each.

    Parameters
    ----------
    tracks : sequence of mapping of str to (n,) array
        Points of each in order of time: names as in the catalog; what is missing is filled. At least one
        point each.
    columns : mapping of str to sequence
        Columns of the detections that the tracks do not say, or that replace what they say.
    label : str or sequence of str
        Class of all, or of each.
    absolute : bool
        Times are UTC Unix seconds; else seconds from the beginning of the recording.
    width, height : int
        Of the frame: the box of a detection of which no place in the image is known.

    Returns
    -------
    Detections
        ``probability`` is 1 and ``accepted`` true where `columns` does not say otherwise.
    """
    if not tracks:
        return Detections.empty()
    lengths = [len(next(iter(track.values()))) for track in tracks]
    points = {ROW: np.repeat(np.arange(len(tracks)), lengths)}
    extra = [name for track in tracks for name in track if name not in _TRACK_TYPES]
    for name in dict.fromkeys([*(n for n in _TRACK_TYPES if n != "detection_id"), *extra]):
        points[name] = np.concatenate(
            [_points(track, name, n) for track, n in zip(tracks, lengths, strict=True)]
        )
    begin = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    end = begin + np.array(lengths) - 1
    made = _from_points(points, begin, end, (width, height))
    if not absolute:
        made["time_start"] = made["time_end"] = np.full(len(tracks), np.nan)
    n = len(tracks)
    made["label"] = [label] * n if isinstance(label, str) else list(label)
    made["probability"] = np.ones(n)
    made["accepted"] = np.ones(n, dtype=bool)
    made["reason"] = [""] * n
    made.update(columns or {})
    full = {name: made.get(name, full_column(column, n)) for name, column in _DETECTION_TYPES.items()
            if name not in ("detection_id", "recording_id")}  # fmt: skip
    return Detections({**full, **made}, points)


def _points(track: Mapping[str, Any], name: str, n: int) -> Any:
    values = track.get(name)
    if values is not None:
        return np.asarray(values)
    column = _TRACK_TYPES.get(name)
    return np.full(n, np.nan) if column is None else full_column(column, n)


def _from_points(points: Mapping[str, Any], begin: Any, end: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Give the columns of detections that follow from the first and last points of the tracks."""
    made: dict[str, Any] = {"n_frames": end - begin + 1}
    for ours, name in (("time", "time"), ("frame", "frame"), ("x", "x"), ("y", "y"), *((s, s) for s in SKY)):
        if name in points:
            made[f"{ours}_start"], made[f"{ours}_end"] = points[name][begin], points[name][end]
    for axis, extent in zip("xy", size, strict=True):
        low, high = (f.reduceat(points[axis], begin) for f in (np.fmin, np.fmax))
        known = np.isfinite(low + high)
        made[f"{axis}_min"] = np.where(known, np.floor(np.where(known, low, 0) + 0.5), 0.0)
        made[f"{axis}_max"] = np.where(known, np.floor(np.where(known, high, 0) + 0.5) + 1, max(extent, 1))
    steps = made["frame_end"] - made["frame_start"]
    length = np.hypot(made["x_end"] - made["x_start"], made["y_end"] - made["y_start"])
    made["speed"] = np.divide(length, steps, out=np.full(len(steps), np.nan), where=steps > 0)
    return made
