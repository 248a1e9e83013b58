"""Planes mean what they say, and nobody is blind in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.preprocessors.flat_field import FlatField
from astrodetect.plugins.preprocessors.mask import Mask
from astrodetect.plugins.preprocessors.max_minus_median import MaxMinusMedian
from astrodetect.plugins.preprocessors.scale import Scale


def window_of(frames: np.ndarray | None, *, saturation: float = float("nan"), **planes: np.ndarray) -> Window:
    sample = frames[0] if frames is not None else next(iter(planes.values()))
    n_frames = 256 if frames is None else len(frames)
    stream = Stream(sample.shape, sample.dtype, n_frames, saturation=saturation)
    return Window(Recording("a"), stream, 0, np.arange(n_frames) / 25, frames, planes)


def frames_of(dtype: str = "uint16", n_frames: int = 9, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 5, (n_frames, *shape)).astype(dtype)


# --- max-minus-median ---------------------------------------------------------------------------


def test_planes_of_frames() -> None:
    frames = frames_of()
    planes = MaxMinusMedian().process(window_of(frames)).planes
    assert set(planes) == set(MaxMinusMedian.gives)
    np.testing.assert_array_equal(planes["background"], np.median(frames, axis=0))
    np.testing.assert_array_equal(planes["image"], frames.max(axis=0) - np.median(frames, axis=0))
    assert planes["image"].dtype == np.float32


def test_only_wanted_planes_are_made() -> None:
    stage = MaxMinusMedian(threads=2)
    stage.want(frozenset({"argmax", "image", "c0"}))
    assert set(stage.process(window_of(frames_of())).planes) == {"max", "background", "image", "argmax"}


def test_reduced_windows_keep_their_planes_and_get_an_image() -> None:
    largest, mean = np.full((4, 4), 9, np.uint8), np.full((4, 4), 11, np.uint8)
    stage = MaxMinusMedian()
    stage.want(frozenset({"median", "std"}))
    planes = stage.process(window_of(None, max=largest, background=mean)).planes
    assert planes["max"] is largest
    assert planes["median"] is mean
    assert (planes["image"] == -2).all(), "unsigned planes must not wrap"


def test_pixels_without_a_value_are_masked_and_zero() -> None:
    frames = frames_of("float32")
    frames[:, 3, 4] = np.nan
    frames[2, 5, 6] = np.inf
    made = MaxMinusMedian().process(window_of(frames))
    assert made.mask is not None
    assert np.argwhere(made.mask).tolist() == [[3, 4]]
    assert all(np.isfinite(plane).all() for plane in made.planes.values())


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((5, 8, 8), np.uint8), "all pixels are zero"),
        (np.full((5, 8, 8), 7, np.uint8), "all frames are the same"),
        (np.full((5, 8, 8), 255, np.uint8), "more than 50% of the pixels are saturated"),
        (np.full((5, 8, 8), np.nan, np.float32), "without a finite value"),
        (np.zeros((1, 8, 8), np.uint8), "all pixels are zero"),
    ],
)
def test_blind_windows_are_told_once_per_recording(frames: np.ndarray, message: str) -> None:
    stage = MaxMinusMedian()
    for _ in range(3):
        planes = stage.process(window_of(frames, saturation=255)).planes
        assert all(np.isfinite(plane).all() for plane in planes.values())
    reports = [report for report in stage.take_reports() if message in report]
    assert len(reports) == 1
    assert reports[0].endswith("in 3 of 3 windows")
    assert stage.take_reports() == []


# --- mask ---------------------------------------------------------------------------------------


def test_mask_ignores_black_as_rms_does(tmp_path: Path) -> None:
    picture = np.full((6, 8), 255, np.uint8)
    picture[0, :3] = 0
    for name, image in {
        "mask.bmp": Image.fromarray(picture),
        "paletted.png": Image.fromarray(picture).convert("P"),
        "colour.png": Image.fromarray(picture).convert("RGB"),
        "bits.png": Image.fromarray(picture).convert("1"),
    }.items():
        image.save(tmp_path / name)
        stage = Mask(tmp_path / name)
        window = window_of(np.zeros((2, 6, 8), np.uint8))
        stage.open(window.stream)
        made = stage.process(window)
        np.testing.assert_array_equal(made.mask, picture == 0)
        white = Mask(tmp_path / name, ignore="white")
        white.open(window.stream)
        np.testing.assert_array_equal(white.process(window).mask, picture == 255)


def test_masks_join(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0, 1], [1, 1]], np.uint8))
    stage = Mask(tmp_path / "a.npy")
    window = window_of(np.zeros((2, 2, 2), np.uint8)).with_mask(np.array([[False, False], [False, True]]))
    stage.open(window.stream)
    assert stage.process(window).mask.tolist() == [[True, False], [False, True]]


def test_bad_masks_are_told_in_one_line(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((5, 4), np.uint8)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no picture")
    stream = Stream((6, 8), np.dtype(np.uint8))
    for name, message in {
        "small.png": r"the mask is 5x4 \(height x width\); expected 6x8",
        "text.png": "cannot read the mask",
        "none.png": "no such file",
    }.items():
        with pytest.raises(AstrodetectError, match=message) as caught:
            Mask(tmp_path / name).open(stream)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_mask_of_everything_is_told(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((5, 4), np.uint8)).save(tmp_path / "all.png")
    stage = Mask(tmp_path / "all.png")
    stage.open(Stream((5, 4), np.dtype(np.uint8)))
    assert "ignores 100.0% of the frame" in stage.take_reports()[0]


# --- flat-field ---------------------------------------------------------------------------------


def test_corrected_planes_are_the_planes_of_corrected_frames(tmp_path: Path) -> None:
    """Dark and flat go through maximum and median."""
    frames = frames_of("uint16")
    rng = np.random.default_rng(1)
    flat, dark = rng.uniform(0.5, 1.5, (40, 50)), rng.uniform(0, 30, (40, 50))
    flat[7, 8] = 0
    bad = np.zeros((40, 50), np.uint8)
    bad[1, 2] = 1
    for name, data in {"flat": flat, "dark": dark, "bad": bad}.items():
        np.save(tmp_path / f"{name}.npy", data.astype(np.float32) if name != "bad" else data)
    stage = FlatField(*(tmp_path / f"{name}.npy" for name in ("flat", "dark", "bad")))
    window = MaxMinusMedian().process(window_of(frames))
    stage.open(window.stream)
    made = stage.process(window)
    assert made.mask is not None
    assert np.argwhere(made.mask).tolist() == [[1, 2], [7, 8]]
    gain = np.where(flat > 0, flat / np.median(flat[flat > 0]), 1)
    corrected = (frames - dark) / gain
    np.testing.assert_allclose(made.planes["max"], corrected.max(axis=0), rtol=1e-5)
    np.testing.assert_allclose(made.planes["background"], np.median(corrected, axis=0), rtol=1e-5)
    np.testing.assert_allclose(made.planes["image"], made.planes["max"] - made.planes["background"])
    np.testing.assert_allclose(made.planes["std"], corrected.std(axis=0), rtol=1e-3)


def test_saturated_pixels_stay_saturated(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.array([[2.0, 1.0, 1.0]], np.float32))
    stage = FlatField(flat=tmp_path / "flat.npy")
    largest = np.array([[255, 255, 90]], np.uint8)
    window = window_of(None, saturation=255, max=largest, background=largest // 2)
    stage.open(window.stream)
    assert stage.process(window).planes["max"].tolist() == [[255, 255, 90]]


def test_flat_of_the_night_is_found_beside_the_recording(tmp_path: Path) -> None:
    Image.fromarray(np.array([[100, 200], [100, 100]], np.uint8)).save(tmp_path / "flat.bmp")
    plane = np.full((2, 2), 50, np.uint8)
    stream = Stream((2, 2), plane.dtype)
    recording = Recording("FF_a.fits", root=str(tmp_path))
    window = Window(recording, stream, 0, np.zeros(1), None, {"max": plane, "background": plane})
    stage = FlatField(night=True)
    stage.open(stream)
    assert stage.process(window).planes["max"].tolist() == [[50, 25], [50, 50]]
    assert stage.take_reports() == []
    (tmp_path / "flat.bmp").unlink()
    stage.open(stream)
    assert stage.process(window).planes["max"].tolist() == [[50, 50], [50, 50]]
    assert "not flat-fielded" in stage.take_reports()[0]


# --- scale --------------------------------------------------------------------------------------


def test_scale_brings_each_frame_to_255() -> None:
    frames = np.array([[[51, 10, 0]], [[4095, 16, 1]], [[0, 0, 0]]], np.uint16)
    made = Scale().process(window_of(frames, saturation=4095))
    assert made.frames is not None
    assert made.frames.dtype == np.uint8
    assert made.frames.tolist() == [[[255, 50, 0]], [[255, 0, 0]], [[0, 0, 0]]]
    assert made.stream.dtype == np.uint8
    assert np.isnan(made.stream.saturation)
    floats = Scale(to="float32").process(window_of(frames)).frames
    assert floats is not None
    assert floats[1, 0, 1] == pytest.approx(16 * 255 / 4095)


def test_scale_of_reduced_windows_and_of_bad_pixels() -> None:
    largest = np.array([[51, 17]], np.uint8)
    made = Scale().process(window_of(None, max=largest, background=largest // 3)).planes
    assert made["max"].tolist() == [[255, 85]]
    assert made["background"].tolist() == [[85, 25]]
    broken = np.array([[[np.nan, np.inf, 5.0]]], np.float32)
    scaled = Scale().process(window_of(broken)).frames
    assert scaled is not None
    assert scaled.tolist() == [[[0, 0, 255]]]


def test_scale_does_not_wrap_what_is_negative() -> None:
    frames = np.array([[[-np.inf, -3.0, 5.0]]], np.float32)
    scaled = Scale().process(window_of(frames)).frames
    assert scaled is not None
    assert scaled.tolist() == [[[0, 0, 255]]]
    reduced = Scale().process(window_of(None, max=np.array([[-3, 5]], np.int16))).planes
    assert reduced["max"].tolist() == [[0, 255]]
