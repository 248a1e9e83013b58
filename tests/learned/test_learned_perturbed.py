"""Differentiable selection: streaming against dense, and the conditional gradient against sampling."""

import pytest
import torch

from astrodetect.plugins.models.perturbed import (
    Noise,
    best,
    inclusion,
    perturbed_best,
    perturbed_topk,
    standardise,
)


def dense_noise(noise, scores):
    """All the noise of a selection at once, (B, M, N)."""
    whole = torch.empty(len(scores), noise.n_samples, scores.shape[1], dtype=scores.dtype)
    for images, draws, drawn in noise.chunks(*scores.shape, scores):
        whole[images, draws] = drawn
    return whole


def dense_mixture(scores, k, sigma, drawn):
    """The selection with one-hot arrays, (B, K, N), and the samples that it is the mean of."""
    indices = (scores[:, None] + sigma * drawn).topk(k, dim=-1).indices.sort(dim=-1).values
    hot = torch.nn.functional.one_hot(indices, scores.shape[1]).to(scores.dtype)
    return hot.mean(dim=1), hot


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("gradient", ["plain", "baseline", "reference"])
def test_streaming_equals_dense(shared, gradient):
    scores = torch.randn(3, 300, dtype=torch.float64)
    noise, k = Noise(50, 0.3, 7, shared), 4
    drawn = dense_noise(noise, scores)
    mixture, hot = dense_mixture(scores, k, 0.3, drawn)
    weight = torch.randn_like(mixture)
    reward = torch.einsum("bmkn,bkn->bm", hot, weight)
    if gradient == "baseline":
        reward = (reward - reward.mean(1, keepdim=True)) * 50 / 49
    slope = torch.einsum("bm,bmn->bn", reward, drawn) / (50 * 0.3)
    if gradient == "reference":
        slope = torch.einsum("bmkn,bkn,bmn->bn", hot, weight, drawn) / (50 * 0.3)
    leaf = scores.clone().requires_grad_()
    found = perturbed_topk(leaf, k, noise, gradient)
    (found * weight).sum().backward()
    assert torch.allclose(found, mixture, atol=1e-12)
    assert torch.allclose(leaf.grad, slope, atol=1e-12)


def test_rows_sum_to_one_and_slots_are_in_order_of_position():
    mixture = perturbed_topk(torch.randn(2, 100), 5, Noise(40, 0.5))
    assert torch.allclose(mixture.sum(-1), torch.ones(2, 5))
    places = (mixture * torch.arange(100)).sum(-1)
    assert (places.diff(dim=1) > 0).all()


def test_a_constant_added_to_the_gradient_changes_nothing_with_the_baseline():
    scores, noise = torch.randn(2, 200, dtype=torch.float64), Noise(30, 0.2, 1)
    slopes = []
    for offset in (0.0, 100.0):
        leaf = scores.clone().requires_grad_()
        weight = torch.arange(200.0, dtype=torch.float64) / 200 + offset
        (perturbed_topk(leaf, 5, noise) * weight).sum().backward()
        slopes.append(leaf.grad)
    assert torch.allclose(*slopes, atol=1e-9)


def test_conditional_gradient_agrees_with_the_score_function():
    cells, k, sigma = 40, 4, 0.3
    scores = 0.5 * torch.randn(1, cells, dtype=torch.float64)
    worth = torch.randn(cells, dtype=torch.float64)
    drawn = torch.randn(200_000, cells, dtype=torch.float64)
    chosen = (scores + sigma * drawn).topk(k, dim=1).indices
    reward = worth[chosen].sum(1)
    truth = ((reward - reward.mean())[:, None] * drawn).mean(0) / sigma
    leaf = scores.clone().requires_grad_()
    everything = torch.arange(cells)[None]
    chance = inclusion(leaf, everything, k, Noise(500, sigma, 3))
    (chance[0] @ worth).backward()
    assert torch.cosine_similarity(leaf.grad[0], truth, dim=0) > 0.99
    assert (leaf.grad[0] - truth).norm() < 0.1 * truth.norm()
    often = torch.bincount(chosen.flatten(), minlength=cells) / 200_000
    assert torch.allclose(chance[0], often.double(), atol=0.03)


