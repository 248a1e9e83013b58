"""A still gets a background, whatever it shows."""

from __future__ import annotations

import numpy as np
import pytest

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.methods.background import dark_border, spatial_background
from astrodetect.plugins.preprocessors.background import Background
from astrodetect.plugins.preprocessors.max_minus_median import MaxMinusMedian


def still(frame: np.ndarray) -> Window:
    return Window(Recording("a"), Stream(frame.shape, frame.dtype, 1), 0, np.zeros(1), frame[None])


def sky(shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    """A gradient with noise of 5."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return 200 + 0.2 * x + 0.1 * y + np.random.default_rng(0).normal(0, 5, shape)


def test_background_follows_the_sky_and_not_the_streak() -> None:
    frame = sky()
    true = 200 + 0.2 * np.arange(320) + 0.1 * np.arange(240)[:, None]
    frame[100:102, 50:250] += 60
    window = Background().process(still(frame.astype(np.float32)))
    error = np.abs(window.planes["background"] - true)
    assert error[24:-24, 24:-24].max() < 3
    assert error.max() < 10, "a box from the edge, the gradient goes on and the boxes do not"
    assert np.median(window.planes["std"]) == pytest.approx(5, rel=0.1)
    assert np.median(window.planes["image"][100:102, 60:240]) == pytest.approx(60, abs=3)
    assert not window.planes["argmax"].any()
    assert set(window.planes) == set(Background.gives)


def test_reduction_keeps_the_planes_of_a_still() -> None:
    window = Background().process(still(sky().astype(np.uint16)))
    again = MaxMinusMedian().process(window)
    assert again.planes["background"] is window.planes["background"]
    alone = MaxMinusMedian().process(still(sky().astype(np.uint16)))
    np.testing.assert_array_equal(alone.planes["image"], window.planes["image"])


def test_windows_of_several_frames_pass() -> None:
    frames = np.zeros((3, 8, 8), np.uint8)
    window = Window(Recording("a"), Stream((8, 8), frames.dtype, 3), 0, np.zeros(3), frames)
    assert Background().process(window) is window


@pytest.mark.parametrize("value", [0, 65535, np.nan, np.inf])
@pytest.mark.parametrize("shape", [(1, 1), (2, 30), (17, 19), (100, 120)])
def test_constant_and_tiny_frames(value: float, shape: tuple[int, int]) -> None:
    stage = Background()
    window = stage.process(still(np.full(shape, value, np.float32)))
    assert all(np.isfinite(plane).all() for plane in window.planes.values())
    assert not window.planes["image"].any()
    if not np.isfinite(value):
        assert window.mask is not None
        assert window.mask.all()
        assert any("masked or without a finite value" in report for report in stage.take_reports())


def test_not_a_number_and_masked_regions() -> None:
    frame = sky().astype(np.float32)
    frame[:120, :160] = np.nan
    frame[200, 200] = np.inf
    mask = np.zeros(frame.shape, np.bool_)
    mask[:, 300:] = True
    frame[:, 300:] = 1e6
    window = Background().process(still(frame).with_mask(mask))
    assert all(np.isfinite(plane).all() for plane in window.planes.values())
    assert window.mask is not None
    assert window.mask[:120, :160].all()
    assert np.abs(window.planes["image"][150:, :290]).max() < 40


def circle(level: float, dark: float) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:360, :480]
    inside = np.hypot(y - 180, x - 240) < 170
    noise = np.random.default_rng(0).normal(0, 4, inside.shape)
    return np.where(inside, level, dark) + noise, inside


@pytest.mark.parametrize(("border", "masked"), [("separate", 0.2), ("mask", 0.55), ("keep", 0.0)])
def test_fish_eye_circle(border: str, masked: float) -> None:
    """The edge of the image circle is no source; the sky keeps its background up to the edge."""
    frame, _ = circle(900, 100)
    window = Background(border=border).process(still(frame.astype(np.uint16)))
    share = 0.0 if window.mask is None else float(window.mask.mean())
    assert share == pytest.approx(masked, abs=0.07)
    if border != "keep":
        assert window.mask is not None
        image = window.planes["image"]
        outside = dark_border(frame)
        assert outside is not None
        seen = ~window.mask
        assert np.abs(image[seen]).max() < 60
        assert np.abs(np.median(image[seen & ~outside])) < 2


def test_vignetting_is_no_border() -> None:
    y, x = np.mgrid[:480, :640]
    frame = 1000 * (1 - 0.6 * np.hypot((y - 240) / 400, (x - 320) / 400) ** 2)
    assert dark_border(frame + np.random.default_rng(0).normal(0, 5, frame.shape)) is None
    assert dark_border(np.zeros((8, 8))) is None


def test_saturated_circle() -> None:
    frame, _ = circle(65535, 1000)
    window = Background().process(still(np.clip(frame, 0, 65535).astype(np.uint16)))
    assert window.mask is not None
    assert np.abs(window.planes["image"][~window.mask]).max() < 60


def test_rms_of_ignored_frame_is_zero() -> None:
    background, rms = spatial_background(np.ones((50, 50)), np.ones((50, 50), np.bool_))
    assert not background.any()
    assert not rms.any()
