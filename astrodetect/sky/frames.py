"""Directions on the sky and over the horizon, as unit vectors, and the way from one to the other.

Two rules, since calibrations are made by two:

``apparent``
    IAU 2006/2000A precession and nutation, stellar aberration, UT1 from the bundled tables. Where a
    star of the catalogue really stands, to under 0.5 arcsec (polar motion and the deflection of light
    by the Sun are left out). What `astropy.coordinates.AltAz` gives.
``mean``
    IAU 1976 precession and mean sidereal time alone, UT1 = UTC, as RMS computes. Up to 30 arcsec from
    the other one. A calibration that was fitted by it reproduces the network's numbers only by it.

Vectors are ICRS: towards RA 0, RA 90 degrees, the pole; horizon: north, east, up.
"""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from astrodetect.core.calibration import Floats
from astrodetect.core.data import Site
from astrodetect.sky.offline import ut1_minus_utc

Rule = Literal["apparent", "mean"]

#: Nutation, precession and the Earth's velocity are computed so often (s); they change by 0.02 arcsec.
_STEP = 3600.0
_UNIX_JD = 2440587.5
_J2000 = 2451545.0


def vectors(longitude: ArrayLike, latitude: ArrayLike) -> Floats:
    """Give unit vectors of spherical coordinates.

    Parameters
    ----------
    longitude, latitude : (n,) array
        Degrees: RA and Dec, or azimuth and altitude.

    Returns
    -------
    (n, 3) float64 array
    """
    lon, lat = (np.radians(np.asarray(angle, dtype=np.float64)) for angle in (longitude, latitude))
    flat = np.cos(lat)
    return np.stack(np.broadcast_arrays(flat * np.cos(lon), flat * np.sin(lon), np.sin(lat)), axis=-1)


def angles(points: Floats) -> tuple[Floats, Floats]:
    """Give the spherical coordinates of vectors.

    Parameters
    ----------
    points : (n, 3) float64 array
        Of any length but zero.

    Returns
    -------
    longitude, latitude : (n,) float64 array
        Degrees, longitude in [0, 360).
    """
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    longitude = np.degrees(np.arctan2(y, x)) % 360.0
    return longitude, np.degrees(np.arctan2(z, np.hypot(x, y)))


def to_horizon(points: Floats, time: Floats, site: Site, rule: Rule = "apparent") -> Floats:
    """Turn ICRS vectors over the horizon of a site.

    Parameters
    ----------
    points : (n, 3) float64 array
        ICRS unit vectors.
    time : (n,) float64 array
        UTC Unix seconds; NaN gives NaN.
    site : Site
        Where the camera stands.
    rule : {"apparent", "mean"}
        See the module.

    Returns
    -------
    (n, 3) float64 array
        Unit vectors north, east, up; without refraction.
    """
    if rule == "apparent":
        points = _aberrated(points, _velocity(time))
    return _turned(horizon_matrix(time, site, rule), points)


def to_icrs(points: Floats, time: Floats, site: Site, rule: Rule = "apparent") -> Floats:
    """Turn vectors over the horizon into ICRS; the inverse of `to_horizon`."""
    turned = _turned(np.swapaxes(horizon_matrix(time, site, rule), -1, -2), points)
    if rule == "mean":
        return turned
    velocity = _velocity(time)
    source = turned
    for _ in range(2):  # aberration is 1e-4: each turn wins four digits
        source = source + turned - _aberrated(source, velocity)
        source /= np.linalg.norm(source, axis=-1, keepdims=True)
    return source


def _turned(matrices: Floats, points: Floats) -> Floats:
    turned: Floats = np.einsum("...ij,...j->...i", matrices, points)
    return turned


def horizon_matrix(time: Floats, site: Site, rule: Rule = "apparent") -> Floats:
    """Give the rotation from ICRS to the horizon, without aberration.

    Parameters
    ----------
    time : (n,) float64 array
        UTC Unix seconds.
    site : Site
        Where the camera stands.
    rule : {"apparent", "mean"}
        See the module.

    Returns
    -------
    (n, 3, 3) float64 array
        Rows north, east, up; columns as ICRS vectors. Orthogonal, determinant -1.
    """
    if rule == "apparent":
        celestial = _at_steps(time, _celestial_to_intermediate)
        angle = _earth_rotation(time + ut1_minus_utc(time))
    else:
        celestial = precession(time)
        angle = mean_sidereal_time(time)
    hour = np.radians(angle + site.longitude)
    lat = np.radians(site.latitude)
    c, s = np.cos(hour), np.sin(hour)
    zero = np.zeros_like(c)
    rows = (
        (-np.sin(lat) * c, -np.sin(lat) * s, zero + np.cos(lat)),
        (-s, c, zero),
        (np.cos(lat) * c, np.cos(lat) * s, zero + np.sin(lat)),
    )
    local = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    matrix: Floats = local @ celestial
    return matrix


