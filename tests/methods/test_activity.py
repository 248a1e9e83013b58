"""Cells that light up one after the other: exact sums and chains, and what they are for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.methods import fast_tier
from astrodetect.methods.activity import activity_of, chained, excess_light, surroundings
from astrodetect.methods.bins import summed
from astrodetect.methods.reduction import reduce_window

THRESHOLD, LEAST, MOST, KEPT = 3.5, -3.0, 8.0, 0.7


def window_of(frames, mask=None):
    planes = reduce_window(frames, planes=("max", "argmax", "background", "image"))
    stream = Stream(frames.shape[1:], frames.dtype, len(frames), 25.0, 0.0)
    return Window(Recording("made"), stream, 0, np.arange(len(frames)) / 25, frames, planes, mask)


def sky(rng, shape=(128, 160), frames=40, dtype=np.uint16):
    return rng.normal(200, 5, (frames, *shape)).round().astype(dtype)


def add_spot(frame, x, y, amplitude):
    yy, xx = np.mgrid[: frame.shape[0], : frame.shape[1]]
    light = amplitude * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 2)
    frame[...] = (frame + light).astype(frame.dtype)


@given(
    st.integers(2, 9),
    st.integers(2, 9),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.sampled_from([np.uint16, np.int32]),
    st.integers(0, 99),
)
def test_bins_are_sums_of_two_by_two_pixels(height, width, dtype, summed_as, seed):
    frame = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(dtype)
    half = (height + 1) // 2, (width + 1) // 2
    got = summed(frame, np.empty((half[0], width), summed_as), np.empty(half, np.int32))
    padded = np.pad(frame.astype(np.int64), ((0, height % 2), (0, width % 2)), mode="edge")
    want = padded.reshape(half[0], 2, half[1], 2).sum(axis=(1, 3))
    assert np.array_equal(got, want)


@pytest.mark.skipif(not fast_tier.INSTALLED, reason="numba (extra fast) is not installed")
@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 20),
    st.integers(2, 40),
    st.integers(2, 40),
    st.sampled_from(["uint8", "uint16", "int16"]),
    st.sampled_from([2, 4, 16]),
    st.integers(0, 99),
    st.booleans(),
)
def test_compiled_light_of_cells_is_that_of_numpy(n_frames, rows, columns, dtype, stride, seed, masked):
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    frames = rng.integers(limits.min, limits.max, (n_frames, 2 * rows, 2 * columns), endpoint=True).astype(
        dtype
    )
    window = window_of(frames, rng.random(frames.shape[1:]) < 0.1 if masked else None)
    expected = plain_light(window, stride)
    fast_tier.compiled(frames, "numba")
    np.testing.assert_array_equal(excess_light(window, stride), expected)


def plain_light(window, stride):
    """Work the light out as if no machine code were loaded."""
    kept = dict(fast_tier._ready)
    fast_tier._ready.clear()
    try:
        return excess_light(window, stride)
    finally:
        fast_tier._ready.update(kept)


def best_chain(light, frame, cell, step):
    """Go through all chains that end (step -1) or begin (step 1) in a cell, one by one."""
    gain = np.clip(light - THRESHOLD, LEAST, MOST)
    moves = list(itertools.product((-1, 0, 1), repeat=2))

    def follow(t, y, x):
        here = float(gain[t, y, x])
        later = [0.0]
        if 0 <= t + step < len(light):
            inside = [(y + dy, x + dx) for dy, dx in moves]
            later += [
                KEPT * follow(t + step, *to)
                for to in inside
                if 0 <= to[0] < light.shape[1] and 0 <= to[1] < light.shape[2]
            ]
        return max(0.0, here + max(later))

    return follow(frame, *cell)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999))
def test_evidence_is_that_of_the_best_of_all_chains(seed):
    light = np.random.default_rng(seed).normal(3, 4, (4, 3, 3)).astype(np.float32)
    activity = chained(light)
    for t, y, x in itertools.product(range(4), range(3), range(3)):
        assert activity.until[t, y, x] == pytest.approx(best_chain(light, t, (y, x), -1), abs=1e-4)
        assert activity.since[t, y, x] == pytest.approx(best_chain(light, t, (y, x), 1), abs=1e-4)


def test_a_moving_spot_outranks_everything_though_its_maximum_image_is_full_of_later_light():
    rng = np.random.default_rng(1)
    frames = sky(rng)
    for number in range(8):
        add_spot(frames[10 + number], 30 + 6 * number, 50 + 2 * number, 40)
    # A cloud lights the whole field afterwards: the maximum image forgets what was there.
    frames[25:30] += rng.integers(60, 80, frames[25:30].shape).astype(np.uint16)
    score = activity_of(window_of(frames)).score
    best = np.unravel_index(np.argsort(-score, axis=None)[:3], score.shape)
    for row, column in zip(*best, strict=True):
        x, y = column * 16 + 7.5, row * 16 + 7.5
        steps = np.arange(8)
        assert np.hypot(30 + 6 * steps - x, 50 + 2 * steps - y).min() < 20


def test_noise_seldom_makes_a_chain():
    shares = [
        (activity_of(window_of(sky(np.random.default_rng(seed)))).score >= 8).mean() for seed in range(10)
    ]
    assert np.mean(shares) < 0.01


def test_what_stands_or_is_masked_counts_nothing():
    frames = sky(np.random.default_rng(2))
    for frame in frames:
        add_spot(frame, 40, 40, 500)
    mask = np.zeros(frames.shape[1:], bool)
    mask[80:128, 80:144] = True
    for number in range(10):
        add_spot(frames[5 + number], 95 + 3 * number, 100, 300)
    score = activity_of(window_of(frames, mask)).score
    assert score[40 // 16, 40 // 16] < 8
    assert score[100 // 16, 110 // 16] == 0


@pytest.mark.parametrize("shape", [(33, 47), (16, 16), (97, 31)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_shape_and_type(shape, dtype):
    frames = sky(np.random.default_rng(3), shape, 12, dtype)
    if dtype is np.float32:
        frames[3, 4, 5], frames[4, 4, 5] = np.nan, np.inf
    light = excess_light(window_of(frames), 16)
    assert light.shape == (12, -(-shape[0] // 16), -(-shape[1] // 16))
    assert light.dtype == np.float32
    assert np.isfinite(light).all()


def test_sums_of_sixteen_bit_pixels_do_not_wrap():
    frames = sky(np.random.default_rng(4), (64, 64), 20)
    add_spot(frames[7], 20, 20, 60000)
    score = activity_of(window_of(frames)).score
    assert score.argmax() == np.ravel_multi_index((1, 1), score.shape)


def test_a_piece_of_a_longer_track_is_told_from_a_whole_one():
    frames = sky(np.random.default_rng(5), (160, 320), 40)
    t, x, y = np.arange(10, 30), 20 + 8 * np.arange(20), np.full(20, 60)
    for number, frame in enumerate(t):
        add_spot(frames[frame], x[number], y[number], 60)
    activity = activity_of(window_of(frames))
    whole, piece = surroundings(activity, t, y, x), surroundings(activity, t[7:12], y[7:12], x[7:12])
    assert max(whole[:2]) < 5 < min(piece[:2])
    assert whole[2] < 0.05
