"""Ellipses, stamps and noise against formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrodetect.methods.ellipses import FWHM_IN_SIGMA, angle_between, axes_of, boxes_of, moments_of
from astrodetect.simulation.fields.field import blended
from astrodetect.simulation.fields.noise import beam_noise
from astrodetect.simulation.fields.powers import more, power_law
from astrodetect.simulation.fields.stamps import add_gaussians

AXES = st.floats(0.5, 80), st.floats(0.1, 1), st.floats(0, 179.999)


@given(*AXES)
def test_axes_are_those_that_the_moments_were_made_of(major, ratio, theta):
    a, b, angle = axes_of(moments_of([major], [major * ratio], [theta]))
    assert a[0] == pytest.approx(major)
    assert b[0] == pytest.approx(major * ratio, rel=1e-6)
    assert angle_between(angle[0], theta) < 1e-3 or ratio > 0.9999
    assert 0 <= angle[0] < 180


@given(*AXES)
def test_a_box_touches_its_ellipse(major, ratio, theta):
    around = np.radians(np.arange(0, 360, 0.1))
    t = math.radians(theta)
    u, v = major * np.cos(around), major * ratio * np.sin(around)  # semi-axes: one full width
    x, y = u * math.cos(t) - v * math.sin(t), u * math.sin(t) + v * math.cos(t)
    box = boxes_of([3.0], [4.0], moments_of([major], [major * ratio], [theta]), 2.0)[0]
    expected = [3 + x.min() + 0.5, 4 + y.min() + 0.5, 3 + x.max() + 0.5, 4 + y.max() + 0.5]
    np.testing.assert_allclose(box, expected, atol=1e-4 * major)


def test_an_axis_turned_by_half_a_turn_is_the_same():
    assert angle_between(10, 190) == 0
    assert angle_between(-85, 85) == pytest.approx(10)
    assert angle_between(0, 90) == 90


def formula(shape, x, y, peak, major, minor, theta):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    t = math.radians(theta)
    along = (columns - x) * math.cos(t) + (rows - y) * math.sin(t)
    across = -(columns - x) * math.sin(t) + (rows - y) * math.cos(t)
    return peak * np.exp(-4 * math.log(2) * ((along / major) ** 2 + (across / minor) ** 2))


@given(st.floats(-5, 45), st.floats(-5, 35), st.floats(2, 12), st.floats(0.15, 1), st.floats(0, 180))
def test_stamps_are_the_formula(x, y, major, ratio, theta):
    image = np.zeros((30, 40), np.float32)
    add_gaussians(image, [x], [y], [2.0], moments_of([major], [major * ratio], [theta]))
    expected = formula((30, 40), x, y, 2.0, major, major * ratio, theta)
    np.testing.assert_allclose(image, expected, atol=2e-5)


def test_many_stamps_are_the_sum_of_each():
    rng = np.random.default_rng(1)
    n = 200
    x, y, peak = rng.uniform(-3, 83, n), rng.uniform(-3, 63, n), rng.normal(0, 5, n)
    moments = moments_of(rng.uniform(2, 9, n), rng.uniform(2, 2.1, n), rng.uniform(0, 180, n))
    together, apart = np.zeros((60, 80)), np.zeros((60, 80))
    add_gaussians(together, x, y, peak, moments)
    for row in range(n):
        add_gaussians(apart, x[row], y[row], peak[row], moments[row])
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_what_is_cut_off_is_below_the_noise():
    moments = moments_of([3.0], [3.0], [0.0])
    for peak in (0.5, 10.0, 1000.0):
        near, whole = np.zeros((101, 101)), np.zeros((101, 101))
        add_gaussians(near, [50], [50], [peak], moments, faintest=1.0)
        add_gaussians(whole, [50], [50], [peak], moments)
        assert np.abs(near - whole).max() <= 0.02
        assert near.sum() == pytest.approx(whole.sum(), rel=5e-4)


@pytest.mark.parametrize("axes", [(2.5, 2.5, 0.0), (5.0, 2.2, 30.0)])
def test_noise_is_as_smooth_as_the_beam(axes):
    """Its autocorrelation is the beam convolved with itself: wider by the square root of two."""
    moments = moments_of(*axes)
    noise = beam_noise((1024, 1000), 3.0, moments, np.random.default_rng(0))
    assert noise.shape == (1024, 1000)
    assert noise.std() == pytest.approx(3.0, rel=0.02)
    assert abs(noise.mean()) < 0.05
    xx, yy, xy = 2 * moments
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 3)):
        a = noise[: 1024 - 3, 3:-3]
        b = noise[dy : 1024 - 3 + dy, 3 + dx : 1000 - 3 + dx]
        expected = math.exp(-0.5 * (yy * dx**2 + xx * dy**2 - 2 * xy * dx * dy) / (xx * yy - xy**2))
        assert float((a * b).mean() / 9) == pytest.approx(expected, abs=0.02), (dy, dx)
    assert abs(float((noise[:, 0] * noise[:, -1]).mean())) < 1.0  # opposite edges know nothing of each other


def test_counts_are_a_power_law():
    flux = power_law(np.random.default_rng(0).random(200_000), 2.3, 1.0, 1000.0)
    for limit in (2.0, 5.0, 30.0):
        expected = 1 / more(2.3, 1.0, limit, 1000.0)
        assert (flux > limit).mean() == pytest.approx(expected, rel=0.05)
    assert power_law(np.array([0.5]), 1.0, 1.0, 100.0)[0] == pytest.approx(10.0)
    assert more(1.0, 1.0, 10.0, 100.0) == pytest.approx(2.0)


@given(st.integers(0, 1000))
def test_blended_is_what_all_pairs_say(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 30))
    x, y, reach = rng.uniform(0, 30, n), rng.uniform(0, 30, n), rng.uniform(0.5, 6, n)
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    expected = ((apart < reach[:, None] + reach) & ~np.eye(n, dtype=bool)).any(axis=1)
    np.testing.assert_array_equal(blended(x, y, reach), expected)


def test_the_constant_of_a_gaussian():
    assert math.exp(-0.5 * (FWHM_IN_SIGMA / 2) ** 2) == pytest.approx(0.5)
