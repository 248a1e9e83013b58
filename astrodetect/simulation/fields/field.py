"""A simulated still: the image, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Columns of sources: flux, axes and angle, and the box; see `Field.sources`.
SHAPE_COLUMNS = ("flux", "major", "minor", "theta")
BOX_COLUMNS = ("x_min", "y_min", "x_max", "y_max")

#: Square pixels in which the density of a scene is counted.
PATCH_AREA = 256 * 256


@dataclass(frozen=True)
class Field:
    """An image with its sources.

    Attributes
    ----------
    image : (H, W) array
        Pixels, of the type that the instrument gives.
    sources : mapping of str to (n,) array
        The truth, a column each. All scenes have ``label``; ``x``, ``y`` (centre, px); ``flux`` (sum over
        pixels, in the image's unit); ``major``, ``minor`` (full widths at half maximum, px, as seen:
        convolved with the beam); ``theta`` (angle of the major axis, degrees from +x towards +y; NaN for what
        is round);
        ``x_min, y_min, x_max, y_max`` (box, half open); ``peak``; ``snr``; ``difficult`` (need not be
        found); ``blended``.
    header : mapping of str to value
        Cards of FITS: unit, beam, position on the sky.
    unlisted : int
        Sources in the image that are too faint for the list.
    """

    image: NDArray[Any]
    sources: Mapping[str, NDArray[Any]]
    header: Mapping[str, Any] = field(default_factory=dict)
    unlisted: int = 0

    def __len__(self) -> int:
        """Give the number of sources that are listed."""
        return len(self.sources["x"])


def blended(x: NDArray[Any], y: NDArray[Any], reach: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which sources overlap with another one.

    Parameters
    ----------
    x, y : (n,) array
        Centres (px).
    reach : (n,) array
        Radius of each (px). Two overlap where their distance is below the sum of both.

    Returns
    -------
    (n,) bool array
    """
    from scipy.spatial import cKDTree

    touched = np.zeros(len(x), bool)
    if len(x) < 2:
        return touched
    points = np.stack([x, y], axis=-1)
    for row, near in enumerate(cKDTree(points).query_ball_point(points, 2 * reach)):
        others = np.array([other for other in near if other != row and reach[other] <= reach[row]], int)
        apart = np.hypot(x[others] - x[row], y[others] - y[row])
        close = others[apart < reach[row] + reach[others]]
        touched[close] = True
        touched[row] |= len(close) > 0
    return touched


def inside(x: NDArray[Any], y: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which positions lie on a pixel of an image of a shape."""
    height, width = shape
    return np.asarray((x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5))


def tangent_plane(
    shape: tuple[int, int], pixel: float, centre: tuple[float, float], projection: str = "TAN"
) -> dict[str, Any]:
    """Give the cards of a projection in which north is towards +y and east towards -x.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    pixel : float
        Side of a pixel in its middle, arcseconds.
    centre : (float, float)
        Right ascension and declination of its middle, degrees.
    projection : str
        Three letters of FITS.
    """
    height, width = shape
    return {
        "CTYPE1": f"RA---{projection}", "CRPIX1": (width + 1) / 2, "CRVAL1": centre[0],
        "CDELT1": -pixel / 3600, "CUNIT1": "deg",
        "CTYPE2": f"DEC--{projection}", "CRPIX2": (height + 1) / 2, "CRVAL2": centre[1],
        "CDELT2": pixel / 3600, "CUNIT2": "deg", "RADESYS": "ICRS",
    }  # fmt: skip
