"""What makes networks faster on a processor changes no more than rounding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.parts import for_inference, one_plane
from astrodetect.plugins.models.scorers import Contrast, _box, _highest


@settings(deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 5), st.sampled_from([(1, 1), (3, 3), (5, 3)]), st.integers(1, 12),
    st.integers(1, 12), st.booleans(),
)  # fmt: skip
def test_a_convolution_to_one_plane(n, planes, kernel, height, width, biased):
    layer = nn.Conv2d(planes, 1, kernel, bias=biased)
    maps = torch.rand(n, planes, height + kernel[0] - 1, width + kernel[1] - 1)
    with torch.inference_mode():
        torch.testing.assert_close(one_plane(layer, maps), layer(maps), rtol=1e-5, atol=1e-6)
    assert one_plane(layer, maps).requires_grad


@settings(deadline=None)
@given(st.integers(1, 25), st.integers(1, 25), st.integers(0, 12))
def test_means_of_boxes_are_of_the_cells_inside(height, width, half):
    data = torch.rand(2, 1, height, width, dtype=torch.float64)
    expected = np.empty((2, 1, height, width))
    for y in range(height):
        for x in range(width):
            box = data[..., max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
            expected[..., y, x] = box.mean(dim=(-2, -1)).numpy()
    np.testing.assert_allclose(_box(data, half).numpy(), expected, rtol=1e-6)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
def test_maxima_of_blocks(height, width, stride):
    data = torch.rand(2, 1, height, width)
    expected = functional.max_pool2d(data, stride, stride, ceil_mode=True)
    assert torch.equal(_highest(data, stride), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_even_has_no_contrast(dtype):
    flat = torch.full((1, 1, 40, 50), 7.0, dtype=dtype)
    assert Contrast(4.5, 2)(flat).abs().max() < 1e-4


@pytest.mark.parametrize("method", ["ats", "dps", "ips", "fcn-mil"])
def test_a_model_made_for_inference_says_the_same(method):
    torch.manual_seed(3)
    model = build_model(ModelConfig(method=method, black=0.0, white=1.0))
    images = torch.rand(2, 1, 120, 160)
    model.train()
    for _ in range(3):  # so that normalisation has something to do
        model(images + torch.rand(()))
    model.eval()
    with torch.inference_mode():
        model.reseed(1)
        expected = model(images)
        for_inference(model)
        model.reseed(1)
        found = model(images)
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-3, atol=1e-3)
