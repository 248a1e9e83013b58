"""Where a fit starts: blind for all-sky lenses, or from a calibration that is roughly right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from astrodetect.core.data import Site
from astrodetect.sky.fit_matches import Matches, project
from astrodetect.sky.fit_model import Fit, free_numbers, refine, significance, solve
from astrodetect.sky.fit_views import View, apparent_altitudes
from astrodetect.sky.lens import AllSkyLens
from astrodetect.sky.matching import (
    Hypothesis,
    Nudge,
    Sighting,
    blind_hypotheses,
    brightest_seen,
    match_nearest,
    nearby_start,
)
from astrodetect.sky.models import VectorCalibration

#: a3 and a5 of ``theta = s + a3 s³ + a5 s⁵`` of the usual lenses (series of their inverse).
_BEND = {
    "equidistant": (0.0, 0.0),
    "equisolid": (1 / 24, 3 / 640),
    "stereographic": (-1 / 12, 1 / 80),
    "orthographic": (1 / 6, 3 / 40),
}
#: So many of the brightest stars are compared with what was found.
_EXPECTED = 60
#: So many exposures are enough to find the start.
_LOOKED_AT = 3


def fit_blind(views: Sequence[View], site: Site, shape: tuple[int, int]) -> Fit:
    """Fit an all-sky lens of which nothing is known but that it points about to the zenith.

    Parameters
    ----------
    views : sequence of View
        Exposures of one camera.
    site : Site
        Where it stands.
    shape : (int, int)
        Height and width of the frames.

    Returns
    -------
    Fit
        Of the better handedness. Perhaps wrong: the caller judges.
    """
    chosen = _best_views(views)
    hypotheses = blind_hypotheses([_sighting(view, site) for view in chosen], shape)
    # The right one stands out by far, but a coarse grid may put one beside it first.
    tried = [*hypotheses[:2], *(one for one in hypotheses[2:] if one.mirrored is not hypotheses[0].mirrored)]
    fits = [refine(as_lens(one, site, shape), chosen, rounds=4) for one in tried[:3]]
    return refine(max(fits, key=_credit).calibration, views)


def _credit(fit: Fit) -> float:
    found, _, chance = significance(fit)
    return found - chance


def fit_from(start: VectorCalibration, views: Sequence[View], shape: tuple[int, int]) -> tuple[Fit, bool]:
    """Fit a model from a rough one: off by up to a sixth of the frame, 12 degrees and 10 % in scale.

    Parameters
    ----------
    start : VectorCalibration
        The rough one; its `shape` is that of the frames.
    views : sequence of View
        Exposures of one camera.
    shape : (int, int)
        Height and width of the frames.

    Returns
    -------
    fit : Fit
        Perhaps wrong.
    mirrored : bool
        Whether the mirror image of the frame would fit better.
    """
    chosen = _best_views(views)
    found = [(view.likely.x, view.likely.y) for view in chosen]
    expected = [project(start, view, _EXPECTED) for view in chosen]
    nudge, other = (nearby_start(found, expected, shape, mirrored) for mirrored in (False, True))
    model = start
    for _ in range(2):
        pairs = _nudged_matches(start, chosen, nudge, shape)
        if len(pairs) >= 3:
            model = solve(start, chosen, pairs, free_numbers(start)[0], 0.01 * min(shape))
    return refine(model, views), other.score > 1.3 * nudge.score


def _nudged_matches(
    start: VectorCalibration, views: Sequence[View], nudge: Nudge, shape: tuple[int, int]
) -> Matches:
    """Pair what was found with nudged places of a rough model."""
    parts = []
    for number, view in enumerate(views):
        x, y = project(start, view, _EXPECTED)
        i, j = match_nearest(view.likely.x, view.likely.y, *nudge.apply(x, y, shape), 0.02 * min(shape))
        parts.append(
            Matches(
                np.full(len(i), number), view.index[j], i, view.likely.x[i], view.likely.y[i], x[j], y[j],
                view.alt[j], np.ones(len(i)),
            )
        )  # fmt: skip
    return Matches(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))


def pointed_lens(
    azimuth: float, altitude: float, field: float, roll: float, site: Site, shape: tuple[int, int]
) -> AllSkyLens:
    """Give a rough model of a camera from where it points.

    Parameters
    ----------
    azimuth, altitude : float
        Of the middle of the frame (deg).
    field : float
        Width of the frame on the sky (deg).
    roll : float
        By which the camera is turned clockwise about its axis, as it sees itself (deg); 0: the horizon
        is level.
    site : Site
        Where it stands.
    shape : (int, int)
        Height and width of the frames.
    """
    lean = 90.0 - altitude
    return AllSkyLens(
        projection="odd-polynomial",
        coefficients=(shape[1] / np.radians(field), 0.0, 0.0),
        x_centre=(shape[1] - 1) / 2,
        y_centre=(shape[0] - 1) / 2,
        rotation=(azimuth + 180.0 + roll) % 360.0,
        tilt_north=lean * np.cos(np.radians(azimuth)),
        tilt_east=lean * np.sin(np.radians(azimuth)),
        shape=shape,
        site=site,
    )


def _best_views(views: Sequence[View]) -> list[View]:
    """Give a few exposures with many stars, as far apart in time as may be."""
    good = sorted(views, key=lambda view: -len(view.likely))[: 2 * _LOOKED_AT]
    good.sort(key=lambda view: view.time)
    if len(good) <= _LOOKED_AT:
        return good
    return [good[k] for k in np.linspace(0, len(good) - 1, _LOOKED_AT).round().astype(int)]


def _sighting(view: View, site: Site) -> Sighting:
    alt = apparent_altitudes(view, site)
    bright = brightest_seen(np.arange(len(alt), dtype=np.float64), alt)
    return Sighting(view.likely.x, view.likely.y, view.az[bright], alt[bright])


def as_lens(hypothesis: Hypothesis, site: Site, shape: tuple[int, int]) -> AllSkyLens:
    """Give the lens model that a hypothesis means."""
    return AllSkyLens(
        projection="odd-polynomial",
        coefficients=(hypothesis.focal, *_BEND[hypothesis.projection]),
        x_centre=hypothesis.x0,
        y_centre=hypothesis.y0,
        rotation=-hypothesis.rotation % 360,
        mirrored=hypothesis.mirrored,
        shape=shape,
        site=site,
    )
