"""Clouds: a sheet at some height that drifts, dims what is above it and is lit from below and by the Moon."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.sky import texture

#: Pixels of the texture, and how many heights of the cloud it is wide before it repeats.
_SIZE, _HEIGHTS = 512, 12.0
#: The sheet ends here (deg): below, it would be thicker than any cloud.
_LOWEST = 9.0


@dataclass(frozen=True)
class CloudSheet:
    """A flat sheet of cloud.

    Attributes
    ----------
    height : float
        Above the station (km).
    wind : (float, float)
        Towards north and east (m/s).
    depth : float
        Optical depth of its thick parts, looking up: 0.3 thin, 3 opaque.
    cover : float
        Shifts the texture: about -1 leaves a few, 1 covers nearly all.
    lit : float
        How bright its underside is, in units of the dark zenith: town light.
    roughness : float
        Exponent of the spectrum of its texture; small: torn.
    seed : int
        Of the texture.
    """

    height: float
    wind: tuple[float, float]
    depth: float
    cover: float
    lit: float
    roughness: float = 1.9
    seed: int = 0

    @cached_property
    def _texture(self) -> FloatImage:
        rng = np.random.default_rng(self.seed)
        return texture(rng, (_SIZE, _SIZE), self.roughness, 2.0)

    def passed(self, points: Floats, seconds: float) -> Floats:
        """Give the part of the light that passes the sheet; see `seen`."""
        return self.seen(points, seconds)[0]

    def seen(self, points: Floats, seconds: float) -> tuple[Floats, Floats]:
        """Give what the sheet lets through, and how bright it is itself.

        Parameters
        ----------
        points : (n, 3) float64 array
            Directions north, east, up.
        seconds : float
            Since the recording began.

        Returns
        -------
        passed : (n,) float64 array
            Part of the light from above.
        shade : (n,) float64 array
            Brightness of the sheet in units of its mean: thick parts hang lower and catch more light.
        """
        from scipy.ndimage import map_coordinates

        up = np.maximum(points[:, 2], np.sin(np.radians(_LOWEST)))
        place = self.height * points[:, :2] / up[:, None] - np.array(self.wind) * (seconds / 1000.0)
        places = (place / (_HEIGHTS * self.height) * _SIZE).T
        values = map_coordinates(self._texture, places, order=1, mode="grid-wrap")
        slant = np.minimum(1 / up, 3.0)
        passed = np.exp(-self.depth * np.clip(values + self.cover, 0, None) * slant)
        shade = np.clip(1 + 0.25 * values, 0.4, 1.8)
        return np.asarray(passed, dtype=np.float64), np.asarray(shade, dtype=np.float64)
