"""Medians and percentiles of frames are those of NumPy, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.methods.statistics import frame_medians, frame_percentiles

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))


@given(SHAPES, st.integers(0, 9999), st.sampled_from([1, 30, 1e7]), st.booleans())
def test_medians(shape, seed, spread, whole):
    stack = (np.random.default_rng(seed).normal(0, 1, shape) * spread).astype(np.float32)
    stack = np.rint(stack) if whole else stack
    expected = np.median(stack, axis=(1, 2), keepdims=True)
    np.testing.assert_array_equal(frame_medians(stack, whole=whole), expected)


@settings(max_examples=200)
@given(SHAPES, st.integers(0, 9999), st.sampled_from([(50, 84), (0, 100), (16, 50), (2.5, 97.5), (50, 50)]))
def test_percentiles(shape, seed, percent):
    stack = np.random.default_rng(seed).normal(3, 5, shape).astype(np.float32)
    expected = np.percentile(stack, percent, axis=(1, 2), keepdims=True)
    found = np.stack(frame_percentiles(stack, *percent))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n", [2, 3, 484, 485])
def test_many_equal_values(n):
    stack = np.random.default_rng(n).integers(0, 3, (4, 1, n)).astype(np.float32)
    for whole in (False, True):
        np.testing.assert_array_equal(
            frame_medians(stack, whole=whole), np.median(stack, axis=(1, 2), keepdims=True)
        )
