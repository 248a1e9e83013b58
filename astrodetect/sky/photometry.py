"""Zero point, extinction and vignetting of a camera from stars."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.calibration import Floats, Photometry
from astrodetect.core.data import Site
from astrodetect.core.magnitudes import air_mass
from astrodetect.sky import refraction as air
from astrodetect.sky.fit_matches import Matches
from astrodetect.sky.fit_model import Fit

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