def mean_sidereal_time(time: Floats) -> Floats:
    """Give Greenwich mean sidereal time (deg), IAU 1982, UT1 = UTC.

    Parameters
    ----------
    time : (n,) float64 array
        UTC Unix seconds.
    """
    days = time / 86400 + (_UNIX_JD - _J2000)
    centuries = days / 36525
    angle: Floats = (
        280.46061837 + 360.98564736629 * days + centuries**2 * (0.000387933 - centuries / 38710000)
    ) % 360.0
    return angle


def precession(time: Floats) -> Floats:
    """Give the rotation from J2000 to the mean equator and equinox of date (Lieske 1979, IAU 1976).

    Parameters
    ----------
    time : (n,) float64 array
        UTC Unix seconds.

    Returns
    -------
    (n, 3, 3) float64 array
    """
    t = (np.asarray(time) / 86400 + (_UNIX_JD - _J2000)) / 36525
    zeta = np.radians(t * (2306.2181 + t * (0.30188 + t * 0.017998)) / 3600)
    z = np.radians(t * (2306.2181 + t * (1.09468 + t * 0.018203)) / 3600)
    theta = np.radians(t * (2004.3109 - t * (0.42665 + t * 0.041833)) / 3600)
    cz, sz, ct, st, ce, se = np.cos(z), np.sin(z), np.cos(theta), np.sin(theta), np.cos(zeta), np.sin(zeta)
    rows = (
        (cz * ct * ce - sz * se, -cz * ct * se - sz * ce, -cz * st),
        (sz * ct * ce + cz * se, -sz * ct * se + cz * ce, -sz * st),
        (st * ce, -st * se, ct),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _earth_rotation(ut1: Floats) -> Floats:
    """Give the Earth rotation angle (deg; IAU 2000) at UT1 Unix seconds."""
    days = ut1 / 86400 + (_UNIX_JD - _J2000)
    turned: Floats = 360.0 * ((0.7790572732640 + 0.00273781191135448 * days + days % 1.0) % 1.0)
    return turned


def _at_steps(time: Floats, what: object) -> Floats:
    """Compute something slow only for every hour that occurs; NaN where the time is NaN."""
    assert callable(what)
    steps = np.round(np.asarray(time) / _STEP)
    known = np.isfinite(steps)
    hours, index = np.unique(np.where(known, steps, 0.0), return_inverse=True)
    found: Floats = np.stack([what(hour * _STEP) for hour in hours])[index.reshape(steps.shape)]
    if not known.all():
        found[~known] = np.nan
    return found


def _terrestrial(time: float) -> tuple[float, float]:
    """Give Terrestrial Time as a Julian date in two parts."""
    from astrodetect.sky.offline import stay_offline

    stay_offline()  # it may bring a newer table of leap seconds
    import erfa

    with warnings.catch_warnings():  # leap seconds of years to come are not known yet
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        tai = erfa.utctai(_UNIX_JD, time / 86400)
    return erfa.taitt(*tai)  # type: ignore[no-any-return]


def _celestial_to_intermediate(time: float) -> Floats:
    import erfa

    matrix: Floats = erfa.c2i06a(*_terrestrial(time))
    return matrix


def _earth_velocity(time: float) -> Floats:
    import erfa

    _, barycentric = erfa.epv00(*_terrestrial(time))  # TDB is within 2 ms of TT
    velocity: Floats = np.asarray(barycentric["v"], dtype=np.float64) * (erfa.DAU / erfa.DAYSEC / erfa.CMPS)
    return velocity


def _velocity(time: Floats) -> Floats:
    return _at_steps(time, _earth_velocity)


def _aberrated(points: Floats, velocity: Floats) -> Floats:
    """Shift directions by stellar aberration (relativistic; Urban and Seidelmann 2013, 7.40)."""
    dot = np.sum(points * velocity, axis=-1, keepdims=True)
    inverse = np.sqrt(1 - np.sum(velocity**2, axis=-1, keepdims=True))
    moved = inverse * points + (1 + dot / (1 + inverse)) * velocity
    seen: Floats = moved / np.linalg.norm(moved, axis=-1, keepdims=True)
    return seen
