"""Networks as they were published or promised, what a model sees, and what it finds."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.plugins.models.checkpoints import save
from astrodetect.plugins.models.yolo.finding import find
from astrodetect.plugins.models.yolo.model import (
    Yolo,
    count_parameters,
    for_inference,
    multiplications,
    receptive_field,
)
from astrodetect.plugins.models.yolo.networks import Backbone, Layer
from astrodetect.plugins.models.yolo.settings import YoloConfig
from astrodetect.plugins.models.yolo.weights import load

#: Six small units for crowded places, three larger ones.
SDC1_PRIORS = (*((6.0, 6.0),) * 6, (12.0, 9.0), (9.0, 12.0), (24.0, 24.0))


def test_the_sdc1_network_is_the_published_one():
    model = Yolo(YoloConfig(network="sdc1", priors=SDC1_PRIORS, parameters=ShapeParameters.names))
    assert model.config.output_channels == 117
    assert model.stride == (16, 16)
    assert count_parameters(model) == pytest.approx(12.62e6, rel=1e-3)
    assert multiplications(model) == pytest.approx(87.8e3, rel=1e-3)
    assert receptive_field(model) == 100


def test_tiny_costs_at_most_5000_multiplications_per_pixel():
    priors = ((6.0, 6.0), (6.0, 6.0), (6.0, 6.0), (12.0, 12.0))
    model = Yolo(YoloConfig(network="tiny", priors=priors, parameters=ShapeParameters.names))
    assert multiplications(model) <= 5000
    assert model.stride == (4, 4)
    assert 4 * count_parameters(model) < 5e6


def test_darknet_has_nineteen_layers_and_cells_of_32_pixels():
    model = Yolo(YoloConfig(network="darknet"))
    assert model.stride == (32, 32)
    assert sum(isinstance(module, nn.Conv2d) for module in model.body.modules()) == 19


@pytest.mark.parametrize(("network", "channels"), [("tiny", 1), ("tiny", 3), ("sdc1", 3)])
def test_every_network_takes_any_number_of_channels(network, channels):
    model = Yolo(YoloConfig(network=network, channels=channels)).eval()
    with torch.no_grad():
        output = model(torch.zeros(1, channels, 64, 96))
    assert output.shape == (1, model.config.output_channels, 64 // model.stride[0], 96 // model.stride[1])


def own_backbone(channels):
    """What a library would give: a list of maps of features."""

    class Pyramid(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(channels, 4, 4, 4), nn.Conv2d(4, 7, 2, 2)

        def forward(self, images):
            first = self.first(images)
            return [first, self.second(first)]

    return Pyramid()


def no_backbone(channels):
    return channels


def flat_backbone(channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * 4096, 5))


def test_a_backbone_of_a_library_is_measured():
    model = Yolo(YoloConfig(network="test_yolo_model:own_backbone", channels=2))
    assert model.stride == (8, 8)
    assert model.head.weight.shape[1] == 7


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("huge", "expected tiny, sdc1, darknet, or module:callable"),
        ("nowhere:net", "cannot be made: No module named 'nowhere'"),
        ("test_yolo_model:no_backbone", "gave int; expected a torch module"),
        ("test_yolo_model:flat_backbone", r"gives \(1, 5\) for an image"),
    ],
)
def test_what_is_no_backbone_is_told(network, message):
    with pytest.raises(AstrodetectError, match=message):
        Yolo(YoloConfig(network=network))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"priors": [[6.0]]}, "priors: width and height each are needed"),
        ({"priors": [[6.0, 0.0]]}, "sides must be above 0"),
        ({"priors": [[6.0, 6.0]], "axes": 3}, "priors: width, height and depth"),
        ({"channels": 2, "black": [0.0, 0.0, 0.0]}, "black: one number, or one for each of 2 channels"),
        ({"black": [1.0]}, "black and white must be numbers that differ"),
        ({"position": [0.0, -6.0, 6.0]}, "position: slope above 0"),
        ({"labels": ["a", "a"]}, "labels: names are needed, each once"),
        ({"flux_range": [1.0, 2.0], "size_range": [1.0, 2.0]}, "belong to the parameters log_flux"),
        ({"network": 3}, "network = 3"),
    ],
)
def test_mistakes_of_a_model_are_told(table, message):
    with pytest.raises(ConfigurationError, match=message):
        YoloConfig.from_table(table)


@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.int16])
def test_pixels_keep_their_values_whatever_their_type(kind):
    model = Yolo(YoloConfig(black=(1000.0,), white=(33000.0,)))
    pixels = torch.from_numpy(np.array([[[[1000, 1001, 32767, 17000]]]], kind).astype(np.float32))
    seen = model.normalise(pixels).flatten().tolist()
    assert seen == pytest.approx([0, 1 / 32000, 31767 / 32000, 0.5])


def test_images_are_stretched_and_cut_as_the_model_says():
    pixels = torch.tensor([[[[-1.0, 0.0, 0.5, 2.0, float("nan")]]]])
    plain = Yolo(YoloConfig()).normalise(pixels).flatten().tolist()
    assert plain == [-1.0, 0.0, 0.5, 2.0, 0.0]
    tanh = Yolo(YoloConfig(clip=True, stretch="tanh")).normalise(pixels).flatten()
    assert tanh.tolist() == pytest.approx(np.tanh([0, 0, 1.5, 3, 0]).tolist())
    asinh = Yolo(YoloConfig(stretch="asinh", stretch_factor=10.0)).normalise(pixels).flatten()
    assert asinh.tolist() == pytest.approx((np.arcsinh([-10, 0, 5, 20, 0]) / np.arcsinh(10)).tolist())
    two = Yolo(YoloConfig(channels=2, black=(0.0, 1.0), white=(1.0, 3.0)))
    assert two.normalise(torch.ones(1, 2, 1, 1)).flatten().tolist() == [1.0, 0.0]


#: A network with cells of 8 pixels.
EIGHT = "test_yolo_model:own_backbone"


def planted(config, cells, **values):
    """A model of one convolution whose output is the same in given cells, and empty elsewhere."""

    class Planted(Yolo):
        def forward(self, images):
            super().forward(images)  # refuses what is no image
            shape = [-(-n // s) for n, s in zip(images.shape[2:], self.stride, strict=True)]
            output = torch.zeros(len(images), len(config.priors), config.unit_channels, *shape)
            output[:, :, 7] = -9.0
            for (prior, place), channels in cells.items():
                for channel, value in channels.items():
                    output[(slice(None), prior, channel, *place)] = value
            return output.flatten(1, 2)

    return Planted(config, **values).eval()


def test_boxes_come_from_the_cells_that_are_sure():
    config = YoloConfig(network=EIGHT, priors=((6.0, 6.0), (12.0, 20.0)), labels=("a", "b"))
    model = planted(config, {(1, (1, 2)): {7: 1.0, 6: 2.0, 3: 0.5, 8: -1.0, 9: 1.5}, (0, (0, 0)): {7: -1.0}})
    (found,) = find(model, torch.zeros(1, 1, 32, 40), [0.2, 0.5])
    w, h = 12 * np.exp(0.5), 20
    assert found.prior.tolist() == [0, 1]
    np.testing.assert_allclose(
        found.boxes[1], [20 - w / 2, 12 - h / 2, 0, 20 + w / 2, 12 + h / 2, 1], rtol=1e-6
    )
    np.testing.assert_allclose(found.boxes[0], [1, 1, 0, 7, 7, 1])
    assert found.objectness.tolist() == pytest.approx([1 / (1 + np.e), 1 / (1 + np.exp(-1))])
    assert found.classes.tolist() == [0, 1]
    assert found.class_probability[1] == pytest.approx(1 / (1 + np.exp(-1.5)))
    assert [len(own) for own in find(model, torch.zeros(2, 1, 32, 40), [0.3, 0.8])] == [0, 0]


def test_boxes_are_cut_at_the_edges_and_cells_beyond_find_nothing():
    model = planted(
        YoloConfig(network=EIGHT, priors=((12.0, 12.0),)), {(0, (0, 0)): {7: 3.0}, (0, (2, 2)): {7: 3.0}}
    )
    (found,) = find(model, torch.zeros(1, 1, 20, 20), [0.5])  # the last cell's middle is at 20
    np.testing.assert_allclose(found.boxes, [[0, 0, 0, 10, 10, 1]])


def test_outermost_cells_lose_what_the_border_takes():
    cells = {(0, (0, 1)): {7: 0.0, 6: 0.0}, (0, (1, 1)): {7: 0.0, 6: 0.0}}
    model = planted(YoloConfig(network=EIGHT, priors=((6.0, 6.0),)), cells)
    (found,) = find(model, torch.zeros(1, 1, 24, 24), [0.3], border=0.05)
    assert found.objectness.tolist() == pytest.approx([0.45, 0.5])
    assert found.probability.tolist() == pytest.approx([0.45, 0.5])
    (found,) = find(model, torch.zeros(1, 1, 24, 24), [0.48], border=0.05)
    assert len(found) == 1


def test_half_precision_finds_nearly_the_same():
    torch.manual_seed(0)
    model = Yolo(YoloConfig()).eval()
    images = torch.rand(1, 1, 64, 64)
    exact, half = (find(model, images, [0.0] * 3, precision=name)[0] for name in ("float32", "bfloat16"))
    assert len(exact) == len(half) == 768
    np.testing.assert_allclose(half.boxes, exact.boxes, atol=0.1)
    np.testing.assert_allclose(half.objectness, exact.objectness, atol=0.01)


def normed_2(channels):
    return Backbone((Layer(4, 2, 8, "batch"), Layer(3, 1, 8, "batch")), channels)


def normed_3(channels):
    return Backbone((Layer(4, 2, 8, "batch"), Layer(3, 1, 8, "batch")), channels, 3)


@pytest.mark.parametrize("axes", [2, 3])
def test_folded_normalisation_computes_the_same(axes):
    torch.manual_seed(0)
    model = Yolo(YoloConfig(network=f"test_yolo_model:normed_{axes}", axes=axes, priors=((6.0,) * axes,)))
    images = torch.rand(4, 1, *(16,) * axes)
    model.train()(images)  # gives the running statistics something to differ by
    folded = for_inference(model)
    assert not any(isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d) for module in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(images), model.eval()(images), rtol=1e-4, atol=1e-5)


def test_a_model_is_stored_with_its_settings(tmp_path):
    config = YoloConfig(channels=2, priors=((5.0, 7.0),), labels=("a", "b"), stretch="tanh", clip=True)
    model = Yolo(config).eval()
    save(model, tmp_path / "model.safetensors", {"thresholds": [0.4]})
    read = load(tmp_path / "model.safetensors")
    assert read.model.config == config
    assert read.info == {"thresholds": [0.4]}
    images = torch.rand(1, 2, 32, 32)
    assert torch.equal(read.model(images), model(images))


def test_a_cube_is_an_image_with_a_third_axis():
    config = YoloConfig(axes=3, priors=((6.0, 6.0, 4.0),))
    model = Yolo(config).eval()
    assert model.stride == (4, 4, 4)
    (found,) = find(model, torch.zeros(1, 1, 8, 12, 16), [0.0])
    assert found.boxes.shape == (2 * 3 * 4, 6)
    centres = (found.boxes[:, :3] + found.boxes[:, 3:]) / 2
    assert centres[:, 2].min() < 4 < centres[:, 2].max()
    flat = replace(config, axes=2, priors=((6.0, 6.0),))
    with pytest.raises(AstrodetectError, match="the model takes 1 planes"):
        Yolo(flat)(torch.zeros(1, 1, 16, 24, 32))


def test_the_settings_import_no_torch():
    code = "import sys, astrodetect.plugins.detectors.yolo; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
