"""What a calibration is: pixels to the sky and back, with errors, and its form as JSON."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.core.data import Site

Floats = NDArray[np.float64]

#: What tells our JSON files from those of others.
FORMAT = "astrodetect-calibration"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class SkyPoints:
    """Places on the sky, in degrees; NaN where they cannot be known.

    Attributes
    ----------
    ra, dec : (n,) float64 array
        Right ascension and declination, ICRS, as star catalogues give them.
    az, alt : (n,) float64 array
        Azimuth from north through east, and altitude, of date and **without refraction**: where the
        object would stand without an atmosphere. `astrodetect.sky.refraction` gives the apparent one.
    radec_covariance : (n, 2, 2) float64 array
        Covariance of (ra * cos(dec), dec), in square degrees.
    altaz_covariance : (n, 2, 2) float64 array
        Covariance of (az * cos(alt), alt), in square degrees.
    """

    ra: Floats
    dec: Floats
    az: Floats
    alt: Floats
    radec_covariance: Floats
    altaz_covariance: Floats

    @property
    def ra_error(self) -> Floats:
        """Standard error along right ascension on the great circle, ``cos(dec)`` included (deg)."""
        return _sigma(self.radec_covariance, 0)

    @property
    def dec_error(self) -> Floats:
        """Standard error of the declination (deg)."""
        return _sigma(self.radec_covariance, 1)

    @property
    def az_error(self) -> Floats:
        """Standard error along azimuth on the great circle, ``cos(alt)`` included (deg)."""
        return _sigma(self.altaz_covariance, 0)

    @property
    def alt_error(self) -> Floats:
        """Standard error of the altitude (deg)."""
        return _sigma(self.altaz_covariance, 1)


def _sigma(covariance: Floats, axis: int) -> Floats:
    sigma: Floats = np.sqrt(covariance[:, axis, axis])
    return sigma


@dataclass(frozen=True)
class Photometry:
    """How bright something is, from its sum above background in one frame.

    ``m = zero_point - 2.5 log10(sum / transmission) - extinction``, where the transmission is
    ``cos(vignetting * r) ** 4`` at `r` pixels from the centre of the frame.

    Attributes
    ----------
    zero_point : float
        Magnitude of 1 ADU in one frame.
    zero_point_error : float
        Its standard error (mag); NaN if unknown.
    vignetting : float
        Radians per pixel; 0: none.
    extinction : float
        With ``law = "airmass"``, magnitudes per air mass. With ``law = "green"``, the factor of the
        extinction in clear air of Green (1992), as RMS has it.
    law : {"airmass", "green"}
        What `extinction` means.
    band : str
        Photometric band of the stars; empty if unknown.
    """

    zero_point: float
    zero_point_error: float = float("nan")
    vignetting: float = 0.0
    extinction: float = 0.0
    law: Literal["airmass", "green"] = "airmass"
    band: str = ""


class Calibration(ABC):
    """Pixels to the sky and back, for one camera. A frozen, picklable dataclass of numbers.

    All arguments are scalars or arrays that broadcast to (n,); all answers are (n,) float64 arrays.

    Attributes
    ----------
    model : str
        Entry-point name of the plugin whose model it is; the key ``model`` in its JSON.
    shape : (int, int) or None
        Height and width of the frames that it is for; None if it does not say.
    site : Site or None
        Where the camera stands; without it there is no azimuth and altitude, or no RA and Dec.
    residual : float
        Standard deviation of the fit along one axis (px); NaN if unknown.
    made_by : str
        What made it, for people: file, program, number of stars.
    photometry : Photometry or None
        Zero point and what belongs to it, where it is known.
    camera : str
        Code of the station or camera; empty if it does not say.
    """

    model: ClassVar[str] = ""
    shape: tuple[int, int] | None
    site: Site | None
    residual: float
    made_by: str
    photometry: Photometry | None
    camera: str

    @abstractmethod
    def pixel_to_sky(
        self, x: ArrayLike, y: ArrayLike, time: ArrayLike, covariance: ArrayLike | None = None
    ) -> SkyPoints:
        """Give where pixels look.

        Parameters
        ----------
        x, y : float or (n,) array
            Pixels; (0, 0) is the centre of the first one, y grows downward.
        time : float or (n,) array
            UTC Unix seconds; NaN gives what does not depend on it.
        covariance : (2, 2) or (n, 2, 2) array, optional
            Covariance of (x, y) in px²; none: x and y are exact, only the calibration has errors.

        Returns
        -------
        SkyPoints
            NaN outside the model. Errors join `covariance` and `residual`.
        """

    @abstractmethod
    def sky_to_pixel(self, ra: ArrayLike, dec: ArrayLike, time: ArrayLike) -> tuple[Floats, Floats]:
        """Give the pixels of places on the sky, the inverse of `pixel_to_sky`.

        Parameters
        ----------
        ra, dec : float or (n,) array
            ICRS (deg).
        time : float or (n,) array
            UTC Unix seconds.

        Returns
        -------
        x, y : (n,) float64 array
            NaN for what the camera cannot see (behind it, outside the model). May lie outside the frame.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Give all of it as what JSON can hold, without `model`."""

    @classmethod
    @abstractmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make one from what `to_json` gave.

        Raises
        ------
        ValueError, KeyError, TypeError
            Something is missing or of a wrong type; `read_json` turns these into one clear line.
        """


def write_json(calibration: Calibration, path: Path) -> None:
    """Write a calibration into a file that astrodetect finds and reads: ``calibration.json`` beside it.

    Parameters
    ----------
    calibration : Calibration
        Any that comes from a plugin.
    path : Path
        Where; replaced as a whole.

    Raises
    ------
    OSError
        It cannot be written.
    """
    values = {"format": FORMAT, "format_version": FORMAT_VERSION, "model": calibration.model}
    text = json.dumps({**values, **calibration.to_json()}, indent=1, allow_nan=False) + "\n"
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
