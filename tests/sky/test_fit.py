"""A drawn sky gives back the lens that it was drawn with; what cannot be calibrated is told."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sky_samples import (
    EXTINCTION,
    LENS,
    NIGHT,
    SHAPE,
    SITE,
    ZERO_POINT,
    draw,
    jupiter,
    largest_difference,
    sky,
)

from astrodetect.core.data import Site, Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.sky.exposures import Exposure
from astrodetect.sky.fit_run import calibrate
from astrodetect.sky.fit_start import as_lens, pointed_lens
from astrodetect.sky.matching import Hypothesis, Nudge
from astrodetect.sky.platepar import Platepar

STARS = sky()
PLATEPAR = Platepar(
    width=SHAPE[1], height=SHAPE[0], site=SITE, ra=120.0, dec=35.0, hour_angle=130.0, position_angle=20.0,
    scale=8.0, distortion="radial5-odd", x_poly=(0.01, -0.02, 0.05, 0.004), equal_aspect=True,
    refraction=True,
)  # fmt: skip


def exposure(image, time=NIGHT, *, site=None, source="fits"):
    stream = Stream(image.shape, np.dtype(np.uint16), saturation=65535.0, site=site)
    return Exposure("a.fits", image.astype(np.float32), time, 1, stream, source)


@pytest.fixture(scope="module")
def night():
    """Two exposures two hours apart, the second half clouded, the first with Jupiter in it."""
    first = exposure(draw(LENS, STARS, NIGHT, extra=[jupiter(LENS, NIGHT)]))
    second = exposure(draw(LENS, STARS, NIGHT + 7200, seed=3, clouds=True), NIGHT + 7200)
    told = []
    return calibrate([first, second], STARS, SITE, made_from="drawn", warn=told.append), told


def test_a_blind_fit_gives_the_lens_back_to_a_tenth_of_a_pixel(night):
    result, _ = night
    assert largest_difference(LENS, result.calibration) < 0.1
    assert len(result.fit.matches) > 500
    assert result.calibration.residual < 0.25
    assert "drawn" in result.calibration.made_by


def test_planets_are_left_out_and_told(night):
    result, told = night
    assert [line for line in told if "Jupiter" in line]
    x, y, _ = jupiter(LENS, NIGHT)
    matches = result.fit.matches
    assert np.hypot(matches.x - x, matches.y - y)[matches.view == 0].min() > 0.8


def test_zero_point_and_extinction_come_from_the_stars(night):
    photometry = night[0].photometry
    assert photometry.photometry.zero_point == pytest.approx(ZERO_POINT, abs=0.06)  # the aperture's loss
    assert photometry.photometry.extinction == pytest.approx(EXTINCTION, abs=0.03)
    assert photometry.slope == pytest.approx(1.0, abs=0.05)
    assert photometry.scatter < 0.1


def test_a_mirrored_image_is_told():
    with pytest.raises(AstrodetectError, match="mirrored"):
        calibrate([exposure(draw(LENS, STARS, NIGHT, mirrored=True))], STARS, SITE)


def test_a_wrong_site_is_told():
    with pytest.raises(AstrodetectError, match=r"check --site and the time .*2024-03-08T22:00"):
        calibrate([exposure(draw(LENS, STARS, NIGHT))], STARS, Site(-20.0, 7.5, 1200.0))


def test_a_site_that_is_off_by_nine_degrees_is_a_warning():
    told = []
    image = exposure(draw(LENS, STARS, NIGHT), site=SITE)
    calibrate([image], STARS, Site(55.0, 7.5, 1200.0), warn=told.append)
    assert any("degrees from the zenith" in line and "--site" in line for line in told)
    assert any("1001 km from --site" in line for line in told)


@pytest.mark.parametrize(("n", "told"), [(0, "too few stars"), (500, "no all-sky lens")])
def test_noise_is_no_sky(n, told):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(9, 630, n), rng.uniform(9, 470, n)
    image = draw(
        LENS, STARS.brighter(-1.0), NIGHT, extra=[*zip(x, y, rng.uniform(300, 9000, n), strict=True)]
    )
    image[40:52, 90:110] = 300
    with pytest.raises(AstrodetectError, match=told) as error:
        calibrate([exposure(image)], STARS, SITE)
    assert "\n" not in str(error.value)


def test_a_pointed_camera_is_fitted_from_a_rough_direction():
    truth = pointed_lens(140.0, 50.0, 90.0, 5.0, SITE, SHAPE)
    start = pointed_lens(146.0, 47.0, 84.0, 0.0, SITE, SHAPE)
    result = calibrate([exposure(draw(truth, STARS, NIGHT))], STARS, SITE, start=start)
    az, alt = np.meshgrid(np.arange(110, 171, 10.0), np.arange(30, 71, 10.0))
    places = [one.horizon_to_pixel(az.ravel(), alt.ravel(), NIGHT) for one in (truth, result.calibration)]
    assert np.max(np.hypot(*np.subtract(*places))) < 0.1


def test_a_platepar_is_fitted_from_a_rough_one():
    start = replace(PLATEPAR, ra=122.0, dec=33.5, position_angle=23.0, scale=7.8, x_poly=(0.0, 0.0, 0.0, 0.0))
    result = calibrate([exposure(draw(PLATEPAR, STARS, NIGHT))], STARS, SITE, start=start)
    x, y = np.meshgrid(np.arange(40.0, 640, 80), np.arange(40.0, 480, 80))
    sky_there = PLATEPAR.pixel_to_sky(x.ravel(), y.ravel(), NIGHT)
    high = sky_there.alt > 15
    u, v = result.calibration.sky_to_pixel(sky_there.ra[high], sky_there.dec[high], NIGHT)
    assert np.max(np.hypot(u - x.ravel()[high], v - y.ravel()[high])) < 0.2


def test_a_start_for_other_frames_is_refused():
    start = replace(LENS, shape=(720, 1280))
    with pytest.raises(AstrodetectError, match="for frames of 1280 x 720 pixels, these have 640 x 480"):
        calibrate([exposure(draw(LENS, STARS.brighter(5.0), NIGHT))], STARS, SITE, start=start)


def test_stretched_values_give_no_photometry_and_that_is_told():
    image = draw(LENS, STARS, NIGHT).astype(np.float64)
    stretched = 65535 * np.clip((image - 280) / 65535, 0, 1) ** 0.45
    told = []
    result = calibrate([exposure(stretched, source="video")], STARS, SITE, start=LENS, warn=told.append)
    assert result.photometry is None
    assert result.calibration.photometry is None
    assert any("no photometry" in line and "video" in line for line in told)


hypotheses = st.builds(
    Hypothesis, st.just(0.0), st.sampled_from(["equidistant", "equisolid", "stereographic", "orthographic"]),
    st.floats(50, 1000), st.booleans(), st.floats(0, 360), st.floats(200, 400), st.floats(200, 400),
)  # fmt: skip


@given(hypotheses, st.floats(0, 360), st.floats(55, 90))
@settings(max_examples=60, deadline=None)
def test_a_hypothesis_and_the_lens_that_it_means_agree(hypothesis, azimuth, altitude):
    lens = replace(as_lens(hypothesis, SITE, SHAPE), refraction=False)
    wanted = hypothesis.project(np.array([azimuth]), np.array([altitude]))
    found = lens.horizon_to_pixel(azimuth, altitude)
    assert np.hypot(wanted[0] - found[0], wanted[1] - found[1])[0] < 2e-3 * hypothesis.focal


@given(st.floats(0, 359), st.floats(5, 89), st.floats(20, 120), st.floats(-180, 180))
@settings(max_examples=60, deadline=None)
def test_a_pointed_lens_looks_where_it_is_pointed(azimuth, altitude, width, roll):
    lens = replace(pointed_lens(azimuth, altitude, width, roll, SITE, SHAPE), refraction=False)
    x, y = lens.horizon_to_pixel(azimuth, altitude)
    assert (x[0], y[0]) == (pytest.approx(319.5, abs=1e-6), pytest.approx(239.5, abs=1e-6))
    # a step up on the sky is a step up in the frame, turned by the roll
    u, v = lens.horizon_to_pixel(azimuth, altitude + 0.5)
    turned = np.degrees(np.arctan2(u - x, -(v - y)))[0]
    assert abs((turned - roll + 180) % 360 - 180) < 0.5 or abs((turned + roll + 180) % 360 - 180) < 0.5
    assert np.hypot(u - x, v - y)[0] == pytest.approx(0.5 * 640 / width, rel=0.02)


@given(st.floats(-0.2, 0.2), st.floats(0.9, 1.1), st.floats(-50, 50), st.floats(-50, 50), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_nudge_keeps_shapes(turn, scale, dx, dy, mirrored):
    nudge = Nudge(0.0, turn, scale, dx, dy, mirrored)
    x, y = np.array([0.0, 100.0, 0.0]), np.array([0.0, 0.0, 50.0])
    u, v = nudge.apply(x, y, SHAPE)
    sides = np.hypot(u[1:] - u[0], v[1:] - v[0])
    np.testing.assert_allclose(sides, scale * np.array([100.0, 50.0]))
    area = (u[1] - u[0]) * (v[2] - v[0]) - (u[2] - u[0]) * (v[1] - v[0])
    assert area == pytest.approx((-1 if mirrored else 1) * scale**2 * 5000)
