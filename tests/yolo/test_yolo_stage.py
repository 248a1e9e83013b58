"""The detector in a pipeline: pixels of any type, masks, batches, suppression, mistakes, a catalog."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from astropy.io import fits
from torch import nn

from astrodetect import AstrodetectError, Catalog, Pipeline
from astrodetect.core.samples import sample_window
from astrodetect.core.testing import DetectorConformance
from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.plugins.detectors.yolo import YoloDetector
from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import save
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.yolo.model import Yolo
from astrodetect.plugins.models.yolo.settings import YoloConfig

#: Pixels (y, x) that are bright.
SPOTS = [(10, 14), (41, 62), (90, 33)]


def brightest(channels):
    """A backbone that sees the brightest pixel of a cell of 4 x 4, in each channel."""
    return nn.MaxPool2d(4)


def model_file(folder, name="model", info=None, **changes):
    """A model that finds what is brighter than 1000 above 0, with boxes of 6 and 8 pixels about its cell."""
    given = {
        "network": "test_yolo_stage:brightest", "priors": ((6.0, 6.0), (8.0, 8.0)), "white": (2000.0,),
        "labels": ("galaxy",), "parameters": ShapeParameters.names, "flux_range": (1.0, 100.0),
        "size_range": (1.0, 10.0), **changes,
    }  # fmt: skip
    config = YoloConfig(**given)
    model = Yolo(config)
    with torch.no_grad():
        model.head.weight.zero_()
        units = model.head.bias.zero_().view(len(config.priors), -1)
        slopes = model.head.weight.view(len(config.priors), config.unit_channels, -1)
        units[:, 7], slopes[:, 7, 0] = -5.0, 10.0
        units[0, 7] += 0.5  # the first unit is the surer one
        units[:, 8:] = 0.5
    path = folder / f"{name}.safetensors"
    save(model, path, info)
    return path


def frame_of(kind=np.float32):
    image = np.zeros((120, 96), kind)
    for y, x in SPOTS:
        image[y, x] = 1800
    return image


def window_of(image, **more):
    base = sample_window(image.shape)
    return replace(base, planes={"image": image, "max": image}, **more)


def opened(path, **settings):
    stage = YoloDetector(weights=path, **settings)
    stage.open(sample_window().stream)
    return stage


def places(found):
    return sorted(zip(found["y_start"].tolist(), found["x_start"].tolist(), strict=True))


#: Cells of 4 pixels about the spots: their middles.
CELLS = sorted((y // 4 * 4 + 1.5, x // 4 * 4 + 1.5) for y, x in SPOTS)


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.float32, np.float64, ">f4"])
def test_objects_are_found_in_pixels_of_any_type(tmp_path, kind):
    found = opened(model_file(tmp_path)).detect(window_of(frame_of(kind)))
    assert places(found) == CELLS
    assert set(found["label"]) == {"galaxy"}
    assert found["prior"].tolist() == [0, 0, 0]
    assert (found["x_max"] - found["x_min"]).tolist() == pytest.approx([6, 6, 6])
    assert found["flux"] == pytest.approx(10.0)
    assert found["major"] == pytest.approx(np.sqrt(10))
    assert found["score"] == pytest.approx(1 / (1 + np.exp(-(0.9 * 10 - 4.5))))


def test_masked_pixels_and_those_that_are_no_numbers_are_not_seen(tmp_path):
    stage, image = opened(model_file(tmp_path)), frame_of()
    mask = np.zeros(image.shape, bool)
    mask[40:44, 60:64] = True
    assert places(stage.detect(window_of(image, mask=mask))) == [CELLS[0], CELLS[2]]
    image[8:12, 12:16] = np.nan
    image[100:] = np.inf
    assert places(stage.detect(window_of(image))) == CELLS[1:]


def test_a_batch_is_one_after_the_other(tmp_path):
    stage = opened(model_file(tmp_path), batch=2)
    images = [
        frame_of(),
        frame_of()[:50],
        frame_of()[:50],
        frame_of()[:50, :40],
        np.zeros((7, 3), np.float32),
    ]
    windows = [window_of(image) for image in images]
    together = stage.detect_batch(windows)
    alone = [stage.detect(window) for window in windows]
    assert [len(found) for found in together] == [3, 2, 2, 1, 0]
    for one, other in zip(together, alone, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one.columns)


def test_of_boxes_on_one_object_the_best_is_kept(tmp_path):
    path, window = model_file(tmp_path), window_of(frame_of())
    assert len(opened(path, suppression="none").detect(window)) == 6
    assert len(opened(path, suppression="plain", limit=0.5).detect(window)) == 3
    assert len(opened(path, suppression="plain", limit=0.6).detect(window)) == 6
    assert len(opened(path).detect(window)) == 3


def test_thresholds_are_those_of_the_model_unless_they_are_given(tmp_path):
    path, window = model_file(tmp_path, info={"thresholds": [0.995, 0.5]}), window_of(frame_of())
    assert opened(path).detect(window)["prior"].tolist() == [1, 1, 1]
    assert opened(path, threshold=(0.5,)).detect(window)["prior"].tolist() == [0, 0, 0]
    assert len(opened(path, threshold=(0.995,)).detect(window)) == 0


def test_probabilities_are_calibrated_as_the_model_says(tmp_path):
    path, window = model_file(tmp_path, info={"calibration": [2.0, -3.0]}), window_of(frame_of())
    found = opened(path).detect(window)
    logit = 0.9 * 10 - 4.5
    assert found["probability"] == pytest.approx(1 / (1 + np.exp(-(2 * logit - 3))))


def test_boxes_too_small_are_left_out(tmp_path):
    window = window_of(frame_of())
    assert opened(model_file(tmp_path), least_side=7.0).detect(window)["prior"].tolist() == [1, 1, 1]


def test_mistakes_are_told_in_one_line(tmp_path):
    stream = sample_window().stream
    for settings, message in (
        ({"planes": ("image", "max")}, "takes images of 1 planes .* names 2"),
        ({"threshold": (0.1, 0.2, 0.3)}, "the model has 2 priors; threshold has 3 numbers"),
        ({"weights": tmp_path / "none.safetensors"}, "none.safetensors: cannot be read"),
    ):
        stage = YoloDetector(**{"weights": model_file(tmp_path), **settings})
        with pytest.raises(AstrodetectError, match=message):
            stage.open(stream)
    boxes_alone = model_file(tmp_path, "boxes", parameters=(), flux_range=(), size_range=())
    with pytest.raises(
        AstrodetectError, match=r"boxes\.safetensors: the model measures no flux, axes and angle"
    ):
        YoloDetector(weights=boxes_alone, fit_beam=(2.5, 2.5, 0.0)).open(stream)
    save(build_model(ModelConfig()), tmp_path / "other.safetensors")
    with pytest.raises(AstrodetectError, match='a model of method "ats"; expected "yolo"'):
        YoloDetector(weights=tmp_path / "other.safetensors").open(stream)
    save(Yolo(YoloConfig(axes=3, priors=((6.0,) * 3,))), tmp_path / "cube.safetensors")
    with pytest.raises(AstrodetectError, match="a model of cubes"):
        YoloDetector(weights=tmp_path / "cube.safetensors").open(stream)
    with pytest.raises(ValueError, match="planes is empty"):
        YoloDetector(weights=tmp_path / "cube.safetensors", planes=())


def test_several_channels_are_several_planes(tmp_path):
    path = model_file(tmp_path, channels=2)
    window = window_of(frame_of())
    swapped = replace(
        window, planes={"max": np.zeros_like(window.planes["max"]), "image": window.planes["max"]}
    )
    assert len(opened(path, planes=("image", "max")).detect(swapped)) == 3
    assert len(opened(path, planes=("max", "image")).detect(swapped)) == 0  # the model looks at its first


@pytest.fixture(scope="module")
def conforming(tmp_path_factory):
    return model_file(tmp_path_factory.mktemp("model"))


class TestConforms(DetectorConformance):
    """The rules of every detector."""

    plugin = YoloDetector

    @pytest.fixture(autouse=True)
    def _weights(self, conforming):
        self.settings = {"weights": conforming, "threshold": (0.0,)}


@pytest.mark.parametrize("tile", ["", "[tile]\nsize = 64\noverlap = 16\n"], ids=["whole", "tiled"])
def test_a_pipeline_gives_a_catalog(tmp_path, tile):
    model_file(tmp_path)
    (tmp_path / "sky").mkdir()
    fits.PrimaryHDU(frame_of(np.uint16)).writeto(tmp_path / "sky/map.fits")
    (tmp_path / "pipeline.toml").write_text(
        '[[preprocess]]\nuse = "background"\n[detect]\nuse = "yolo"\nweights = "model.safetensors"\n'
        'planes = ["max"]\n' + tile + '[accept]\nlabels = ["galaxy"]\nthreshold = 0.5\n'
    )  # fmt: skip
    Pipeline.from_toml(tmp_path / "pipeline.toml").run(tmp_path / "sky", out=tmp_path / "sky.h5")
    with Catalog(tmp_path / "sky.h5") as catalog:
        found = catalog.detections
    assert sorted(zip(found["y_start"].value, found["x_start"].value, strict=True)) == CELLS
    assert {"prior", "presence", "major", "minor", "theta"} <= set(found.colnames)
    assert found["accepted"].all()
