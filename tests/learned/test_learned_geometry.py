"""A single lit pixel is found where it is, whatever the size, scale, steps, padding and pooling."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learned_samples import small_config, small_model
from torch import nn

from astrodetect.plugins.models.choice import only_peaks
from astrodetect.plugins.models.fcn import FcnMil
from astrodetect.plugins.models.geometry import Grid, Stack, matched
from astrodetect.plugins.models.model import PatchModel
from astrodetect.plugins.models.scenes import TensorScene
from astrodetect.plugins.models.views import View
from astrodetect.plugins.models.windows import PlaneScene
from astrodetect.plugins.selectors._cells import peaks


def looks_at_the_middle(model):
    """Make every convolution a triangle about its middle, so that the nearest cell answers most."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            height, width = layer.kernel_size
            rise = [torch.minimum(torch.arange(n), torch.arange(n).flip(0)) + 1.0 for n in (height, width)]
            with torch.no_grad():
                layer.weight[:] = rise[0][:, None] * rise[1]
                if layer.bias is not None:
                    layer.bias.zero_()
    return model.eval()


def lit_pixel(height, width, y, x):
    image = torch.zeros(1, 1, height, width)
    image[0, 0, y, x] = 1.0
    return image


def is_near(centres, y, x, stride):
    return bool(((centres - torch.tensor([y, x])).abs() <= stride / 2 + 1e-3).all(dim=-1).any())


shapes = st.tuples(st.integers(40, 150), st.integers(40, 150), st.floats(0, 1), st.floats(0, 1))
layers = st.lists(st.integers(1, 3), min_size=0, max_size=3).map(tuple)


@settings(max_examples=150, deadline=None)
@given(
    shape=shapes,
    strides=layers,
    kernel=st.sampled_from([1, 3, 5]),
    pool=st.integers(1, 3),
    scale=st.sampled_from([1.0, 0.5, 0.25, 0.125, 0.12, 0.15, 0.3, 0.7]),
    padding=st.sampled_from(["zero", "replicate"]),
    prior=st.booleans(),
)
def test_a_lit_pixel_maps_to_a_patch_within_half_a_stride(
    shape, strides, kernel, pool, scale, padding, prior
):
    height, width, down, across = shape
    y, x = int(down * (height - 1)), int(across * (width - 1))
    config = small_config(
        scorer_channels=(1,) * len(strides), scorer_strides=strides, scorer_kernel=kernel, scorer_pool=pool,
        scale=scale, padding=padding, scorer_norm=False, k=1, suppress=0, prior=40.0 if prior else 0.0,
        prior_only=prior, prior_width=3 / scale, patch=(8, 8), view=("max",),
    )  # fmt: skip
    model = looks_at_the_middle(PatchModel(config))
    output = model(lit_pixel(height, width, y, x))
    best = (output.scores[0] >= output.scores.max() - 1e-6).flatten().nonzero()[:, 0]
    assert is_near(model.centres(best, output.scores.shape[2]), y, x, model.grid.stride)
    assert is_near(output.centres_yx[0], y, x, model.grid.stride) or len(best) > 1


@settings(max_examples=60, deadline=None)
@given(shape=shapes, shrink=st.lists(st.integers(0, 1), min_size=1, max_size=4).map(tuple))
def test_the_full_resolution_network_finds_a_lit_pixel_within_half_a_stride(shape, shrink):
    height, width, down, across = shape
    y, x = int(down * (height - 1)), int(across * (width - 1))
    config = small_config(
        "fcn-mil", feature_channels=(1,) * len(shrink), feature_shrink=shrink, feature_norm=False, k=1,
        patch=(8, 8),
    )  # fmt: skip
    model = looks_at_the_middle(FcnMil(config))
    scores, _ = model.score(lit_pixel(height, width, y, x))
    best = (scores[0] >= scores.max() - 1e-6).nonzero().float()
    assert is_near(model.grid.origin + model.grid.stride * best, y, x, model.grid.stride)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 200), st.floats(0.02, 1.0))
