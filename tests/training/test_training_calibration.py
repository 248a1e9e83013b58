"""Probabilities that are right as often as they say, and thresholds that cost what was wanted."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stranger_packages import astrodetect as command

from astrodetect.core.errors import ConfigurationError
from astrodetect.core.operating import OperatingCurve, operating_curve
from astrodetect.core.plan import read_plan
from astrodetect.evaluation.operating import measure, store
from astrodetect.evaluation.truth import TruthObject
from astrodetect.methods.calibrated import apply_calibration, fit_isotonic, fit_temperature, sigmoid
from astrodetect.methods.probability import load_model
from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import load, save
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.decisions import frame_label, labelled
from astrodetect.plugins.models.header import read_info, write_info


def overconfident(n=20_000, factor=3.0, seed=0):
    """Two classes: the truth follows the logits, what is said is `factor` times as sure."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, n)
    truth = rng.random(n) < sigmoid(logits)
    said = sigmoid(factor * logits)
    return np.stack([1 - said, said], axis=1), np.stack([~truth, truth], axis=1)


def error(chances, truth, bins=10):
    place = np.clip((chances[:, 1] * bins).astype(int), 0, bins - 1)
    gaps = [
        abs(chances[place == b, 1].mean() - truth[place == b, 1].mean()) * (place == b).mean()
        for b in np.unique(place)
    ]
    return sum(gaps)


def test_temperature_finds_the_factor_by_which_a_model_is_too_sure():
    chances, truth = overconfident()
    known = fit_temperature(chances, truth, several=False)
    assert 1 / known["scale"] == pytest.approx(3.0, rel=0.05)
    held = overconfident(seed=1)
    assert error(*held) > 0.1
    assert error(apply_calibration(held[0], known, several=False), held[1]) < 0.015


def test_isotonic_mends_what_no_factor_can():
    chances, truth = overconfident(factor=1.0)
    bent = np.stack([1 - chances[:, 1] ** 3, chances[:, 1] ** 3], axis=1)
    known = fit_isotonic(bent, truth, several=False)
    held = overconfident(factor=1.0, seed=1)
    bent = np.stack([1 - held[0][:, 1] ** 3, held[0][:, 1] ** 3], axis=1)
    assert error(bent, held[1]) > 0.1
    assert error(apply_calibration(bent, known, several=False), held[1]) < 0.02


def test_temperature_of_several_classes_is_that_of_their_logits():
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 1.5, (8000, 4))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    label = (true.cumsum(1) > rng.random((8000, 1))).argmax(1)
    sharp = np.exp(2 * logits) / np.exp(2 * logits).sum(1, keepdims=True)
    known = fit_temperature(sharp, label[:, None] == np.arange(4), several=False)
    assert known["scale"] == pytest.approx(0.5, rel=0.06)
    np.testing.assert_allclose(
        apply_calibration(sharp, {"scale": 0.5}, several=False), true, rtol=1e-9, atol=1e-12
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40))
def test_isotonic_rises_is_the_best_that_does_and_never_says_never(pairs):
    from sklearn.isotonic import IsotonicRegression

    stated = np.array([value / 9 for value, _ in pairs])
    right = np.array([hit for _, hit in pairs])
    chances = np.stack([1 - stated, stated], axis=1)
    known = fit_isotonic(chances, np.stack([~right, right], axis=1), several=False)
    got = apply_calibration(chances, known, several=False)[:, 1]
    best = IsotonicRegression().fit_transform(stated, right.astype(float))
    assert (np.diff(got[np.argsort(stated, kind="stable")]) >= -1e-12).all()
    assert ((got > 0) & (got < 1)).all()
    _, step, n = np.unique(np.round(best, 9), return_inverse=True, return_counts=True)
    bounded = np.clip(best, 1 / (n[step] + 2), 1 - 1 / (n[step] + 2))
    order = np.argsort(stated, kind="stable")
    np.testing.assert_allclose(got[order], np.maximum.accumulate(bounded[order]), atol=1e-9)


def test_a_curve_says_what_each_threshold_costs():
    rng = np.random.default_rng(0)
    found, false = rng.beta(8, 1, 5000), rng.beta(1, 6, 700)
    found[:20] = np.nan
    curve = operating_curve(found, false, hours=35.0)
    threshold = curve.for_recall(0.99)
    assert (found >= threshold).sum() / 5000 == pytest.approx(0.99, abs=0.003)
    assert (found >= threshold).sum() / 5000 >= 0.99
    threshold = curve.for_false_per_night(10.0)
    assert (false >= threshold).sum() * 10 / 35 <= 10
    assert (false >= threshold - 0.02).sum() * 10 / 35 > 10
    with pytest.raises(ValueError, match=r"reaches 0\.996 at most"):
        curve.for_recall(0.999)
    again = OperatingCurve.from_dict(json.loads(json.dumps(curve.to_dict())))
    assert again.for_recall(0.9) == pytest.approx(curve.for_recall(0.9), abs=1e-6)


def test_without_hours_nothing_is_said_of_nights():
    with pytest.raises(ValueError, match="not known how long"):
        operating_curve([0.9], [0.1], math.nan).for_false_per_night(1)


@pytest.fixture
def model(tmp_path):
    config = ModelConfig(
        method="fcn-mil", feature_channels=(4,), feature_shrink=(1,), labels=("other", "meteor")
    )
    path = tmp_path / "model.safetensors"
    save(build_model(config), path, {"why": "a test"})
    return path


