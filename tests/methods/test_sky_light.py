"""Momentary light does not hide what moved at another time."""

import numpy as np
import pytest

from astrodetect.core.samples import sample_window
from astrodetect.methods.sky_light import evened, lit_frames, without_light
from astrodetect.plugins.preprocessors.max_minus_median import MaxMinusMedian


def scene(lightning=True, dtype=np.uint16):
    """Noise, a meteor in frames 10 to 19, lightning over half of the frame in frames 30 to 32."""
    rng = np.random.default_rng(5)
    frames = rng.normal(300, 8, (50, 256, 320))
    rows, columns = np.indices((256, 320))
    for index in range(10, 20):
        y, x = 60 + 6 * (index - 10), 80 + 8 * (index - 10)
        frames[index] += 120 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 3)
    if lightning:
        glow = 400 * np.exp(-(((rows - 90) / 90) ** 2) - ((columns - 120) / 110) ** 2)
        for index, part in ((30, 1.0), (31, 0.5), (32, 0.8)):
            frames[index] += part * glow
    return frames.clip(0, 4095).astype(dtype)


def test_lit_frames_are_found_and_no_others():
    assert sorted(lit_frames(scene())) == [30, 31, 32]
    assert lit_frames(scene(lightning=False)) == {}


def test_a_meteor_under_lightning_is_in_the_maximum_again():
    frames = scene()
    y, x = 60 + 6 * 4, 80 + 8 * 4
    plain = frames.argmax(axis=0)[y, x]
    even = np.stack(evened(frames, 4095.0))
    assert plain == 30
    assert even.argmax(axis=0)[y, x] == 14


def test_frames_without_light_are_passed_on_as_they_are():
    frames = scene(lightning=False)
    assert evened(frames, 4095.0) is frames
    lit = evened(scene(), 4095.0)
    assert lit[0].base is not None  # a view, no copy


def test_saturated_pixels_stay():
    frame = np.full((128, 128), 4095, np.uint16)
    out = without_light(frame, np.full((4, 4), 100, np.float32), 4095.0)
    assert (out == 4095).all()
    assert (without_light(frame, np.full((4, 4), 100, np.float32), np.nan) == 3945).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_other_types_work(dtype):
    frames = (scene() / 16).astype(dtype)
    assert set(lit_frames(frames)) >= {30, 32}
    assert evened(frames, np.nan)[30].dtype == dtype


def test_a_slow_change_is_no_moment():
    frames = scene(lightning=False).astype(np.float32)
    frames += np.linspace(0, 300, 50, dtype=np.float32)[:, None, None]
    assert lit_frames(frames) == {}


def test_short_and_small_windows_are_left_alone():
    assert lit_frames(scene()[:4]) == {}
    assert lit_frames(scene()[:, :100]) == {}


def test_the_stage_can_be_told_not_to():
    window = sample_window((160, 160), 30)
    frames = window.frames.copy()
    frames[20] += 500
    lit = type(window)(window.recording, window.stream, 0, window.times, frames)
    assert MaxMinusMedian().process(lit).planes["argmax"][5, 5] != 20
    assert MaxMinusMedian(even_light=False).process(lit).planes["argmax"][5, 5] == 20
