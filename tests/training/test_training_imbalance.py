"""What is done about rare classes, by its formulas: Nicolini (2022), section 6.2."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import load, save
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.training import transfer
from astrodetect.training.data.loading import Loader
from astrodetect.training.data.splits import Split
from astrodetect.training.losses import Loss, balanced_weights
from astrodetect.training.settings import AugmentSettings, TransferSettings

RARE = np.array([0] * 17 + [1] * 3)


class Numbers:
    def __len__(self):
        return len(RARE)

    def render(self, number):
        return np.full((1, 2, 2), number, np.float32)


def test_class_weights_are_those_of_equations_6_1_and_6_2():
    negative, positive = balanced_weights(RARE, 2)
    assert negative == pytest.approx(20 / 17 * 0.5)
    assert positive == pytest.approx(20 / 3 * 0.5)


def test_weighted_classes_count_alike_whatever_their_numbers():
    logits = torch.zeros(20, 2, dtype=torch.float64, requires_grad=True)
    loss = Loss(weights=balanced_weights(RARE, 2))(logits, torch.from_numpy(RARE))
    loss.backward()
    pull = logits.grad[:, 1].numpy()
    assert pull[RARE == 0].sum() == pytest.approx(-pull[RARE == 1].sum())


def test_oversampling_draws_the_rare_class_again_until_both_are_as_many():
    loader = Loader(Split(Numbers(), RARE, np.arange(20)), 4, 0, AugmentSettings(), oversample=True)
    for epoch in (0, 1):
        order = loader.order(epoch)
        assert np.bincount(RARE[order]).tolist() == [17, 17]
        assert np.bincount(order, minlength=20)[:17].tolist() == [1] * 17
        assert np.bincount(order, minlength=20)[17:].min() >= 1
    assert loader.order(0).tolist() != loader.order(1).tolist()


def test_in_expectation_oversampling_minimises_what_class_weights_do():
    torch.manual_seed(0)
    logits = torch.randn(20, 2, dtype=torch.float64)
    targets = torch.from_numpy(RARE)
    weighted = Loss(weights=balanced_weights(RARE, 2))(logits, targets)
    loader = Loader(Split(Numbers(), RARE, np.arange(20)), 4, 0, AugmentSettings(), oversample=True)
    means = [Loss()(logits[order], targets[order]) for order in map(loader.order, range(400))]
    assert float(torch.stack(means).mean()) == pytest.approx(float(weighted), rel=0.01)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 1), st.floats(0, 7), st.floats(-4, 4))
def test_focal_loss_is_equation_6_3(alpha, gamma, logit):
    p = float(torch.sigmoid(torch.tensor(logit, dtype=torch.float64)))
    for target, share in ((1, p), (0, 1 - p)):
        found = Loss(gamma=gamma, alpha=alpha)(torch.tensor([[logit]]), torch.tensor([target]))
        assert float(found) == pytest.approx(
            -alpha * (1 - share) ** gamma * np.log(share), rel=2e-3, abs=1e-6
        )


def test_focal_loss_without_focus_is_cross_entropy():
    torch.manual_seed(0)
    logits, targets = torch.randn(9, 4), torch.randint(0, 4, (9,))
    plain, focal = Loss()(logits, targets), Loss(gamma=0.0)(logits, targets)
    assert float(focal) == pytest.approx(float(plain), rel=1e-6)
    assert float(plain) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, targets)), rel=1e-6)


SMALL = ModelConfig(method="fcn-mil", feature_channels=(4, 6), feature_shrink=(1, 0), dropout=0.0)


def test_what_was_trained_before_is_taken_where_it_fits_and_held_until_it_may_learn(tmp_path):
    """Another data set has other classes: the features are taken, the last layer is new."""
    torch.manual_seed(1)
    before = build_model(replace(SMALL, n_classes=10))
    save(before, tmp_path / "fashion.safetensors")
    how = TransferSettings(weights=tmp_path / "fashion.safetensors", freeze=("body.",), unfreeze_epoch=3)
    other = load(how.weights).model.state_dict()
    torch.manual_seed(2)
    model = transfer.start(build_model(SMALL), how, other, "t.toml")
    own, theirs = model.state_dict(), before.state_dict()
    assert all(own[name].equal(theirs[name]) for name in own if name.startswith("body."))
    assert own["last.weight"].shape != theirs["last.weight"].shape
    for epoch, learns in ((0, False), (1, False), (2, True)):
        transfer.freeze(model, how, epoch)
        held = {name: p.requires_grad for name, p in model.named_parameters() if name.startswith("body.")}
        assert set(held.values()) == {learns}
        assert model.last.weight.requires_grad


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_dropout_drops_its_share_in_training_and_nothing_otherwise(share):
    torch.manual_seed(0)
    model = build_model(replace(SMALL, dropout=share))
    ones = torch.ones(40, 50, 10, 10)
    dropped = float((model.train().dropout(ones) == 0).float().mean())
    assert dropped == pytest.approx(share, abs=0.01)
    assert model.eval().dropout(ones).equal(ones)
