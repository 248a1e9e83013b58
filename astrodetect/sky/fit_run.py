"""The whole of a calibration: from averaged frames to a model that can be believed, or one clear line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.sky.catalogue import StarCatalogue
from astrodetect.sky.exposures import Exposure
from astrodetect.sky.fit_model import FEWEST, Fit, replaced, settle, significance
from astrodetect.sky.fit_start import fit_blind, fit_from
from astrodetect.sky.fit_views import View, make_views, wanderers
from astrodetect.sky.lens import AllSkyLens
from astrodetect.sky.models import VectorCalibration
from astrodetect.sky.photometry import CROOKED, PhotometryFit, fit_photometry
from astrodetect.sky.platepar import Platepar
from astrodetect.sky.stars import find_stars

#: A fit is believed when it finds more bright stars than chance would by so many standard deviations.
_BELIEVED = 6.0
#: A level all-sky camera is level to this (deg).
_LEVEL = 5.0
#: A site may differ from what the recordings say by this (km).
_NEAR = 20.0
#: The stars of one exposure may lie beside those of all together by this (px).
_STILL = 0.5
#: Over so long (s) the rule matters by which a platepar follows the sky.
_LONG = 3600.0
#: Beyond the stars a lens is followed by this (deg).
_BEYOND = 8.0
_EARTH_RADIUS = 6371.0
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """A calibration and what it rests on.

    Attributes
    ----------
    calibration : VectorCalibration
        To be written: with photometry where there is one.
    fit : Fit
        The stars.
    photometry : PhotometryFit or None
        The zero point and its stars.
    catalogue : StarCatalogue
        Where ``fit.matches.star`` points into.
    n_sources : int
        Star-like sources in all exposures.
    """

    calibration: VectorCalibration
    fit: Fit
    photometry: PhotometryFit | None
    catalogue: StarCatalogue
    n_sources: int

    @property
    def scale(self) -> float:
        """Size of a pixel in the middle of the frame (arcmin)."""
        shape = self.calibration.shape
        assert shape is not None
        x, y = shape[1] / 2, shape[0] / 2
        time = self.fit.views[0].time
        one, other = (self.calibration.pixel_to_sky(x + k, y, time) for k in (0.0, 1.0))
        return 60 * float(_apart(one.az, one.alt, other.az, other.alt)[0])


def calibrate(
    exposures: Sequence[Exposure],
    catalogue: StarCatalogue,
    site: Site,
    *,
    start: VectorCalibration | None = None,
    mirrored: bool = False,
    made_from: str = "",
    warn: Warn = lambda _: None,
) -> Result:
    """Fit a camera model and its photometry to the stars in some exposures.

    Parameters
    ----------
    exposures : sequence of Exposure
        Of one camera that did not move.
    catalogue : StarCatalogue
        Stars, some magnitudes fainter than what the frames show.
    site : Site
        Where the camera stands.
    start : VectorCalibration, optional
        A rough model. None: an all-sky lens that points about to the zenith, of which nothing is known.
    mirrored : bool
        The frames are mirror images, and are calibrated as such.
    made_from : str
        Name of the catalogue, for `made_by`.
    warn : callable
        Gets a line about everything doubtful.

    Returns
    -------
    Result

    Raises
    ------
    AstrodetectError
        No exposure can be used; there are too few stars; no model puts stars where sources are; the
        image is mirrored.
    """
    used = _of_one_shape(exposures, warn)
    shape = used[0].stream.shape
    found = [
        (one.name, one.time, find_stars(one.image, one.stream.mask, saturation=one.stream.saturation))
        for one in used
    ]
    views = make_views(found, catalogue, site, shape)
    n_sources = sum(len(view.stars) for view in views)
    if sum(len(view.likely) for view in views) < FEWEST:
        raise AstrodetectError(
            f"too few stars: {n_sources} star-like sources in {_counted(len(used), 'exposure')}, "
            f"at least {FEWEST} are needed; take clear, dark recordings, or more of them"
        )
    _check_site(used, site, warn)
    fit = _blind(views, site, shape, mirrored) if start is None else _from_start(start, views, site, shape)
    fit = _without_wanderers(fit, site, warn)
    if len(fit.matches) < FEWEST:
        raise AstrodetectError(
            f"too few stars: {len(fit.matches)} of {n_sources} sources are stars of the catalogue, "
            f"at least {FEWEST} are needed"
        )
    if start is None:
        _check_tilt(fit, warn)
    _check_still(fit, warn)
    photometry = _photometry(used, fit, catalogue, site, warn)
    described = _described(fit, used, photometry, made_from)
    return Result(described, replace(fit, calibration=described), photometry, catalogue, n_sources)


def _of_one_shape(exposures: Sequence[Exposure], warn: Warn) -> list[Exposure]:
    if not exposures:
        raise AstrodetectError("no exposure can be used")
    shape, _ = Counter(one.stream.shape for one in exposures).most_common(1)[0]
    camera, _ = Counter(one.stream.camera for one in exposures if one.stream.shape == shape).most_common(1)[0]
    for one in exposures:
        if one.stream.shape != shape or one.stream.camera != camera:
            other = f"{one.stream.camera or 'camera'} {one.stream.shape[1]} x {one.stream.shape[0]}"
            warn(f"{one.name}: left out: of another camera ({other}) than most")
    return [one for one in exposures if (one.stream.shape, one.stream.camera) == (shape, camera)]


def _blind(views: Sequence[View], site: Site, shape: tuple[int, int], mirrored: bool) -> Fit:
    fit = fit_blind(views, site, shape)
    lens = cast(AllSkyLens, fit.calibration)
    _believe(fit, views, "no all-sky lens that points about to the zenith puts stars where sources are")
    if lens.mirrored is not mirrored:
        _refuse_mirrored(mirrored)
    return fit


def _from_start(start: VectorCalibration, views: Sequence[View], site: Site, shape: tuple[int, int]) -> Fit:
    if start.shape is not None and start.shape != shape:
        sizes = [f"{width} x {height}" for height, width in (start.shape, shape)]
        raise AstrodetectError(f"the start is for frames of {sizes[0]} pixels, these have {sizes[1]}")
    start = replaced(start, site=site, photometry=None)
    if start.shape is None:
        start = replaced(start, shape=shape)
    fit, other_hand = fit_from(start, views, shape)
    if isinstance(start, Platepar) and max(view.time for view in views) - views[0].time > _LONG:
        # Without precession the sky turns about a pole that is off by some arcminutes.
        turned = fit_from(replaced(start, pointing="precessed"), views, shape)[0]
        fit = min(fit, turned, key=lambda one: one.rms if len(one.matches) >= FEWEST else np.inf)
    if other_hand and not _is_believed(fit):
        _refuse_mirrored(bool(getattr(start, "mirrored", False)))
    _believe(fit, views, "the rough model cannot be shifted, turned or stretched onto the stars")
    return fit


def _refuse_mirrored(mirrored: bool) -> None:
    if mirrored:
        raise AstrodetectError("the image is not mirrored: leave --mirrored away")
    raise AstrodetectError(
        "the image is mirrored: with north up, east is on the right, and on the sky it is on the left; "
        "turn the recordings around, or calibrate them as they are with --mirrored"
    )


def _is_believed(fit: Fit) -> bool:
    found, _, chance = significance(fit)
    return found >= FEWEST and found - chance > _BELIEVED * np.sqrt(chance + 1)


def _believe(fit: Fit, views: Sequence[View], what: str) -> None:
    if _is_believed(fit):
        return
    from astropy.time import Time

    found, expected, chance = significance(fit)
    when = Time(views[0].time, format="unix").isot[:19]
    raise AstrodetectError(
        f"{what} ({found} of {expected} bright stars, chance gives {chance:.0f}): check --site and the time "
        f"(the first exposure is taken as {when} UTC), or give a start by --start or --pointing"
    )


def _without_wanderers(fit: Fit, site: Site, warn: Warn) -> Fit:
    """Fit again without what lies on a planet or near the Moon."""
    seen: Counter[str] = Counter()
    views = []
    for view in fit.views:
        keep, likely = np.ones(len(view.stars), bool), np.ones(len(view.likely), bool)
        for name, az, alt, reach in wanderers(view.time, site):
            x, y = fit.calibration.horizon_to_pixel([az, az], [alt, alt - 0.5], view.time)
            radius = 2 * reach * float(np.hypot(*(np.diff(x), np.diff(y)))[0])
            near = np.hypot(view.stars.x - x[0], view.stars.y - y[0]) < radius
            seen[name] += bool(near.any())
            keep &= ~near
            likely &= ~(np.hypot(view.likely.x - x[0], view.likely.y - y[0]) < radius)
        views.append(replace(view, stars=view.stars[keep], likely=view.likely[likely]))
    names = [f"{name.capitalize()} (in {_counted(n, 'exposure')})" for name, n in seen.items() if n]
    if not names:
        return fit
    warn(f"no stars, left out: {', '.join(names)}")
    return settle(fit.calibration, views)


def _check_site(exposures: Sequence[Exposure], site: Site, warn: Warn) -> None:
    said = next((one.stream.site for one in exposures if one.stream.site is not None), None)
    if said is None:
        return
    apart = _apart(said.longitude, said.latitude, site.longitude, site.latitude)
    distance = float(apart) * np.pi / 180 * _EARTH_RADIUS
    if distance > _NEAR:
        warn(
            f"the recordings say that the camera stands at {said.latitude:.4f}, {said.longitude:.4f}: "
            f"{distance:.0f} km from --site {site.latitude:.4f}, {site.longitude:.4f}"
        )


def _apart(lon_1: Any, lat_1: Any, lon_2: Any, lat_2: Any) -> Floats:
    """Give angles between directions (deg)."""
    from astrodetect.sky.frames import vectors

    one, other = vectors(lon_1, lat_1), vectors(lon_2, lat_2)
    cross = np.linalg.norm(np.cross(one, other), axis=-1)
    apart: Floats = np.degrees(np.arctan2(cross, np.sum(one * other, axis=-1)))
    return apart


def _check_tilt(fit: Fit, warn: Warn) -> None:
    lens = cast(AllSkyLens, fit.calibration)
    tilt = float(np.hypot(lens.tilt_north, lens.tilt_east))
    if tilt > _LEVEL:
        towards = float(np.degrees(np.arctan2(lens.tilt_east, lens.tilt_north))) % 360
        warn(
            f"the optical axis is {tilt:.1f} degrees from the zenith, towards azimuth {towards:.0f}: unless "
            f"the camera is tilted so, --site or the clock is wrong (a clock that is off by {4 * tilt:.0f} "
            f"minutes, or a site by {111 * tilt:.0f} km, looks the same)"
        )


def _check_still(fit: Fit, warn: Warn) -> None:
    """Tell if the stars of some exposure lie beside their places all together."""
    matches = fit.matches
    counts = np.bincount(matches.view, minlength=len(fit.views))
    moved = np.array(
        [
            np.hypot(
                np.median((matches.x - matches.expected_x)[here]),
                np.median((matches.y - matches.expected_y)[here]),
            )
            for here in (matches.view == k for k in np.flatnonzero(counts >= FEWEST))
        ]
    )
    if moved.max(initial=0.0) > _STILL:
        warn(
            f"the camera moved between the exposures: the stars of one lie {moved.max():.1f} px beside the "
            "places that fit best to all; calibrate shorter spans of time"
        )


def _photometry(
    exposures: Sequence[Exposure], fit: Fit, catalogue: StarCatalogue, site: Site, warn: Warn
) -> PhotometryFit | None:
    found = fit_photometry(fit, catalogue.magnitude[fit.matches.star], catalogue.band, site)
    if found is None:
        warn("no photometry: too few stars are bright, high above the horizon and not saturated")
        return None
    crooked = abs(found.slope - 1) > CROOKED
    if not crooked and all(one.linear for one in exposures):
        return found
    kind = "video or JPEG: its values are often stretched" if not exposures[0].linear else "stretched"
    shown = f"one magnitude of the pixel values is {found.slope:.2f} of the sky"
    if crooked:
        warn(f"no photometry: the recordings are {kind}; {shown}")
        return None
    warn(f"magnitudes may be rough: the recordings are {kind}; {shown}")
    return found


def _described(
    fit: Fit, exposures: Sequence[Exposure], photometry: PhotometryFit | None, made_from: str
) -> VectorCalibration:
    """Give the model with all that a reader of the file should know."""
    from astropy.time import Time

    first, last = (
        Time(when, format="unix").isot[:16]
        for when in (min(one.time for one in exposures), max(one.time for one in exposures))
    )
    span = first if first == last else f"{first} to {last}"
    changed: dict[str, Any] = {
        "made_by": f"astrodetect calibrate: {len(fit.matches)} stars of {made_from or 'a catalogue'} in "
        f"{_counted(len(exposures), 'exposure')}, {span}",
        "photometry": None if photometry is None else photometry.photometry,
        "camera": exposures[0].stream.camera,
    }
    if isinstance(fit.calibration, AllSkyLens):
        axis = fit.calibration.angle(
            np.hypot(fit.matches.x - fit.calibration.x_centre, fit.matches.y - fit.calibration.y_centre)
        )
        farthest = float(np.degrees(np.nanpercentile(axis, 99)))
        changed["field"] = min(fit.calibration.field, farthest + _BEYOND)
    return replaced(fit.calibration, **changed)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
