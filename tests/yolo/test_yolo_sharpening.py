"""Sharpened images, and images in units of their noise."""

import math

import numpy as np
import pytest
import torch

from astrodetect.methods.ellipses import moments_of
from astrodetect.plugins.models.yolo.model import Yolo, multiplications, noise_of, receptive_field
from astrodetect.plugins.models.yolo.settings import YoloConfig
from astrodetect.plugins.models.yolo.sharpening import Sharpening, sharpening_kernel
from astrodetect.simulation.fields.noise import beam_noise

SHAPES = ("log_flux", "log_major", "log_minor", "cos_twice", "sin_twice")


def config(**settings):
    return YoloConfig(
        beam=(2.5, 2.5), white=(30.0,), white_unit="noise", stretch="asinh", parameters=SHAPES,
        flux_range=(1e-6, 1e-2), size_range=(2.0, 20.0), **settings,
    )  # fmt: skip


def test_a_kernel_undoes_its_gaussian():
    kernel = sharpening_kernel(2.5)
    wave = np.fft.rfftfreq(256)
    passed = np.abs(np.fft.rfft(kernel, 256)) * np.exp(-2 * (np.pi * wave * 2.5 / 2.3548) ** 2)
    assert kernel.sum() == pytest.approx(1)
    assert kernel == pytest.approx(kernel[::-1])
    assert passed[wave < 0.35] == pytest.approx(1, abs=0.05)


def test_noise_as_smooth_as_the_beam_becomes_white():
    noise = beam_noise((256, 256), 1.0, moments_of(2.5, 2.5, 0.0), np.random.default_rng(0))
    sharpen = Sharpening((2.5, 2.5))
    edge = sharpen.reach[0]
    made = sharpen(torch.from_numpy(noise)[None, None])[0, 0]
    assert (made[:edge] == 0).all()
    assert (made[:, -edge:] == 0).all()
    inner = made[edge:-edge, edge:-edge]
    for near in (inner[:, 1:] * inner[:, :-1], inner[1:] * inner[:-1]):
        assert abs(float(near.mean() / inner.var())) < 0.1


def test_nothing_is_made_up_beside_pixels_that_are_no_numbers():
    image = torch.rand(1, 2, 64, 64)
    sharpen = Sharpening((2.5, 2.5))
    whole = sharpen(image)
    image[0, 0, 30, 40] = torch.nan
    made, edge = sharpen(image), sharpen.reach[0]
    assert (made[0, 0, 30 - edge : 31 + edge, 40 - edge : 41 + edge] == 0).all()
    assert torch.equal(made[0, 1], whole[0, 1])
    assert torch.equal(made[0, 0, :, : 40 - edge], whole[0, 0, :, : 40 - edge])
    small = sharpen(torch.rand(1, 1, 2 * edge, 64))
    assert (small == 0).all()


def test_spectral_cubes_are_sharpened_along_three_axes():
    assert Sharpening((1.5, 2.5, 2.5))(torch.rand(1, 1, 32, 40, 40)).shape == (1, 1, 32, 40, 40)
    with pytest.raises(ValueError, match="beam: 3 numbers"):
        YoloConfig(axes=3, priors=((6.0, 6.0, 6.0),), beam=(2.5, 2.5))


def test_the_noise_of_an_image_is_that_of_most_pixels():
    image = 3 * torch.randn(2, 128, 128)
    image[1] *= 10
    image[:, 40:44, 40:44] = 1e4
    image[:, :20] = 0
    assert noise_of(image).tolist() == pytest.approx([3, 30], rel=0.05)
    assert noise_of(torch.zeros(1, 16, 16)).tolist() == [1.0]


def test_a_model_in_units_of_noise_says_the_same_of_an_image_in_another_unit():
    torch.manual_seed(0)
    model = Yolo(config()).eval()
    image = torch.randn(1, 1, 64, 64) * 1e-5
    with torch.no_grad():
        one, other = model(image), model(image * 1000)
    more = (other - one).unflatten(1, (-1, model.config.unit_channels))
    flux = model.config.unit_channels - 5
    assert more[:, :, flux] == pytest.approx(math.log(1000) / math.log(1e4), abs=1e-3)
    more[:, :, flux] = 0
    assert more.abs().max() < 1e-3


def test_a_small_network_stays_small_with_a_beam():
    model = Yolo(config(priors=((6.0, 6.0), (12.0, 12.0))))
    assert multiplications(model) <= 5000
    assert receptive_field(model) == 34 + 2 * model.sharpening.reach[0]
