"""The compiled tier gives what the NumPy tier gives, bit for bit, and takes over only where it pays."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.methods import fast_tier
from astrodetect.methods.reduction import PLANES, reduce_window

needs_numba = pytest.mark.skipif(not fast_tier.INSTALLED, reason="numba (extra fast) is not installed")
TYPES = ["uint8", "uint16", "int16", "float32"]


def stack_of(n_frames: int, shape: tuple[int, int], dtype: str, seed: int, few: bool) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        stack = rng.normal(0, 10, (n_frames, *shape)).astype(dtype)
        stack[rng.random(stack.shape) < 0.02] = np.nan
        stack[rng.random(stack.shape) < 0.01] = np.inf
        return stack.round() + np.float32(0) if few else stack
    limits = np.iinfo(dtype)
    low, high = (0, 4) if few else (limits.min, limits.max + 1)
    return rng.integers(low, high, (n_frames, *shape)).astype(dtype)


def assert_same(stack: np.ndarray, planes: tuple[str, ...], threads: int) -> None:
    plain = reduce_window(stack, planes=planes, tier="numpy")
    fast = reduce_window(stack, planes=planes, tier="numba", threads=threads)
    assert plain.keys() == fast.keys() == set(planes)
    for name, plane in plain.items():
        assert fast[name].dtype == plane.dtype
        np.testing.assert_array_equal(fast[name], plane, err_msg=name)


@needs_numba
@settings(max_examples=120, deadline=None)
@given(
    n_frames=st.integers(1, 67),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    dtype=st.sampled_from(TYPES),
    planes=st.sets(st.sampled_from(PLANES), min_size=1),
    threads=st.integers(1, 2),
    seed=st.integers(0, 2**32 - 1),
    few=st.booleans(),
)
def test_tiers_agree(
    n_frames: int,
    height: int,
    width: int,
    dtype: str,
    planes: set[str],
    threads: int,
    seed: int,
    few: bool,
) -> None:
    """Any number of frames, with ties, over the full range of the type, with values that are not finite."""
    assert_same(stack_of(n_frames, (height, width), dtype, seed, few), tuple(planes), threads)


@needs_numba
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n_frames", [2, 16, 17, 32, 33, 34, 63, 64, 65])
def test_tiers_agree_where_the_layout_changes(dtype: str, n_frames: int) -> None:
    assert_same(stack_of(n_frames, (70, 151), dtype, n_frames, False), PLANES, 2)


@needs_numba
def test_frames_that_are_no_stack_are_reduced_all_the_same() -> None:
    ring = stack_of(20, (30, 40), "uint16", 0, False)
    for frames in ([ring[i] for i in range(9)], ring[:, ::2], ring[:, :, 3:17], ring.astype(">u2")):
        made = reduce_window(frames, planes=PLANES, tier="numba")
        np.testing.assert_array_equal(made["max"], np.max(np.asarray(frames), axis=0))


@needs_numba
def test_it_takes_over_after_enough_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_tier, "_work", {})
    monkeypatch.setattr(fast_tier, "_started", set())
    monkeypatch.setattr(fast_tier, "_ready", {})
    monkeypatch.setattr(fast_tier, "_BEFORE_LOADING", 100.0)
    monkeypatch.setattr(fast_tier, "_BEFORE_COMPILING", 100.0)
    frames = np.zeros((3, 5, 6), np.uint16)
    assert fast_tier.compiled(frames) is None
    assert fast_tier.compiled(frames, "numpy") is None
    fast_tier.compiled(frames)
    for thread in threading.enumerate():
        if thread.name == "astrodetect-compiler":
            thread.join()
    assert fast_tier.compiled(frames) is not None


def test_without_numba_numpy_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_tier, "INSTALLED", False)
    stack = stack_of(5, (6, 7), "uint8", 0, False)
    np.testing.assert_array_equal(reduce_window(stack, planes=["median"])["median"], np.median(stack, axis=0))
    with pytest.raises(ValueError, match=r"install astrodetect\[fast\]"):
        reduce_window(stack, tier="numba")
