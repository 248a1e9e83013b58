"""Stars by DAOFIND, as photutils has it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray


def find_stars(
    image: NDArray[Any],
    noise: NDArray[Any] | float,
    mask: NDArray[np.bool_] | None = None,
    *,
    threshold: float = 5.0,
    fwhm: float = 3.0,
    sharpness: tuple[float, float] = (0.2, 1.0),
    roundness: tuple[float, float] = (-1.0, 1.0),
    separation: float = 0.0,
) -> Any:
    """Find stars as ``photutils.detection.DAOStarFinder`` does.

    Parameters
    ----------
    image : (H, W) array
        Without its background.
    noise : (H, W) array or float
        Standard deviation of its pixels.
    mask : (H, W) bool array, optional
        True = ignore.
    threshold : float
        In standard deviations.
    fwhm : float
        Of a star (px).
    sharpness, roundness : (float, float)
        Least and largest that a star has.
    separation : float
        Of two stars, at least (px).

    Returns
    -------
    astropy.table.QTable or None
        As photutils gives it (``x_centroid, y_centroid, sharpness, roundness1, roundness2, n_pixels, peak,
        flux, mag, daofind_mag``), and ``height``, that in the convolved image over its noise.

    References
    ----------
    Stetson (1987), PASP 99, 191.
    """
    from photutils.detection import DAOStarFinder
    from photutils.utils.exceptions import NoDetectionsWarning

    finder = DAOStarFinder(
        threshold * noise,
        fwhm,
        min_separation=separation,
        sharpness_range=sharpness,
        roundness_range=roundness,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        found = finder.find_stars(image, mask=mask)
    if found is not None:
        # Its magnitude is of the height over the threshold, both in the convolved image.
        found["height"] = threshold * 10 ** (-0.4 * np.asarray(found["daofind_mag"]))
    return found