def test_what_is_added_to_a_model_leaves_its_weights_alone(model):
    before = {name: value.clone() for name, value in load(model).model.state_dict().items()}
    write_info(model, {"calibration": {"patch": {"scale": 0.5}}})
    after = load(model)
    assert all(value.equal(before[name]) for name, value in after.model.state_dict().items())
    assert after.info == {"why": "a test", "calibration": {"patch": {"scale": 0.5}}} == read_info(model)


def test_a_stored_curve_is_what_the_pipeline_says(model):
    import torch

    config = load(model).model.config
    curve = {"isotonic": [{"x": [0, 1], "y": [0.2, 0.6]}]}
    info = {"calibration": {"patch": curve, "frame": curve}}
    classes, chances = labelled(torch.tensor([[0.0], [20.0]]), config, info)
    assert classes.tolist() == [1, 1]
    assert chances.tolist() == pytest.approx([0.4, 0.6])
    assert frame_label(torch.tensor([0.0, 20.0]), config, info) == ("meteor", pytest.approx(0.6))
    assert frame_label(torch.tensor([0.0, -20.0]), config, info) == ("other", pytest.approx(0.8))


def pipeline(model, accept):
    return read_plan(
        f'[detect]\nuse = "fcn-mil-detector"\nweights = "{model}"\n[[preprocess]]\nuse = "max-minus-median"\n'
        f"[accept]\n{accept}\n",
        "p.toml",
        Path(),
    )


def test_a_wanted_recall_or_rate_becomes_the_threshold_of_the_model(model):
    curve = operating_curve(np.linspace(0.5, 1, 101), [0.1, 0.55, 0.7], hours=10.0)
    write_info(model, {"operating": {"meteor": curve.to_dict()}})
    assert pipeline(model, "recall = 0.9").threshold("any") == pytest.approx(0.55)
    assert pipeline(model, "false_per_night = 1").threshold("any") == pytest.approx(0.555)
    assert pipeline(model, "threshold = 0.3").threshold("any") == 0.3
    with pytest.raises(ConfigurationError, match="for 'slow' it has none"):
        pipeline(model, 'labels = ["slow"]\nrecall = 0.9')


def test_a_model_without_a_curve_is_refused_in_one_line(model):
    with pytest.raises(
        ConfigurationError, match="need a model with a stored calibration; for 'meteor' it has none"
    ):
        pipeline(model, "recall = 0.99")


def test_the_classifier_streak_takes_a_curve_from_its_file(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(load_model().to_json())
    curve = operating_curve([0.8, 0.9, 0.95, 0.99], [0.5], hours=2.0)
    store(path, {"meteor": curve})
    assert load_model(path).to_json() == path.read_text()
    text = (
        '[[preprocess]]\nuse = "max-minus-median"\n[score]\nuse = "peak-snr"\n[select]\nuse = "top-k"\n'
        f'[extract]\nuse = "patches"\n[classify]\nuse = "streak"\nmodel = "{path}"\n[accept]\nrecall = 0.75\n'
    )
    assert read_plan(text, "p.toml", tmp_path).threshold("") == pytest.approx(0.9)


def test_a_catalog_with_truth_gives_the_curve_of_what_it_finds():
    truth = [TruthObject("a", f"m{n}", "meteor", 0, 9, 10 * n, 0, 10 * n, 50) for n in (1, 9, 20)]
    rows = {
        "recording_id": [1, 1, 1, 1],
        "label": ["meteor", "meteor", "insect", "meteor"],
        "probability": [0.95, 0.3, 0.99, 0.6],
        "reason": ["", "below threshold", "label insect", ""],
        "frame_start": [0] * 4, "frame_end": [9] * 4,
        "x_start": [10, 90, 200, 400], "y_start": [0] * 4, "x_end": [10, 90, 200, 400], "y_end": [50] * 4,
    }  # fmt: skip
    detections = {name: np.array(values) for name, values in rows.items()}
    recordings = {
        "recording_id": np.array([1]), "path": np.array(["a"]), "n_frames": np.array([108_000]),
        "frame_rate": np.array([30.0]), "width": np.array([640]), "height": np.array([480]),
    }  # fmt: skip
    curve = measure(detections, recordings, truth, "meteor")
    assert (curve.n_objects, curve.hours) == (3, 1.0)
    assert curve.for_recall(0.6) == pytest.approx(0.3)
    assert curve.for_false_per_night(1) == pytest.approx(0.6, abs=1e-4)


def test_training_stores_a_calibration_and_evaluate_shows_it(tmp_path):
    (tmp_path / "t.toml").write_text(
        '[data]\nuse = "streak-patches"\nsize = 24\ntrain = 12\nvalidation = 12\ntest = 8\n'
        '[model]\nmethod = "fcn-mil"\nfeature_channels = [4]\nfeature_shrink = [1]\nwhite = 100.0\n'
        '[train]\nout = "run"\nepochs = 1\n'
    )
    from astrodetect.training.command import train
    from astrodetect.training.judge import How, judge

    folder, _ = train(tmp_path / "t.toml", resume=False, fresh=False, device="cpu", out=None, quiet=True)
    model = folder / "model.safetensors"
    info = read_info(model)
    assert info["calibration"]["patch"] == info["calibration"]["frame"]
    assert set(info["operating"]) == {"streak"}
    before = judge([model], tmp_path / "t.toml", How(pictures=0)).runs[0].figures["log_loss"]
    write_info(model, {"calibration": {}})
    raw = judge([model], tmp_path / "t.toml", How(pictures=0)).runs[0].figures["log_loss"]
    assert before != raw
    done = command(
        "evaluate", str(model), "--data", "t.toml", "--calibrate", "isotonic", "--device", "cpu", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert read_info(model)["calibration"]["frame"]["method"] == "isotonic"
