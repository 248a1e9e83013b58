"""Fit the numbers of a model to stars: match, solve, match again within a smaller radius."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.core.errors import AstrodetectError
from astrodetect.sky.distortion import POLYNOMIAL, RADIAL
from astrodetect.sky.fit_matches import Matches, find_matches, in_frame, matched_points, project
from astrodetect.sky.fit_views import View
from astrodetect.sky.lens import AllSkyLens
from astrodetect.sky.matching import chance_matches, match_nearest
from astrodetect.sky.models import VectorCalibration
from astrodetect.sky.platepar import Platepar

#: A number of a model: the name of its field, and which element where the field holds several.
Free = tuple[str, int | None]
Model = TypeVar("Model", bound=VectorCalibration)

#: Rounds of a fit: radius of the matching in parts of the shorter side, stars per exposure, and how
#: many groups of the model's numbers are free.
_ROUNDS = (
    (0.015, 60, 1), (0.015, 100, 2), (0.012, 200, 2), (0.008, 400, 2), (0.006, 400, 3), (0.004, 1000, 3),
)  # fmt: skip
#: The last radius: so many times the scatter, and at least this (px).
_LAST, _LEAST = 5.0, 1.5
#: Residuals beyond so many robust standard deviations are no stars, or others.
_CLIP = 4.0
#: A fit needs so many stars, and so many equations per free number.
FEWEST = 10
_EQUATIONS = 2.5
#: A lens gets another number while that lowers the scatter by this over the number of stars; up to so many
#: terms, and only with so many stars for each number.
_WORTH, _TERMS, _PER_NUMBER = 10.0, 6, 15
#: An aspect other than 1 is one that is fitted.
_NOT_SQUARE = 1.0 + 1e-9


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes
    ----------
    calibration : VectorCalibration
        The model, with `residual` and `made_by`.
    matches : Matches
        The stars that it was fitted to.
    views : tuple of View
        The exposures.
    n_free : int
        Numbers that were fitted.
    """

    calibration: VectorCalibration
    matches: Matches
    views: tuple[View, ...]
    n_free: int

    @property
    def rms(self) -> float:
        """Root mean square of the distances (px), weighted: that of bright stars."""
        weight = self.matches.weight**2
        return float(np.sqrt(np.average(self.matches.distance**2, weights=weight)))

    def of_sources(self, name: str) -> Floats:
        """Give what was measured of the matched sources: a field of `StarList`, (K,) float64."""
        values = np.empty(len(self.matches))
        for number, view in enumerate(self.views):
            here = self.matches.view == number
            values[here] = getattr(view.stars, name)[self.matches.source[here]]
        return values


def free_numbers(model: VectorCalibration) -> list[list[Free]]:
    """Give the numbers of a model that a fit may change, in groups, the most certain ones first.

    Raises
    ------
    AstrodetectError
        It is of a kind that cannot be fitted.
    """
    if isinstance(model, AllSkyLens):
        where: list[Free] = [("x_centre", None), ("y_centre", None), ("rotation", None), ("coefficients", 0)]
        tilt: list[Free] = [("tilt_north", None), ("tilt_east", None)]
        bend: list[Free] = [("coefficients", k) for k in range(1, len(model.coefficients))]
        aspect: list[Free] = [("aspect", None)] if model.aspect != 1.0 else []
        return [where, tilt + bend[:1], bend[1:] + aspect]
    if isinstance(model, Platepar):
        pointing: list[Free] = [("ra", None), ("dec", None), ("position_angle", None), ("scale", None)]
        if model.distortion in POLYNOMIAL:  # their first terms are a shift, a turn and a scale again
            x_poly: list[Free] = [("x_poly", k) for k in range(len(model.x_poly))]
            return [pointing, [], [*x_poly, *(("y_poly", k) for k in range(len(model.y_poly)))]]
        radial: list[Free] = [("x_poly", k) for k in range(len(model.x_poly))]
        first = len(radial) - len(RADIAL[model.distortion])  # before it centre, aspect, asymmetry
        return [pointing, radial[first : first + 1], radial[:first] + radial[first + 1 :]]
    raise AstrodetectError(f"a calibration of model {model.model!r} cannot be fitted; start from another one")


