"""Which source is which star, by a model that is nearly right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.calibration import Floats
from astrodetect.sky.fit_views import View
from astrodetect.sky.matching import match_nearest
from astrodetect.sky.models import VectorCalibration

#: Noise moves a star by its width, divided by its signal-to-noise, times this, in units of what is left
#: of bright stars; measured on an all-sky camera.
_BLUR = 1.5
#: Stars nearer to each other (px) are seen as one.
_BLEND = 4.0


@dataclass(frozen=True)
class Matches:
    """Stars that were found where the model expects them, of all exposures.

    Attributes
    ----------
    view, star, source : (K,) int64 arrays
        Which exposure, catalogue star, and source of the exposure's list.
    x, y : (K,) float64 arrays
        Where it was found (px).
    expected_x, expected_y : (K,) float64 arrays
        Where the model puts it (px).
    alt : (K,) float64 array
        Altitude without refraction (deg).
    weight : (K,) float64 array
        By which residuals are multiplied: 1 for bright stars, less for those that noise moves.
    """

    view: NDArray[np.int64]
    star: NDArray[np.int64]
    source: NDArray[np.int64]
    x: Floats
    y: Floats
    expected_x: Floats
    expected_y: Floats
    alt: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.x)

    @property
    def distance(self) -> Floats:
        """Residuals (px)."""
        found: Floats = np.hypot(self.x - self.expected_x, self.y - self.expected_y)
        return found

    def __getitem__(self, index: Any) -> Matches:
        """Give some of them."""
        return Matches(**{name: value[index] for name, value in vars(self).items()})


def project(model: VectorCalibration, view: View, most: int | None = None) -> tuple[Floats, Floats]:
    """Give where a model puts the brightest stars of a view (px); NaN where it sees nothing."""
    points = (view.points if model.native == "horizon" else view.icrs)[:most]
    return model.pixels(points, np.full(len(points), view.time))


def find_matches(
    model: VectorCalibration, views: Sequence[View], radius: float, most: int | None = None
) -> Matches:
    """Pair what was found with what the model expects.

    Parameters
    ----------
    model : VectorCalibration
        Nearly right.
    views : sequence of View
        The exposures.
    radius : float
        Greatest distance (px).
    most : int, optional
        So many of the brightest of each exposure are compared; none: all, but for stars that have
        another one so near that the two are seen as one.
    """
    parts = [_matches_in(model, number, view, radius, most) for number, view in enumerate(views)]
    return Matches(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))


def _matches_in(
    model: VectorCalibration, number: int, view: View, radius: float, most: int | None
) -> Matches:
    found = view.stars if most is None or most > len(view.likely) else view.likely
    x, y = project(model, view)
    expected = np.flatnonzero(in_frame(model, x, y))[:most]
    i, j = match_nearest(found.x[:most], found.y[:most], x[expected], y[expected], radius)
    if most is None:
        single = ~_blended(x[expected], y[expected], view.magnitude[expected])[j]
        i, j = i[single], j[single]
    j = expected[j]
    blurred = _BLUR * found.fwhm[i] / np.maximum(found.snr[i], 1.0)
    return Matches(
        np.full(len(i), number), view.index[j], i, found.x[i], found.y[i], x[j], y[j], view.alt[j],
        weight=1 / np.sqrt(1 + blurred**2),
    )  # fmt: skip


def in_frame(model: VectorCalibration, x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Tell which places lie in the frame of a model."""
    assert model.shape is not None
    inside: NDArray[np.bool_] = (x > -0.5) & (x < model.shape[1] - 0.5)
    inside &= (y > -0.5) & (y < model.shape[0] - 0.5)
    return inside


def _blended(x: Floats, y: Floats, magnitude: Floats) -> NDArray[np.bool_]:
    """Tell which stars have one within `_BLEND` px that is not fainter by more than 2.5 mag."""
    from scipy.spatial import cKDTree

    blended = np.zeros(len(x), dtype=bool)
    one, other = cKDTree(np.column_stack([x, y])).query_pairs(_BLEND, output_type="ndarray").T
    blended[one[magnitude[other] < magnitude[one] + 2.5]] = True
    blended[other[magnitude[one] < magnitude[other] + 2.5]] = True
    return blended


def matched_points(
    model: VectorCalibration, views: Sequence[View], matches: Matches
) -> tuple[Floats, Floats]:
    """Give native vectors and times of matched stars."""
    points = np.empty((len(matches), 3))
    times = np.empty(len(matches))
    for number, view in enumerate(views):
        here = matches.view == number
        native = view.points if model.native == "horizon" else view.icrs
        place = np.argsort(view.index)
        points[here] = native[place[np.searchsorted(view.index, matches.star[here], sorter=place)]]
        times[here] = view.time
    return points, times
