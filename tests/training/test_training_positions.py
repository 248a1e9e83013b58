"""The scorer learns where things are from regions with and without them."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.models.checkpoints import load
from astrodetect.plugins.models.geometry import Grid
from astrodetect.simulation.night import simulate_night
from astrodetect.training.config import read_training
from astrodetect.training.data.splits import SPLITS, DataSet, Split
from astrodetect.training.positions import NOT_COUNTED, cell_targets
from astrodetect.training.trainer import MODEL, Trainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("positions")
    simulate_night(folder / "night", 8, seed=5, sky="clear", shape=(128, 160), frames=120, distractors=1)
    return folder


def plan(
    folder, model="scale = 0.25\nprior = 0.0\nk = 4\npatch = [32, 32]\nwhite = 100.0\n", train="", data=""
):
    path = folder / "train.toml"
    path.write_text(
        '[data]\nuse = "meteor-windows"\nrecordings = ["night"]\nstore = "frames.h5"\ncut = "frames"\n'
        f"validation = 0.3\ntest = 0.0\nshift = 8\n{data}"
        f'[model]\n{model}[train]\nout = "run"\nlearn = "positions"\nbatch = 4\n{train}'
    )
    return read_training(path)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 127), st.floats(0, 159), st.sampled_from([4.0, 8.0, 16.0]))
def test_the_cell_that_holds_a_point_is_interesting_and_far_ones_are_not(y, x, stride):
    shape = (int(128 / stride), int(160 / stride))
    targets = cell_targets(np.array([[y, x]]), Grid(stride, (stride - 1) / 2), shape)
    row, column = min(int((y + 0.5) / stride), shape[0] - 1), min(int((x + 0.5) / stride), shape[1] - 1)
    assert targets[row, column] == 1
    rows, _ = np.nonzero(targets == 1)
    assert len(rows) <= 4
    far = np.maximum(np.abs(np.arange(shape[0]) - row)[:, None], np.abs(np.arange(shape[1]) - column)) > 2
    assert (targets[far] == 0).all()


def test_points_follow_the_copies_of_an_image(folder):
    split = plan(folder).data.split("train")
    n = len(split) // 8

    def rises(number):
        """Give how far the places of the object rise above the image around, in deviations of its noise."""
        image = split.image(number)[0]
        points = np.round(split.points_yx(number, image.shape)).astype(int)
        inside = ((points >= 0) & (points < image.shape)).all(axis=1)
        on = [image[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].max() for y, x in points[inside]]
        return (np.median(on) - np.median(image)) / (1.4826 * np.median(np.abs(image - np.median(image))))

    bright = max(np.flatnonzero(split.targets[:n]).tolist(), key=rises)
    assert rises(bright) > 6
    for copy in range(1, 8):
        assert rises(copy * n + bright) > 0.7 * rises(bright)


def test_the_loss_of_a_region_is_that_of_its_logit(folder):
    task = plan(folder, train='class_weights = "balanced"\n').task()
    targets = np.array([[[1, 0, 0, NOT_COUNTED, 0]]])
    loss = task._criterion_of(targets)
    logits = torch.tensor([[2.0], [0.0], [-1.0], [1.0]])
    p = torch.sigmoid(logits[:, 0])
    expected = (-torch.log(p[0]) * 2 - torch.log(1 - p[1:]).sum() * (4 / 6)) / (2 + 3 * 4 / 6)
    assert float(loss(logits, torch.tensor([1, 0, 0, 0]))) == pytest.approx(float(expected), rel=1e-5)


@dataclass(frozen=True)
class Shapes(DataSet):
    """Slanted streaks, which are looked for, among upright bars as bright."""

    seed: int = 0

    @property
    def classes(self):
        return ("other", "meteor")

    def split(self, name):
        drawn = Drawn(SPLITS.index(name), 64 if name == "train" else 24)
        return Split(drawn, np.arange(len(drawn)) % 2, np.arange(len(drawn)))


@dataclass(frozen=True)
class Drawn:
    """Images of 96 x 96 pixels, each with a bar; odd ones with a streak, too."""

    seed: int
    n: int

    def __len__(self):
        return self.n

    def places(self, number):
        rng = np.random.default_rng([self.seed, number])
        return rng, rng.integers(16, 80, 2), rng.integers(16, 80, 2)

    def render(self, number):
        rng, bar, streak = self.places(number)
        image = rng.normal(0, 4, (96, 96)).astype(np.float32)
        image[bar[0] - 10 : bar[0] + 11, bar[1] : bar[1] + 2] += 60
        for step in range(-8, 9) if number % 2 else ():
            image[streak[0] + step, streak[1] + step : streak[1] + step + 2] += 60
        return image

    def points_yx(self, number, shape):
        _, _, streak = self.places(number)
        return streak + np.arange(-8, 9)[:, None] if number % 2 else np.empty((0, 2))


@pytest.mark.usefixtures("one_thread")
def test_a_scorer_learns_where_streaks_are_and_to_leave_bars_alone(folder, tmp_path):
    own = plan(
        folder,
        "scale = 0.5\nprior = 0.0\nk = 1\npatch = [32, 32]\nwhite = 60.0\n",
        'epochs = 6\nmonitor = "loss"\nclass_weights = "balanced"\nlearning_rate = 0.006\n',
    ).into(tmp_path / "run")
    own = replace(own, data=Shapes())
    at = Trainer(own).run()
    best = min(at.history, key=lambda row: row["loss"])
    assert best["auc"] > 0.95
    assert best["accuracy"] > 0.8  # one look is enough: it is not the bar that is looked at
    model = load(own.train.out / MODEL).model
    with torch.no_grad():
        scores, _ = model.score(torch.from_numpy(Drawn(1, 24).render(1))[None, None])
    targets = cell_targets(Drawn(1, 24).points_yx(1, (96, 96)), model.grid, scores.shape[1:])
    assert float(scores[0][targets == 1].max()) == float(scores.max())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"data": 'cut = "crops"\n'}, "do not say where"),
        ({"model": 'method = "ips"\n'}, "has no scorer"),
        ({"train": "[augment]\nmirror_x = true\n"}, "positions do not follow"),
    ],
)
def test_what_cannot_teach_positions_is_told(folder, tmp_path, more, said):
    if "cut" in more.get("data", ""):
        path = folder / "crops.toml"
        path.write_text(
            '[data]\nuse = "meteor-windows"\nrecordings = ["night"]\nstore = "crops.h5"\n'
            '[train]\nout = "run2"\nlearn = "positions"\n'
        )
        own = read_training(path)
    else:
        own = plan(folder, **more)
    with pytest.raises(AstrodetectError, match=said):
        own.task()
