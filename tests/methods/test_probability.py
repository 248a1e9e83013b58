"""The model of the streak classifier: reading, fitting, calibration; and the numbers it works on."""

import json

import numpy as np
import pytest

from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.features import NAMES, Shape, View, feature_vector, track_numbers
from astrodetect.methods.probability import calibrated, fit_model, load_model, read_model, softmax


def clouds(n, seed=0):
    """Give two classes that overlap."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(n) < 0.5, "meteor", "slow")
    features = rng.normal(0, 1, (n, len(NAMES)))
    features[:, 0] += np.where(labels == "meteor", 1.0, -1.0)
    return features, labels


def test_the_built_in_model_gives_probabilities():
    model = load_model()
    chances = model.probabilities(np.random.default_rng(0).normal(0, 3, (50, len(NAMES))))
    assert np.allclose(chances.sum(axis=1), 1)
    assert {"meteor", "slow", "flash", "static", "noise"} <= set(model.classes)
    assert model.provenance["made_by"]


def test_a_model_survives_writing_and_reading():
    model = load_model()
    again = read_model(model.to_json(), "again")
    features = np.random.default_rng(1).normal(0, 1, (20, len(NAMES)))
    assert np.allclose(model.probabilities(features), again.probabilities(features), atol=1e-6)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"classes": 3}', "null"])
def test_what_is_no_model_is_told_in_a_line(text):
    with pytest.raises(AstrodetectError, match=r"mine\.json"):
        read_model(text, "mine.json")


def test_a_model_for_other_features_or_of_wrong_shape_is_refused():
    given = json.loads(load_model().to_json())
    with pytest.raises(AstrodetectError, match="features"):
        read_model(json.dumps({**given, "names": ["a"]}), "x")
    with pytest.raises(AstrodetectError, match="bias"):
        read_model(json.dumps({**given, "bias": [0.0]}), "x")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AstrodetectError, match="nowhere"):
        load_model(tmp_path / "nowhere.json")


def test_fitting_finds_the_best_rule_and_calibration_makes_it_honest():
    features, labels = clouds(1500)
    model = fit_model(features, labels, np.ones(len(labels)), hidden=3, penalty=3e-2)
    fresh, truth = clouds(4000, seed=1)
    model = calibrated(model, *clouds(1500, seed=2))
    chances = model.probabilities(fresh)
    right = np.array(model.classes)[chances.argmax(axis=1)] == truth
    assert right.mean() > 0.82  # the best possible is 0.841
    stated = chances.max(axis=1)
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 1.0)):
        chosen = (stated >= low) & (stated < high)
        assert abs(stated[chosen].mean() - right[chosen].mean()) < 0.06


def test_fitting_is_deterministic():
    features, labels = clouds(200)
    a, b = (fit_model(features, labels, np.ones(200), hidden=2, seed=5) for _ in range(2))
    assert np.array_equal(a.weights, b.weights)


def test_softmax_of_large_numbers():
    assert np.allclose(softmax(np.array([[1000.0, 1000.0]])), 0.5)


def test_track_numbers_of_a_straight_steady_track():
    frame = np.arange(10, 30)
    flux = np.sin(np.pi * (frame - 9) / 21)
    numbers = track_numbers(frame, 3.0 * frame, 4.0 * frame, flux, View(25.0, (480, 640), 100))
    assert numbers["speed"] == pytest.approx(5.0)
    assert numbers["length"] == pytest.approx(95.0)
    assert numbers["bend"] < 1e-6
    assert numbers["jitter"] < 1e-6
    assert numbers["open"] == 0
    assert numbers["rise"] < 0.4
    assert numbers["fill"] == 1


def test_track_numbers_of_one_point_are_finite():
    view = View(float("nan"), (480, 640), 9)
    numbers = track_numbers(np.array([3]), np.array([1.0]), np.array([2.0]), np.array([5.0]), view)
    vector = feature_vector(Shape(0.0, 0.0, 3.0, 5.0, 1.0), numbers, 6.0, view)
    assert vector.shape == (len(NAMES),)
    assert np.isfinite(vector).all()
