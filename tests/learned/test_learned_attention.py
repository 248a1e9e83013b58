"""Attention sampling against the enumeration of everything that could be drawn."""

from itertools import permutations, product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from astrodetect.plugins.models.attention import (
    coefficients,
    expectation,
    gumbel,
    negative_entropy,
    sample,
    smooth,
)

N = 6


def problem(concentration=1.0):
    """Logits, non-negative features and a direction in which the estimate matters."""
    logits = concentration * torch.randn(N, dtype=torch.float64)
    return logits, torch.rand(N, 3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)


def ordered_samples(attention, k, replace):
    """All ordered samples of k positions, and their probabilities."""
    draws = product(range(N), repeat=k) if replace else permutations(range(N), k)
    indices = torch.tensor(list(draws))
    chosen = attention[indices]
    left = torch.ones_like(chosen) if replace else 1 - (chosen.cumsum(1) - chosen)
    return indices, (chosen / left).prod(dim=1)


def expected(logits, features, direction, k, gradient, replace=False):
    """Expectation of the estimate and of its gradient by the logits, over all ordered samples."""
    logits = logits.clone().requires_grad_()
    attention = torch.softmax(logits, 0)
    indices, chance = ordered_samples(attention.detach(), k, replace)
    estimates = expectation(attention[indices], features[indices], replace=replace, gradient=gradient)
    mean = (chance[:, None] * estimates).sum(0)
    (mean @ direction).backward()
    return mean.detach(), logits.grad


def exact(logits, features, direction):
    """The sum over all positions, and its gradient."""
    logits = logits.clone().requires_grad_()
    total = torch.softmax(logits, 0) @ features
    (total @ direction).backward()
    return total.detach(), logits.grad


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("concentration", [0.3, 1.0, 3.0])
def test_estimate_and_gradient_without_replacement_are_exact_on_average(k, concentration):
    setup = problem(concentration)
    total, slope = exact(*setup)
    mean, found = expected(*setup, k, "unbiased")
    assert torch.allclose(mean, total, atol=1e-10, rtol=0)
    assert torch.allclose(found, slope, atol=1e-10, rtol=0)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_estimate_and_gradient_with_replacement_are_exact_on_average(k):
    setup = problem()
    total, slope = exact(*setup)
    mean, found = expected(*setup, k, "unbiased", replace=True)
    assert torch.allclose(mean, total, atol=1e-10, rtol=0)
    assert torch.allclose(found, slope, atol=1e-10, rtol=0)


@pytest.mark.parametrize("k", [3, 4, 5])
def test_the_published_gradient_fails_where_ours_holds(k):
    setup = problem(2.0)
    total, slope = exact(*setup)
    mean, found = expected(*setup, k, "reference")
    assert torch.allclose(mean, total, atol=1e-10, rtol=0)  # the estimate itself is right
    assert (found - slope).norm() > 0.3 * slope.norm()


def test_the_published_gradient_can_point_away_when_attention_is_concentrated():
    cosines = []
    for _ in range(20):
        setup = problem(3.0)
        cosines.append(torch.cosine_similarity(expected(*setup, 5, "reference")[1], exact(*setup)[1], dim=0))
    assert min(cosines) < 0


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_baseline_keeps_the_direction(k):
    setup = problem()
    _, slope = exact(*setup)
    found = expected(*setup, k, "baseline")[1]
    assert torch.cosine_similarity(found, slope, dim=0) > 0.97


def test_the_baseline_takes_most_of_the_noise_away():
    cells, k, draws = 400, 10, 4000
    logits = torch.zeros(cells, dtype=torch.float64)
    logits[:12] += 4
    features = torch.rand(cells, 4, dtype=torch.float64) + 1  # features share an offset, as after a ReLU
    direction = torch.randn(4, dtype=torch.float64)
    attention = torch.softmax(logits, 0)
    truth = attention * (features @ direction - (attention @ features) @ direction)
    errors = {}
    indices = sample(logits.expand(draws, -1), k)
    for gradient in ("unbiased", "baseline"):
        leaf = logits.expand(draws, -1).clone().requires_grad_()
        chosen = torch.softmax(leaf, 1).gather(1, indices)
        (expectation(chosen, features[indices], gradient=gradient) @ direction).sum().backward()
        errors[gradient] = (leaf.grad - truth).square().sum(1).mean().sqrt()
    assert errors["baseline"] < errors["unbiased"] / 2


