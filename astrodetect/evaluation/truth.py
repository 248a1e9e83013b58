"""Reading truth: any CSV with the column names of the contract."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.errors import AstrodetectError

NAN = float("nan")
#: Label of what is neither looked for nor false: a real meteor beside synthetic ones, what nobody can tell.
IGNORED = "ignore"
_NUMBERS = (
    "x_first", "y_first", "x_last", "y_last", "time_first", "peak_snr", "peak_magnitude", "speed",
)  # fmt: skip
_FRAMES = ("frame_first", "frame_last")
#: Other names under which the path of a recording is accepted.
_PATH_NAMES = ("path", "file")


@dataclass(frozen=True)
class TruthObject:
    """One object that is known to be in a recording; NaN where a number is not known.

    Attributes
    ----------
    path : str
        Recording, relative to the input, or its last part alone.
    object : str
        Name in the recording.
    label : str
        Class; empty if the file has no labels.
    frame_first, frame_last : float
        Frames, inclusive.
    x_first, y_first, x_last, y_last : float
        Where it was in them (px).
    time_first : float
        UTC Unix seconds.
    peak_snr, peak_magnitude, speed : float
        As in the catalog; `speed` is taken from the ends where it is not given.
    line : int
        Line of the file.
    track : tuple of (frame, x, y)
        Where it was in each frame, if that is known; for the explanation of false alarms.
    """

    path: str
    object: str = ""
    label: str = ""
    frame_first: float = NAN
    frame_last: float = NAN
    x_first: float = NAN
    y_first: float = NAN
    x_last: float = NAN
    y_last: float = NAN
    time_first: float = NAN
    peak_snr: float = NAN
    peak_magnitude: float = NAN
    speed: float = NAN
    line: int = 0
    track: tuple[tuple[float, float, float], ...] = ()

    @property
    def ends(self) -> tuple[float, float, float, float]:
        """First and last position: x, y, x, y."""
        return self.x_first, self.y_first, self.x_last, self.y_last

    @property
    def length(self) -> float:
        """Distance between the ends, in pixels."""
        return math.hypot(self.x_last - self.x_first, self.y_last - self.y_first)

    @property
    def duration(self) -> float:
        """Frames from the first to the last, both counted."""
        return self.frame_last - self.frame_first + 1

    def position(self, frame: float) -> tuple[float, float]:
        """Give where it was: from the track, or on the straight line between the ends.

        Parameters
        ----------
        frame : float
            Before the first and after the last, it stays where it was then.
        """
        frames, x, y = zip(*self.track, strict=True) if self.track else ((), (), ())
        if not frames:
            frames = (self.frame_first, self.frame_last)
            x, y = (self.x_first, self.x_last), (self.y_first, self.y_last)
        return float(np.interp(frame, frames, x)), float(np.interp(frame, frames, y))

    @property
    def has_ends(self) -> bool:
        """It is known where it was."""
        return all(map(math.isfinite, self.ends))

    def clipped(self, n_frames: int, width: int, height: int) -> TruthObject | None:
        """Give the part inside a recording, or None if there is none.

        What lies before the first or after the last frame, or outside of the frame, is cut off along the
        straight line between the ends, at even speed.

        Parameters
        ----------
        n_frames, width, height : int
            Of the recording; 0 or less: not known, nothing is cut off.
        """
        low, high = 0.0, 1.0
        first, last = self.frame_first, self.frame_last
        if n_frames > 0 and not math.isnan(first + last):
            if last < 0 or first > n_frames - 1:
                return None
            if last > first:
                low, high = (
                    max(low, -first / (last - first)),
                    min(high, (n_frames - 1 - first) / (last - first)),
                )
        if self.has_ends and width > 0 and height > 0:
            for start, end, size in ((self.x_first, self.x_last, width), (self.y_first, self.y_last, height)):
                low, high = _clip(start, end, size, low, high)
        if low > high:
            return None
        if (low, high) == (0.0, 1.0):
            return self
        return replace(
            self,
            frame_first=first + low * (last - first),
            frame_last=first + high * (last - first),
            x_first=self.x_first + low * (self.x_last - self.x_first),
            y_first=self.y_first + low * (self.y_last - self.y_first),
            x_last=self.x_first + high * (self.x_last - self.x_first),
            y_last=self.y_first + high * (self.y_last - self.y_first),
        )


def _clip(start: float, end: float, size: int, low: float, high: float) -> tuple[float, float]:
    """Narrow the part (low, high) of a line to where its coordinate lies in [-0.5, size - 0.5]."""
    if start == end:
        return (low, high) if -0.5 <= start <= size - 0.5 else (1.0, 0.0)
    enters, leaves = sorted(((-0.5 - start) / (end - start), (size - 0.5 - start) / (end - start)))
    return max(low, enters), min(high, leaves)


def read_tracks(path: Path | str, truth: Sequence[TruthObject]) -> list[TruthObject]:
    """Give objects with their tracks.

    Parameters
    ----------
    path : path
        CSV with ``path, object, frame, x, y``, such as ``tracks.csv`` of a simulation.
    truth : sequence of TruthObject
        Objects, found by path and name.

    Raises
    ------
    AstrodetectError
        As `read_truth`.
    """
    path = Path(path)
    tracks: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for line, where, row in _rows(path):
        frame, x, y = (_number(row, name, path, line) for name in ("frame", "x", "y"))
        if math.isfinite(frame + x + y):
            tracks.setdefault((where, (row.get("object") or "").strip()), []).append((frame, x, y))
    return [replace(item, track=tuple(sorted(tracks.get((item.path, item.object), ())))) for item in truth]


def read_truth(path: Path | str) -> list[TruthObject]:
    """Read a truth file.

    Parameters
    ----------
    path : path
        CSV with a head. It must have ``path`` (or ``file``); of the other columns what it has. Columns with
        other names are left alone.

    Raises
    ------
    AstrodetectError
        The file cannot be read, has no such column, or a value is no number; file and line are named.
    """
    path = Path(path)
    return [_object(row, where, path, line) for line, where, row in _rows(path)]


def _rows(path: Path) -> Iterator[tuple[int, str, Mapping[str, str | None]]]:
    """Give line, path of the recording and columns of each row of a file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            reader.fieldnames = names = [name.strip() for name in reader.fieldnames or []]
            key = next((name for name in _PATH_NAMES if name in names), None)
            if key is None:
                raise AstrodetectError(
                    f"{path}: has no column 'path' (or 'file'); expected a CSV file whose first line names "
                    "path, object, label, frame_first, frame_last, x_first, y_first, x_last, y_last"
                )
            for row in reader:
                where = (row.get(key) or "").strip().replace("\\", "/").removeprefix("./").rstrip("/")
                if not where:
                    raise AstrodetectError(
                        f"{path}, line {reader.line_num}: column {key!r} is empty; "
                        "expected the path of a recording"
                    )
                yield reader.line_num, where, row
    except OSError as error:
        raise AstrodetectError(
            f"{path}: cannot be read: {error.strerror}; expected a truth file (CSV)"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise AstrodetectError(f"{path}: is not a CSV file: {error}") from None


def _object(row: Mapping[str, str | None], where: str, path: Path, line: int) -> TruthObject:
    numbers: dict[str, Any] = {name: _number(row, name, path, line) for name in (*_FRAMES, *_NUMBERS)}
    first, last = numbers["frame_first"], numbers["frame_last"]
    if last < first:
        raise AstrodetectError(f"{path}, line {line}: frame_last {last:g} comes before frame_first {first:g}")
    made = TruthObject(
        where, (row.get("object") or "").strip(), (row.get("label") or "").strip(), line=line, **numbers
    )
    if math.isnan(made.speed) and last > first:
        made = replace(made, speed=made.length / (last - first))
    return made


def _number(row: Mapping[str, str | None], name: str, path: Path, line: int) -> float:
    text = (row.get(name) or "").strip()
    if not text:
        return NAN
    try:
        return float(text)
    except ValueError:
        raise AstrodetectError(f"{path}, line {line}: {name} is {text!r}; expected a number") from None
