"""Figures against hand arithmetic, curves, calibration, folds."""

import numpy as np
import pytest

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.folds import folds
from astrodetect.training.losses import Loss, balanced_weights
from astrodetect.training.metrics import calibration, mean_and_deviation, quick_figures, score

TWO = ("without", "with")


def two(positive):
    positive = np.asarray(positive, float)
    return np.stack([1 - positive, positive], axis=1)


def test_figures_of_two_classes_are_those_of_hand_arithmetic():
    truth = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    found = score(truth, two([0.9, 0.8, 0.3, 0.7, 0.2, 0.1, 0.4, 0.05]), TWO)
    assert found.confusion.tolist() == [[4, 1], [1, 2]]
    expected = {
        "accuracy": 6 / 8, "precision": 2 / 3, "recall": 2 / 3, "specificity": 4 / 5,
        "false_discovery_rate": 1 / 3, "f1": 2 / 3, "auc_roc": 13 / 15,
    }  # fmt: skip
    assert {name: found.figures[name] for name in expected} == pytest.approx(expected)
    assert found.figures["auc_pr"] == pytest.approx((1 / 3) * (1 + 1 + 3 / 5))


def test_figures_of_many_classes_are_means_over_the_classes():
    truth = np.array([0, 0, 1, 2])
    p = np.eye(3)[[0, 1, 1, 2]]
    found = score(truth, p, ("a", "b", "c"))
    assert found.figures["accuracy"] == 0.75
    assert found.figures["recall"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found.per_class["b"]["precision"] == 0.5


def test_several_labels_are_right_only_together():
    truth = np.array([[1, 0], [1, 1]], np.float32)
    found = score(truth, np.array([[0.9, 0.2], [0.8, 0.4]]), ("a", "b"))
    assert found.figures["accuracy"] == 0.5
    assert found.confusion.tolist() == [[1, 0], [1, 2]]


def test_the_quick_figures_are_those_of_the_full_table():
    rng = np.random.default_rng(0)
    truth, p = rng.integers(0, 2, 200), two(rng.random(200).round(1))
    quick, full = quick_figures(truth, p), score(truth, p, TWO).figures
    assert quick["accuracy"] == full["accuracy"]
    assert quick["loss"] == full["log_loss"]
    assert quick["auc"] == pytest.approx(full["auc_roc"])


def test_calibrated_probabilities_have_a_small_error_and_bold_ones_a_large_one():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 20_000)
    right = rng.random(20_000) < p
    assert calibration(p, right).error < 0.01
    assert calibration(np.full(1000, 0.99), rng.random(1000) < 0.7).error == pytest.approx(0.29, abs=0.05)


def test_no_images_and_one_class_alone():
    with pytest.raises(AstrodetectError, match="nothing to compare"):
        score(np.empty(0, int), np.empty((0, 2)), TWO)
    found = score(np.array([1, 1]), two([0.9, 0.8]), TWO)
    assert np.isnan(found.figures["auc_roc"])
    assert found.figures["recall"] == 1


def test_runs_have_mean_and_deviation():
    spread = mean_and_deviation([{"a": 1.0}, {"a": 3.0}])
    assert spread["a"] == pytest.approx((2.0, 2**0.5))


def test_every_image_is_tested_once_and_groups_stay_together():
    targets = np.array([0, 1] * 30)
    groups = np.arange(60) // 4
    tested = []
    for train, test in folds(targets, groups, 5, seed=1):
        assert not set(groups[train]) & set(groups[test])
        tested += test.tolist()
    assert sorted(tested) == list(range(60))


def test_a_fold_with_one_class_only_is_told():
    with pytest.raises(AstrodetectError, match="3 folds: class 1 has 2 images"):
        list(folds(np.array([0] * 10 + [1] * 2), None, 3, seed=0))


def test_losses_are_those_of_hand_arithmetic():
    torch = pytest.importorskip("torch")
    logits = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    targets = torch.tensor([1, 1])
    p = torch.softmax(logits, 1)[:, 1]
    assert Loss()(logits, targets).item() == pytest.approx(float(-p.log().mean()))
    focal = Loss(gamma=2.0, alpha=0.25)(logits, targets)
    assert focal.item() == pytest.approx(float((-0.25 * (1 - p) ** 2 * p.log()).mean()))
    weighted = Loss(weights=(1.0, 3.0))(logits, torch.tensor([0, 1]))
    log_p = torch.log_softmax(logits, 1)
    assert weighted.item() == pytest.approx(float(-(log_p[0, 0] + 3 * log_p[1, 1]) / 4))
    assert Loss()(torch.tensor([[0.7]]), torch.tensor([1])).item() == pytest.approx(
        float(-torch.sigmoid(torch.tensor(0.7)).log())
    )


def test_balanced_weights_are_those_of_the_thesis():
    weights = balanced_weights(np.array([0] * 30 + [1] * 10), 2)
    assert weights == pytest.approx((40 / 30 * 0.5, 40 / 10 * 0.5))