def test_conditional_gradient_needs_few_draws():
    cells, k, sigma = 400, 10, 0.05
    scores = 0.02 * torch.randn(1, cells, dtype=torch.float64)
    scores[0, :12] += 0.1
    worth = torch.rand(cells, dtype=torch.float64)
    slopes = []
    for n_samples, seed in ((4000, 0), (16, 1)):
        leaf = scores.clone().requires_grad_()
        chance = inclusion(leaf, torch.arange(cells)[None], k, Noise(n_samples, sigma, seed))
        (chance[0] @ (worth - worth.mean())).backward()
        slopes.append(leaf.grad[0])
    assert torch.cosine_similarity(*slopes, dim=0) > 0.9


def test_antithetic_draws_come_in_pairs_and_leave_less_noise():
    noise = dense_noise(Noise(16, 1.0, 3, antithetic=True), torch.zeros(2, 50))
    assert torch.equal(noise[:, :8], -noise[:, 8:])
    scores = torch.randn(1, 200, dtype=torch.float64)
    chosen = scores.topk(5, dim=1).indices
    exact = inclusion(scores, chosen, 5, Noise(4000, 0.3, 99))
    errors = {
        antithetic: sum(
            (inclusion(scores, chosen, 5, Noise(16, 0.3, seed, antithetic=antithetic)) - exact).square().sum()
            for seed in range(40)
        )
        for antithetic in (False, True)
    }
    assert errors[True] < errors[False]


@pytest.mark.parametrize("k", [1, 20])
def test_one_and_all(k):
    scores = torch.randn(2, 20, dtype=torch.float64, requires_grad=True)
    chance = inclusion(scores, torch.arange(20).expand(2, -1), k, Noise(200, 0.3))
    chance.square().sum().backward()
    assert torch.isfinite(scores.grad).all()
    assert torch.allclose(chance.sum(1), torch.full((2,), float(k), dtype=torch.float64), atol=0.15)
    if k == 20:
        assert torch.allclose(chance, torch.ones_like(chance))
        assert scores.grad.abs().max() < 1e-12
    mixture = perturbed_topk(scores, k, Noise(10, 0.3))
    assert torch.allclose(mixture.sum(), torch.tensor(2.0 * k, dtype=torch.float64))


def test_forbidden_cells_have_no_chance():
    scores = torch.randn(1, 30)
    scores[0, ::2] = -torch.inf
    levels = standardise(scores)
    chance = inclusion(levels, torch.arange(30)[None], 4, Noise(30, 0.2))
    assert (chance[0, ::2] == 0).all()
    assert torch.allclose(standardise(torch.ones(1, 9)), torch.zeros(1, 9))
    finite = levels[torch.isfinite(levels)]
    assert abs(finite.mean()) < 1e-6
    assert abs(finite.std(correction=0) - 1) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    scores = torch.randn(2, 400).to(dtype).requires_grad_()
    chance = inclusion(scores, scores.detach().topk(5, dim=1).indices, 5, Noise(16, 0.02))
    mixture = perturbed_topk(scores, 5, Noise(16, 0.02))
    (chance.sum() + (mixture * torch.randn_like(mixture)).sum()).backward()
    assert chance.dtype == mixture.dtype == torch.float32
    assert scores.grad.dtype == dtype
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("cells", [5, 64, 1000, 28130])
def test_the_best_of_blocks_are_the_best(cells):
    rows = torch.randn(4, cells)
    count = min(11, cells)
    values, places = best(rows, count)
    assert torch.equal(values, rows.topk(count, dim=1).values)
    assert torch.equal(rows.gather(1, places), values)


def test_a_seed_gives_the_same_whatever_the_number_of_images():
    scores = torch.randn(4, 300)
    noise = Noise(21, 0.5, 11, shared=True)
    whole, part = perturbed_best(scores, 6, noise), perturbed_best(scores[:2], 6, noise)
    assert torch.equal(whole[1][:2], part[1])
    assert torch.equal(perturbed_best(scores, 6, noise)[0], whole[0])
    other = perturbed_best(scores, 6, Noise(21, 0.5, 12, shared=True))
    assert not torch.equal(other[0], whole[0])
