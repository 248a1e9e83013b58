"""What training skips because it is black changes neither values nor gradients."""

import numpy as np
import pytest
import torch

from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.scenes import TensorScene
from astrodetect.plugins.models.views import View
from astrodetect.training.data.megapixel import MegapixelMnist
from astrodetect.training.data.needle import NeedleMnist
from astrodetect.training.sparse import SparseScene

DRAWN = {"digits": "drawn", "train": 6, "validation": 2, "test": 2}


def scenes(recipe):
    split = recipe.split("train")
    images = np.stack([split.image(number) for number in range(6)])
    boxes = [split.boxes_yx(number) for number in range(6)]
    return SparseScene(images, boxes, torch.device("cpu")), TensorScene(torch.from_numpy(images))


RECIPES = [
    NeedleMnist(**DRAWN, shape=(203, 301), distractors=4),
    NeedleMnist(**DRAWN, shape=(203, 301), distractors=0, count_matched=False),
    MegapixelMnist(**DRAWN, shape=(250, 230)),
]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("scale", [1, 1 / 2, 1 / 5, 1 / 8, 0.3])
def test_the_view_is_that_of_the_whole_image(recipe, scale):
    sparse, whole = scenes(recipe)
    view = View(scale, ("mean", "max"))
    assert torch.equal(sparse.view(view), whole.view(view))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("scale", "strides", "pool"), [(1 / 4, (2, 1), 1), (1 / 2, (2, 2), 1), (1 / 4, (1, 1), 2)]
)
def test_scores_and_gradients_are_those_of_the_whole_image(recipe, scale, strides, pool):
    sparse, whole = scenes(recipe)
    torch.manual_seed(0)
    config = ModelConfig(
        white=255.0, scale=scale, scorer_norm=False, scorer_channels=(4, 6), scorer_strides=strides,
        scorer_pool=pool,
    )  # fmt: skip
    model = build_model(config).double().train()
    found = []
    for scene in (sparse, whole):
        pixels = scene.view(model.view).double() / 255
        own = model.scorer.network(pixels, scene.lit(model.view))
        model.zero_grad()
        (own * torch.linspace(0, 1, own.numel()).view_as(own)).sum().backward()
        found.append([own, *(p.grad for p in model.scorer.body.parameters()), model.scorer.last.bias.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
