"""Sums of pixel values become magnitudes, with errors; what is no linear measure is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrodetect.core.calibration import Photometry
from astrodetect.core.detections import Detections
from astrodetect.core.magnitudes import air_mass, apparent_magnitude, extinction, with_magnitudes
from astrodetect.sky.lens import AllSkyLens

SHAPE = (480, 640)
MIDDLE = (319.5, 239.5)


def magnitude(photometry, flux, x=MIDDLE[0], y=MIDDLE[1], alt=90.0, **more):
    return apparent_magnitude(photometry, [flux], [x], [y], [alt], SHAPE, **more)


def test_a_hundred_times_the_light_is_five_magnitudes():
    bright, faint = (magnitude(Photometry(12.0), flux)[0][0] for flux in (1e5, 1e3))
    assert faint == pytest.approx(12.0 - 7.5)
    assert faint - bright == pytest.approx(5.0)


def test_no_light_has_no_magnitude():
    for flux in (0.0, -5.0, np.nan):
        value, error = magnitude(Photometry(12.0), flux, flux_error=1.0)
        assert np.isnan(value[0])
        assert np.isnan(error[0])


def test_errors_of_light_and_zero_point_are_joined():
    _, error = magnitude(Photometry(12.0, zero_point_error=0.03), 1000.0, flux_error=40.0)
    assert error[0] == pytest.approx(np.hypot(0.03, 1.0857 * 0.04), rel=1e-3)


def test_vignetting_makes_the_corner_brighter_than_its_pixels_say():
    photometry = Photometry(12.0, vignetting=0.001)
    middle, corner = magnitude(photometry, 1e3)[0][0], magnitude(photometry, 1e3, 0.0, 0.0)[0][0]
    assert middle - corner == pytest.approx(-10 * np.log10(np.cos(0.001 * np.hypot(*MIDDLE))))


def test_air_mass_is_that_of_the_almanacs():
    # Kasten and Young 1989, table: 30 degrees 1.994, 10 degrees 5.586, 0 degrees 37.92
    np.testing.assert_allclose(air_mass([90.0, 30.0, 10.0, 0.0]), [1.0, 1.994, 5.586, 37.92], rtol=1e-3)


@given(st.floats(1, 89), st.floats(0.05, 1.0), st.sampled_from(["airmass", "green"]))
def test_extinction_grows_towards_the_horizon(altitude, factor, law):
    photometry = Photometry(0.0, extinction=factor, law=law)
    low, high = extinction(photometry, [altitude, altitude + 1])
    assert low > high >= -1e-9


def test_tracks_get_magnitudes_and_detections_their_peak():
    lens = AllSkyLens(
        projection="equidistant", coefficients=(155.0,), x_centre=320.0, y_centre=240.0, shape=SHAPE,
        photometry=Photometry(12.0, zero_point_error=0.05),
    )  # fmt: skip
    found = Detections(
        {
            "x_min": [1.0, 5.0], "y_min": [1.0, 5.0], "x_max": [9.0, 9.0], "y_max": [9.0, 9.0],
            "label": ["meteor", "meteor"], "probability": [0.9, 0.9],
        },
        {
            "detection": [0, 0, 0, 1], "frame": [0, 1, 2, 0], "x": [300.0] * 4, "y": [200.0] * 4,
            "flux": [1e3, 1e5, 1e4, -3.0], "snr": [10.0, 100.0, 50.0, 1.0],
        },
    )  # fmt: skip
    bright = with_magnitudes(found, lens, SHAPE)
    np.testing.assert_allclose(bright.tracks["magnitude"], [4.5, -0.5, 2.0, np.nan])
    np.testing.assert_allclose(bright["peak_magnitude"], [-0.5, np.nan])
    assert bright.tracks["magnitude_error"][0] == pytest.approx(np.hypot(0.05, 0.10857), rel=1e-3)


def test_without_photometry_nothing_is_added():
    lens = AllSkyLens(
        projection="equidistant", coefficients=(155.0,), x_centre=320.0, y_centre=240.0, shape=SHAPE
    )
    found = Detections.empty()
    assert with_magnitudes(found, lens, SHAPE) is found
