"""Detections of others as truth: matched to the recordings of a catalog by name, or by time and camera."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from astrodetect.catalogs.reader import Catalog
from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation import Evaluation, evaluate
from astrodetect.evaluation.truth import TruthObject, read_truth
from astrodetect.exchange.catalogs import content_of
from astrodetect.exchange.formats import format_of_file
from astrodetect.exchange.joining import read_together
from astrodetect.exchange.model import NAN, Content, Observed

#: First bytes of HDF5.
_HDF5 = b"\x89HDF\r\n\x1a\n"
#: Columns of the recordings that are looked at.
_COLUMNS = ("path", "camera", "time_start", "time_end", "frame_rate")

#: Frame, x and y of points.
_Points = tuple[tuple[float, float, float], ...]


def read_any_truth(path: Path | str, catalog: Catalog) -> list[TruthObject]:
    """Read truth from a CSV file, another catalog, or a file of any format of exchange.

    Parameters
    ----------
    path : path
        The file.
    catalog : Catalog
        What it is to be compared with: says which recording is meant where a file gives only times.

    Returns
    -------
    list of TruthObject
        Of recordings that the catalog does not have, under the name that the file gives.

    Raises
    ------
    AstrodetectError
        It cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_catalog = file.read(len(_HDF5)) == _HDF5
        known = is_catalog or format_of_file(path) is not None
    except (OSError, AstrodetectError):
        known = is_catalog = False
    if not known:
        return read_truth(path)
    if is_catalog:
        with Catalog(path) as opened:
            contents = [content_of(opened)]
    else:
        contents = [read.content for read in read_together([path]) if read.observes]
        if not contents:
            raise AstrodetectError(f"{path}: a {format_of_file(path).name} file holds no detections")
    return [item for content in contents for item in truth_objects(content, catalog.recordings)]


def compare_with(catalog: Catalog, path: Path | str, labels: Sequence[str] = ("meteor",)) -> Evaluation:
    """Compare a catalog with what others found in the same recordings.

    Parameters
    ----------
    catalog : Catalog
        Open.
    path : path
        See `read_any_truth`.
    labels : sequence of str
        Classes that are compared.
    """
    truth = read_any_truth(path, catalog)
    return evaluate(catalog.detections, catalog.recordings, truth, labels, ignore_unlisted=True)


def truth_objects(content: Content, recordings: Any) -> list[TruthObject]:
    """Give the detections of a content as objects of truth.

    Parameters
    ----------
    content : Content
        Of any format.
    recordings : table or mapping of str to array
        Recordings of the catalog: ``path``, and ``camera, time_start, time_end, frame_rate`` where known.

    Notes
    -----
    A recording is found by its path, or its last part, with or without the ending; else by time: it
    was running when the meteor began, and is of the same camera where both say which. Frames are those of
    the file, or follow from the time.
    """
    finder = _Finder(recordings)
    return [item for recording in content.recordings for item in _objects(recording, finder)]


class _Finder:
    """Finds recordings of a catalog by name or time."""

    def __init__(self, recordings: Any) -> None:
        names = set(recordings.keys())
        n = len(recordings["path"])
        self.columns: dict[str, Any] = {}
        for name in _COLUMNS:
            values = (
                np.asarray(recordings[name]) if name in names else np.full(n, "" if name == "camera" else NAN)
            )
            text = name in ("path", "camera")
            self.columns[name] = values.astype(str) if text else values.astype(np.float64)
        self._by_name: dict[str, list[int]] = {}
        for row, path in enumerate(self.columns["path"].tolist()):
            last = PurePosixPath(path)
            for key in dict.fromkeys((path, last.name, last.stem)):
                self._by_name.setdefault(key, []).append(row)

    def by_name(self, path: str) -> int | None:
        """Give the row of the recording that a path, or its last part, names alone."""
        last = PurePosixPath(path)
        for key in (path, last.name, last.stem):
            rows = self._by_name.get(key, [])
            if len(rows) == 1:
                return rows[0]
        return None

    def by_time(self, time: float, camera: str) -> int | None:
        """Give the row of the recording that was running, if there is one alone."""
        if not math.isfinite(time):
            return None
        rate = self.columns["frame_rate"]
        frame = np.where(rate > 0, 1 / np.where(rate > 0, rate, 1), 0.0)
        running = (self.columns["time_start"] - frame <= time) & (time <= self.columns["time_end"] + frame)
        cameras = self.columns["camera"]
        if camera:
            running &= (cameras == "") | (np.char.upper(cameras) == camera.upper())
        rows = np.flatnonzero(running)
        return int(rows[0]) if len(rows) == 1 else None


def _objects(recording: Observed, finder: _Finder) -> Iterator[TruthObject]:
    named = finder.by_name(recording.path)
    for number, row in enumerate(recording.detections):
        track = recording.detections.track(number)
        time = float(row["time_start"])
        found = named if named is not None else finder.by_time(time, recording.camera)
        path = recording.path if found is None else str(finder.columns["path"][found])
        start = recording.time_start
        rate = recording.frame_rate
        if found is not None:
            start, rate = (float(finder.columns[name][found]) for name in ("time_start", "frame_rate"))
        frames = [float(row[name]) if row[name] >= 0 else NAN for name in ("frame_start", "frame_end")]
        if named is None or math.isnan(frames[0]):
            frames = [(float(row[name]) - start) * rate for name in ("time_start", "time_end")]
        magnitudes = np.asarray(track.get("magnitude", row.get("peak_magnitude", NAN)), dtype=np.float64)
        peak = float(row.get("peak_magnitude", NAN))
        known = magnitudes[np.isfinite(magnitudes)]
        ends = dict(zip(("x_first", "y_first", "x_last", "y_last"), _ends(row), strict=True))
        yield TruthObject(
            path, str(number), str(row["label"]), frames[0], frames[1], **ends, time_first=time,
            peak_magnitude=peak if math.isfinite(peak) else float(known.min()) if known.size else NAN,
            speed=float(row["speed"]), line=number + 1, track=_points(track, start, rate, named is not None),
        )  # fmt: skip


def _ends(row: Mapping[str, Any]) -> list[float]:
    return [float(row[name]) for name in ("x_start", "y_start", "x_end", "y_end")]


def _points(
    track: dict[str, Any], start: float, rate: float, named: bool
) -> tuple[tuple[float, float, float], ...]:
    """Give frame, x and y of the points whose place is known."""
    if "x" not in track:
        return ()
    frames = track["frame"].astype(float)
    if not named or (frames < 0).any():
        frames = (track["time"] - start) * rate
    known = np.isfinite(frames + track["x"] + track["y"])
    columns = [values[known].tolist() for values in (frames, track["x"], track["y"])]
    return tuple(zip(*columns, strict=True))
