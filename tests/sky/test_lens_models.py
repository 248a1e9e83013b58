"""Lenses that see the whole sky."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.core.calibrating import load_calibration
from astrodetect.core.calibration import Photometry, write_json
from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.sky.lens import AllSkyLens

SITE = Site(44.9, 7.8, 620.0)
MODELS = {
    "equidistant": (240.0,),
    "fripon": (120.0, 2.0, 2.2),
    "odd-polynomial": (230.0, 0.02, -0.01, 0.001),
}


def lens(projection="equidistant", **keywords):
    given = {"site": SITE, "shape": (960, 1280), "residual": 0.3, **keywords}
    return AllSkyLens(projection, MODELS[projection], 640.0, 480.0, **given)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(MODELS)),
    st.floats(0, 360),
    st.floats(-20, 20),
    st.floats(-20, 20),
    st.booleans(),
    st.floats(0.9, 1.1),
    st.booleans(),
    st.floats(30, 1250),
    st.floats(30, 930),
)
def test_pixels_come_back_from_the_sky(projection, rotation, north, east, mirrored, aspect, air, x, y):
    model = lens(
        projection, rotation=rotation, tilt_north=north, tilt_east=east, mirrored=mirrored, aspect=aspect,
        refraction=air,
    )  # fmt: skip
    sky = model.pixel_to_sky(x, y, 1.6e9)
    if np.isnan(sky.ra).any():
        return  # beyond the field
    assert np.allclose(model.sky_to_pixel(sky.ra, sky.dec, 1.6e9), [[x], [y]], atol=1e-4)
    assert np.allclose(model.horizon_to_pixel(sky.az, sky.alt), [[x], [y]], atol=1e-4)


@pytest.mark.parametrize(("mirrored", "x_of_east"), [(False, 400.0), (True, 880.0)])
def test_seen_from_below_east_is_on_the_left_of_north(mirrored, x_of_east):
    model = lens(mirrored=mirrored, refraction=False)
    az, alt = [0.0, 90.0], [90 - np.degrees(1.0)] * 2
    x, y = model.horizon_to_pixel(az, alt)
    assert x == pytest.approx([640.0, x_of_east])
    assert y == pytest.approx([240.0, 480.0])


def test_a_tilted_camera_looks_where_it_is_tilted_to():
    sky = lens(tilt_north=0.0, tilt_east=30.0, refraction=False).pixel_to_sky(640.0, 480.0, np.nan)
    assert (sky.az[0], sky.alt[0]) == pytest.approx((90.0, 60.0))
    assert np.isnan(sky.ra[0])  # without a time


def test_refraction_lowers_what_is_seen():
    seen, true = (lens(refraction=on).pixel_to_sky(640.0, 120.0, 1.6e9).alt[0] for on in (False, True))
    assert 0.01 < seen - true < 0.2


def test_errors_are_those_of_many_trials():
    model, rng = lens("odd-polynomial", rotation=20.0, tilt_north=3.0), np.random.default_rng(2)
    spread = np.array([[0.5, 0.2], [0.2, 0.3]])
    sky = model.pixel_to_sky(500.0, 300.0, 1.6e9, spread)
    x, y = rng.multivariate_normal([500.0, 300.0], spread + 0.3**2 * np.eye(2), 20000).T
    tried = model.pixel_to_sky(x, y, 1.6e9)
    flat = np.cos(np.radians(sky.dec[0]))
    assert sky.ra_error[0] == pytest.approx(np.std(tried.ra) * flat, rel=0.03)
    assert sky.dec_error[0] == pytest.approx(np.std(tried.dec), rel=0.03)
    assert sky.az_error[0] == pytest.approx(np.std(tried.az) * np.cos(np.radians(sky.alt[0])), rel=0.03)
    assert sky.alt_error[0] == pytest.approx(np.std(tried.alt), rel=0.03)
    mixed = np.cov(tried.ra * flat, tried.dec)[0, 1]
    assert sky.radec_covariance[0, 0, 1] == pytest.approx(mixed, rel=0.1)


def test_an_unknown_residual_gives_unknown_errors():
    assert np.isnan(lens(residual=float("nan")).pixel_to_sky(600.0, 400.0, 1.6e9, np.eye(2)).ra_error).all()


def test_it_goes_to_a_file_and_to_a_worker_process(tmp_path, through_a_worker):
    model = lens("fripon", rotation=12.0, photometry=Photometry(12.5, 0.1, 0.001, 0.3, band="V"))
    copy = AllSkyLens.from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))
    assert copy.to_json() == model.to_json()
    write_json(model, tmp_path / "calibration.json")
    for other in (copy, through_a_worker(model), load_calibration(tmp_path / "calibration.json")):
        assert other.pixel_to_sky(600, 420, 1.6e9).ra == model.pixel_to_sky(600, 420, 1.6e9).ra
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.json"]


def test_a_site_of_unknown_height_goes_through_json_too(tmp_path):
    write_json(lens(site=Site(44.9, 7.8, float("nan"))), tmp_path / "calibration.json")
    again = load_calibration(tmp_path / "calibration.json")
    assert again.site[:2] == (44.9, 7.8)
    assert np.isnan(again.site.elevation)
    assert np.isfinite(again.pixel_to_sky(600, 420, 1.6e9).ra).all()


def test_one_written_by_hand_is_read(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"projection": "equidistant", "coefficients": [240], "x_centre": 1, "y_centre": 2}')
    assert load_calibration(path).made_by == "mine.json, by hand"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"projection": "equidistant", "coefficients": [240], "x_centre": 1}', "y_centre"),
        ('{"projection": "flat", "coefficients": [240], "x_centre": 1, "y_centre": 2}', "projection"),
        ('{"projection": "fripon", "coefficients": [240], "x_centre": 1, "y_centre": 2}', "f, K1, K2"),
        ('{"format": "astrodetect-calibration", "format_version": 9}', "format_version = 9"),
        ('{"format": "astrodetect-calibration", "format_version": 1, "model": "lens"}', "no plugin is named"),
        ('{"format": "astrodetect-calibration", "format_version": 1, "model": "all-sky"}', "not a whole"),
        ('{"projection": ', "no calibration in a known form"),
        ("", "no calibration in a known form"),
    ],
)
def test_what_is_no_calibration_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(AstrodetectError) as caught:
        load_calibration(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
