"""Lenses of simulated stations, and how they blur and darken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.calibration import Floats, Photometry
from astrodetect.core.data import Site
from astrodetect.sky.frames import vectors
from astrodetect.sky.lens import AllSkyLens
from astrodetect.sky.models import VectorCalibration

#: Distances from the optical axis at which a blur is worked out, in steps of a fifth of the half diagonal.
_ZONES = 5
#: The wings of a star: full width in widths of the core.
_WINGS = 5.0


@dataclass(frozen=True)
class RectilinearLens(VectorCalibration):
    """A camera with an ordinary lens: ``R = f tan(theta) (1 + k1 tan(theta)²)``, fixed to the ground.

    Attributes
    ----------
    f : float
        Focal length (px).
    x_centre, y_centre : float
        Where the optical axis meets the image (px).
    azimuth, altitude : float
        Where the axis points, as it is seen (deg).
    roll : float
        How far the image is turned clockwise (deg).
    k1 : float
        Distortion; negative: barrel.
    shape, site, residual, made_by, photometry, camera
        See `astrodetect.core.calibration.Calibration`.
    """

    model: ClassVar[str] = "rectilinear"

    f: float
    x_centre: float
    y_centre: float
    azimuth: float
    altitude: float
    roll: float = 0.0
    k1: float = 0.0
    shape: tuple[int, int] | None = None
    site: Site | None = None
    residual: float = float("nan")
    made_by: str = ""
    photometry: Photometry | None = None
    camera: str = ""

    @property
    def native(self) -> Literal["icrs", "horizon"]:
        """The ground."""
        return "horizon"

    @cached_property
    def _axes(self) -> Floats:
        """Rows: right and down in the image, and the optical axis, as vectors north, east, up."""
        axis = vectors(self.azimuth, self.altitude)
        right, up = vectors(self.azimuth + 90.0, 0.0), vectors(self.azimuth, self.altitude + 90.0)
        c, s = np.cos(np.radians(self.roll)), np.sin(np.radians(self.roll))
        return np.asarray(np.stack([c * right - s * up, -s * right - c * up, axis]), dtype=np.float64)

    @property
    def axis(self) -> Floats:
        """The optical axis, north, east, up."""
        axis: Floats = self._axes[2]
        return axis

    def directions(self, x: Floats, y: Floats, time: Floats) -> Floats:
        """Give unit vectors north, east, up of pixels; NaN where the distortion folds over."""
        del time
        u, v = (x - self.x_centre) / self.f, (y - self.y_centre) / self.f
        seen = np.hypot(u, v)
        true = seen
        for _ in range(8):
            true = true - (true * (1 + self.k1 * true**2) - seen) / (1 + 3 * self.k1 * true**2)
        scale = np.where(seen > 0, true / np.where(seen > 0, seen, 1.0), 1.0)
        scale = np.where(true <= self._largest, scale, np.nan)
        points = np.stack([u * scale, v * scale, np.ones_like(u)], axis=-1) @ self._axes
        unit: Floats = points / np.linalg.norm(points, axis=-1, keepdims=True)
        return unit

    def pixels(self, points: Floats, time: Floats) -> tuple[Floats, Floats]:
        """Give the pixels of unit vectors north, east, up; NaN behind the camera."""
        del time
        seen = points @ self._axes.T
        ahead = np.where(seen[..., 2] > 0.02, seen[..., 2], np.nan)
        u, v = seen[..., 0] / ahead, seen[..., 1] / ahead
        square = u**2 + v**2
        stretch = self.f * np.where(square <= self._largest**2, 1 + self.k1 * square, np.nan)
        return self.x_centre + stretch * u, self.y_centre + stretch * v

    @property
    def _largest(self) -> float:
        """Tangent of the angle up to which the radius grows."""
        return float(np.sqrt(-1 / (3 * self.k1))) if self.k1 < 0 else np.inf


Lens = AllSkyLens | RectilinearLens


def angle_from_axis(lens: Lens, shape: tuple[int, int]) -> Floats:
    """Give the angle of each pixel from the optical axis, (H, W) in radians; NaN outside of the lens."""
    y, x = np.indices(shape, dtype=np.float64)
    if isinstance(lens, AllSkyLens):
        return lens.angle(np.hypot(x - lens.x_centre, (y - lens.y_centre) * lens.aspect))
    points = lens.directions(x.ravel(), y.ravel(), np.zeros(1))
    cosine = np.clip(points @ lens.axis, -1, 1)
    return np.asarray(np.arccos(cosine), dtype=np.float64).reshape(shape)


def light_passed(lens: Lens, shape: tuple[int, int], falloff: float) -> NDArray[np.float32]:
    """Give the part of the light that passes the lens, (H, W) float32.

    Parameters
    ----------
    lens : AllSkyLens or RectilinearLens
        The lens. A rectilinear one follows ``cos⁴``; what a fish-eye loses is `falloff`. Beyond its field it
        is dark, with an edge of two pixels.
    shape : (int, int)
        Of the frame.
    falloff : float
        Part lost at the edge of a fish-eye's field, or mechanically in the corners of the other.
    """
    theta = angle_from_axis(lens, shape)
    if isinstance(lens, RectilinearLens):
        far = theta / np.nanmax(theta)
        return np.asarray(np.nan_to_num(np.cos(theta) ** 4 * (1 - falloff * far**4)), dtype=np.float32)
    edge = np.radians(lens.field)
    passed = 1 - falloff * (theta / edge) ** 2
    scale = lens.coefficients[0]
    passed *= np.clip((edge - theta) * scale / 2, 0, 1)
    return np.asarray(np.nan_to_num(passed), dtype=np.float32)


@dataclass(frozen=True)
class Psf:
    """The image of a point: a core that widens outwards, a comatic tail that points outwards, wings.

    Attributes
    ----------
    fwhm : float
        Full width at half maximum on the axis (px).
    growth : float
        How much wider the core is in the corner, as a part of `fwhm`.
    coma : float
        Part of the light that lies in the tail, in the corner.
    wings : float
        Part of the light that lies in the wings.
    centre_xy : (float, float)
        Optical axis (px).
    radius : float
        Distance of the corner from it (px).
    """

    fwhm: float
    growth: float
    coma: float
    wings: float
    centre_xy: tuple[float, float]
    radius: float

    def parts(
        self, x: Floats, y: Floats, blur: float = 0.0, *, wings: bool = True
    ) -> Iterator[tuple[NDArray[np.bool_], Floats, Floats, float, float]]:
        """Split points into round ones whose sum has its centroid at the point.

        Parameters
        ----------
        x, y : (n,) float64 array
            Points (px).
        blur : float
            Further width, for what is out of focus or large (px).
        wings : bool
            With the wings; without them their light is in the core.

        Yields
        ------
        chosen : (n,) bool array
            Which points.
        x, y : (m,) float64 arrays
            Where they are put.
        part : float
            Of their light.
        fwhm : float
        """
        out_x, out_y = x - self.centre_xy[0], y - self.centre_xy[1]
        far = np.hypot(out_x, out_y) + 1e-9
        zones = np.minimum(np.rint(np.nan_to_num(far) / self.radius * _ZONES), _ZONES + 1).astype(np.int64)
        far_parts = self.wings if wings else 0.0
        for zone in np.unique(zones):
            chosen = zones == zone
            outward = zone / _ZONES
            width = float(np.hypot(self.fwhm * (1 + self.growth * outward**2), blur))
            tail = self.coma * outward
            shift = 0.8 * width
            ux, uy = out_x[chosen] / far[chosen], out_y[chosen] / far[chosen]
            at_x, at_y = x[chosen] - tail * shift * ux, y[chosen] - tail * shift * uy
            yield chosen, at_x, at_y, (1 - tail) * (1 - far_parts), width
            if tail > 0:
                yield chosen, at_x + shift * ux, at_y + shift * uy, tail * (1 - far_parts), 1.5 * width
            if far_parts:
                yield chosen, x[chosen], y[chosen], far_parts, _WINGS * width
