"""Training with boxes: it learns, it goes on where it was cut off, and mistakes are told in one line."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from interrupted import assert_same, assert_same_states, train_whole_and_in_pieces, train_whole_and_killed
from torch import nn
from torch.nn import functional
from yolo_samples import Blobs, plan_in

from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.methods.boxes import pairwise
from astrodetect.methods.suppression import suppress
from astrodetect.plugins.models.yolo.finding import find
from astrodetect.plugins.models.yolo.weights import load
from astrodetect.training.boxes.datasets import BoxLoader, sample_rng
from astrodetect.training.boxes.last_layer import refit_objectness, refit_parameters
from astrodetect.training.boxes.targets import BoxTargets
from astrodetect.training.config import read_plan, read_training
from astrodetect.training.trainer import Trainer

TRAINING = """
[data]
use = "radio-fields"
shape = [64, 64]
train = 16
validation = 4

[model]
method = "yolo"
priors = [[6, 6], [12, 12]]
white = [1e-5]
{model}

[train]
out = "run"
epochs = 2
batch = 4
average = 0.9
save_every = 1e-9
{train}
"""


pytestmark = pytest.mark.usefixtures("one_thread")


def written(folder, model="", train="", more=""):
    path = folder / "training.toml"
    path.write_text(TRAINING.format(model=model, train=train) + more, encoding="utf-8")
    return path


def found_of(weights, data, number=0, threshold=0.3):
    model = load(weights).model
    image, targets = data.sample("validation", number)
    (found,) = find(model, torch.from_numpy(image[None]), [threshold] * len(model.config.priors))
    flat = found.boxes if model.config.axes == 3 else found.boxes[:, [0, 1, 3, 4]]
    return found.take(suppress(flat, found.objectness, 0.3)), targets


@pytest.mark.parametrize(
    ("data", "epochs"),
    [
        (Blobs((48, 48), train=96, objects=3), 10),
        pytest.param(Blobs((24, 32, 32), train=96, objects=2), 14, marks=pytest.mark.slow),
    ],
    ids=["image", "cube"],
)
def test_it_learns_to_find_and_tell_apart(tmp_path, data, epochs):
    plan = plan_in(tmp_path, data, epochs=epochs, loss={"position": 20.0})
    Trainer(plan).run()
    right = of = false = 0
    for number in range(8):
        found, targets = found_of(tmp_path / "model.safetensors", data, number)
        of += len(targets)
        if not len(found):
            continue
        good = pairwise(found.boxes, targets.boxes) > 0.5
        good &= found.classes[:, None] == targets.classes[None]
        right += good.any(0).sum()
        false += (~good.any(1)).sum()
    assert right >= 0.7 * of
    assert false <= 0.3 * of


def test_a_cube_is_trained_and_searched(tmp_path):
    data = Blobs((8, 16, 24), train=8, validation=2, objects=1)
    plan = plan_in(tmp_path, replace(data, sides=(3, 5)), model={"priors": ((3.0,) * 3, (5.0,) * 3)}, batch=4)
    at = Trainer(plan).run()
    assert at.history[1]["loss"] < at.history[0]["loss"]
    found, targets = found_of(tmp_path / "model.safetensors", plan.data, threshold=0.0)
    assert found.boxes.shape[1] == targets.boxes.shape[1] == 6
    assert (found.boxes[:, 3:] <= [24, 16, 8]).all()


def test_a_training_that_was_cut_off_ends_at_the_same_weights(tmp_path):
    plan = plan_in(tmp_path / "whole", save_every=1e-9, reuse=2, association={"random_share": 0.3})
    folders = [tmp_path / "whole", tmp_path / "pieces"]
    train_whole_and_in_pieces(*(plan.into(folder) for folder in folders))
    assert_same_states(*folders)
    assert_same(*(load(folder / "model.safetensors").model.state_dict() for folder in folders))


@pytest.mark.slow
def test_a_training_that_was_killed_ends_at_the_same_weights(tmp_path):
    train_whole_and_killed(written(tmp_path), tmp_path / "whole", tmp_path / "killed")
    assert_same_states(tmp_path / "whole", tmp_path / "killed")


def test_half_precision_trains(tmp_path):
    plan = plan_in(tmp_path, precision="bfloat16", epochs=1)
    at = Trainer(plan).run()
    assert np.isfinite(at.history[0]["loss"])
    weights = load(tmp_path / "model.safetensors").model.state_dict()
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}


def test_images_of_known_class_train_with_others_and_alone(tmp_path):
    at = Trainer(plan_in(tmp_path, Blobs(class_only=True), epochs=1)).run()
    row = at.history[0]
    assert row["classes"] > 0
    assert row["position"] == row["void"] == row["objectness"] == 0


def test_images_without_objects_train(tmp_path):
    class Empty(Blobs):
        def sample(self, split, number, epoch=0):
            image, targets = super().sample(split, number, epoch)
            return image, targets.take(np.arange(0))

    at = Trainer(plan_in(tmp_path, Empty(), epochs=1)).run()
    assert at.history[0]["void"] == pytest.approx(at.history[0]["loss"])


def test_the_same_images_are_shown_again_as_long_as_asked(tmp_path):
    task = plan_in(tmp_path, reuse=2).task()
    data = task.loader.data
    first, second, third = (data.sample("train", 3, epoch)[0] for epoch in range(3))
    assert np.array_equal(first, second)
    assert not np.array_equal(second, third)


def test_a_training_file_is_read_and_its_model_knows_the_data(tmp_path):
    plan = read_plan(written(tmp_path))
    assert plan.model.labels == ("galaxy",)
    assert plan.model.n_parameters == 5
    assert plan.model.shape_parameters == plan.data.shape_parameters
    at = Trainer(plan).run()
    assert at.epoch == 2
    assert {"loss", "position", "parameters", "void"} <= set(at.history[0])


def test_training_begins_with_the_weights_of_another(tmp_path):
    plan = plan_in(tmp_path / "first", epochs=1)
    Trainer(plan).run()
    weights = tmp_path / "first/model.safetensors"
    other = plan.into(tmp_path / "second")
    other = replace(other, transfer=replace(other.transfer, weights=weights, freeze=("body.",)))
    trainer = Trainer(other)
    assert_same(trainer.model.body.state_dict(), load(weights).model.body.state_dict())
    trainer.run()
    kept = dict(load(weights).model.body.named_parameters())
    assert all(torch.equal(value, kept[name]) for name, value in trainer.model.body.named_parameters())


def test_all_mistakes_of_a_training_file_are_told_at_once(tmp_path):
    path = written(
        tmp_path, model="networks = 'tiny'\nchannels = 3", train="clip = -1", more="[los]\nvoid = [1]\n"
    )
    with pytest.raises(ConfigurationError, match=r"\[los\]: unknown table; did you mean 'loss'"):
        read_plan(path)
    path.write_text(path.read_text().replace("[los]", "[loss]").replace("radio-fields", "radio-field"))
    with pytest.raises(ConfigurationError) as error:
        read_plan(path)
    text = "\n".join(error.value.problems)
    for part in ("did you mean 'radio-fields'", "networks = 'tiny': unknown key; did you mean 'network'",
                 "channels = 3: comes from the data set", "[train] clip = -1"):  # fmt: skip
        assert part in text
    path = written(tmp_path, more="[loss]\nvoid = [1.0, 1.0, 1.0]\n")
    with pytest.raises(
        ConfigurationError, match=r"\[loss\] void: 3 numbers; expected one, or one for each prior"
    ):
        read_plan(path)


def test_what_is_for_labels_refuses_boxes(tmp_path):
    with pytest.raises((ConfigurationError, AstrodetectError), match="yolo"):
        read_training(written(tmp_path))


class Grey(nn.Module):
    """A backbone that gives the mean brightness of a cell of 8 pixels, and its square."""

    def forward(self, images):
        mean = functional.avg_pool2d(images, 8)
        return torch.cat([mean, mean**2], dim=1)


def grey(channels):
    return Grey()


@dataclass(frozen=True)
class Measured(Blobs):
    """Blobs one to an image, whose first parameter follows from their brightness and the second is chance."""

    names: tuple[str, ...] = ("level", "chance")

    def sample(self, split, number, epoch=0):
        rng = sample_rng(1, split, number, epoch)
        level = rng.uniform(0.2, 1)
        image = np.zeros((1, *self.shape), np.float32)
        image[:, 8:16, 16:24] = level
        parameters = [[0.1 + 0.5 * level - 0.3 * level**2, rng.uniform()]]
        return image, BoxTargets([[16, 8, 24, 16]], [0], parameters)


def test_the_last_layer_is_fitted_anew_by_least_squares(tmp_path):
    data = Measured((32, 32), train=64)
    settings = {"network": "test_yolo_training:grey", "priors": ((8.0, 8.0), (30.0, 30.0)),
                "parameters": data.names, "parameter": (0.5, -0.2, 1.2)}  # fmt: skip
    plan = plan_in(tmp_path, data, model=settings, association={"nearest_share": 1.0})
    task = plan.task()
    model = task.start()
    before = model.head.weight.detach().clone()
    assert refit_parameters(model, task.criterion, BoxLoader(data, "train", 16), torch.device("cpu")) == 64
    for number in range(5):
        image, targets = data.sample("validation", number)
        (found,) = find(model.eval(), torch.from_numpy(image[None]), [0.0, 1.0])
        own = found.parameters[np.flatnonzero(pairwise(found.boxes, targets.boxes)[:, 0] > 0.9)[0]]
        assert own[0] == pytest.approx(targets.parameters[0, 0], abs=0.01)
        assert 0.2 < own[1] < 0.8  # of chance the mean is known
    channels = model.config.unit_channels
    kept = [row for row in range(2 * channels) if row not in (channels - 2, channels - 1)]
    assert torch.equal(model.head.weight[kept], before[kept])


def test_the_kept_training_file_is_valid():
    plan = read_plan(Path(__file__).parents[2] / "examples" / "learned" / "galaxies.toml")
    assert plan.model.network == "tiny"


@dataclass(frozen=True)
class Lamps(Blobs):
    """A bright square that counts, and a fainter one that does not."""

    def sample(self, split, number, epoch=0):
        image = np.zeros((1, *self.shape), np.float32)
        image[:, 8:16, 16:24], image[:, 24:32, 0:8] = 1.0, 0.4
        return image, BoxTargets([[16, 8, 24, 16]], [0])


def test_objectness_is_fitted_anew_to_what_is_right(tmp_path):
    data = Lamps((32, 32), train=48)
    model = (
        plan_in(tmp_path, data, {"network": "test_yolo_training:grey", "priors": ((8.0, 8.0),)})
        .task()
        .start()
    )
    state = model.head.state_dict()
    state["bias"][7] = 0.0  # at first every cell may hold something
    model.head.load_state_dict(state)
    refit_objectness(model, BoxLoader(data, "train", 16), torch.device("cpu"))
    (found,) = find(model, torch.from_numpy(data.sample("train", 0)[0][None]), [0.0])
    right = (found.cells == [0, 1, 2]).all(axis=1)
    assert found.objectness[right] > 0.8
    assert found.objectness[~right].max() < 0.2
