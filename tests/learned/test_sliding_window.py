"""A patch classifier on windows of several sizes: in the right place, the best of those that overlap."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from learned_samples import saved_model

from astrodetect import Classifier, Detections, Pipeline
from astrodetect.core.data import Recording, Stream, Window
from astrodetect.plugins.detectors.sliding_window import SlidingWindow, grid_corners


@dataclass
class Fits(Classifier):
    """Says how well a bright square fills the middle of a patch."""

    #: Least share of light in the middle.
    least: float = 0.2

    needs: ClassVar[tuple[str, ...]] = ("image",)

    def classify(self, patches, window):
        """Give one row for every patch, most of them background."""
        side = patches.data.shape[-1]
        quarter = side // 4
        light = patches.data[:, 0]
        inner = light[:, quarter : side - quarter, quarter : side - quarter]
        # Full in the middle half and dark around it: 1.
        full = np.clip(inner.mean(axis=(1, 2)), 0, 1)
        around = (light.sum(axis=(1, 2)) - inner.sum(axis=(1, 2))) / (side**2 - inner[0].size)
        chance = np.clip(full - around, 0, 1)
        y, x = patches.corners_yx.T.astype(float)
        y, x = np.maximum(y, 0), np.maximum(x, 0)
        return Detections(
            {
                "x_min": x + quarter, "y_min": y + quarter,
                "x_max": x + side - quarter, "y_max": y + side - quarter,
                "x_start": x + (side - 1) / 2, "y_start": y + (side - 1) / 2,
                "label": np.where(chance > self.least, "square", "background"),
                "probability": np.where(chance > self.least, chance, 1 - chance),
            }
        )  # fmt: skip


def window_of(image):
    return Window(
        Recording("a"), Stream(image.shape, image.dtype, 1), 0, np.zeros(1), planes={"image": image}
    )


def test_windows_reach_the_border_and_are_a_stride_apart():
    corners = grid_corners((288, 300), 72, 36)
    assert len(corners) == 7 * 8
    assert set(corners[:, 0]) == {0, 36, 72, 108, 144, 180, 216}
    assert corners[:, 1].max() == 300 - 72
    assert grid_corners((288, 288), 288, 288).tolist() == [[0, 0]]  # the grids of 1, 9 and 49 of the course
    assert len(grid_corners((288, 288), 144, 72)) == 9
    assert len(grid_corners((288, 288), 72, 36)) == 49
    assert grid_corners((20, 30), 72, 36).tolist() == [[0, 0]]


@pytest.mark.parametrize("side", [0, 16])
def test_each_object_is_found_once_by_the_window_of_its_size(side):
    image = np.zeros((160, 200), np.float32)
    image[20:36, 40:56] = 1  # for windows of 32
    image[80:112, 120:152] = 1  # for windows of 64
    finder = SlidingWindow(
        classifier="test_sliding_window:Fits",
        sizes=(64, 32),
        strides=(8, 4),
        input=side,
        options={"least": 0.8},
    )
    window = window_of(image)
    finder.open(window.stream)
    found = finder.detect(window)
    boxes = np.stack([found[name] for name in ("x_min", "y_min", "x_max", "y_max")], axis=1)
    expected = np.array([[40, 20, 56, 36], [120, 80, 152, 112]])
    order = np.argsort(boxes[:, 0])
    assert np.abs(boxes[order] - expected).max() <= 4
    assert set(found["label"]) == {"square"}
    middle = found["x_start"][order]
    assert np.abs(middle - (expected[:, 0] + expected[:, 2] - 1) / 2).max() <= 4
    finder.close()


def test_a_trained_model_of_any_kind_can_be_slid(tmp_path):
    path = saved_model(tmp_path, "fcn-mil")
    text = f"""
    [[preprocess]]
    use = "max-minus-median"
    [detect]
    use = "sliding-window"
    classifier = "fcn-mil-classifier"
    weights = "{path.name}"
    options = {{ least = 0.01 }}
    sizes = [96, 48]
    strides = [48, 24]
    input = 48
    limit = 1.0
    background = ["nothing"]
    """
    pipeline = Pipeline(text, base=tmp_path)
    assert pipeline.check() == []
    finder = pipeline.plan.detector
    window = window_of(np.random.default_rng(0).random((100, 120), np.float32))
    finder.open(window.stream)
    found = finder.detect(window)
    assert len(found) > 3
    assert found["x_max"].max() <= 120
    assert found["y_max"].max() <= 100
    again = Pipeline(pipeline.plan.to_toml()).plan  # what is stored in a catalog can be run again
    assert again.detector == finder


def test_mistakes_are_told_before_anything_is_read():
    text = '[[preprocess]]\nuse = "background"\n[detect]\nuse = "sliding-window"\n'
    (line,) = Pipeline(text).check()
    assert "classifier is missing" in line
    (line,) = Pipeline(text + 'classifier = "fcn-mil-clasifier"').check()
    assert "did you mean 'fcn-mil-classifier'" in line
    (line,) = Pipeline(text + 'classifier = "top-k"').check()
    assert "selector" in line
    (line,) = Pipeline(text + 'classifier = "streak"\nsizes = [10]').check()
    assert "1 sizes and 3 strides" in line
    (line,) = Pipeline(text + 'classifier = "streak"\noptions = { evidense = 1.0 }').check()
    assert "did you mean 'evidence'" in line
