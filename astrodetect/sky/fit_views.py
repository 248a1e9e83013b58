"""What a fit looks at: in each exposure the sources found, and the stars that stand over the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.calibration import Floats
from astrodetect.core.data import Site
from astrodetect.sky import frames
from astrodetect.sky import refraction as air
from astrodetect.sky.catalogue import StarCatalogue, planets_at
from astrodetect.sky.stars import StarList, fixed_places, spread_out

#: Rough extinction (mag per air mass) by which stars are put in order of how bright they seem.
_EXTINCTION = 0.25
#: Sources nearer to a planet than this (deg) are taken for it; the light of the Moon reaches farther.
_PLANET, _MOON = 0.4, 3.0


@dataclass(frozen=True)
class View:
    """One exposure, ready to be compared with a model.

    Attributes
    ----------
    name : str
        Of the exposure.
    time : float
        Middle of the exposure, UTC Unix seconds.
    stars : StarList
        All that was found, the brightest first.
    likely : StarList
        Those of `stars` that look most like stars, spread over the frame, the brightest first.
    index : (M,) int64 array
        Catalogue stars above the horizon, by falling brightness as seen through the air.
    magnitude : (M,) float64 array
        Of the catalogue.
    az, alt : (M,) float64 arrays
        Where they stand, without refraction (deg).
    points : (M, 3) float64 array
        The same as unit vectors north, east, up.
    icrs : (M, 3) float64 array
        As ICRS unit vectors, proper motion applied.
    """

    name: str
    time: float
    stars: StarList
    likely: StarList
    index: NDArray[np.int64]
    magnitude: Floats
    az: Floats
    alt: Floats
    points: Floats
    icrs: Floats


def make_views(
    found: Sequence[tuple[str, float, StarList]],
    catalogue: StarCatalogue,
    site: Site,
    shape: tuple[int, int],
) -> list[View]:
    """Prepare exposures for a fit.

    Parameters
    ----------
    found : sequence of (str, float, StarList)
        Name, middle of the exposure (UTC Unix seconds), and sources of each exposure.
    catalogue : StarCatalogue
        Stars.
    site : Site
        Where the camera stands.
    shape : (int, int)
        Height and width of the frames.

    Returns
    -------
    list of View
        What stands still in the frame for more than 20 minutes is never among the likely stars.
    """
    fixed = fixed_places([stars for _, _, stars in found], [time for _, time, _ in found])
    return [
        _view(name, time, stars, spread_out(stars[~still], shape), catalogue, site)
        for (name, time, stars), still in zip(found, fixed, strict=True)
    ]


def _view(
    name: str, time: float, stars: StarList, likely: StarList, catalogue: StarCatalogue, site: Site
) -> View:
    icrs = frames.vectors(*catalogue.at(time))
    points = frames.to_horizon(icrs, np.full(len(icrs), time), site)
    az, alt = frames.angles(points)
    up = np.flatnonzero(alt > 0)
    dimmed = catalogue.magnitude[up] + _EXTINCTION / np.sin(np.radians(np.maximum(alt[up], 3.0)))
    index = up[np.argsort(dimmed, kind="stable")]
    return View(
        name, time, stars, likely, index, catalogue.magnitude[index],
        az[index], alt[index], points[index], icrs[index],
    )  # fmt: skip


def apparent_altitudes(view: View, site: Site) -> Floats:
    """Give the altitudes at which the stars of a view are seen, in standard air (deg)."""
    return air.apparent_altitude(view.alt, air.density(air.standard_pressure(site.elevation)))


def wanderers(time: float, site: Site) -> list[tuple[str, float, float, float]]:
    """Give the bright planets and the Moon over the horizon.

    Parameters
    ----------
    time : float
        UTC Unix seconds.
    site : Site
        Where the camera stands.

    Returns
    -------
    list of (str, float, float, float)
        Name, azimuth, altitude without refraction, and the radius in which their light is not a star's
        (all in degrees).
    """
    names, ra, dec = planets_at(time)
    az, alt = frames.angles(frames.to_horizon(frames.vectors(ra, dec), np.full(len(ra), time), site))
    return [
        (name, float(az[k]), float(alt[k]), _MOON if name == "moon" else _PLANET)
        for k, name in enumerate(names)
        if alt[k] > 0
    ]
