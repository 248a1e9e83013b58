"""A statistical sky of stars, the same for every station, and their light on the sensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.core.magnitudes import air_mass
from astrodetect.simulation.objects import Layer, SceneObject
from astrodetect.simulation.psf import FloatImage, point_stamps
from astrodetect.simulation.station.lens import Lens, Psf
from astrodetect.sky import frames
from astrodetect.sky.catalogue import StarCatalogue

#: Stars of the whole sky brighter than these magnitudes (V); Allen's Astrophysical Quantities, 4th ed., 19.6.
_MAGNITUDES = (-1.5, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
_COUNTS = (1.0, 4.0, 13.0, 40.0, 150.0, 490.0, 1600.0, 4900.0, 14500.0, 42000.0, 121000.0)
#: North pole of the Galaxy, ICRS (deg), and the part of the stars that keeps to its plane.
_GALACTIC_POLE, _IN_PLANE, _THICKNESS = (192.859, 27.128), 0.45, 11.0
#: One exposure in which a star of magnitude 1 scintillates by this much at the zenith through 10 mm.
_SCINTILLATION = 0.06


@lru_cache(maxsize=2)
def statistical_sky(limit: float = 9.0, seed: int = 1718) -> StarCatalogue:
    """Make stars with the counts of the real sky, denser towards the Milky Way.

    Parameters
    ----------
    limit : float
        Faintest magnitude, at most 9.
    seed : int
        The same seed gives the same sky.

    Returns
    -------
    StarCatalogue
        The brightest first; counts by magnitude after Allen's Astrophysical Quantities.
    """
    rng = np.random.default_rng(seed)
    n = int(np.exp(np.interp(limit, _MAGNITUDES, np.log(_COUNTS))))
    # The k-th brightest star: the counts turned round, so that each magnitude has just its number.
    magnitude = np.interp(np.log(np.arange(n) + rng.uniform(0.4, 1.0, n)), np.log(_COUNTS), _MAGNITUDES)
    pole = frames.vectors(*_GALACTIC_POLE)
    points = rng.normal(size=(n, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    near = rng.random(n) < _IN_PLANE * np.clip((magnitude - 1) / 5, 0, 1)
    sine = np.sin(np.radians(_THICKNESS * rng.laplace(size=n).clip(-6, 6)))
    flat = points - (points @ pole)[:, None] * pole
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    points[near] = (flat * np.sqrt(1 - sine**2)[:, None] + sine[:, None] * pole)[near]
    ra, dec = frames.angles(points)
    order = np.argsort(magnitude, kind="stable")
    zero = np.zeros(n)
    return StarCatalogue(ra[order], dec[order], magnitude[order], zero, zero, np.full(n, ""))


def galactic_latitude(ra: Floats, dec: Floats) -> Floats:
    """Give the galactic latitude (deg) of ICRS coordinates (deg)."""
    sine = frames.vectors(ra, dec) @ frames.vectors(*_GALACTIC_POLE)
    return np.asarray(np.degrees(np.arcsin(np.clip(sine, -1, 1))), dtype=np.float64)


@dataclass
class CatalogueStars(SceneObject):
    """Stars that turn with the sky and scintillate, in front of a camera.

    Parameters
    ----------
    catalogue : StarCatalogue
        Where they are.
    lens : Lens
        With its site.
    psf : Psf
        The lens' blur.
    shape : (int, int)
        Of the frame.
    zero_flux : float
        Electrons per frame of magnitude 0.
    faintest : float
        Electrons per frame below which a star is left out.
    aperture : float
        Diameter of the lens' opening (mm): the smaller, the more a star scintillates.
    start, frame_rate : float
        UTC Unix seconds of frame 0, and frames per second.
    seed : int
        Of the scintillation.
    """

    catalogue: StarCatalogue
    lens: Lens
    psf: Psf
    shape: tuple[int, int]
    zero_flux: float
    faintest: float
    aperture: float
    start: float
    frame_rate: float
    seed: int
    label: str = ""
    layer: Layer = "sky"
    _matrices: dict[int, Any] = field(default_factory=dict, repr=False)

    def places(self, time: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Give x, y (px), flux (e-/frame, above the air) and altitude (deg) of the stars in the frame."""
        limit = 2.5 * np.log10(self.zero_flux / self.faintest)
        chosen = self.catalogue.brighter(limit)
        points = frames.vectors(chosen.ra, chosen.dec)
        assert self.lens.site is not None
        matrix = frames.horizon_matrix(np.array([time]), self.lens.site, "mean")[0]
        points = points @ matrix.T
        up = points[:, 2] > 0
        points = points[up]
        x, y = self.lens.pixels(points, np.array([time]))
        height, width = self.shape
        with np.errstate(invalid="ignore"):
            inside = (x > -8) & (x < width + 8) & (y > -8) & (y < height + 8)
        flux = self.zero_flux * 10 ** (-0.4 * chosen.magnitude[up][inside])
        return x[inside], y[inside], flux, np.degrees(np.arcsin(points[inside, 2]))

    def _stars(self, second: int) -> Any:
        """Give the light of each star on the sensor (sparse, pixels by stars) and its scintillation."""
        if second not in self._matrices:
            from scipy.sparse import coo_array

            x, y, flux, altitude = self.places(self.start + second + 0.5)
            pieces = []
            number = np.arange(len(x))
            for chosen, at_x, at_y, part, fwhm in self.psf.parts(x, y, wings=False):
                index, light = point_stamps(at_x, at_y, flux[chosen] * part, fwhm, self.shape)
                pieces.append((light.ravel(), index.ravel(), np.repeat(number[chosen], light[0].size)))
            size = (self.shape[0] * self.shape[1], len(x))
            matrix = coo_array(size, dtype=np.float32)
            if pieces:
                light, index, column = (np.concatenate(values) for values in zip(*pieces, strict=True))
                matrix = coo_array((light.astype(np.float32), (index, column)), shape=size)
            self._matrices.clear()
            self._matrices[second] = matrix.tocsr(), self._spread(altitude)
        return self._matrices[second]

    def _spread(self, altitude: Floats) -> Floats:
        """Give the relative spread by scintillation (Young 1967: aperture^-2/3, air mass^1.75)."""
        spread = _SCINTILLATION * (self.aperture / 10.0) ** (-2 / 3) * air_mass(altitude) ** 1.75
        return np.asarray(np.minimum(spread, 0.6), dtype=np.float64)

    def render(self, image: FloatImage, frame: int) -> None:
        """Add all stars, each with its brightness of this frame (correlated with the frame before)."""
        matrix, spread = self._stars(int(frame / self.frame_rate))
        if not len(spread):
            return
        now, before = (
            np.random.default_rng([self.seed, number]).standard_normal(len(spread))
            for number in (frame + 1, frame)
        )
        factor = np.exp(spread * (0.9 * now + 0.436 * before) - 0.5 * spread**2)
        image += (matrix @ factor.astype(np.float32)).reshape(self.shape)