def _values(model: VectorCalibration, free: Sequence[Free]) -> Floats:
    found = [getattr(model, name) if k is None else getattr(model, name)[k] for name, k in free]
    return np.asarray(found, dtype=np.float64)


def with_values(model: Model, free: Sequence[Free], values: Floats) -> Model:
    """Give the model with some of its numbers changed."""
    changed: dict[str, Any] = {}
    for (name, k), value in zip(free, values, strict=True):
        if k is None:
            changed[name] = float(value)
        else:
            numbers = list(changed.get(name, getattr(model, name)))
            numbers[k] = float(value)
            changed[name] = tuple(numbers)
    return replaced(model, **changed)


def solve(
    model: Model, views: Sequence[View], matches: Matches, free: Sequence[Free], tolerance: float
) -> Model:
    """Give the model that fits best to matched stars, outliers weighing little.

    Parameters
    ----------
    model : VectorCalibration
        Where to start.
    views : sequence of View
        The exposures.
    matches : Matches
        Stars.
    free : sequence of (str, int or None)
        Which numbers of the model to change.
    tolerance : float
        Residual (px) beyond which a star begins to lose weight.
    """
    from scipy.optimize import least_squares

    points, times = matched_points(model, views, matches)
    start = _values(model, free)

    def residuals(values: Floats) -> Floats:
        try:
            x, y = with_values(model, free, values).pixels(points, times)
        except ValueError:  # a focal length below zero, say
            return np.full(2 * len(times), 1e3)
        off: Floats = np.concatenate([(x - matches.x) * matches.weight, (y - matches.y) * matches.weight])
        capped: Floats = np.nan_to_num(off, nan=1e3).clip(-1e3, 1e3)
        return capped

    # Each number is counted in steps that move the stars by a pixel.
    trial = 1e-6 * np.maximum(1.0, np.abs(start))
    base = residuals(start)
    moved = [residuals(start + np.eye(len(free))[k] * trial[k]) - base for k in range(len(free))]
    shift = np.sqrt(np.mean(np.square(moved), axis=1))
    # A number that moves nothing yet (the centre of a distortion that is 0) is left where it is.
    step = np.where(shift > 1e-3 * trial, trial / np.maximum(shift, 1e-12), 1e-3)
    ones = np.ones(len(free))  # scipy takes differences relative to the values
    found = least_squares(
        lambda values: residuals(start + step * (values - 1)), ones,
        loss="soft_l1", f_scale=tolerance, diff_step=1e-3, max_nfev=60, ftol=1e-6,
    )  # fmt: skip
    return with_values(model, free, start + step * (found.x - 1))


def refine(start: VectorCalibration, views: Sequence[View], rounds: int = len(_ROUNDS)) -> Fit:
    """Fit a model from a start that is right to a few percent of the frame.

    Parameters
    ----------
    start : VectorCalibration
        With its `shape`.
    views : sequence of View
        The exposures.
    rounds : int
        So many of the rounds; fewer for a first look.

    Returns
    -------
    Fit
        Perhaps of few stars, or none: the caller judges.
    """
    model, free = start, free_numbers(start)
    for radius, most, groups in _ROUNDS[:rounds]:
        reach = max(radius * _shorter_side(model), _LEAST)
        matches = find_matches(model, views, reach, most)
        chosen = _affordable(free[:groups], len(matches))
        if chosen:
            model = solve(model, views, matches, chosen, max(reach / 5, 0.3))
    fit = settle(model, views, _ROUNDS[rounds - 1][0])
    while rounds == len(_ROUNDS):
        longer = [settle(model, views, 0.5 * _ROUNDS[-1][0]) for model in _with_another_number(fit)]
        better = min(longer, key=lambda one: one.rms, default=fit)
        if better.n_free <= fit.n_free or better.rms > (1 - _WORTH / len(fit.matches)) * fit.rms:
            break
        fit = better
    return fit


