"""What all our calibrations share: from unit vectors to coordinates with errors, and to JSON and back."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from astrodetect.core.calibration import Calibration, Floats, SkyPoints
from astrodetect.sky import frames

#: Step of the differences that give the scale at a place (px).
_STEP = 0.5


class VectorCalibration(Calibration):
    """A calibration that gives unit vectors; the rest follows.

    Attributes
    ----------
    rule : {"apparent", "mean"}
        How directions among the stars and over the ground become each other (`astrodetect.sky.frames`).
    """

    rule: ClassVar[frames.Rule] = "apparent"

    @property
    def native(self) -> Literal["icrs", "horizon"]:
        """What the vectors are relative to: the stars, or the ground (without refraction)."""
        return "icrs"

    @abstractmethod
    def directions(self, x: Floats, y: Floats, time: Floats) -> Floats:
        """Give native unit vectors (n, 3) of pixels (n,) at times (n,); NaN outside the model."""

    @abstractmethod
    def pixels(self, points: Floats, time: Floats) -> tuple[Floats, Floats]:
        """Give the pixels (n,) of native unit vectors (n, 3), the inverse of `directions`."""

    def pixel_to_sky(
        self, x: ArrayLike, y: ArrayLike, time: ArrayLike, covariance: ArrayLike | None = None
    ) -> SkyPoints:
        """Give where pixels look; see `Calibration.pixel_to_sky`."""
        x, y, time = broadcast(x, y, time)
        points = self.directions(x, y, time)
        steps = np.stack(
            [self.directions(x + _STEP, y, time) - points, self.directions(x, y + _STEP, time) - points],
            axis=-1,
        )
        other, turned = self._other(points, steps, time)
        pixel = np.eye(2) * self.residual**2
        if covariance is not None:
            pixel = pixel + np.asarray(covariance, dtype=np.float64)
        spreads = (_spread(points, steps, pixel), _spread(other, turned, pixel))
        places = (frames.angles(points), frames.angles(other))
        if self.native == "horizon":
            places, spreads = places[::-1], spreads[::-1]
        return SkyPoints(*places[0], *places[1], *spreads)

    def _other(self, points: Floats, steps: Floats, time: Floats) -> tuple[Floats, Floats]:
        """Turn vectors, and small steps from them, into the frame that is not the native one."""
        if self.site is None:
            return np.full_like(points, np.nan), np.full_like(steps, np.nan)
        matrix = frames.horizon_matrix(time, self.site, self.rule)
        if self.native == "horizon":
            turned = np.swapaxes(matrix, -1, -2) @ steps
            return frames.to_icrs(points, time, self.site, self.rule), turned
        return frames.to_horizon(points, time, self.site, self.rule), matrix @ steps

    def sky_to_pixel(self, ra: ArrayLike, dec: ArrayLike, time: ArrayLike) -> tuple[Floats, Floats]:
        """Give the pixels of places on the sky; see `Calibration.sky_to_pixel`."""
        ra, dec, time = broadcast(ra, dec, time)
        points = frames.vectors(ra, dec)
        if self.native == "horizon":
            if self.site is None:
                return np.full_like(ra, np.nan), np.full_like(ra, np.nan)
            points = frames.to_horizon(points, time, self.site, self.rule)
        return self.pixels(points, time)

    def horizon_to_pixel(
        self, az: ArrayLike, alt: ArrayLike, time: ArrayLike = math.nan
    ) -> tuple[Floats, Floats]:
        """Give the pixels of places over the horizon.

        Parameters
        ----------
        az, alt : float or (n,) array
            Azimuth from north through east, altitude without refraction (deg).
        time : float or (n,) array
            UTC Unix seconds; a camera fixed to the ground needs none.

        Returns
        -------
        x, y : (n,) float64 array
        """
        az, alt, time = broadcast(az, alt, time)
        points = frames.vectors(az, alt)
        if self.native == "icrs":
            if self.site is None:
                return np.full_like(az, np.nan), np.full_like(az, np.nan)
            points = frames.to_icrs(points, time, self.site, self.rule)
        return self.pixels(points, time)

    def __getstate__(self) -> dict[str, Any]:
        """Give the fields alone: what is computed from them does not travel."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """Give all fields as what JSON can hold; unknown numbers as null."""
        from pydantic import TypeAdapter

        plain: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json")
        return {name: _without_nan(value) for name, value in plain.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make one from what `to_json` gave; a key that it does not know is ignored.

        Raises
        ------
        ValueError
            Something is missing or of a wrong type: which, and what was expected.
        """
        from pydantic import TypeAdapter, ValidationError

        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        own = {
            name: [math.nan if item is None else item for item in value] if isinstance(value, list) else value
            for name, value in values.items()
            if name in known and value is not None
        }
        try:
            return TypeAdapter(cls).validate_python(own)
        except ValidationError as error:
            told = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
            raise ValueError("; ".join(told)) from error


def broadcast(*values: ArrayLike) -> tuple[Floats, ...]:
    """Give arrays (n,) float64 of one length."""
    arrays = [np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values]
    return tuple(np.broadcast_arrays(*arrays))


def _spread(points: Floats, steps: Floats, pixel: Floats) -> Floats:
    """Give the covariance (n, 2, 2) along longitude (on the great circle) and latitude, in deg²."""
    flat = np.maximum(np.hypot(points[:, 0], points[:, 1]), 1e-12)
    c, s = points[:, 0] / flat, points[:, 1] / flat
    east = np.stack([-s, c, np.zeros_like(c)], axis=-1)
    north = np.stack([-points[:, 2] * c, -points[:, 2] * s, flat], axis=-1)
    jacobian = np.degrees(np.stack([east, north], axis=-2) @ steps / _STEP)
    spread: Floats = jacobian @ pixel @ np.swapaxes(jacobian, -1, -2)
    return spread


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):  # a site of unknown height
        return [_without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items() if _without_nan(item) is not None}
    return value