def test_every_pixel_lies_in_the_block_of_its_cell(length, scale):
    view = View(scale, ("max",))
    counts = view.counts(length)
    assert counts.sum() == length
    assert (counts >= 1).all()
    owner = torch.repeat_interleave(torch.arange(len(counts)), counts)
    centres = view.grid.origin + view.grid.stride * owner
    assert ((centres - torch.arange(length)).abs() <= view.grid.stride / 2 + 1e-4).all()
    image = torch.arange(float(length)).view(1, 1, 1, -1).expand(1, 1, length, -1)
    assert torch.equal(view(image)[0, 0, 0], (torch.cumsum(counts, 0) - 1).float())


def test_a_view_of_equal_blocks_is_plain_pooling():
    images = torch.rand(2, 3, 64, 96)
    low = View(0.125)(images)
    assert torch.allclose(low[:, :3], nn.functional.avg_pool2d(images, 8))
    assert torch.equal(low[:, 3:], nn.functional.max_pool2d(images, 8))
    assert torch.allclose(View(0.12)(torch.full((1, 1, 50, 61), 7.0)), torch.tensor(7.0))


def test_layers_move_the_grid_as_convolutions_do():
    stack = Stack(((4, 2), (3, 1), (2, 2)))
    assert stack.stride == 4
    assert stack.field == 4 + 2 * 2 + 2
    grid = Grid()
    for kernel, stride in stack.layers:
        grid = grid.layer(kernel, stride)
    assert grid.stride == 4
    assert grid.origin == (stack.field - 1) / 2
    assert stack.grid == Grid(4.0, 1.5)
    assert [matched(3, s) for s in (1, 2, 3, 4)] == [3, 4, 3, 4]


@pytest.mark.parametrize("padding", ["zero", "replicate"])
@pytest.mark.parametrize("scale", [0.25, 0.12])
def test_planes_in_bands_are_seen_as_whole_images(padding, scale, monkeypatch):
    monkeypatch.setattr("astrodetect.plugins.models.windows._BAND_PIXELS", 1000)
    pixels = np.random.default_rng(0).random((2, 75, 93)).astype(np.float32)
    whole, banded = TensorScene(torch.from_numpy(pixels)[None]), PlaneScene(list(pixels))
    view = View(scale)
    assert banded.shape == whole.shape
    assert torch.allclose(banded.view(view), whole.view(view), atol=1e-6)
    corners = torch.tensor([[[-5, 3], [70, 88], [20, 20], [-40, -40], [200, 0]]])
    fill = 0.5 if padding == "zero" else None
    inside = corners[:, :3] if fill is None else corners
    assert torch.equal(banded.cut(inside, (9, 12), fill), whole.cut(inside, (9, 12), fill))


def test_scores_do_not_depend_on_where_a_spot_lies():
    model = small_model(prior=0.0, scale=0.25)
    maps = []
    for shift in (0, 8):
        image = torch.zeros(1, 1, 160, 160)
        image[0, 0, 64 + shift : 76 + shift, 80:92] = 1
        maps.append(model.score(image)[0][0].detach())
    assert torch.allclose(maps[0][:-1], maps[1][1:], atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)), st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.integers(1, 4), st.integers(0, 2**31),
)  # fmt: skip
def test_peaks_are_apart_and_cover_every_map(shape, reach, levels, seed):
    data = torch.randint(levels, (2, *shape), generator=torch.Generator().manual_seed(seed)).float()
    kept = torch.isfinite(only_peaks(data, reach))
    for own, scores in zip(kept, data, strict=True):
        places = own.nonzero()
        if reach != (0, 0):
            apart = (places[:, None] - places).abs() > torch.tensor(reach)
            assert (apart.any(dim=-1) | torch.eye(len(places), dtype=torch.bool)).all()
        assert (scores[own] == scores.max()).any()
        assert np.array_equal(peaks(scores.numpy(), reach), own.numpy())
