"""Plate solutions of the Global Meteor Network: the platepar of RMS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from astrodetect.core.calibration import Floats, Photometry
from astrodetect.core.data import Site
from astrodetect.sky import distortion, frames
from astrodetect.sky import refraction as air
from astrodetect.sky.models import VectorCalibration

#: What RA and Dec of the middle of the frame mean; nothing in the file tells.
Pointing = Literal["plain", "precessed"]

_JD_UNIX = 2440587.5
#: How far beyond the corners of its frame a solution is followed.
_BEYOND = 1.15


@dataclass(frozen=True)
class Platepar(VectorCalibration):
    """A platepar: an equidistant camera with a distortion, fixed to the ground.

    Azimuth and altitude follow the ``mean`` rule of `astrodetect.sky.frames`, by which RMS fits and
    reports: so they agree with the network's own.

    Attributes
    ----------
    width, height : int
        Of the frame (``X_res``, ``Y_res``).
    ra, dec, hour_angle, position_angle : float
        ``RA_d``, ``dec_d``, ``Ho``, ``pos_angle_ref`` (deg): the middle of the frame stands at ``ra +
        GMST - hour_angle``, `dec`.
    scale : float
        ``F_scale`` (px/deg).
    distortion : str
        ``distortion_type``.
    x_poly, y_poly : tuple of float
        ``x_poly_fwd``, ``y_poly_fwd``.
    equal_aspect, fixed_centre, asymmetric : bool
        ``equal_aspect``, ``force_distortion_centre``, ``asymmetry_corr``.
    refraction : bool
        The pointing is a true one, and the frame shows apparent ones.
    pointing : {"plain", "precessed"}
        Whether the middle of the frame is taken for J2000 as it stands (RMS before June 2024), or
        precessed from the date (since). `astrodetect.sky.platepar_files` decides.
    shape, site, residual, made_by, photometry, camera
        See `astrodetect.core.calibration.Calibration`.
    """

    model: ClassVar[str] = "platepar"
    rule: ClassVar[frames.Rule] = "mean"

    width: int
    height: int
    site: Site
    ra: float
    dec: float
    hour_angle: float
    position_angle: float
    scale: float
    distortion: str
    x_poly: tuple[float, ...]
    y_poly: tuple[float, ...] = ()
    equal_aspect: bool = False
    fixed_centre: bool = False
    asymmetric: bool = False
    refraction: bool = False
    pointing: Pointing = "plain"
    residual: float = float("nan")
    made_by: str = ""
    photometry: Photometry | None = None
    camera: str = ""
    shape: tuple[int, int] | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", (self.height, self.width))
        needed = distortion.coefficients_needed(
            self.distortion,
            fixed_centre=self.fixed_centre,
            equal_aspect=self.equal_aspect,
            asymmetric=self.asymmetric,
        )
        lists = (self.x_poly, self.y_poly) if self.distortion in distortion.POLYNOMIAL else (self.x_poly,)
        if any(len(numbers) < needed for numbers in lists):
            found = " and ".join(str(len(numbers)) for numbers in lists)
            raise ValueError(f"{self.distortion} takes {needed} coefficients, found {found}")
        if self.width < 1 or self.height < 1 or not self.scale > 0:
            raise ValueError(f"a frame of {self.width} x {self.height} pixels at {self.scale} px/deg")

    def directions(self, x: Floats, y: Floats, time: Floats) -> Floats:
        """Give ICRS unit vectors of pixels; NaN far outside the frame."""
        u, v = self._undistorted(x - self.width / 2, y - self.height / 2)
        radius = np.hypot(u, v) / self.scale
        radius = np.radians(np.where(radius <= self._reach, radius, np.nan))
        centre, north, east = self._axes(time)
        theta = np.arctan2(v, u)[:, None]
        radius = radius[:, None]
        side = np.cos(theta) * north - np.sin(theta) * east
        points: Floats = np.cos(radius) * centre + np.sin(radius) * side
        return self._through_air(points, time, air.true_altitude) if self.refraction else points

    def pixels(self, points: Floats, time: Floats) -> tuple[Floats, Floats]:
        """Give the pixels of ICRS unit vectors; NaN far outside the frame."""
        if self.refraction:
            points = self._through_air(points, time, air.seen_altitude)
        centre, north, east = self._axes(time)
        along, up, left = (np.sum(points * axis, axis=-1) for axis in (centre, north, -east))
        radius = np.degrees(np.arctan2(np.hypot(up, left), along))
        radius = np.where(radius <= self._reach, radius, np.nan) * self.scale
        theta = np.arctan2(left, up)
        u, v = distortion.inverse(self._undistorted, (radius * np.cos(theta), radius * np.sin(theta)))
        return u + self.width / 2, v + self.height / 2

    def _undistorted(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        if self.distortion in distortion.POLYNOMIAL:
            return distortion.polynomial(u, v, self.x_poly, self.y_poly)
        return distortion.radial(u, v, **self._radial)

    @cached_property
    def _radial(self) -> dict[str, Any]:
        numbers = iter(self.x_poly)
        half = (self.width / 2, self.height / 2)
        centre = (0.5, 0.5) if self.fixed_centre else (next(numbers) * half[0], next(numbers) * half[1])
        aspect = 0.0 if self.equal_aspect else next(numbers)
        skew = (next(numbers), 2 * np.pi * next(numbers)) if self.asymmetric else (0.0, 0.0)
        powers = distortion.RADIAL[self.distortion]
        return {
            "powers": powers,
            "factors": tuple(next(numbers) for _ in powers),
            "size": (self.width, self.height),
            "centre": tuple((c + h) % (2 * h) - h for c, h in zip(centre, half, strict=True)),
            "aspect": aspect,
            "asymmetry": skew,
        }

    @cached_property
    def _reach(self) -> float:
        """Angle from the middle of the frame to its farthest corner, and some more (deg)."""
        x, y = np.array([0.0, 1, 0, 1]) * self.width, np.array([0.0, 0, 1, 1]) * self.height
        u, v = self._undistorted(x - self.width / 2, y - self.height / 2)
        return float(_BEYOND * np.max(np.hypot(u, v)) / self.scale)

    def _axes(self, time: Floats) -> tuple[Floats, Floats, Floats]:
        """Give where the middle of the frame looks, and the directions of u (north) and -v (east) there."""
        assert self.site is not None
        ra = self.ra + frames.mean_sidereal_time(time) - self.hour_angle
        centre = frames.vectors(ra, np.full_like(ra, self.dec))
        if self.refraction:
            centre = self._through_air(centre, time, air.apparent_altitude)
        flat = np.hypot(centre[:, 0], centre[:, 1])[:, None]
        east = np.stack([-centre[:, 1], centre[:, 0], np.zeros_like(ra)], axis=-1) / flat
        north = np.cross(centre, east)
        if self.pointing == "precessed":
            centre, north, east = _precessed(centre, north, east, time)
        angle = np.radians(90.0 - self.position_angle)
        c, s = np.cos(angle), np.sin(angle)
        return centre, c * north - s * east, s * north + c * east

    def _through_air(self, points: Floats, time: Floats, altitude: Callable[[Floats], Floats]) -> Floats:
        assert self.site is not None
        matrix = frames.horizon_matrix(time, self.site, "mean")
        moved = air.moved(np.einsum("nij,nj->ni", matrix, points), altitude)
        turned: Floats = np.einsum("nji,nj->ni", matrix, moved)
        return turned


def _precessed(centre: Floats, north: Floats, east: Floats, time: Floats) -> tuple[Floats, Floats, Floats]:
    """Carry the axes of the frame from the date to J2000, as RMS does since June 2024.

    Centre and sides are turned by precession. The nutation that follows turns the centre alone, about
    the axes of the equator, by the nutation in obliquity and longitude (Meeus 1998, chapter 22): not
    the textbook's rotation, but the one by which such platepars are fitted.
    """
    back = np.swapaxes(frames.precession(time), -1, -2)
    old, north, east = (np.einsum("nij,nj->ni", back, axis) for axis in (centre, north, east))
    longitude, obliquity = _nutation(time)
    c, s = np.cos(obliquity), np.sin(obliquity)
    y, z = c * old[:, 1] + s * old[:, 2], c * old[:, 2] - s * old[:, 1]
    c, s = np.cos(longitude), np.sin(longitude)
    new = np.stack([c * old[:, 0] - s * y, s * old[:, 0] + c * y, z], axis=-1)
    # The angle between the sides and the parallel stays what precession made it.
    flat = np.hypot(old[:, 0], old[:, 1])
    parallel = np.stack([-old[:, 1], old[:, 0], np.zeros_like(flat)], axis=-1) / flat[:, None]
    meridian = np.cross(old, parallel)
    c, s = np.sum(east * parallel, axis=-1)[:, None], np.sum(east * meridian, axis=-1)[:, None]
    flat = np.hypot(new[:, 0], new[:, 1])
    parallel = np.stack([-new[:, 1], new[:, 0], np.zeros_like(flat)], axis=-1) / flat[:, None]
    meridian = np.cross(new, parallel)
    return new, c * meridian - s * parallel, c * parallel + s * meridian


def _nutation(time: Floats) -> tuple[Floats, Floats]:
    """Give the nutation in longitude and obliquity (rad) by its four largest terms."""
    t = (time / 86400 + _JD_UNIX - 2451545.0) / 36525
    node, sun, moon = (
        np.radians(a + b * t)
        for a, b in ((125.04452, -1934.136261), (280.4665, 36000.7698), (218.3165, 481267.8813))
    )
    longitude = (
        -17.2 * np.sin(node) - 1.32 * np.sin(2 * sun) - 0.23 * np.sin(2 * moon) + 0.21 * np.sin(2 * node)
    )
    obliquity = 9.2 * np.cos(node) + 0.57 * np.cos(2 * sun) + 0.1 * np.cos(2 * moon) - 0.09 * np.cos(2 * node)
    return np.radians(longitude / 3600), np.radians(obliquity / 3600)
