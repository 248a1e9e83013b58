"""The noise model: level, scale, and what stands above them."""

import numpy as np
import pytest

from astrodetect.methods.noise import ROUNDING, estimate_noise, flatten


def test_normal_noise_is_normalised():
    image = np.random.default_rng(0).normal(30, 4, (256, 320)).astype(np.float32)
    model = estimate_noise(image, np.zeros_like(image), rounding=0.0)
    z = model.significance(image, np.zeros_like(image))
    assert abs(float(z.mean())) < 0.05
    assert float(z.std()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("sigma", [0.3, 0.6, 1.0, 3.0])
def test_whole_numbers_do_not_make_the_scale_vanish(sigma):
    real = np.random.default_rng(1).normal(3, sigma, (256, 256))
    image = np.rint(real).astype(np.float32)
    model = estimate_noise(image, np.zeros_like(image))
    assert float(np.median(model.scale)) == pytest.approx(np.hypot(sigma, ROUNDING), rel=0.35)
    assert float(model.scale.min()) >= ROUNDING


def test_a_constant_image_is_nowhere_significant():
    image = np.full((64, 64), 7, np.float32)
    model = estimate_noise(image, image)
    assert np.all(model.significance(image, image) == 0)


def test_level_follows_a_gradient_and_ignores_bright_objects():
    rng = np.random.default_rng(2)
    ramp = np.linspace(10, 80, 320)[None, :].repeat(256, axis=0)
    image = (ramp + rng.normal(0, 3, ramp.shape)).astype(np.float32)
    image[100:140, 100:140] += 4000
    model = estimate_noise(image, np.zeros_like(image), rounding=0.0)
    z = model.significance(image, np.zeros_like(image))
    away = np.ones(image.shape, bool)
    away[90:150, 90:150] = False
    assert abs(float(np.median(z[:, 160:]))) < 0.3
    assert float(z[away].std()) < 1.4
    assert float(z[120, 120]) > 100


def test_masked_and_odd_pixels_are_neutral():
    image = np.random.default_rng(3).normal(0, 1, (96, 96)).astype(np.float32)
    image[10, 10], image[11, 11], image[50:60, 50:60] = np.nan, np.inf, 1e6
    mask = np.zeros(image.shape, bool)
    mask[48:62, 48:62] = True
    model = estimate_noise(image, np.zeros_like(image), mask, rounding=0.0)
    z = model.significance(image, np.zeros_like(image), mask)
    assert np.isfinite(z).all()
    assert np.all(z[mask] == 0)
    assert float(z.std()) == pytest.approx(1.0, abs=0.15)


def test_everything_masked_gives_zeros():
    image = np.ones((40, 40), np.float32)
    mask = np.ones(image.shape, bool)
    assert np.all(estimate_noise(image, image, mask).significance(image, image, mask) == 0)


def test_static_light_counts_as_noise():
    rng = np.random.default_rng(4)
    background = np.full((96, 96), 50.0, np.float32)
    background[40:44, 40:44] = 1050
    image = rng.normal(20, 2, background.shape).astype(np.float32)
    image[40:44, 40:44] += 300  # it twinkles by a third
    model = estimate_noise(image, background)
    assert float(model.significance(image, background)[40:44, 40:44].max()) < 3
    still = estimate_noise(image, background, twinkle=0.0)
    assert float(still.significance(image, background)[40:44, 40:44].min()) > 50


def test_small_images_work():
    image = np.random.default_rng(5).normal(0, 1, (7, 5)).astype(np.float32)
    assert estimate_noise(image, image).significance(image, image).shape == (7, 5)


def test_flatten_takes_a_cloud_and_leaves_a_trail():
    yy, xx = np.mgrid[:192, :256]
    z = (2 * np.sin(xx / 40.0) + np.zeros_like(yy)).astype(np.float32)
    z[95:98, 40:200] += 5
    flat = flatten(z.copy())
    assert float(np.abs(flat[:80, 20:-20]).max()) < 0.6
    assert float(np.median(flat[96, 60:180])) > 3.5
