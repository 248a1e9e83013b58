"""How bright: from sums of pixel values to magnitudes, and the zero point from stars."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from astrodetect.core.calibration import Floats, Photometry
from astrodetect.core.data import Site
from astrodetect.sky import refraction as air
from astrodetect.sky.fit_matches import Matches
from astrodetect.sky.fit_model import Fit

#: 2.5 / ln 10: magnitudes per relative error.
_MAG = 1.0857362
#: Extinction in clear air at the sea (mag per air mass: molecules, dust, ozone) and the heights by which
#: the first two fall (km); Green 1992, International Comet Quarterly 14, 55.
_MOLECULES, _DUST, _OZONE = (0.1451, 7.996), (0.120, 1.5), 0.016
#: Extinction that is expected, and its spread (mag per air mass): of a wide lens the stars alone can
#: hardly tell it from vignetting.
_EXPECTED, _SPREAD = 0.25, 0.10
#: Stars need so much signal for the zero point, and so much altitude (deg); faint ones are found only
#: where noise has made them brighter.
_SIGNAL, _LOWEST = 10.0, 10.0
#: Fewest stars for a zero point.
FEWEST = 8
#: A magnitude of the sky should be one of the pixels: beyond this difference they are no linear measure.
CROOKED = 0.2
#: At the corner of the frame at least this part of the light arrives.
_DARKEST = 0.05


@dataclass(frozen=True)
class PhotometryFit:
    """A zero point, and how well the stars agree with it.

    Attributes
    ----------
    photometry : Photometry
        Zero point, extinction, vignetting.
    matches : Matches
        The stars that were used.
    magnitude, residual : (K,) float64 arrays
        Of the catalogue, and what was measured less that (mag).
    scatter : float
        Robust standard deviation of one star (mag).
    slope : float
        Magnitudes of the catalogue per magnitude of the pixel values: 1 where these are proportional to
        light, more where they are compressed.
    """

    photometry: Photometry
    matches: Matches
    magnitude: Floats
    residual: Floats
    scatter: float
    slope: float


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
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = photometry.zero_point - 2.5 * np.log10(np.where(light > 0, light, np.nan))
        share = np.asarray(flux_error, dtype=np.float64) / np.asarray(flux, dtype=np.float64)
    height = np.where(np.isfinite(altitude), altitude, 90.0)
    magnitude: Floats = raw - extinction(photometry, height, elevation)
    error: Floats = np.hypot(_MAG * np.nan_to_num(share), np.nan_to_num(photometry.zero_point_error))
    return magnitude, np.where(np.isfinite(magnitude), error, np.nan)


def fit_photometry(fit: Fit, magnitude: Floats, band: str, site: Site) -> PhotometryFit | None:
    """Fit zero point, extinction and vignetting to the stars of an astrometric fit.

    Parameters
    ----------
    fit : Fit
        Stars with their fluxes.
    magnitude : (K,) float64 array
        Of the catalogue, for each of the matches.
    band : str
        Of these magnitudes.
    site : Site
        Where the camera stands.

    Returns
    -------
    PhotometryFit or None
        None where fewer than `FEWEST` stars are bright, high and not saturated enough.

    Notes
    -----
    Robust least squares; the extinction is held near 0.25 mag per air mass, since the stars of a wide
    lens that points to the zenith hardly tell extinction from vignetting.
    """
    good = _usable(fit)
    if good.sum() < FEWEST:
        return None
    matches, known = fit.matches[good], magnitude[good]
    shape = fit.calibration.shape
    assert shape is not None
    instrumental = -2.5 * np.log10(fit.of_sources("flux")[good])
    factor = air.density(air.standard_pressure(site.elevation))
    mass = air_mass(air.apparent_altitude(matches.alt, factor))
    radius = np.hypot(matches.x - (shape[1] - 1) / 2, matches.y - (shape[0] - 1) / 2)
    photometry, residual = _solve(instrumental, known, mass, radius, np.hypot(*shape) / 2)
    scatter = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    kept = np.abs(residual) < 4 * max(scatter, 0.02)
    slope = _slope(known[kept] + residual[kept], known[kept])
    error = scatter / np.sqrt(kept.sum())
    photometry = replace(photometry, zero_point_error=float(max(error, 1e-3)), band=band)
    return PhotometryFit(photometry, matches[kept], known[kept], residual[kept], scatter, slope)


def _usable(fit: Fit) -> NDArray[np.bool_]:
    good: NDArray[np.bool_] = (fit.matches.alt > _LOWEST) & (fit.of_sources("snr") > _SIGNAL)
    good &= fit.of_sources("saturated") == 0
    return good


def _solve(
    instrumental: Floats, known: Floats, mass: Floats, radius: Floats, corner: float
) -> tuple[Photometry, Floats]:
    """Give the numbers of `Photometry`, and measured less known magnitudes."""
    from scipy.optimize import least_squares

    def off(values: Floats) -> Floats:
        zero, taken, vignetting = values
        left = np.cos(np.minimum(vignetting * radius, 1.5)) ** 4
        model: Floats = zero + instrumental + 2.5 * np.log10(left) - taken * mass - known
        return model

    def weighed(values: Floats) -> Floats:
        prior = (values[1] - _EXPECTED) / _SPREAD
        return np.append(off(values) / 0.2, prior)

    start = np.array([np.median(known - instrumental + _EXPECTED * mass), _EXPECTED, 0.2 / corner])
    found = least_squares(
        weighed, start, loss="soft_l1", x_scale=[1.0, 0.1, 0.1 / corner],
        bounds=([-np.inf, 0.0, 0.0], [np.inf, 1.5, 1.2 / corner]),
    )  # fmt: skip
    zero, taken, vignetting = (float(value) for value in found.x)
    return Photometry(zero, vignetting=vignetting, extinction=taken), off(found.x)


def _slope(measured: Floats, known: Floats) -> float:
    """Give how many magnitudes of the sky a magnitude of the pixels is: the slope of the major axis."""
    if len(known) < FEWEST or np.ptp(known) < 1.0:
        return 1.0
    _, axes = np.linalg.eigh(np.cov(measured, known))
    along = axes[:, -1]
    return float(along[1] / along[0])
