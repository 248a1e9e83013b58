"""How bright: from sums of pixel values to magnitudes above the air."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from astrodetect.core.calibration import Calibration, Floats, Photometry
from astrodetect.core.detections import ROW, Detections

#: Extinction in clear air at the sea (mag per air mass: molecules, dust, ozone) and the heights by which
#: the first two fall (km); Green 1992, International Comet Quarterly 14, 55.
_MOLECULES, _DUST, _OZONE = (0.1451, 7.996), (0.120, 1.5), 0.016
#: 2.5 / ln 10: magnitudes per relative error.
_MAG = 1.0857362
#: At the corner of the frame at least this part of the light arrives.
_DARKEST = 0.05


def air_mass(altitude: ArrayLike) -> Floats:
    """Give the air mass at apparent altitudes (Kasten and Young 1989); 1 in the zenith.

    Parameters
    ----------
    altitude : (n,) array
        Degrees; below the horizon the value at the horizon.

    Examples
    --------
    >>> air_mass([90.0, 30.0, 5.0]).round(2).tolist()
    [1.0, 1.99, 10.31]
    """
    alt = np.maximum(np.asarray(altitude, dtype=np.float64), 0.0)
    mass: Floats = 1 / (np.sin(np.radians(alt)) + 0.50572 * (alt + 6.07995) ** -1.6364)
    return mass


def extinction(photometry: Photometry, altitude: ArrayLike, elevation: float = 0.0) -> Floats:
    """Give what the air takes away (mag).

    Parameters
    ----------
    photometry : Photometry
        Its extinction, and the law that this number belongs to.
    altitude : (n,) array
        Degrees.
    elevation : float
        Of the site (m).
    """
    if photometry.law == "airmass":
        return photometry.extinction * air_mass(altitude)
    # As RMS has it: Rozenberg's air mass, and only what is more than in the zenith.
    sine = np.sin(np.radians(np.maximum(np.asarray(altitude, dtype=np.float64), 0.0)))
    mass = 1 / (sine + 0.025 * np.exp(-11 * sine))
    km = elevation / 1000
    clear = _OZONE + sum(share * np.exp(-km / height) for share, height in (_MOLECULES, _DUST))
    taken: Floats = photometry.extinction * clear * (mass - 1 / (1 + 0.025 * np.exp(-11)))
    return taken


def transmission(photometry: Photometry, x: ArrayLike, y: ArrayLike, shape: tuple[int, int]) -> Floats:
    """Give the part of the light that vignetting leaves at pixels (n,)."""
    across, down = np.asarray(x) - (shape[1] - 1) / 2, np.asarray(y) - (shape[0] - 1) / 2
    angle = np.minimum(photometry.vignetting * np.hypot(across, down), np.pi / 2)
    left: Floats = np.maximum(np.cos(angle) ** 4, _DARKEST)
    return left


def apparent_magnitude(
    photometry: Photometry,
    flux: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    altitude: ArrayLike,
    shape: tuple[int, int],
    *,
    flux_error: ArrayLike = np.nan,
    elevation: float = 0.0,
) -> tuple[Floats, Floats]:
    """Give apparent magnitudes as they would be without the air, with errors.

    Parameters
    ----------
    photometry : Photometry
        Of the camera.
    flux, flux_error : (n,) arrays
        Sum above background in one frame and its standard error (ADU); not positive: no magnitude.
    x, y : (n,) arrays
        Where (px).
    altitude : (n,) array
        Degrees; NaN takes the zenith's extinction.
    shape : (int, int)
        Height and width of the frames.
    elevation : float
        Of the site (m).

    Returns
    -------
    magnitude, error : (n,) float64 arrays
        The error joins that of the flux and that of the zero point, as far as they are known. Of
        saturated objects the magnitude is only a limit: they are at least so bright.
    """
    light = np.asarray(flux, dtype=np.float64) / transmission(photometry, x, y, shape)
    light = np.where(light > 0, light, np.nan)
    raw = photometry.zero_point - 2.5 * np.log10(light)
    share = np.asarray(flux_error, dtype=np.float64) / np.where(light > 0, flux, np.nan)
    height = np.where(np.isfinite(altitude), altitude, 90.0)
    magnitude: Floats = raw - extinction(photometry, height, elevation)
    error: Floats = np.hypot(_MAG * np.nan_to_num(share), np.nan_to_num(photometry.zero_point_error))
    return magnitude, np.where(np.isfinite(magnitude), error, np.nan)


def with_magnitudes(found: Detections, calibration: Calibration, shape: tuple[int, int]) -> Detections:
    """Fill in how bright every point of all tracks is, and the brightest of each detection.

    Parameters
    ----------
    found : Detections
        Its tracks have ``x, y, flux``, and ``alt`` where the calibration gives it.
    calibration : Calibration
        Without photometry nothing is filled in.
    shape : (int, int)
        Height and width of the frames.

    Returns
    -------
    Detections
        Tracks with ``magnitude, magnitude_error``; the column ``peak_magnitude``. Where pixels are
        saturated (``n_saturated``) the object was at least so bright.
    """
    photometry, tracks = calibration.photometry, dict(found.tracks)
    if photometry is None or not len(found) or not {"x", "y", "flux"} <= set(tracks):
        return found
    flux = np.asarray(tracks["flux"], dtype=np.float64)
    snr = np.asarray(tracks.get("snr", np.full(len(flux), np.nan)), dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(snr > 0, flux / snr, np.nan)
    magnitude, spread = apparent_magnitude(
        photometry, flux, tracks["x"], tracks["y"], tracks.get("alt", np.full(len(flux), np.nan)), shape,
        flux_error=error, elevation=0.0 if calibration.site is None else calibration.site.elevation,
    )  # fmt: skip
    peak = np.full(len(found), np.inf)
    np.fmin.at(peak, tracks[ROW], magnitude)
    peak[~np.isfinite(peak)] = np.nan
    tracks |= {"magnitude": magnitude, "magnitude_error": spread}
    return Detections({**found.columns, "peak_magnitude": peak}, tracks, found.cutouts)
