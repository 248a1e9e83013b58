"""Overlaps of boxes against their formulas."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.methods.boxes import (
    OVERLAPS,
    axes_of,
    centres,
    diou,
    diou_squared,
    giou,
    iou,
    overlap,
    pairwise,
    sizes,
)

numbers = st.floats(-50, 50, allow_nan=False).map(lambda value: round(value, 3))
sides = st.floats(0, 30).map(lambda value: round(value, 3))


@st.composite
def two_boxes(draw, axes):
    """Two boxes of `axes` axes, now and then without extent."""
    pair = []
    for _ in range(2):
        low = np.array([draw(numbers) for _ in range(axes)])
        pair.append(np.concatenate([low, low + [draw(sides) for _ in range(axes)]]))
    return pair


def by_formula(a, b, kind):
    """The definitions, with loops and plain floats."""
    n = len(a) // 2
    shared = np.prod([max(0.0, min(a[n + k], b[n + k]) - max(a[k], b[k])) for k in range(n)])
    union = sum(np.prod([box[n + k] - box[k] for k in range(n)]) for box in (a, b)) - shared
    extents = [max(a[n + k], b[n + k]) - min(a[k], b[k]) for k in range(n)]
    ratio = shared / union if union > 0 else 0.0
    if kind == "iou":
        return ratio
    if kind == "giou":
        enclosing = np.prod(extents)
        return ratio - ((enclosing - union) / enclosing if enclosing > 0 else 0.0)
    distance = np.sqrt(sum(((a[k] + a[n + k]) / 2 - (b[k] + b[n + k]) / 2) ** 2 for k in range(n)))
    diagonal = np.sqrt(sum(extent**2 for extent in extents))
    part = distance / diagonal if diagonal > 0 else 0.0
    return ratio - (part if kind == "diou" else part**2)


@pytest.mark.parametrize("kind", OVERLAPS)
@pytest.mark.parametrize("axes", [2, 3])
def test_overlaps_follow_their_formulas(kind, axes):
    @settings(max_examples=60, deadline=None)
    @given(two_boxes(axes))
    def check(pair):
        a, b = pair
        expected = by_formula(a, b, kind)
        assert overlap(a, b, kind) == pytest.approx(expected, abs=1e-9)
        assert overlap(b, a, kind) == pytest.approx(expected, abs=1e-9)
        tensors = torch.from_numpy(a), torch.from_numpy(b)
        assert float(overlap(*tensors, kind)) == pytest.approx(expected, abs=1e-9)
        shift = np.tile(np.arange(1.0, axes + 1), 2)
        assert overlap(a + shift, b + shift, kind) == pytest.approx(expected, abs=1e-9)

    check()


def test_values_by_hand():
    a, b = np.array([0.0, 0, 2, 2]), np.array([1.0, 0, 3, 2])
    assert iou(a, b) == pytest.approx(2 / 6)
    assert giou(a, b) == pytest.approx(2 / 6)  # the enclosing box is the union
    assert diou(a, b) == pytest.approx(2 / 6 - 1 / np.sqrt(13))
    assert diou_squared(a, b) == pytest.approx(2 / 6 - 1 / 13)
    apart = np.array([4.0, 0, 6, 2])
    assert giou(a, apart) == pytest.approx(-(12 - 8) / 12)
    cube, half = np.array([0.0, 0, 0, 2, 2, 2]), np.array([0.0, 0, 0, 2, 2, 1])
    assert iou(cube, half) == pytest.approx(0.5)
    assert diou(cube, half) == pytest.approx(0.5 - 0.5 / np.sqrt(12))


def test_a_flat_image_is_a_cube_of_depth_one():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 20, (2, 40, 2))
    flat = np.concatenate([low, low + rng.uniform(1, 9, (2, 40, 2))], axis=-1)
    deep = np.insert(np.insert(flat, 2, 0.0, axis=-1), 5, 1.0, axis=-1)
    np.testing.assert_allclose(iou(flat[0], flat[1]), iou(deep[0], deep[1]))


def test_pairwise_is_every_pair():
    rng = np.random.default_rng(1)
    a, b = (np.concatenate([low, low + 5], -1) for low in (rng.uniform(0, 9, (n, 2)) for n in (4, 3)))
    for kind in OVERLAPS:
        table = pairwise(a, b, kind)
        assert table.shape == (4, 3)
        for i, j in itertools.product(range(4), range(3)):
            assert table[i, j] == pytest.approx(by_formula(a[i], b[j], kind))
    assert pairwise(a[:0], b).shape == (0, 3)
    assert pairwise(torch.from_numpy(a)[None], torch.from_numpy(b)[None]).shape == (1, 4, 3)


def test_centres_and_sizes():
    box = np.array([1.0, 2, 5, 4])
    assert centres(box).tolist() == [3.0, 3.0]
    assert sizes(box).tolist() == [4.0, 2.0]
    assert axes_of(np.zeros((0, 6))) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: overlap(np.zeros(4), np.zeros(4), "ciou"), "one of iou, giou, diou, diou2"),
        (lambda: overlap(np.zeros(5), np.zeros(4)), "4 or 6 numbers"),
        (lambda: overlap(np.zeros(4), np.zeros(6)), "2 and of 3 axes"),
    ],
)
def test_what_is_no_box_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
