"""Sources are integrated over pixels exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.simulation import add_points, add_streak, streak_flux
from astrodetect.simulation.psf import aperture_fraction


@settings(max_examples=60, deadline=None)
@given(x=st.floats(15, 44), y=st.floats(15, 34), flux=st.floats(1, 1e4), fwhm=st.floats(1.8, 5.0))
def test_a_source_keeps_flux_and_place(x: float, y: float, flux: float, fwhm: float) -> None:
    image = np.zeros((50, 60))
    add_points(image, [x], [y], [flux], fwhm)
    rows, columns = np.indices(image.shape)
    assert image.sum() == pytest.approx(flux, rel=3e-4)
    assert (image * columns).sum() / image.sum() == pytest.approx(x, abs=1e-3)
    assert (image * rows).sum() / image.sum() == pytest.approx(y, abs=1e-3)


def test_pixels_hold_the_integral_over_their_area() -> None:
    image = np.zeros((21, 21))
    add_points(image, [10.3], [9.8], [1.0], 2.0)
    fine = np.zeros((21 * 16, 21 * 16))
    # A pixel of the fine grid is 1/16 wide and its first centre lies at -0.5 + 1/32.
    add_points(fine, [(10.3 + 0.5) * 16 - 0.5], [(9.8 + 0.5) * 16 - 0.5], [1.0], 32.0)
    np.testing.assert_allclose(image, fine.reshape(21, 16, 21, 16).sum(axis=(1, 3)), atol=2e-5)


def test_sources_outside_and_at_the_edge_are_cut_off_not_wrapped() -> None:
    image = np.zeros((20, 30))
    add_points(image, [-200.0, 300.0, 10.0], [5.0, 5.0, -90.0], [1.0, 1.0, 1.0], 2.0)
    assert not image.any()
    add_points(image, [-0.5], [10.0], [100.0], 2.0)
    assert image.sum() == pytest.approx(50.0, rel=1e-3)
    assert not image[:, 10:].any()


@pytest.mark.parametrize("distance", [0.0, 0.7, 2.0, 4.0])
def test_aperture_fraction_is_the_integral_over_the_circle(distance: float) -> None:
    fwhm, scale = 2.2, 40
    size = 12 * scale + 1
    image = np.zeros((size, size))
    middle = (size - 1) / 2
    add_points(image, [middle + distance * scale], [middle], [1.0], fwhm * scale)
    rows, columns = np.indices(image.shape)
    inside = np.hypot(rows - middle, columns - middle) <= fwhm * scale
    assert float(aperture_fraction(distance, fwhm)) == pytest.approx(image[inside].sum(), abs=2e-3)


def test_a_streak_is_even_along_its_length() -> None:
    image = np.zeros((60, 100))
    add_streak(image, (20.0, 30.0), (80.0, 30.0), 600.0, 2.0)
    assert image.sum() == pytest.approx(600.0, rel=1e-3)
    np.testing.assert_allclose(image.sum(axis=0)[26:75], 10.0, rtol=2e-3)


@pytest.mark.parametrize("length", [0.0, 3.0, 40.0])
def test_a_streak_has_the_signal_to_noise_asked_for(length: float) -> None:
    fwhm, noise = 3.0, 7.0
    image = np.zeros((61, 101))
    add_streak(
        image, (50 - length / 2, 30.0), (50 + length / 2, 30.0), streak_flux(8.0, length, fwhm, noise), fwhm
    )
    rows, columns = np.indices(image.shape)
    inside = np.hypot(rows - 30, columns - 50) <= fwhm
    assert image[inside].sum() / (noise * np.sqrt(np.pi * fwhm**2)) == pytest.approx(8.0, rel=0.05)
