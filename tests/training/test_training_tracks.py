"""Tracks as series, and a network that learns from them what moves how."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.catalogs.reader import Catalog
from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.truth import TruthObject
from astrodetect.methods.track_series import CHANNELS, track_series
from astrodetect.pipeline import Pipeline
from astrodetect.pipelines import text as pipeline_text
from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import load
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.simulation.night import simulate_night
from astrodetect.training.config import read_training
from astrodetect.training.data.splits import SPLITS, DataSet, Split
from astrodetect.training.data.tracks import Series, followed
from astrodetect.training.trainer import MODEL, Trainer


def straight(n=12, speed=3.0, angle=0.4, start=(50.0, 80.0)):
    frame = np.arange(n) + 5
    x, y = start[0] + speed * np.cos(angle) * np.arange(n), start[1] + speed * np.sin(angle) * np.arange(n)
    return {"frame": frame, "x": x, "y": y, "flux": 100 * np.sin(np.pi * (np.arange(n) + 1) / (n + 1))}


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 6.28), st.floats(-500, 500), st.floats(1, 20))
def test_a_series_does_not_depend_on_where_and_in_which_direction(angle, shift, gain):
    one = track_series(straight(), 30.0, 20)
    turned = straight(angle=angle, start=(50 + shift, 80 - shift))
    other = track_series({**turned, "flux": turned["flux"] * gain}, 30.0, 20)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_series_says_what_its_channels_are_called():
    track = {**straight(), "snr": np.full(12, 10.0), "n_saturated": np.eye(12)[3]}
    track = {name: np.delete(values, 4) for name, values in track.items()}  # a frame without a point
    series = dict(zip(CHANNELS, track_series(track, 30.0, 16), strict=True))
    assert series["known"].tolist() == [1, 1, 1, 1, 0, *[1] * 7, 0, 0, 0, 0]
    np.testing.assert_allclose(series["forward"][[0, 3, 5, 11]], np.arcsinh(3.0), rtol=1e-5)
    np.testing.assert_allclose(series["aside"], 0, atol=1e-6)
    assert series["flux"].max() == 0
    assert series["snr"][0] == pytest.approx(1)
    assert series["saturated"].sum() == 1
    assert series["duration"][0] == pytest.approx(np.log10(12 / 30))
    assert track_series(straight(300), 30.0, 64).shape == (8, 64)


def test_a_track_has_the_label_of_what_it_follows():
    track = straight()
    meteor = TruthObject(
        "a", "m", "meteor", 5, 16, track["x"][0], track["y"][0], track["x"][-1], track["y"][-1]
    )
    assert followed(track, [meteor]) == "meteor"
    assert followed(track, [replace(meteor, frame_first=40, frame_last=51)]) == "noise"
    assert followed({**track, "y": track["y"] + 30}, [meteor]) == "noise"


@dataclass(frozen=True)
class Motions(DataSet):
    """What goes straight, and what flutters, as fast and as bright."""

    @property
    def classes(self):
        return ("other", "meteor")

    def split(self, name):
        rng = np.random.default_rng([SPLITS.index(name), 1])
        series = []
        for number in range(160 if name == "train" else 60):
            n = int(rng.integers(6, 30))
            track = straight(n, rng.uniform(1, 8), rng.uniform(0, 6))
            if number % 2 == 0:
                track["x"] = track["x"] + np.cumsum(rng.normal(0, 2.5, n))
                track["y"] = track["y"] + np.cumsum(rng.normal(0, 2.5, n))
            series.append(track_series(track, 30.0, 32)[:, None])
        targets = np.arange(len(series)) % 2
        return Split(Series(np.stack(series)), targets, np.arange(len(series)))


MODEL_TABLE = '[model]\nmethod = "track"\nchannels = 8\ndense_units = 12\n'


@pytest.mark.usefixtures("one_thread")
def test_a_network_learns_from_tracks_what_goes_straight(tmp_path):
    (tmp_path / "t.toml").write_text(
        '[data]\nuse = "streak-patches"\n'
        f'{MODEL_TABLE}[train]\nout = "run"\nepochs = 4\nbatch = 32\nmonitor = "loss"\nlearning_rate = 0.03\n'
    )
    plan = replace(read_training(tmp_path / "t.toml"), data=Motions())
    plan = replace(plan, model=replace(plan.model, labels=("other", "meteor")))
    at = Trainer(plan).run()
    assert min(row["loss"] for row in at.history) < 0.25
    model = load(tmp_path / "run" / MODEL).model
    series = torch.from_numpy(Motions().split("test").image(0))[None].float()
    longer = torch.nn.functional.pad(series, (0, 7))
    known = model(series).logits
    assert torch.isfinite(known).all()
    assert known.shape == model(longer).logits.shape == (1, 2)


def test_series_of_other_channels_are_refused():
    model = build_model(ModelConfig(method="track", channels=8))
    with pytest.raises(AstrodetectError, match="8 channels"):
        model(torch.zeros(1, 1, 1, 9))


@pytest.mark.slow
def test_from_catalog_and_truth_to_the_final_label(tmp_path):
    simulate_night(tmp_path / "night", 10, seed=4, shape=(160, 200), frames=90, distractors=3)
    Pipeline.from_toml("meteor").run(tmp_path / "night", out=tmp_path / "night.h5")
    (tmp_path / "t.toml").write_text(
        '[data]\nuse = "tracks"\ncatalogs = ["night.h5"]\ntruth = ["night/truth.csv"]\nvalidation = 0.3\n'
        f'{MODEL_TABLE}[train]\nout = "run"\nepochs = 4\n'
    )
    plan = read_training(tmp_path / "t.toml")
    samples = plan.data.known[1]
    assert {"meteor"} < {sample.label for sample in samples}
    Trainer(plan).run()
    weights = tmp_path / "run" / MODEL
    text = f'{pipeline_text("meteor")}\n[[postprocess]]\nuse = "track-net"\nweights = "{weights}"\n'
    Pipeline(text).run(tmp_path / "night", out=tmp_path / "again.h5")
    with Catalog(tmp_path / "again.h5") as catalog:
        assert len(catalog.detections) > 0
        assert set(catalog.detections["label"]) <= {
            "meteor", "unknown", "slow", "insect", "flash", "static", "noise",
        }  # fmt: skip
