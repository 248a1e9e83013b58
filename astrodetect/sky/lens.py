"""Lenses that see the whole sky: radius in the image against angle from the optical axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from astrodetect.core.calibration import Floats, Photometry
from astrodetect.core.data import Site
from astrodetect.sky import refraction as air
from astrodetect.sky.models import VectorCalibration

#: How a lens projects; all have the focal length in pixels per radian as their first coefficient.
Projection = Literal["equidistant", "fripon", "odd-polynomial"]
#: Names of the coefficients by projection; an odd polynomial may have more, ``a7`` and so on.
COEFFICIENTS: dict[Projection, tuple[str, ...]] = {
    "equidistant": ("f",),
    "fripon": ("f", "K1", "K2"),
    "odd-polynomial": ("f", "a3", "a5"),
}
#: Points of the table that begins the search for a radius.
_TABLE = 2048


@dataclass(frozen=True)
class AllSkyLens(VectorCalibration):
    """A camera fixed to the ground, by the projection of its lens and its orientation.

    The untilted camera looks to the zenith. A point of the image at distance R from the optical centre,
    at the angle psi counterclockwise from the top of the image, lies theta from the optical axis, at
    the azimuth ``rotation + psi`` (``rotation - psi`` if mirrored). Then the camera is tilted.

    Attributes
    ----------
    projection : {"equidistant", "fripon", "odd-polynomial"}
        ``R = f theta``; ``R = K1 f sin(theta / K2)``;
        ``theta = (R/f) (1 + a3 (R/f)² + a5 (R/f)⁴ + ...)``. Angles in radians.
    coefficients : tuple of float
        As `COEFFICIENTS` names them, f in pixels per radian.
    x_centre, y_centre : float
        Where the optical axis meets the image (px).
    rotation : float
        Azimuth that is up in the image (deg).
    tilt_north, tilt_east : float
        Zenith distance of the optical axis as a vector: its components to the north and the east (deg).
    mirrored : bool
        Seen from below, with north up, east is on the left; mirrored: on the right.
    aspect : float
        Height of a pixel by its width.
    field : float
        Angle from the axis up to which the model holds (deg).
    refraction : bool
        The directions of the lens are apparent ones (fitted to stars as they are seen).
    pressure, temperature : float
        For refraction: hPa at the camera, degrees Celsius. NaN: standard pressure for the site's height.
    shape, site, residual, made_by, photometry, camera
        See `astrodetect.core.calibration.Calibration`.
    """

    model: ClassVar[str] = "all-sky"

    projection: Projection
    coefficients: tuple[float, ...]
    x_centre: float
    y_centre: float
    rotation: float = 0.0
    tilt_north: float = 0.0
    tilt_east: float = 0.0
    mirrored: bool = False
    aspect: float = 1.0
    field: float = 95.0
    refraction: bool = True
    pressure: float = float("nan")
    temperature: float = air.TEMPERATURE
    shape: tuple[int, int] | None = None
    site: Site | None = None
    residual: float = float("nan")
    made_by: str = ""
    photometry: Photometry | None = None
    camera: str = ""

    def __post_init__(self) -> None:
        names = COEFFICIENTS[self.projection]
        n = len(self.coefficients)
        if n != len(names) and (self.projection != "odd-polynomial" or n == 0):
            raise ValueError(f"coefficients: {self.projection} has {', '.join(names)}, not {n} numbers")
        if not self.coefficients[0] > 0 or not self.aspect > 0:
            raise ValueError("the focal length and the aspect must be positive")

    @property
    def native(self) -> Literal["icrs", "horizon"]:
        """The ground."""
        return "horizon"

    def directions(self, x: Floats, y: Floats, time: Floats) -> Floats:
        """Give unit vectors north, east, up, without refraction; NaN outside the field of the lens."""
        del time
        across, down = x - self.x_centre, (y - self.y_centre) * self.aspect
        theta = self.angle(np.hypot(across, down))
        turn = np.radians(self.rotation) + self._sense * np.arctan2(-across, -down)
        flat = np.sin(theta)
        points = np.stack([flat * np.cos(turn), flat * np.sin(turn), np.cos(theta)], axis=-1)
        points = points @ self._tilt.T
        if not self.refraction:
            return points
        return air.moved(points, lambda seen: air.true_altitude(seen, self._density))

    def pixels(self, points: Floats, time: Floats) -> tuple[Floats, Floats]:
        """Give the pixels of unit vectors north, east, up, without refraction."""
        del time
        if self.refraction:
            points = air.moved(points, lambda true: air.seen_altitude(true, self._density))
        seen = points @ self._tilt
        radius = self.radius(np.arctan2(np.hypot(seen[..., 0], seen[..., 1]), seen[..., 2]))
        psi = self._sense * (np.arctan2(seen[..., 1], seen[..., 0]) - np.radians(self.rotation))
        x = self.x_centre - radius * np.sin(psi)
        return x, self.y_centre - radius * np.cos(psi) / self.aspect

    def angle(self, radius: Floats) -> Floats:
        """Give the angle from the optical axis (rad) of distances from the centre (px); NaN beyond."""
        f, *rest = self.coefficients
        scaled = radius / f
        if self.projection == "fripon":
            sine = scaled / rest[0]
            theta = rest[1] * np.arcsin(np.where(sine <= 1, sine, np.nan))
        else:
            theta = scaled * _even(rest, scaled)
        found: Floats = np.where((radius <= self._reach) & (theta <= np.radians(self.field)), theta, np.nan)
        return found

    def radius(self, theta: Floats) -> Floats:
        """Give the distance from the centre (px) of angles from the optical axis (rad); NaN beyond."""
        f, *rest = self.coefficients
        if self.projection == "fripon":
            radius = rest[0] * f * np.sin(theta / rest[1])
        elif not rest:
            radius = f * theta
        else:
            table, angles = self._table
            scaled = np.interp(theta, angles, table)
            for _ in range(3):
                scaled = scaled - (scaled * _even(rest, scaled) - theta) / _slope(rest, scaled)
            radius = f * scaled
        found: Floats = np.where(theta <= min(np.radians(self.field), self._steepest), radius, np.nan)
        return found

    @property
    def _sense(self) -> int:
        return -1 if self.mirrored else 1

    @cached_property
    def _tilt(self) -> Floats:
        """Rotation of the untilted camera's vectors into the horizon: about a horizontal axis."""
        lean = np.hypot(self.tilt_north, self.tilt_east)
        if lean == 0:
            return np.eye(3)
        north, east = self.tilt_north / lean, self.tilt_east / lean
        c, s = np.cos(np.radians(lean)), np.sin(np.radians(lean))
        return np.array(
            [
                [1 + (c - 1) * north * north, (c - 1) * north * east, s * north],
                [(c - 1) * north * east, 1 + (c - 1) * east * east, s * east],
                [-s * north, -s * east, c],
            ]
        )

    @cached_property
    def _density(self) -> float:
        height = 0.0 if self.site is None else self.site.elevation
        pressure = air.standard_pressure(height) if np.isnan(self.pressure) else self.pressure
        return air.density(pressure, self.temperature)

    @cached_property
    def _table(self) -> tuple[Floats, Floats]:
        """Scaled radii and their angles, as far as the polynomial rises."""
        rest = list(self.coefficients[1:])
        table = np.linspace(0.0, 2 * np.radians(self.field), _TABLE)
        falling = np.flatnonzero(_slope(rest, table) <= 0)
        table = table[: falling[0]] if len(falling) else table
        return table, table * _even(rest, table)

    @property
    def _reach(self) -> float:
        """Radius up to which the angle grows (px)."""
        many = self.projection == "odd-polynomial" and len(self.coefficients) > 1
        return float(self._table[0][-1] * self.coefficients[0]) if many else np.inf

    @property
    def _steepest(self) -> float:
        """Angle up to which the radius grows (rad)."""
        if self.projection == "fripon":
            return float(self.coefficients[2] * np.pi / 2)
        return float(self._table[1][-1]) if len(self.coefficients) > 1 else np.inf


def _even(rest: list[float], scaled: Floats) -> Floats:
    """Give ``1 + a3 s² + a5 s⁴ + ...``."""
    value = np.zeros_like(scaled)
    for coefficient in reversed(rest):
        value = (value + coefficient) * scaled**2
    return 1 + value


def _slope(rest: list[float], scaled: Floats) -> Floats:
    """Give the derivative of ``s + a3 s³ + a5 s⁵ + ...``."""
    return _even([(2 * i + 3) * coefficient for i, coefficient in enumerate(rest)], scaled)
