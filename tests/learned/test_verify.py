"""The network of ``verify``: NumPy computes what torch trained, and a run never loads torch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from astrodetect.core.detections import ROW, Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.along_track import CHANNELS, COLUMNS, ROWS
from astrodetect.methods.features import Shape, View
from astrodetect.methods.verifying import NUMBERS, load_network, samples
from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import save
from astrodetect.plugins.models.config import ModelConfig

LABELS = ("noise", "meteor", "slow", "insect", "flash")
CONFIG = ModelConfig(
    method="verify", channels=5, feature_channels=(8, 12, 16), feature_shrink=(1, 1, 1),
    n_classes=5, labels=LABELS, dense_units=12,
)  # fmt: skip


def given(n=7, seed=0):
    rng = np.random.default_rng(seed)
    made = rng.normal(0, 2, (n, len(CHANNELS) + 1, ROWS, COLUMNS)).astype(np.float32)
    made[:, -1] = 0
    made[:, -1, :, : len(NUMBERS)] = rng.normal(0, 3, (n, 1, len(NUMBERS)))
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network whose normalisations have seen something, in a file."""
    torch.manual_seed(3)
    model = build_model(CONFIG)
    model.train()
    for seed in range(4):
        model(torch.from_numpy(given(16, seed + 1)))
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(part.weight, 1, 0.2)
            torch.nn.init.normal_(part.bias, 0, 0.2)
    path = tmp_path_factory.mktemp("verify") / "net.safetensors"
    save(model, path, {"calibration": {"frame": {"scale": 0.5}}})
    return model.eval(), path


def test_numpy_computes_what_torch_trained(trained):
    model, path = trained
    with torch.inference_mode():
        wanted = model.double()(torch.from_numpy(given()).double()).logits.numpy()
    network = load_network(path)
    assert network.labels == LABELS
    np.testing.assert_allclose(network.logits(given()), wanted, rtol=1e-9, atol=1e-9)


def test_chances_are_calibrated(trained):
    network = load_network(trained[1])
    plain, corrected = replace(network, info={}).chances(given()), network.chances(given())
    np.testing.assert_allclose(corrected.sum(axis=1), 1)
    assert (corrected.max(axis=1) < plain.max(axis=1)).all()


def test_what_was_left_out_in_training_is_not_looked_at(trained):
    whole = load_network(trained[1])
    partial = replace(whole, left_out=(1, 4))
    other = given()
    other[:, 1] += 5
    assert not np.allclose(whole.logits(other), whole.logits(given()))
    np.testing.assert_array_equal(partial.logits(other), partial.logits(given()))


def test_another_model_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save(build_model(ModelConfig(method="track", channels=8, labels=("a", "b"))), path)
    with pytest.raises(AstrodetectError, match=r'"track"; expected "verify"'):
        load_network(path)
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(AstrodetectError, match="damaged"):
        load_network(tmp_path / "bad.safetensors")


def test_company_is_counted():
    track = {"frame": [], "x": [], "y": []}
    starts, x = [0, 2, 40, 0], [10.0, 20.0, 30.0, 300.0]
    for begin, at in zip(starts, x, strict=True):
        track["frame"] += range(begin, begin + 5)
        track["x"] += [at + step for step in range(5)]
        track["y"] += [50.0] * 5
    columns = {
        "x_min": x, "x_max": [at + 5 for at in x], "y_min": [49.0] * 4, "y_max": [52.0] * 4,
        "frame_start": starts, "frame_end": [begin + 4 for begin in starts], "n_frames": [5] * 4,
        "label": ["meteor"] * 4, "probability": [0.5] * 4, "snr": [9.0] * 4,
        **{name: [1.0] * 4 for name in Shape._fields},
    }  # fmt: skip
    tracks = {ROW: np.repeat(range(4), 5), **track, "flux": np.ones(20), "snr": np.ones(20)}
    found = Detections(columns, tracks, np.zeros((4, len(CHANNELS), ROWS, COLUMNS), np.float16))
    made = samples(found, [0, 2], View(25.0, (240, 320), 99))
    company = np.expm1(made[:, -1, 0, len(NUMBERS) - 3 : len(NUMBERS)])
    # The first has two at its time, one of them near, and both begin with it; the third is alone.
    np.testing.assert_allclose(company, [[2, 1, 2], [0, 0, 0]], atol=1e-6)
