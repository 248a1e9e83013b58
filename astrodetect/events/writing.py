"""Events as tables, and as folders that trajectory solvers load.

A folder of an event holds one ECSV file of the Global Fireball Exchange for each camera. That is what WMPL
loads: ``python -m wmpl.Formats.ECSV FOLDER -w``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.events.directions import (
    Floats,
    celestial_to_earth,
    earth_to_celestial,
    earth_to_horizontal,
    horizontal_to_earth,
)
from astrodetect.events.grouping import Event
from astrodetect.events.search import Found
from astrodetect.events.sightings import Sighting
from astrodetect.exchange.text import iso_text

if TYPE_CHECKING:
    from astropy.table import QTable

#: Solvers ask for at least so many points of a camera.
LEAST_POINTS = 4
_PLACE = ("latitude", "longitude", "height")


def event_names(found: Found) -> list[str]:
    """Give a name to each event, unique: ``20230219_040224_682``, the time of its first sighting."""
    names: list[str] = []
    for event in found.events:
        text = iso_text(found.sightings[event.members[0]].begin, 3)
        base = text.replace("-", "").replace(":", "").replace("T", "_").replace(".", "_")
        name, number = base, 2
        while name in names[-50:]:
            name, number = f"{base}_{number}", number + 1
        names.append(name)
    return names


def events_table(found: Found) -> QTable:
    """Give one row per event: when, who, which shower, and the first look at its trajectory."""
    from astropy import units as u
    from astropy.table import QTable

    rows = list(zip(found.events, found.trajectories, strict=True))
    members = [found.members(event) for event, _ in rows]
    table = QTable()
    table["event"] = _text(event_names(found))
    table["time"] = _text([iso_text(s[0].begin, 3) for s in members])
    table["time_start"] = np.array([s[0].begin for s in members]) * u.s
    table["time_end"] = np.array([max(m.end for m in s) for s in members]) * u.s
    table["n_cameras"] = np.array([len(found.cameras(event)) for event, _ in rows], dtype=np.int64)
    table["n_sightings"] = np.array([len(s) for s in members], dtype=np.int64)
    table["cameras"] = _text([" ".join(found.cameras(event)) for event, _ in rows])
    table["method"] = _text(["time" if event.by_time_only else "geometry" for event, _ in rows])
    table["shower"] = _text(found.event_showers)
    table["peak_magnitude"] = _column([_peak(s) for s in members], u.mag)
    for name, unit in (("ra", u.deg), ("dec", u.deg), ("speed", u.km / u.s)):
        table[name] = _column([getattr(t, name) for _, t in rows], unit)
    for end in ("begin", "end"):
        for i, name in enumerate(_PLACE):
            unit = u.km if name == "height" else u.deg
            table[f"{name}_{end}"] = _column([getattr(t, end)[i] for _, t in rows], unit)
    for name in ("convergence", "residual"):
        table[name] = _column([getattr(t, name) for _, t in rows], u.deg)
    table.meta["comments"] = _COMMENTS
    return table


_COMMENTS = [
    "ra, dec: apparent radiant (J2000); speed: mean, relative to the ground; heights above WGS84",
    "method 'time': only the times were compared, since sites or directions are not known",
    "a first look, without errors: solve the folders of the events for trajectories and orbits",
]


def sightings_table(found: Found) -> QTable:
    """Give one row per detection: its event, if it has one, where its camera stands, and its own shower."""
    from astropy import units as u
    from astropy.table import QTable

    sightings = found.sightings
    name_of, clock_of = {}, {}
    for name, event, path in zip(event_names(found), found.events, found.trajectories, strict=True):
        for i, clock in zip(event.members, path.clocks, strict=True):
            name_of[i], clock_of[i] = name, clock
    table = QTable()
    table["event"] = _text([name_of.get(i, "") for i in range(len(sightings))])
    for name in ("camera", "catalog", "recording", "number"):
        table[name] = _text([getattr(s, name) for s in sightings])
    table["time"] = _text([iso_text(s.begin, 3) for s in sightings])
    table["time_start"] = _column([s.begin for s in sightings], u.s)
    table["time_end"] = _column([s.end for s in sightings], u.s)
    table["n_points"] = np.array([len(s.points["time"]) for s in sightings], dtype=np.int64)
    for i, (name, unit) in enumerate((("latitude", u.deg), ("longitude", u.deg), ("elevation", u.m))):
        table[name] = _column([s.site[i] if s.site else np.nan for s in sightings], unit)
    table["site_source"] = _text([s.site_source for s in sightings])
    table["clock"] = _column([clock_of.get(i, np.nan) for i in range(len(sightings))], u.s)
    table["shower"] = _text(found.showers)
    table["peak_magnitude"] = _column([_peak([s]) for s in sightings], u.mag)
    table.meta["comments"] = [
        "clock: seconds by which this camera's clock is ahead of the median of the event, by the geometry",
        "shower: of this sighting by itself; SPO: none of the table; empty: site or direction not known",
        "site_source 'worked out': from positions given both as RA, Dec and as azimuth, altitude",
    ]
    return table


def _text(values: Sequence[str]) -> Any:
    return np.array(list(values), dtype=str) if len(values) else np.zeros(0, dtype="<U1")


def _column(values: Sequence[float], unit: Any) -> Any:
    return np.array(values, dtype=np.float64) * unit


def _peak(sightings: Sequence[Sighting]) -> float:
    values = np.concatenate([s.points["magnitude"] for s in sightings])
    return float(np.nanmin(values)) if np.any(np.isfinite(values)) else float("nan")


def write_events(found: Found, out: Path) -> tuple[int, list[str]]:
    """Write the tables and a folder per event.

    Everything is made in a folder beside and put in place at the end.

    Parameters
    ----------
    found : Found
        What to write.
    out : Path
        A folder that is not there, is empty, or was made by this function: that one is replaced.

    Returns
    -------
    number : int
        Of folders that a solver can use: two cameras or more.
    left_out : list of str
        Sightings of events that no file was written of, and why.

    Raises
    ------
    AstrodetectError
        The folder holds something else, or cannot be written.
    """
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / "events.ecsv").is_file())):
        raise AstrodetectError(f"{out}: is there, and not made by `astrodetect events`; choose another name")
    part = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        events_table(found).write(part / "events.ecsv", format="ascii.ecsv")
        sightings_table(found).write(part / "sightings.ecsv", format="ascii.ecsv")
        left_out: list[str] = []
        number = 0
        for name, event in zip(event_names(found), found.events, strict=True):
            number += _write_event(found, event, part / name, left_out)
        if out.exists():
            shutil.rmtree(out)
        os.replace(part, out)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise AstrodetectError(f"{out}: cannot be written: {error.strerror or error}") from error
    return number, left_out


def _write_event(found: Found, event: Event, folder: Path, left_out: list[str]) -> bool:
    """Write the best sighting of each camera; True where there are two or more."""
    from astrodetect.exchange.outgoing import unique_names

    chosen: dict[str, Sighting] = {}
    for sighting in found.members(event):
        best = chosen.get(sighting.camera)
        if best is None or len(sighting.points["time"]) > len(best.points["time"]):
            chosen[sighting.camera] = sighting
    files = []
    for sighting in chosen.values():
        reason = _unfit(sighting)
        if reason:
            left_out.append(f"{folder.name} {sighting.camera}: {reason}")
        else:
            files.append(_ecsv(sighting))
    if len(files) < 2:
        return False
    folder.mkdir()
    for name, data in unique_names(files):
        (folder / name).write_bytes(data)
    return True


def _unfit(sighting: Sighting) -> str:
    if len(sighting.directions()) == 0:
        return "no site, or no positions on the sky"
    n = len(sighting.points["time"])
    return f"{n} points; a solver needs {LEAST_POINTS}" if n < LEAST_POINTS else ""


def _ecsv(sighting: Sighting) -> tuple[str, bytes]:
    from astrodetect.exchange.gfe_write import ecsv, file_name
    from astrodetect.exchange.model import Observed, detections_of
    from astrodetect.exchange.outgoing import Outgoing

    track = dict(_complete(sighting))
    observed = Observed(
        sighting.recording, detections_of([track]), camera=sighting.camera, site=sighting.site,
        meta={"comment": f"site {sighting.site_source}"},
    )  # fmt: skip
    item = Outgoing(observed, 0, observed.detections.track(0))
    return file_name(item), ecsv(item)


def _complete(sighting: Sighting) -> Iterator[tuple[str, Floats]]:
    """Give the points with both kinds of positions, the one made of the other where it is missing."""
    points = sighting.points
    assert sighting.site is not None
    az, alt, ra, dec = (points[name] for name in ("az", "alt", "ra", "dec"))
    if not np.all(np.isfinite(az + alt)):
        az, alt = earth_to_horizontal(celestial_to_earth(ra, dec, points["time"]), sighting.site)
    if not np.all(np.isfinite(ra + dec)):
        ra, dec = earth_to_celestial(horizontal_to_earth(az, alt, sighting.site), points["time"])
    yield from {**points, "az": az, "alt": alt, "ra": ra, "dec": dec}.items()
