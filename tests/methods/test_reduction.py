"""The reduction is exact: equal to NumPy bit for bit, whatever the number, type and layout of frames."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.methods import reduction
from astrodetect.methods.median_network import selection_network
from astrodetect.methods.reduction import PLANES, median_dtype, reduce_window, temporal_median

TYPES = ["uint8", "uint16", "int16", "int32", "uint32", "float32", "float64"]


def stack_of(n_frames: int, shape: tuple[int, int], dtype: str, seed: int = 0, values: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(100, 10, (n_frames, *shape)).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = (0, values) if values else (limits.min, limits.max + 1)
    return rng.integers(low, high, (n_frames, *shape)).astype(dtype)


def test_network_sorts_every_input_of_zeros_and_ones() -> None:
    """By the 0-1 principle a network that is right for these is right for all inputs."""
    for size in (1, 2, 3, 5, 8, 11, 16):
        network = selection_network(size, ("low", "high", "max", "min"))
        bits = ((np.arange(1 << size)[:, None] >> np.arange(size)) & 1).astype(np.uint8).T
        rows = [*bits, *np.empty((network.n_buffers, 1 << size), np.uint8)]
        for kind, a, b, result in network.steps:
            rows[result] = np.maximum(rows[a], rows[b]) if kind else np.minimum(rows[a], rows[b])
        ordered = np.sort(bits, axis=0)
        ranks = {"low": (size - 1) // 2, "high": size // 2, "max": size - 1, "min": 0}
        for name, rank in ranks.items():
            np.testing.assert_array_equal(rows[network.outputs[name]], ordered[rank])


def test_network_of_65_is_small_and_does_not_write_its_input() -> None:
    network = selection_network(65)
    assert len(network.steps) <= 869
    assert all(step[3] >= 65 for step in network.steps)


@pytest.mark.parametrize("outputs", [("low",), ("middle",)])
def test_network_of_nothing_is_an_error(outputs: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no network of"):
        selection_network(0 if outputs == ("low",) else 3, outputs)


@settings(max_examples=150, deadline=None)
@given(
    n_frames=st.integers(1, 140),
    height=st.integers(1, 7),
    width=st.integers(1, 9),
    dtype=st.sampled_from(TYPES),
    seed=st.integers(0, 2**32 - 1),
    few=st.booleans(),
)
def test_planes_equal_numpy(n_frames: int, height: int, width: int, dtype: str, seed: int, few: bool) -> None:
    """With many ties and over the full range of the type."""
    stack = stack_of(n_frames, (height, width), dtype, seed, values=4 if few else 0)
    made = reduce_window(stack, planes=PLANES)
    median = np.median(stack, axis=0)
    assert made["background"].dtype == median_dtype(dtype, n_frames)
    np.testing.assert_array_equal(made["background"], median)
    assert made["median"] is made["background"]
    np.testing.assert_array_equal(made["max"], stack.max(axis=0))
    assert made["max"].dtype == stack.dtype
    np.testing.assert_array_equal(made["argmax"], stack.argmax(axis=0))
    exact = stack.max(axis=0).astype(np.float64) - median
    np.testing.assert_allclose(made["image"], exact, rtol=3e-7, atol=1e-5)
    wide = stack.astype(np.float64)
    spread = float(np.ptp(wide)) + 1
    np.testing.assert_allclose(made["mean"], wide.mean(axis=0), rtol=1e-6, atol=1e-6 * spread)
    np.testing.assert_allclose(made["std"], wide.std(axis=0), rtol=1e-3, atol=1e-3 * spread)
    assert {made[name].dtype for name in ("image", "mean", "std")} == {np.dtype(np.float32)}


@pytest.mark.parametrize("n_frames", [256, 257, 300, 513])
def test_long_windows(n_frames: int) -> None:
    """Around the widths of ``argmax`` and beyond the largest network."""
    for dtype in ("uint8", "float32"):
        stack = stack_of(n_frames, (5, 11), dtype, n_frames)
        stack[:, 0, 0] = 7
        made = reduce_window(stack, planes=PLANES)
        np.testing.assert_array_equal(made["background"], np.median(stack, axis=0))
        np.testing.assert_array_equal(made["argmax"], stack.argmax(axis=0))
        assert made["argmax"].dtype == (np.uint8 if n_frames <= 256 else np.uint16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("threads", [1, 2])
def test_frames_of_many_tiles(dtype: str, threads: int) -> None:
    stack = stack_of(9, (301, 517), dtype)
    made = reduce_window(stack, planes=PLANES, threads=threads)
    np.testing.assert_array_equal(made["background"], np.median(stack, axis=0))
    np.testing.assert_array_equal(made["argmax"], stack.argmax(axis=0))
    np.testing.assert_allclose(made["std"], stack.astype(float).std(axis=0), rtol=1e-4)


def test_views_into_a_ring_and_flipped_frames() -> None:
    """Slots in any order, rows upside down, cut-outs: the same planes, nothing written."""
    ring = stack_of(40, (90, 120), "uint16")
    before = ring.copy()
    order = [(7 + i) % 40 for i in range(33)]
    for view in (
        [ring[i] for i in order],
        [ring[i, ::-1] for i in order],
        [ring[i, 3:80, 5:77] for i in order],
    ):
        stack = np.stack(view)
        made = reduce_window(view, planes=PLANES)
        np.testing.assert_array_equal(made["background"], np.median(stack, axis=0))
        np.testing.assert_array_equal(made["max"], stack.max(axis=0))
        np.testing.assert_array_equal(made["argmax"], stack.argmax(axis=0))
    np.testing.assert_array_equal(reduce_window(ring[::2])["max"], ring[::2].max(axis=0))
    np.testing.assert_array_equal(ring, before)


def test_lines_longer_than_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduction, "_TILE_BYTES", 64)
    monkeypatch.setattr(reduction, "_kept", [])
    stack = stack_of(7, (6, 100), "uint16")
    for view in (stack, stack[:, ::-1]):
        made = reduce_window(view, planes=PLANES)
        np.testing.assert_array_equal(made["background"], np.median(view, axis=0))
        np.testing.assert_array_equal(made["argmax"], view.argmax(axis=0))


def test_big_endian_and_half_precision() -> None:
    stack = stack_of(5, (4, 4), "uint16")
    swapped = stack.astype(">u2")
    np.testing.assert_array_equal(reduce_window(swapped)["background"], np.median(stack, axis=0))
    half = stack_of(5, (4, 4), "float32").astype(np.float16)
    np.testing.assert_array_equal(temporal_median(half), np.median(half, axis=0))


@settings(max_examples=80, deadline=None)
@given(n_frames=st.integers(1, 20), seed=st.integers(0, 2**32 - 1), fraction=st.floats(0, 1))
def test_what_is_not_finite_is_not_observed(n_frames: int, seed: int, fraction: float) -> None:
    """NaN and infinities leave the statistics of the finite values, and NaN where there are none."""
    rng = np.random.default_rng(seed)
    stack = rng.normal(50, 5, (n_frames, 6, 8)).astype(np.float32)
    gone = rng.random(stack.shape) < fraction
    stack[gone] = rng.choice([np.nan, np.inf, -np.inf], gone.sum()).astype(np.float32)
    made = reduce_window(stack, planes=PLANES)
    seen = np.where(np.isfinite(stack), stack, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        np.testing.assert_array_equal(made["max"], np.nanmax(seen, axis=0))
        np.testing.assert_array_equal(made["background"], np.nanmedian(seen, axis=0))
        np.testing.assert_allclose(made["mean"], np.nanmean(seen, axis=0), rtol=1e-5)
        np.testing.assert_allclose(made["std"], np.nanstd(seen, axis=0), atol=1e-3)
    index = np.where(np.isnan(seen), -np.inf, seen).argmax(axis=0)
    np.testing.assert_array_equal(made["argmax"], index)


def test_only_what_is_asked_for_is_given() -> None:
    stack = stack_of(4, (3, 3), "uint8")
    assert list(reduce_window(stack, planes=["argmax"])) == ["argmax"]
    assert list(reduce_window(stack, planes=["std", "median"])) == ["median", "std"]
    assert reduce_window(stack, planes=["mean"])["mean"].dtype == np.float32
    assert reduce_window(stack, planes=[]) == {}


def test_even_number_of_frames_keeps_the_half() -> None:
    stack = np.array([[[65534]], [[65535]]], dtype=np.uint16)
    assert temporal_median(stack)[0, 0] == 65534.5


@pytest.mark.parametrize(
    ("frames", "planes", "message"),
    [
        (np.zeros((0, 4, 4)), ["max"], "no frames"),
        (np.zeros((4, 4)), ["max"], r"frames \(H, W\) of one shape"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], ["max"], "of one shape"),
        (np.zeros((2, 4, 4), complex), ["max"], "integer or floating-point type, not complex128"),
        ([np.zeros((2, 2), "u1"), np.zeros((2, 2), "u2")], ["max"], "not uint16, uint8"),
        (np.zeros((2, 4, 4)), ["mode"], "unknown plane 'mode'; expected of max"),
    ],
)
def test_bad_frames_are_told_in_one_line(frames: np.ndarray, planes: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        reduce_window(frames, planes=planes)
    assert "\n" not in str(caught.value)