def settle(start: VectorCalibration, views: Sequence[View], reach: float = _ROUNDS[-1][0]) -> Fit:
    """Fit all numbers of a model that is nearly right to all stars, leaving outliers out.

    Parameters
    ----------
    start : VectorCalibration
        With its `shape`.
    views : sequence of View
        The exposures.
    reach : float
        Radius of the first matching, in parts of the shorter side.
    """
    model, free = start, free_numbers(start)
    radius = max(reach * _shorter_side(start), _LEAST)
    matches = find_matches(model, views, radius)
    chosen: list[Free] = []
    for _ in range(3):
        matches = _without_outliers(matches)
        chosen = _affordable(free, len(matches))
        if not chosen:
            break
        model = solve(model, views, matches, chosen, max(2 * _scatter(matches), 0.05))
        matches = find_matches(model, views, float(np.clip(_LAST * _scatter(matches), _LEAST, radius)))
    matches = _without_outliers(matches)
    fit = Fit(model, matches, tuple(views), len(chosen))
    if not len(matches):
        return fit
    sigma = fit.rms * np.sqrt(len(matches) / max(2 * len(matches) - len(chosen), 1))  # along one axis
    return replace(fit, calibration=replaced(model, residual=float(sigma)))


def _with_another_number(fit: Fit) -> Iterator[AllSkyLens]:
    """Give the lens with one more term, or with pixels not square, where stars are enough to tell."""
    model = fit.calibration
    if not isinstance(model, AllSkyLens) or len(fit.matches) < _PER_NUMBER * fit.n_free:
        return
    if len(model.coefficients) < _TERMS:
        yield replace(model, coefficients=(*model.coefficients, 0.0))
    if model.aspect == 1.0:
        yield replace(model, aspect=_NOT_SQUARE)


def _shorter_side(model: VectorCalibration) -> int:
    assert model.shape is not None
    return min(model.shape)


def replaced(model: Model, **changed: Any) -> Model:
    """Give the model with fields changed: all of them are dataclasses."""
    made: Model = replace(cast(Any, model), **changed)
    return made


def _affordable(groups: Sequence[Sequence[Free]], n_stars: int) -> list[Free]:
    """Give the numbers that so many stars can determine, group by group."""
    chosen: list[Free] = []
    for group in groups:
        if 2 * n_stars < _EQUATIONS * (len(chosen) + len(group)) or n_stars < FEWEST // 2:
            break
        chosen.extend(group)
    return chosen


def _scatter(matches: Matches) -> float:
    """Give the robust standard deviation along one axis (px): the median distance is 1.18 of it."""
    return float(np.median(matches.distance * matches.weight)) / 1.1774 if len(matches) else 0.0


def _without_outliers(matches: Matches) -> Matches:
    return matches[matches.distance * matches.weight <= max(_CLIP * _scatter(matches), 0.1)]


def significance(fit: Fit, most: int = 100) -> tuple[int, int, float]:
    """Tell how many of the brightest expected stars were found, and how many chance would give.

    Returns
    -------
    found, expected : int
    chance : float
    """
    model = fit.calibration
    assert model.shape is not None
    radius = max(3 * fit.rms, _LEAST) if len(fit.matches) else _LEAST
    expected = found = 0
    chance = 0.0
    for view in fit.views:
        x, y = project(model, view)
        bright = np.flatnonzero(in_frame(model, x, y) & (view.alt > 10))[:most]
        found += len(match_nearest(view.stars.x, view.stars.y, x[bright], y[bright], radius)[0])
        expected += len(bright)
        area = float(np.prod(model.shape)) / 2  # sources lie where sky is
        chance += chance_matches(len(view.stars), len(bright), radius, area)
    return found, expected, chance
