"""Training: exact resumption, early stop, transfer, and mistakes told in one line."""

import csv
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.plugins.models.checkpoints import load
from astrodetect.training.config import read_training
from astrodetect.training.state import read_state
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


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def written(folder, method="ats", model="", train="", more=""):
    path = folder / "training.toml"
    path.write_text(TINY.format(method=method, model=model, train=train, more=more), encoding="utf-8")
    return path


def plan_of(folder, **tables):
    return read_training(written(folder, **tables))


class KilledError(Exception):
    pass


class KilledAt:
    """Stops a training in the middle of an epoch, after its state was saved."""

    def __init__(self, epoch, step):
        self.place = (epoch, step)

    def step(self, at, steps):
        if (at.epoch, at.step) == self.place:
            raise KilledError

    def epoch(self, row):
        pass


def same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("method", ["ats", "dps", "ips", "fcn-mil"])
def test_a_training_that_was_cut_off_ends_at_the_same_weights(tmp_path, method):
    model = 'aggregation = "cross-attention"' if method == "ips" else ""
    tables = {"method": method, "model": model, "train": "average = 0.9\nsave_every = 1e-9"}
    plan = plan_of(tmp_path, **tables)
    whole = replace(plan, train=replace(plan.train, out=tmp_path / "whole"))
    Trainer(whole).run()
    cut = replace(plan, train=replace(plan.train, out=tmp_path / "cut"))
    for place in ((0, 2), (1, 3)):
        with pytest.raises(KilledError):
            Trainer(cut, report=KilledAt(*place)).run(resume=True)
    Trainer(cut).run(resume=True)
    same(
        read_state(tmp_path / "whole/state.safetensors")[0], read_state(tmp_path / "cut/state.safetensors")[0]
    )
    same(load(tmp_path / "whole/model.safetensors").model.state_dict(),
         load(tmp_path / "cut/model.safetensors").model.state_dict())  # fmt: skip


@pytest.mark.slow
def test_a_training_that_was_killed_ends_at_the_same_weights(tmp_path):
    path = written(tmp_path, train="average = 0.9\nsave_every = 1e-9")
    command = [sys.executable, "-m", "astrodetect", "train", str(path), "--device", "cpu", "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    started = subprocess.Popen([*command, str(tmp_path / "cut")], stderr=subprocess.DEVNULL)
    while not (tmp_path / "cut/state.safetensors").exists():
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    subprocess.run([*command, str(tmp_path / "cut"), "--resume"], check=True, capture_output=True)
    same(
        read_state(tmp_path / "whole/state.safetensors")[0], read_state(tmp_path / "cut/state.safetensors")[0]
    )


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
        trainer = Trainer(replace(plan, train=replace(plan.train, out=tmp_path / f"tuned{unfreeze}")))
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
