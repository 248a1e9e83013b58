"""Training: exact resumption, early stop, transfer, and mistakes told in one line."""

import csv
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from interrupted import assert_same, assert_same_states, train_whole_and_in_pieces, train_whole_and_killed

from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.plugins.models.checkpoints import load
from astrodetect.training.config import read_training
from astrodetect.training.trainer import Trainer

TINY = """
[data]
use = "needle-mnist"
digits = "drawn"
shape = [96, 120]
distractors = 2
train = 24
validation = 8
test = 8

[model]
method = "{method}"
white = 255.0
scale = 0.25
scorer_channels = [4]
scorer_strides = [2]
scorer_norm = false
feature_channels = [4, 8]
feature_shrink = [1, 1]
k = 3
patch = [32, 32]
{model}

[train]
out = "run"
epochs = 3
batch = 8
{train}
{more}
"""


pytestmark = pytest.mark.usefixtures("one_thread")


def written(folder, method="ats", model="", train="", more=""):
    path = folder / "training.toml"
    path.write_text(TINY.format(method=method, model=model, train=train, more=more), encoding="utf-8")
    return path


def plan_of(folder, **tables):
    return read_training(written(folder, **tables))


@pytest.mark.parametrize("method", ["ats", "dps", "ips", "fcn-mil"])
def test_a_training_that_was_cut_off_ends_at_the_same_weights(tmp_path, method):
    model = 'aggregation = "cross-attention"' if method == "ips" else ""
    tables = {"method": method, "model": model, "train": "average = 0.9\nsave_every = 1e-9"}
    plan = plan_of(tmp_path, **tables)
    folders = [tmp_path / "whole", tmp_path / "pieces"]
    train_whole_and_in_pieces(*(plan.into(folder) for folder in folders))
    assert_same_states(*folders)
    assert_same(*(load(folder / "model.safetensors").model.state_dict() for folder in folders))


@pytest.mark.slow
def test_a_training_that_was_killed_ends_at_the_same_weights(tmp_path):
    path = written(tmp_path, train="average = 0.9\nsave_every = 1e-9")
    train_whole_and_killed(path, tmp_path / "whole", tmp_path / "killed")
    assert_same_states(tmp_path / "whole", tmp_path / "killed")


def test_a_state_of_other_settings_is_not_resumed(tmp_path):
    plan = plan_of(tmp_path, train="patience = 1")
    Trainer(replace(plan, train=replace(plan.train, epochs=1))).run()
    with pytest.raises(AstrodetectError, match=r"\[train\] epochs was 1 and is 3 now"):
        Trainer(plan).run(resume=True)


def test_a_damaged_state_is_told(tmp_path):
    plan = plan_of(tmp_path)
    plan.train.out.mkdir()
    (plan.train.out / "state.safetensors").write_bytes(b"x" * 50)
    with pytest.raises(AstrodetectError, match="the saved state is damaged"):
        Trainer(plan).run(resume=True)


def test_the_learning_curve_has_a_row_per_epoch(tmp_path):
    plan = plan_of(
        tmp_path, train='loss = "focal"\nclass_weights = "balanced"\noversample = true\nsmoothing = 0.1'
    )
    at = Trainer(plan).run()
    with (tmp_path / "run/history.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert {"train_loss", "loss", "accuracy", "auc", "rate", "seconds"} <= set(rows[0])
    assert at.best == max(float(row["accuracy"]) for row in rows)


def test_training_stops_early_where_nothing_gets_better(tmp_path):
    train = "learning_rate = 1e-12\npatience = 1\nmonitor = 'auc'"
    plan = plan_of(tmp_path, train=train, model="feature_norm = false")
    at = Trainer(plan).run()
    assert at.epoch == 2
    assert at.stopped == "no better auc in 1 epochs"


def test_frozen_parts_keep_their_weights_until_they_are_tuned(tmp_path):
    first = plan_of(tmp_path)
    Trainer(first).run()
    source = load(tmp_path / "run/model.safetensors").model.state_dict()
    transfer = '[transfer]\nweights = "run/model.safetensors"\nfreeze = ["features."]\nunfreeze_epoch = {}'
    for unfreeze, held in ((0, True), (2, False)):
        plan = plan_of(tmp_path, more=transfer.format(unfreeze), train="monitor = 'loss'")
        trainer = Trainer(plan.into(tmp_path / f"tuned{unfreeze}"))
        trainer.run()
        now = trainer.model.state_dict()
        kept = [torch.equal(now[name], source[name]) for name in source if name.startswith("features.")]
        assert all(kept) == held
        assert not all(torch.equal(now[name], source[name]) for name in source)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('[transfer]\nweights = "none.safetensors"', "none.safetensors"),
        ('[transfer]\nfreeze = ["nothing."]', "the model has no part 'nothing.'"),
    ],
)
def test_mistakes_of_transfer_are_told(tmp_path, more, message):
    with pytest.raises(AstrodetectError, match=message):
        Trainer(plan_of(tmp_path, more=more))


def test_bfloat16_and_augmentation_train(tmp_path):
    more = (
        "[augment]\ncopies = 1\nshift = 3\nrotate = 5\nzoom = 0.1\nmirror_x = true\ncontrast = 0.2\nnoise = 1"
    )
    plan = plan_of(tmp_path, train='precision = "bfloat16"\nclip_value = 0.5\naverage = 0.5', more=more)
    trainer = Trainer(plan)
    assert trainer.task.steps == 6
    assert Trainer(plan).run().epoch == 3


def test_all_mistakes_of_a_training_file_are_told_at_once(tmp_path):
    path = written(tmp_path, model="kk = 3\nn_classes = 4", train='loss = "mse"\nclip = -1')
    path.write_text(path.read_text() + "\n[trian]\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"\[trian\]: unknown table; did you mean 'train'"):
        read_training(path)
    path.write_text(
        path.read_text().replace("[trian]", "").replace("needle-mnist", "needle"), encoding="utf-8"
    )
    with pytest.raises(ConfigurationError) as error:
        read_training(path)
    text = "\n".join(error.value.problems)
    expected = (
        "did you mean 'needle-mnist'",
        "[model] kk = 3: unknown key",
        "n_classes = 4: comes from the data",
        "[train] loss",
        "[train] clip",
    )
    for part in expected:
        assert part in text


def test_several_labels_are_trained(tmp_path):
    path = written(tmp_path)
    text = path.read_text().replace('"needle-mnist"', '"megapixel-mnist"\ntask = "multi"\nstrokes = 2')
    path.write_text(text.replace("distractors = 2", ""), encoding="utf-8")
    plan = read_training(path)
    assert plan.model.multilabel
    Trainer(replace(plan, train=replace(plan.train, epochs=1))).run()


@pytest.mark.slow
def test_two_processes_train_one_model_together(tmp_path):
    path = written(tmp_path, train="average = 0.9")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "astrodetect"]
    arguments = ["train", str(path), "--device", "cpu", "--quiet"]
    subprocess.run([*command, *arguments], check=True, capture_output=True, cwd=tmp_path)
    with (tmp_path / "run/history.csv").open() as opened:
        assert len(list(csv.DictReader(opened))) == 3


@pytest.mark.slow
def test_logs_for_tensorboard_are_written(tmp_path):
    pytest.importorskip("tensorboard")
    Trainer(plan_of(tmp_path, train="tensorboard = true")).run()
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))
