"""Pictures of tracks: what moves steadily stands still in them, whatever its direction and speed."""

import numpy as np
import pytest

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.methods.along_track import COLUMNS, ROWS, path_of, pictures

SHAPE, T = (120, 160), 40


def window_with(way, speed, *, first=8, last=30, reduced=False, light=60.0):
    """A spot of 2 px that passes over noise, and its track."""
    rng = np.random.default_rng(4)
    frames = rng.normal(100, 3, (T, *SHAPE)).astype(np.float32)
    y, x = np.indices(SHAPE)
    number = np.arange(first, last + 1)
    at = np.array([60.0, 80.0]) + (number - (first + last) / 2)[:, None] * speed * np.array(way)
    for frame, (cy, cx) in zip(number, at, strict=True):
        frames[frame] += light * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 2)
    track = {"frame": number + 100, "y": at[:, 0], "x": at[:, 1]}
    highest, background = frames.max(axis=0), np.median(frames, axis=0)
    planes = {"max": highest, "background": background, "image": highest - background}
    if reduced:
        planes["argmax"] = frames.argmax(axis=0)
    stream = Stream(SHAPE, frames.dtype, 200, 25.0)
    return Window(Recording("a"), stream, 100, np.arange(T) / 25, None if reduced else frames, planes), track


@pytest.mark.parametrize("way", [(0.0, 1.0), (1.0, 0.0), (-0.6, 0.8)])
@pytest.mark.parametrize("reduced", [False, True])
def test_a_steady_spot_is_a_line_in_every_picture(way, reduced):
    window, track = window_with(way, 2.0, reduced=reduced)
    trail, when, along, aside = pictures(track, window).astype(np.float64)
    middle, inside = slice(ROWS // 2 - 2, ROWS // 2 + 2), slice(COLUMNS // 4 + 2, 3 * COLUMNS // 4 - 2)
    for picture in (trail, along, aside):
        assert picture.shape == (ROWS, COLUMNS)
        lit = picture[middle, inside].max(axis=0)
        assert np.median(lit) > 2.0
        assert np.median(picture[: ROWS // 4]) == pytest.approx(0, abs=0.7)
        # Nothing shines before it came and after it went.
        assert picture[middle, : COLUMNS // 8].max() < np.median(lit)
    assert np.abs(when[middle, inside]).max(axis=0).mean() < 0.3


def test_the_path_is_that_of_the_track():
    _, track = window_with((0.6, 0.8), 1.5)
    path = path_of(track, 100)
    assert (path.first, path.last) == (8, 30)
    np.testing.assert_allclose(path.speed_yx, [0.9, 1.2])
    assert path.length == pytest.approx(33.0)


def test_what_lies_outside_is_dark():
    window, track = window_with((0.0, 1.0), 5.0, first=20, last=39)
    trail, _, along, _ = pictures(track, window)
    assert np.isfinite(trail).all()
    assert not along[:, -4:].any()  # beyond the last frame of the window
