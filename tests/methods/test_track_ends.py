"""Where tracks end, and what lasts: exact mathematics, and what they are for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.ndimage import gaussian_filter

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.methods.activity import activity_of
from astrodetect.methods.lasting import LONG, independence_of, lasting, without_lasting
from astrodetect.methods.measure import _gain
from astrodetect.methods.reduction import reduce_window


def window_of(frames):
    planes = reduce_window(frames, planes=("max", "argmax", "background", "image"))
    stream = Stream(frames.shape[1:], frames.dtype, len(frames), 25.0, 0.0)
    return Window(Recording("made"), stream, 0, np.arange(len(frames)) / 25, frames, planes)


def add_spot(frame, x, y, amplitude):
    yy, xx = np.mgrid[: frame.shape[0], : frame.shape[1]]
    frame += amplitude * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 2)


@settings(max_examples=40, deadline=None)
@given(st.floats(-4, 2.5), st.floats(0.8, 4))
def test_a_frame_says_the_likelihood_ratio_of_light_of_unknown_brightness(snr, mean):
    def weight(a):
        return np.exp(-a / mean) / mean * np.exp(a * snr - a * a / 2)

    want = np.log(quad(weight, 0, 40)[0])
    assert float(_gain(snr, mean)) == pytest.approx(min(want, 3.0), abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(2 * LONG + 1, 50), st.integers(0, 99))
def test_frame_by_frame_the_same_is_taken_off_as_at_once(n, seed):
    d = np.random.default_rng(seed).normal(0, 1, (n, 6, 11)).astype(np.float32)
    found = [change.copy() for change in without_lasting(iter(d), n)]
    assert np.allclose(found, d - lasting(d), atol=1e-5)


def test_noise_is_independent_and_what_is_repeated_is_not():
    noise = np.random.default_rng(1).normal(0, 1, (60, 20, 20)).astype(np.float32)
    assert independence_of(noise) > 0.95
    assert independence_of(np.repeat(noise[::4], 4, axis=0)) < 0.3


def test_a_meteor_before_bright_drifting_clouds_is_a_chain():
    rng = np.random.default_rng(3)
    texture = gaussian_filter(rng.normal(0, 1, (160, 240)), 12)
    texture *= 60 / texture.std()
    frames = np.empty((45, 128, 160))
    for number in range(45):
        frames[number] = 400 + texture[:128, number // 2 : number // 2 + 160] + rng.normal(0, 5, (128, 160))
    for number in range(12):
        add_spot(frames[15 + number], 30 + 6 * number, 60, 60)
    score = activity_of(window_of(frames.round().astype(np.uint16))).score
    x = (30 + 6 * np.arange(12)) // 16
    assert score[60 // 16, x].max() >= 8
    assert score[60 // 16, x].max() >= np.sort(score.ravel())[-12]
