"""What is in which recording: from truth files, tables of the user's own, reviewed catalogs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.data import Recording
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.compare import locate
from astrodetect.evaluation.truth import TruthObject, read_tracks, read_truth

#: What nobody has said anything of: neither shown as what is looked for nor as something else.
UNSURE = "unsure"
#: The label of what is nothing.
NOTHING = "noise"
#: First bytes of HDF5.
_HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Labelled:
    """A recording that somebody has looked at.

    Attributes
    ----------
    recording : Recording
        The recording.
    objects : tuple of TruthObject
        What is in it.
    """

    recording: Recording
    objects: tuple[TruthObject, ...] = ()


@dataclass
class Labels:
    """Recordings with labels, and what had to be left out.

    Attributes
    ----------
    labelled : list of Labelled
        In order of paths.
    unlisted : list of str
        Recordings of which no label says anything.
    absent : list of str
        Recordings that labels name and that are not there.
    """

    labelled: list[Labelled] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def read_labels(path: Path, *, unreviewed: bool = False) -> list[TruthObject]:
    """Read labels of objects or of whole recordings.

    Parameters
    ----------
    path : Path
        A CSV table with ``path`` (or ``file``) and of the columns of a truth file what it has (``label``
        alone says what a whole recording shows), with a ``tracks.csv`` beside it where there is one; or a
        catalog.
    unreviewed : bool
        Of a catalog, believe the labels of detections that nobody has looked at.

    Returns
    -------
    list of TruthObject
        A detection that nobody has looked at, in a recording with others that somebody has, is `UNSURE`.

    Raises
    ------
    AstrodetectError
        It cannot be read, or is a catalog without reviews.
    """
    try:
        with path.open("rb") as file:
            is_catalog = file.read(len(_HDF5)) == _HDF5
    except OSError as error:
        raise AstrodetectError(f"{path}: cannot be read: {error.strerror}; expected labels") from error
    if is_catalog:
        return _of_catalog(path, unreviewed=unreviewed)
    truth = read_truth(path)
    tracks = path.with_name("tracks.csv")
    return read_tracks(tracks, truth) if tracks.is_file() else truth


def _of_catalog(path: Path, *, unreviewed: bool) -> list[TruthObject]:
    """Give the detections of a catalog as objects."""
    from astrodetect.catalogs.reader import Catalog

    with Catalog(path) as catalog:
        table, recordings, tracks = catalog.detections, catalog.recordings, catalog.tracks
    columns = {name: np.asarray(table[name]) for name in table.colnames}
    n = len(table)
    looked_at = columns["verdict"] != "" if "verdict" in columns else np.zeros(n, bool)
    if not unreviewed and not looked_at.any():
        raise AstrodetectError(
            f"{path}: nobody has reviewed a detection in it; label some (`astrodetect catalog label`, or in "
            "the report), or give unreviewed = true to learn from what the pipeline said"
        )
    paths = dict(zip(np.asarray(recordings["recording_id"]).tolist(), recordings["path"], strict=True))
    known = looked_at | unreviewed
    listed = set(columns["recording_id"][known].tolist())
    points = _points_of(tracks)
    return [
        _object(columns, row, str(paths[columns["recording_id"][row]]), bool(known[row]), points)
        for row in range(n)
        if columns["recording_id"][row] in listed
    ]


_Track = tuple[tuple[float, float, float], ...]


def _points_of(tracks: object) -> dict[int, _Track]:
    """Give frame, x and y of the points of each detection."""
    names = ("detection_id", "frame", "x", "y")
    ids, *values = (np.asarray(tracks[name]) for name in names)  # type: ignore[index]
    found: dict[int, list[tuple[float, float, float]]] = {}
    for number, *point in zip(ids.tolist(), *(column.tolist() for column in values), strict=True):
        found.setdefault(number, []).append((point[0], point[1], point[2]))
    return {number: tuple(sorted(points)) for number, points in found.items()}


def _object(
    columns: dict[str, np.ndarray], row: int, path: str, known: bool, points: dict[int, _Track]
) -> TruthObject:
    number = int(columns["detection_id"][row])
    where: dict[str, Any] = {f"frame_{mine}": float(columns[f"frame_{its}"][row]) for mine, its in _ENDS}
    where |= {f"{axis}_{mine}": float(columns[f"{axis}_{its}"][row]) for axis in "xy" for mine, its in _ENDS}
    return TruthObject(
        path,
        str(number),
        str(columns["label"][row]) if known else UNSURE,
        **where,
        peak_snr=float(columns["snr"][row]),
        track=points.get(number, ()),
    )


_ENDS = (("first", "start"), ("last", "end"))


def assign(recordings: Iterable[Recording], truth: Sequence[TruthObject], *, empty: bool) -> Labels:
    """Give each recording its objects.

    Parameters
    ----------
    recordings : iterable of Recording
        What there is.
    truth : sequence of TruthObject
        Labels; if none of them names a class, all are called ``meteor``.
    empty : bool
        A recording that no label names shows nothing; otherwise it is left out.
    """
    if truth and not any(item.label for item in truth):
        truth = [replace(item, label="meteor") for item in truth]
    by_path: dict[str, list[Recording]] = {}
    for recording in recordings:
        by_path.setdefault(recording.path, []).append(recording)
    located, absent = locate(truth, by_path)
    found = Labels(absent=sorted({item.path for item in absent}))
    for path, same in sorted(by_path.items()):
        if path in located or empty:
            found.labelled += [Labelled(one, tuple(located.get(path, ()))) for one in same]
        else:
            found.unlisted.append(path)
    return found


def placed(item: TruthObject, camera: Detections | None) -> tuple[TruthObject, str]:
    """Give an object with the camera's own track, where the labels do not say where it was.

    Parameters
    ----------
    item : TruthObject
        Of an open recording.
    camera : Detections or None
        What the camera had found in it.

    Returns
    -------
    TruthObject, str
        And how its place is known: ``truth``, ``camera``, or ``score`` if it is not.
    """
    if item.has_ends or item.track:
        return item, "truth"
    if camera is None or len(camera) != 1:
        return item, "score"
    track = camera.track(0)
    if not len(track.get("frame", ())):
        return item, "score"
    points = tuple(zip(*(track[name].astype(float).tolist() for name in ("frame", "x", "y")), strict=True))
    told = item if math.isfinite(item.frame_first + item.frame_last) else replace(
        item, frame_first=points[0][0], frame_last=points[-1][0]
    )  # fmt: skip
    return replace(told, track=points), "camera"
