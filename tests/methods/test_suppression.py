"""Suppression against brute force, and at the size of a night of galaxies."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.methods.boxes import OVERLAPS, overlap
from astrodetect.methods.suppression import TILE_LEVELS, level_limits, suppress


def brute_force(boxes, scores, limits, kind, classes=None, other=None, tiles=None):
    """The definition: from the best down, every box against every one that was kept."""
    kept = []
    for row in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        gone = False
        for best in kept:
            if tiles is not None and tiles[best] == tiles[row]:
                continue
            limit = limits[row]
            if classes is not None and classes[best] != classes[row]:
                if other is None:
                    continue
                limit = other
            gone |= bool(overlap(boxes[best], boxes[row], kind) > limit)
        if not gone:
            kept.append(row)
    return kept


def random_boxes(rng, n, axes, extent=60.0):
    low = rng.uniform(0, extent, (n, axes))
    size = np.exp(rng.normal(1.5, 0.9, (n, axes)))
    return np.concatenate([low, low + size], axis=1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 40),
    axes=st.sampled_from([2, 3]),
    kind=st.sampled_from(OVERLAPS),
    limit=st.floats(-0.9, 0.9),
)
def test_plain_suppression_is_that_of_the_definition(seed, n, axes, kind, limit):
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, n, axes), rng.integers(0, 8, n) / 8  # with ties
    expected = brute_force(boxes, scores, np.full(n, limit), kind)
    assert suppress(boxes, scores, limit, kind).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 40), other=st.none() | st.floats(0, 0.9))
def test_classes_and_tiles_are_kept_apart(seed, n, other):
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, n, 2), rng.random(n)
    classes, tiles = rng.integers(0, 3, n), rng.integers(0, 4, n)
    limits = np.full(n, 0.2)
    found = suppress(boxes, scores, 0.2, classes=classes, other_limit=other)
    assert found.tolist() == brute_force(boxes, scores, limits, "iou", classes, other)
    found = suppress(boxes, scores, 0.2, tiles=tiles)
    assert found.tolist() == brute_force(boxes, scores, limits, "iou", tiles=tiles)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 40))
def test_levels_are_those_of_the_paper(seed, n):
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, n, 2), rng.random(n)
    limits = np.select([scores < 0.3, scores < 0.5, scores < 0.7], [-0.5, -0.3, -0.1], 0.05)
    np.testing.assert_array_equal(level_limits(scores, TILE_LEVELS), limits)
    expected = brute_force(boxes, scores, limits, "diou")
    assert suppress(boxes, scores, level_limits(scores), "diou").tolist() == expected


def test_a_table_by_hand():
    boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 5], [20, 20, 30, 30], [28, 20, 38, 30]]
    scores = [0.6, 0.9, 0.5, 0.4, 0.8]
    # Overlaps: 0-1 9/11; 1-2 4.5/10.5; 0-2 1/2; 3-4 2/18.
    assert suppress(boxes, scores, 0.5).tolist() == [1, 4, 2, 3]
    assert suppress(boxes, scores, 0.4).tolist() == [1, 4, 3]
    assert suppress(boxes, scores, 0.1).tolist() == [1, 4]


def test_one_large_box_among_many_small_ones_does_not_make_all_of_them_neighbours():
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 20000, (100_000, 2))
    boxes = np.concatenate([low, low + rng.uniform(4, 12, low.shape)], axis=1)
    boxes[0] = (0, 0, 20000, 20000)
    start = time.process_time()
    kept = suppress(boxes, rng.random(len(boxes)), 0.3)
    assert time.process_time() - start < 8  # brute force would take hours
    assert 0 in kept
    assert 90_000 < len(kept) < 100_000


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="belong together"):
        suppress(np.zeros((3, 4)), np.zeros(2))
    with pytest.raises(ValueError, match="not a number"):
        suppress([[0, 0, np.nan, 1]], [1.0])
    assert suppress(np.zeros((0, 4)), []).tolist() == []
