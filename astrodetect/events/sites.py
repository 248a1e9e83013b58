"""Where cameras stand: from a table, or worked out from positions that are given in both systems."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.events.directions import Floats, celestial_to_earth, horizon_axes
from astrodetect.sky.frames import angles, vectors

#: Names of the columns of a table of sites, in lower case; the first is ours.
_COLUMNS = {
    "station": ("station", "camera", "camera_id", "station_code", "stations", "id"),
    "lat": ("lat", "latitude", "obs_latitude"),
    "lon": ("lon", "longitude", "long", "obs_longitude"),
    "elevation": ("elevation", "elev", "height", "alt", "altitude", "obs_elevation"),
}
#: What is known of a direction at best (deg): rounding to four decimals, and aberration left out or not.
_FLOOR = 1e-3
#: A solution whose north misses the north of its own place by more (deg) is none.
_TWIST = 0.5
_KM_PER_DEGREE = 111.2
#: A site that is less certain (km) is none.
_LARGEST_ERROR = 25.0


class WorkedOut(NamedTuple):
    """A site that follows from positions, and its standard error in km; the elevation is unknown: 0."""

    site: Site
    error: float


def read_sites(path: Path) -> dict[str, Site]:
    """Read a table of sites: CSV with the columns station, lat, lon, elevation (degrees, metres).

    North and east are positive. An elevation that is not there is 0. Lines that begin with ``#`` are not
    read.

    Raises
    ------
    AstrodetectError
        It cannot be read, or a line is wrong; with the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AstrodetectError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from error
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    if not lines:
        raise AstrodetectError(f"{path}: empty; expected the columns {', '.join(_COLUMNS)}")
    reader = csv.reader((line for _, line in lines), delimiter=";" if ";" in lines[0][1] else ",")
    names = [name.strip().lower() for name in next(reader)]
    where = {
        ours: next((names.index(n) for n in known if n in names), -1) for ours, known in _COLUMNS.items()
    }
    missing = [name for name, at in where.items() if at < 0 and name != "elevation"]
    if missing:
        raise AstrodetectError(
            f"{path}, line {lines[0][0]}: no column {missing[0]!r}; expected {', '.join(_COLUMNS)}"
        )
    return dict(_site(path, lines[i][0], cells, where) for i, cells in enumerate(reader, 1))


def _site(path: Path, line: int, cells: list[str], where: dict[str, int]) -> tuple[str, Site]:
    try:
        lat, lon = (float(cells[where[name]]) for name in ("lat", "lon"))
        text = cells[where["elevation"]].strip() if where["elevation"] >= 0 else ""
        site = Site(lat, lon, float(text or 0.0))
        station = cells[where["station"]].strip()
    except (ValueError, IndexError):
        raise AstrodetectError(
            f"{path}, line {line}: {','.join(cells)!r}; expected station, degrees north, degrees east, metres"
        ) from None
    if not (abs(lat) <= 90 and abs(lon) <= 360 and -500 <= site.elevation <= 9000 and station):
        raise AstrodetectError(
            f"{path}, line {line}: {','.join(cells)!r} is no place on Earth; expected degrees and metres"
        )
    return station, site


def site_from_positions(
    ra: ArrayLike, dec: ArrayLike, az: ArrayLike, alt: ArrayLike, time: ArrayLike
) -> WorkedOut | None:
    """Work out where a camera stands from positions that are given as RA and Dec and as azimuth and altitude.

    The two triads of directions differ by one rotation, found by least squares (Kabsch 1976, Acta Cryst.
    A32, 922): it takes the zenith to a place on Earth.

    Parameters
    ----------
    ra, dec, az, alt : (n,) array
        Degrees; J2000, and east of north and without refraction.
    time : (n,) array
        UTC Unix seconds.

    Returns
    -------
    WorkedOut or None
        None where the positions define no site: too few, too near each other, or contradictory.
    """
    found = _solve(ra, dec, az, alt, time)
    if found is None:
        return None
    rotation, error = found
    lon, lat = (float(value) for value in angles(rotation[2]))
    north = horizon_axes(lat, lon)[0]
    twist = math.degrees(math.acos(min(1.0, max(-1.0, float(rotation[0] @ north)))))
    if not twist < _TWIST + 3 * error or not error * _KM_PER_DEGREE < _LARGEST_ERROR:
        return None
    return WorkedOut(Site(lat, (lon + 180.0) % 360.0 - 180.0, 0.0), error * _KM_PER_DEGREE)


def determines_site(ra: ArrayLike, dec: ArrayLike, az: ArrayLike, alt: ArrayLike, time: ArrayLike) -> bool:
    """Tell whether positions lie far enough apart to define a site, be it a contradictory one.

    Parameters
    ----------
    ra, dec, az, alt, time : (n,) array
        As in `site_from_positions`.
    """
    values = np.stack([np.asarray(column, dtype=np.float64) for column in (ra, dec, az, alt, time)])
    directions = vectors(*values[2:4][:, np.all(np.isfinite(values), axis=0)])
    if len(directions) < 2:
        return False
    return bool(_lever(directions) * _LARGEST_ERROR / _KM_PER_DEGREE > _FLOOR)


def _solve(
    ra: ArrayLike, dec: ArrayLike, az: ArrayLike, alt: ArrayLike, time: ArrayLike
) -> tuple[Floats, float] | None:
    columns = np.stack([np.asarray(values, dtype=np.float64) for values in (ra, dec, az, alt, time)])
    columns = columns[:, np.all(np.isfinite(columns), axis=0)]
    if columns.shape[1] < 2:
        return None
    earth = celestial_to_earth(columns[0], columns[1], columns[4])
    local = vectors(columns[2], columns[3]) * (1.0, -1.0, 1.0)  # north, west, up: right-handed
    return _rotation(local, earth)


def _lever(directions: Floats) -> float:
    """Give what the error of one direction is divided by to have that of the worst rotation."""
    moments = len(directions) * np.eye(3) - directions.T @ directions
    return float(np.sqrt(max(np.linalg.eigvalsh(moments)[0], 1e-12)))


def _rotation(local: Floats, earth: Floats) -> tuple[Floats, float]:
    """Give the proper rotation R (3, 3) with ``local @ R`` nearest to `earth`, and its error in degrees."""
    u, _, v = np.linalg.svd(local.T @ earth)
    sign = np.sign(np.linalg.det(u @ v))
    rotation = u @ np.diag([1.0, 1.0, sign]) @ v
    scatter = np.degrees(np.sqrt(np.mean(np.sum((local @ rotation - earth) ** 2, axis=1))))
    return rotation, float(np.hypot(scatter, _FLOOR) / _lever(earth))
