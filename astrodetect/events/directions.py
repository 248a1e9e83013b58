"""Directions of the sky and places of the Earth in one frame: that which turns with the Earth.

Everything is a unit vector, or metres, in the geocentric frame of WGS84 (x to longitude 0, z to the
north pole). Azimuth and altitude need only the site for that, right ascension and declination only the
time. Precession is that of IAU 2006; nutation and aberration, together below 40 arcsec, are left out, as
networks do in their files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.core.data import Site
from astrodetect.sky.frames import angles, vectors

Floats = NDArray[np.float64]

#: Unix seconds of the Julian date 0, in days.
_UNIX_EPOCH = 2440587.5
#: TT - UTC since 2017 (s); an error of seconds in it moves the precession by nothing.
_TT_UTC = 69.184
_WGS84 = 1


def unit(points: Floats) -> Floats:
    """Give vectors (..., 3) at length 1; those of length 0 become NaN."""
    length = np.linalg.norm(points, axis=-1, keepdims=True)
    return points / np.where(length > 0, length, np.nan)


def separation(a: Floats, b: Floats) -> Floats:
    """Give the angle between unit vectors (..., 3) in degrees, exact for small and large ones."""
    cross = np.linalg.norm(np.cross(a, b), axis=-1)
    angle: Floats = np.degrees(np.arctan2(cross, np.sum(a * b, axis=-1)))
    return angle


def position(site: Site) -> Floats:
    """Give where a site is, (3,) metres, WGS84."""
    import erfa

    where: Floats = erfa.gd2gc(_WGS84, np.radians(site.longitude), np.radians(site.latitude), site.elevation)
    return where


def geodetic(positions: Floats) -> tuple[Floats, Floats, Floats]:
    """Give latitude and longitude in degrees, and height in metres, of positions (..., 3)."""
    import erfa

    lon, lat, height = erfa.gc2gd(_WGS84, positions)
    return np.degrees(lat), np.degrees(lon), height


def horizon_axes(latitude: float, longitude: float) -> Floats:
    """Give the unit vectors north, east and up of a place, the rows of a (3, 3) array."""
    up = vectors(longitude, latitude)
    east = vectors(longitude + 90.0, 0.0)
    return np.stack([np.cross(up, east), east, up])


def horizontal_to_earth(az: ArrayLike, alt: ArrayLike, site: Site) -> Floats:
    """Give directions (n, 3) of azimuths (east of north) and altitudes in degrees, without refraction."""
    return vectors(az, alt) @ horizon_axes(site.latitude, site.longitude)


def earth_to_horizontal(directions: Floats, site: Site) -> tuple[Floats, Floats]:
    """Give azimuth and altitude in degrees of directions (n, 3)."""
    return angles(directions @ horizon_axes(site.latitude, site.longitude).T)


def precession(time: float) -> Floats:
    """Give the (3, 3) rotation from ICRS to the mean equator and equinox of a time (UTC Unix seconds)."""
    import erfa

    matrix: Floats = erfa.pmat06(_UNIX_EPOCH, (time + _TT_UTC) / 86400.0)
    return matrix


def sidereal_angle(time: ArrayLike) -> Floats:
    """Give Greenwich mean sidereal time in degrees of times in UTC Unix seconds; UT1 is taken as UTC."""
    import erfa

    days = np.asarray(time, dtype=np.float64) / 86400.0
    angle: Floats = np.degrees(erfa.gmst06(_UNIX_EPOCH, days, _UNIX_EPOCH, days + _TT_UTC / 86400.0))
    return angle


def celestial_to_earth(ra: ArrayLike, dec: ArrayLike, time: ArrayLike, *, of_date: bool = False) -> Floats:
    """Give directions (n, 3) of right ascension and declination in degrees at times (UTC Unix seconds).

    Parameters
    ----------
    ra, dec : float or (n,) array
        ICRS (J2000), or of date.
    time : float or (n,) array
        They may span hours: the precession is taken at their middle.
    of_date : bool
        `ra` and `dec` are of the equator and equinox of date, and not precessed.
    """
    times = np.asarray(time, dtype=np.float64)
    directions = vectors(ra, dec)
    if not of_date:
        directions = directions @ precession(float(np.mean(times))).T
    lon, lat = angles(directions)
    return vectors(lon - sidereal_angle(times), lat)


def earth_to_celestial(directions: Floats, time: ArrayLike) -> tuple[Floats, Floats]:
    """Give right ascension and declination, ICRS in degrees, of directions (n, 3) at times (Unix seconds)."""
    times = np.asarray(time, dtype=np.float64)
    lon, lat = angles(directions)
    return angles(vectors(lon + sidereal_angle(times), lat) @ precession(float(np.mean(times))))


def solar_longitude(time: ArrayLike) -> Floats:
    """Give the ecliptic longitude of the Sun, J2000, in degrees [0, 360), of UTC Unix seconds.

    Geometric, without aberration, as meteor astronomy uses it (Steyaert 1991, WGN 19, 31); the Earth's
    place is that of `erfa.epv00`.
    """
    import erfa

    days = (np.asarray(time, dtype=np.float64) + _TT_UTC) / 86400.0
    heliocentric, _ = erfa.epv00(_UNIX_EPOCH, days)
    x, y, z = np.moveaxis(-np.asarray(heliocentric["p"]), -1, 0)
    tilt = np.radians(84381.406 / 3600.0)
    longitude: Floats = np.degrees(np.arctan2(y * np.cos(tilt) + z * np.sin(tilt), x)) % 360.0
    return longitude
