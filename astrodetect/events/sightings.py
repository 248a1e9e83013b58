"""What one camera saw of one meteor, read from catalogs of any format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.data import Site
from astrodetect.events.directions import Floats, celestial_to_earth, horizontal_to_earth, position
from astrodetect.events.sites import WorkedOut, site_from_positions

#: What a site is worked out from.
_BOTH = ("ra", "dec", "az", "alt", "time")
#: Columns of a detection that give its two ends.
_ENDS = tuple(
    f"{name}_{end}" for name in ("time", "ra", "dec", "az", "alt", "x", "y") for end in ("start", "end")
)
#: An earlier time (1973) counts from the first frame.
_FIRST_TIME = 1e8
#: A platepar may differ by so much (km) from the place that follows from positions.
_SAME_PLACE = 30.0
#: Columns of points, with what stands for unknown.
POINTS = ("time", "ra", "dec", "az", "alt", "x", "y", "magnitude")
#: Where our catalog says where a camera stands.
_SITE_COLUMNS = ("site_latitude", "site_longitude", "site_elevation")


@dataclass(frozen=True)
class Sighting:
    """One detection of one camera.

    Attributes
    ----------
    catalog : str
        File that it is from.
    recording : str
        Recording as that file names it.
    number : str
        Its name in the file: the detection's id, or its number in the recording.
    camera : str
        Station or camera.
    site : Site or None
        Where it stands.
    site_source : str
        How that is known: ``sites`` (table given), ``catalog``, ``platepar``, ``worked out``, or empty.
    points : mapping of str to (n,) array
        `POINTS` in order of time: UTC Unix seconds, degrees (J2000; of date), pixels, magnitudes.
    """

    catalog: str
    recording: str
    number: str
    camera: str
    site: Site | None
    site_source: str
    points: Mapping[str, Floats]

    @property
    def begin(self) -> float:
        """Time of the first point, UTC Unix seconds."""
        return float(self.points["time"][0])

    @property
    def end(self) -> float:
        """Time of the last point, UTC Unix seconds."""
        return float(self.points["time"][-1])

    @property
    def has_positions(self) -> bool:
        """Whether every point has a place on the sky, whatever is known of the site."""
        p = self.points
        return bool(np.all(np.isfinite(p["az"] + p["alt"])) or np.all(np.isfinite(p["ra"] + p["dec"])))

    def directions(self) -> Floats:
        """Give the directions (n, 3) in the Earth's frame; (0, 3) where site or positions are unknown."""
        p = self.points
        if self.site is None:
            return np.zeros((0, 3))
        if np.all(np.isfinite(p["az"] + p["alt"])):
            return horizontal_to_earth(p["az"], p["alt"], self.site)
        if np.all(np.isfinite(p["ra"] + p["dec"])):
            return celestial_to_earth(p["ra"], p["dec"], p["time"])
        return np.zeros((0, 3))


def read_sightings(path: Path, *, everything: bool = False) -> list[Sighting]:
    """Read the detections of a catalog or of a file of another program.

    Parameters
    ----------
    path : Path
        An astrodetect catalog, or a file of any format that `astrodetect.exchange` reads.
    everything : bool
        Rejected detections, and what is no meteor, too.

    Returns
    -------
    list of Sighting
        Those with a time. Sites are those that the file or a platepar beside it states.

    Raises
    ------
    AstrodetectError
        It cannot be read.
    """
    if path.suffix == ".h5" or path.with_name(path.name + ".parts").is_dir():
        return list(_of_catalog(path, everything))
    return list(_of_exchange(path, everything))


def _points(values: Mapping[str, Any], rows: Any) -> dict[str, Floats]:
    n = len(values["time"][rows])
    made = {
        name: np.asarray(values[name][rows], dtype=np.float64) if name in values else np.full(n, np.nan)
        for name in POINTS
    }
    order = np.argsort(made["time"], kind="stable")
    return {name: column[order] for name, column in made.items()}


def _is_dated(points: Mapping[str, Floats]) -> bool:
    """Tell whether all points have a time of the calendar, not one that counts from the first frame."""
    times = points["time"]
    return len(times) > 0 and bool(np.all(times > _FIRST_TIME))


def _of_exchange(path: Path, everything: bool) -> Iterator[Sighting]:
    from astrodetect.exchange import read

    for observed in read(path).recordings:
        site, source = observed.site, "catalog"
        if site is None:
            site, source = _site_beside(path, observed.path), "platepar"
        detections = observed.detections
        wanted = detections["accepted"] & (detections["label"] == "meteor") if len(detections) else []
        for row in range(len(detections)):
            points = (
                _points(detections.track(row), slice(None)) if detections.tracks else {"time": np.empty(0)}
            )
            if (wanted[row] or everything) and _is_dated(points):
                known = source if site else ""
                yield Sighting(str(path), observed.path, str(row + 1), observed.camera, site, known, points)


