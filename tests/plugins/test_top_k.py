"""The best cells come first, and none lies near a better one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.core.maps import ScoreMap
from astrodetect.plugins.selectors.top_k import TopK, best_cells


def one_by_one(scores: np.ndarray, k: int, reach: tuple[int, int], threshold: float | None) -> list[int]:
    """Walk the cells by falling score and keep those that are far from all kept."""
    width = scores.shape[1]
    order = sorted(range(scores.size), key=lambda cell: (-scores.flat[cell], cell))
    kept: list[int] = []
    for cell in order:
        score = scores.flat[cell]
        if len(kept) == k or score == -np.inf or (threshold is not None and score < threshold):
            break
        y, x = divmod(cell, width)
        if all(abs(y - c // width) > reach[0] or abs(x - c % width) > reach[1] for c in kept):
            kept.append(cell)
    return kept


@settings(max_examples=200, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    k=st.integers(1, 30),
    reach=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    threshold=st.sampled_from([None, 0.0, 2.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_plain_rule_with_many_ties(shape, k, reach, threshold, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)
    scores[scores == -3] = -np.inf
    assert best_cells(scores, k, reach, threshold).tolist() == one_by_one(scores, k, reach, threshold)


def test_suppression_is_in_pixels_whatever_the_stride() -> None:
    data = np.zeros((5, 9), np.float32)
    data[2, 4], data[2, 5], data[2, 6], data[3, 4] = 9, 8, 7, 6
    chosen = TopK(k=3, suppress=10).select(ScoreMap(data, stride=(20.0, 8.0), origin_yx=(3.5, 3.5)))
    assert chosen.scores.tolist() == [9, 7, 6]
    np.testing.assert_array_equal(chosen.centres_yx[0], [43.5, 35.5])
    assert chosen.weights.sum() == pytest.approx(1)


def test_cells_without_a_score_are_never_taken() -> None:
    data = np.full((3, 3), -np.inf, np.float32)
    data[0, 0], data[1, 1] = np.nan, np.inf
    chosen = TopK(k=5, suppress=0).select(ScoreMap(data, (1.0, 1.0), (0.0, 0.0)))
    assert chosen.indices.tolist() == [4]
    data[1, 1] = np.nan
    assert len(TopK().select(ScoreMap(data, (1.0, 1.0), (0.0, 0.0)))) == 0
    assert np.isnan(data[0, 0]), "the map belongs to the scorer"


def test_threshold_and_empty_maps() -> None:
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    chosen = TopK(k=10, suppress=0, threshold=9).select(ScoreMap(data, (1.0, 1.0), (0.0, 0.0)))
    assert chosen.scores.tolist() == [11, 10, 9]
    empty = ScoreMap(np.empty((0, 4), np.float32), (1.0, 1.0), (0.0, 0.0))
    assert len(TopK().select(empty)) == 0
