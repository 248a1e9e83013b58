"""Real cameras are calibrated to the figures that the documentation states."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from astrodetect import Pipeline
from astrodetect.core.calibrating import load_calibration
from astrodetect.core.data import Site
from astrodetect.methods.fits_times import parse_utc
from astrodetect.sky import refraction as air
from astrodetect.sky.catalogue import read_star_catalogue
from astrodetect.sky.exposures import read_exposures
from astrodetect.sky.fit_matches import in_frame, project
from astrodetect.sky.fit_run import calibrate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hipparcos(real_data):
    return read_star_catalogue(real_data / "allsky" / "hipparcos.fits.gz", 6.5)


def exposures(*paths, **how):
    return list(read_exposures(list(Pipeline.from_toml("meteor").find(paths)), **how))


def test_bright_stars_of_moonlit_and_dark_frames_are_within_two_pixels(real_data, hipparcos):
    frames = exposures(*sorted((real_data / "allsky").glob("magic_images_*.fits")))
    result = calibrate(frames, hipparcos, Site(28.7619, -17.89, 2200.0))
    for view in result.fit.views:
        x, y = project(result.calibration, view)
        wanted = in_frame(result.calibration, x, y) & (view.magnitude <= 4) & (view.alt > 30)
        away = np.hypot(view.stars.x[:, None] - x[wanted], view.stars.y[:, None] - y[wanted]).min(0)
        assert np.mean(away <= 2) > 0.9


def test_a_picture_calibrated_blind_agrees_with_stars_that_somebody_named(real_data, hipparcos):
    folder = real_data / "calibration"
    time = parse_utc("2020-12-11T20:09:33")[0]
    pictures = exposures(next(folder.glob("LYR-Sony-*.jpg")), time=time)
    result = calibrate(pictures, hipparcos, Site(78.2248, 15.6622, 20.0))
    with (folder / "kho_sony_stars.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["name"] != "Caph"]  # its altitude is wrong by 8
    az, alt, column, row = (
        np.array([float(star[name]) for star in rows])
        for name in ("az_deg", "alt_deg", "col_px_1based", "row_px_1based")
    )
    x, y = result.calibration.horizon_to_pixel(az, air.true_altitude(alt))
    assert np.hypot(x - column + 1, y - row + 1).max() < 3


def test_a_platepar_refitted_from_three_degrees_off_agrees_with_the_shipped_one(real_data, hipparcos):
    night = real_data / "rms" / "UK0006_20220914"
    shipped = load_calibration(night / "platepar_cmn2010.cal")
    rough = replace(
        shipped, ra=shipped.ra + 3, dec=shipped.dec - 2, position_angle=shipped.position_angle + 3,
        scale=1.03 * shipped.scale, x_poly=(0.0,) * len(shipped.x_poly),
    )  # fmt: skip
    frames = exposures(night)
    result = calibrate(frames, hipparcos, shipped.site, start=rough)
    x, y = (side.ravel() for side in np.meshgrid(np.arange(20.0, 1280, 62), np.arange(20.0, 720, 62)))
    sky = result.calibration.pixel_to_sky(x, y, frames[0].time)
    u, v = shipped.sky_to_pixel(sky.ra, sky.dec, frames[0].time)
    away = np.hypot(u - x, v - y)[sky.alt > 15]
    assert np.median(away) < 0.5
    assert away.max() < 1.5