def _site_beside(path: Path, recording: str) -> Site | None:
    """Give what a platepar or the settings of RMS in the folder of a night say."""
    from astrodetect.plugins.sources._rms_files import read_site

    return read_site(path.parent, recording) if recording.startswith("FF") else None


def _of_catalog(path: Path, everything: bool) -> Iterator[Sighting]:
    from astrodetect.catalogs.reader import Catalog

    with Catalog(path) as opened:
        rows = opened.select(None if everything else "label = meteor", accepted=None if everything else True)
        found = _available(opened, "detections", (*_ENDS, "detection_id", "recording_id"), rows)
        tracks = _available(opened, "tracks", ("detection_id", *POINTS), ...)
        recordings = _available(opened, "recordings", ("recording_id", "camera", "path", *_SITE_COLUMNS), ...)
    place = {number: row for row, number in enumerate(recordings["recording_id"])}
    order = np.argsort(tracks["detection_id"], kind="stable")
    numbers = tracks["detection_id"][order]
    bounds = np.stack(
        [np.searchsorted(numbers, found["detection_id"], side) for side in ("left", "right")], 1
    )
    for row, (first, last) in enumerate(bounds):
        points = _points(tracks, order[first:last]) if last > first else _ends(found, row)
        points = _with_ends(points, found, row)
        if _is_dated(points):
            at = place[found["recording_id"][row]]
            site = _site_in(recordings, at)
            yield Sighting(
                str(path), str(recordings["path"][at]), str(found["detection_id"][row]),
                str(recordings["camera"][at]), site, "catalog" if site else "", points,
            )  # fmt: skip


def _available(opened: Any, table: str, names: Sequence[str], rows: Any) -> dict[str, Any]:
    present = opened.columns(table)
    read: dict[str, Any] = opened.read_columns([name for name in names if name in present], table, rows)
    return read


def _ends(found: Mapping[str, Any], row: int) -> dict[str, Floats]:
    """Give the first and the last point of a detection, as its columns have them."""
    pairs = {
        name: np.array([found[f"{name}_{end}"][row] for end in ("start", "end")])
        for name in POINTS
        if f"{name}_start" in found
    }
    return _points(pairs, slice(None))


def _with_ends(points: dict[str, Floats], found: Mapping[str, Any], row: int) -> dict[str, Floats]:
    """Where the track has no positions on the sky and the detection has: its ends."""
    if np.any(np.isfinite(points["ra"] + points["dec"])) or np.any(np.isfinite(points["az"] + points["alt"])):
        return points
    ends = _ends(found, row)
    return ends if np.all(np.isfinite(ends["ra"])) or np.all(np.isfinite(ends["az"])) else points


def _site_in(recordings: Mapping[str, Any], row: int) -> Site | None:
    values = [float(recordings[name][row]) if name in recordings else np.nan for name in _SITE_COLUMNS]
    return Site(*values) if np.all(np.isfinite(values)) else None


def with_sites(sightings: Sequence[Sighting], given: Mapping[str, Site]) -> list[Sighting]:
    """Fill in where cameras stand.

    A given table comes first, then what the files say, then what follows from positions that a file
    states both as RA and Dec and as azimuth and altitude. A platepar that contradicts these is that of
    another camera, and not believed.
    """
    by_camera: dict[tuple[str, str], list[Sighting]] = {}
    for sighting in sightings:
        by_camera.setdefault((sighting.catalog, sighting.camera), []).append(sighting)
    made: dict[tuple[str, str], WorkedOut | None] = {}
    for key, members in by_camera.items():
        if any(s.camera not in given and s.site_source in ("", "platepar") for s in members):
            joined = [np.concatenate([s.points[name] for s in members]) for name in _BOTH]
            made[key] = site_from_positions(*joined)
    return [_placed(s, given, made.get((s.catalog, s.camera))) for s in sightings]


def _placed(sighting: Sighting, given: Mapping[str, Site], worked_out: WorkedOut | None) -> Sighting:
    if sighting.camera in given:
        return replace(sighting, site=given[sighting.camera], site_source="sites")
    if worked_out is None or sighting.site_source == "catalog":
        return sighting
    if sighting.site is not None:
        apart = np.linalg.norm(position(sighting.site) - position(worked_out.site)) / 1000.0
        if apart < _SAME_PLACE + 5 * worked_out.error:
            return sighting
    return replace(sighting, site=worked_out.site, site_source="worked out")