@given(st.integers(1, 12), st.floats(0.1, 8), st.integers(0, 2**31))
def test_coefficients_sum_to_one(k, concentration, seed):
    generator = torch.Generator().manual_seed(seed)
    attention = torch.softmax(concentration * torch.randn(12, generator=generator, dtype=torch.float64), 0)
    chosen = attention[torch.randperm(12, generator=generator)[:k]][None]
    for replace in (False, True):
        weights, _ = coefficients(chosen, replace=replace)
        assert abs(weights.sum().item() - 1) < 1e-12
        assert (weights >= 0).all()


def test_one_draw_gives_its_feature_and_all_draws_give_everything():
    logits, features, direction = problem()
    attention = torch.softmax(logits, 0)
    one = expectation(attention[[2]][None], features[[2]][None])
    assert torch.allclose(one[0], features[2])
    _, slope = exact(logits, features, direction)
    leaf = logits.clone().requires_grad_()
    everything = torch.randperm(N)
    found = expectation(torch.softmax(leaf, 0)[everything][None], features[everything][None])
    # With K = N the m-th estimate knows the first m - 1 terms; averaged over orders this is all of it.
    assert found.shape == (1, 3)
    mean, average_slope = expected(logits, features, direction, N, "unbiased")
    assert torch.allclose(mean, attention @ features, atol=1e-12)
    assert torch.allclose(average_slope, slope, atol=1e-12)


def test_samples_follow_the_attention():
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    drawn = sample(logits.expand(40000, -1), 2)
    first = torch.bincount(drawn[:, 0], minlength=4) / 40000
    assert torch.allclose(first, torch.softmax(logits, 0), atol=0.01)
    second_after_first = (drawn[:, 1] == 1)[drawn[:, 0] == 0].float().mean()
    assert abs(second_after_first - 0.3 / 0.5) < 0.015
    again = sample(logits.expand(40000, -1), 3, replace=True)
    assert torch.allclose(
        torch.bincount(again.flatten(), minlength=4) / 120000, torch.softmax(logits, 0), atol=0.01
    )


def test_a_seed_gives_the_same_draws_and_never_twice_the_same_cell():
    logits = torch.randn(5, 50)
    draws = [sample(logits, 20, generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*draws)
    assert all(len(set(row.tolist())) == 20 for row in draws[0])


def test_forbidden_cells_are_drawn_last():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, -800.0]])
    for _ in range(20):
        assert set(sample(logits, 2)[0].tolist()) == {1, 3}
    assert torch.isfinite(gumbel(torch.Size([100000]), logits)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    logits = (30 * torch.randn(2, 500)).to(dtype).requires_grad_()
    indices = sample(logits, 8)
    chosen = torch.softmax(logits.float(), 1).gather(1, indices)
    features = torch.rand(2, 8, 4).to(dtype).requires_grad_()
    found = expectation(chosen, features, gradient="baseline")
    (found.float().sum() + negative_entropy(logits).sum()).backward()
    assert found.dtype == dtype
    assert torch.isfinite(found).all()
    assert torch.isfinite(logits.grad).all()
    assert torch.isfinite(features.grad).all()


def test_the_entropy_of_an_even_attention_is_the_largest():
    even, uneven = torch.zeros(1, 40), torch.randn(1, 40)
    assert torch.isclose(negative_entropy(even)[0], -torch.log(torch.tensor(40.0)))
    assert negative_entropy(uneven)[0] > negative_entropy(even)[0]
    masked = torch.tensor([[0.0, 0.0, -torch.inf]], requires_grad=True)
    negative_entropy(masked).sum().backward()
    assert torch.isfinite(masked.grad).all()


def test_smoothing_spreads_over_what_is_allowed():
    smoothed = torch.softmax(smooth(torch.tensor([[50.0, 0.0, -torch.inf]]), 0.1), 1)
    assert torch.allclose(smoothed, torch.tensor([[0.95, 0.05, 0.0]]), atol=1e-6)
