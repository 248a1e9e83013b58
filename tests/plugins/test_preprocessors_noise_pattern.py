"""The pattern of other recordings goes, the event of this one stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrodetect import Pipeline
from astrodetect.core import registry
from astrodetect.core.data import Recording, Window
from astrodetect.core.discovery import discover
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.windows import opened
from astrodetect.plugins.preprocessors.max_minus_median import MaxMinusMedian
from astrodetect.plugins.preprocessors.noise_pattern import NoisePattern, noise_pattern

SHAPE = (24, 32)
PATTERN = np.zeros(SHAPE)
PATTERN[:, 20] = 50  # a column that flickers in every recording
PIPELINE = """
source = { use = "fits", hdu = 2 }
preprocess = [{ use = "max-minus-median" }, { use = "noise-pattern", recordings = 3 }]
score = { use = "peak-snr" }
select = { use = "top-k" }
extract = { use = "patches" }
classify = { use = "streak" }
"""
STREAK = (slice(5, 6), slice(3, 12))


def write_night(folder: Path, n: int, camera: str = "A", shape: tuple[int, int] = SHAPE) -> None:
    """Write n cubes of 5 frames: the flickering column in all of them, the last one with a streak."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(n):
        frames = rng.normal(100, 1, (5, *shape))
        frames[2, :, 20] += 50
        if number == n - 1:
            frames[3][STREAK] += 80
        header = fits.Header({"TELESCOP": camera, "CAMERA": camera, "STATION": camera})
        fits.writeto(folder / f"{camera}_{number:02d}.fits", frames.astype(np.uint16), header)


def images(folder: Path, stage: NoisePattern, only: str | None = None) -> dict[str, np.ndarray]:
    """Run the stage over all recordings below a folder, or one of them."""
    sources, _ = registry.load_sources()
    recordings = sorted(discover([folder], sources))
    made: dict[str, np.ndarray] = {}
    for recording in recordings:
        if only not in (None, recording.path):
            continue
        made[recording.path] = last_window(recording, stage).planes["image"]
    return made


def last_window(recording: Recording, stage: NoisePattern) -> Window:
    source = registry.make_source(recording.source)
    with opened(source, recording) as stream:
        stage.open(stream)
        *_, window = [stage.process(MaxMinusMedian().process(window)) for window in source.windows(5, 5)]
        stage.close()
    return window


@pytest.fixture(autouse=True)
def _no_pipeline():
    registry.use_source("", None)


def test_references_are_read_as_the_pipeline_reads(tmp_path: Path) -> None:
    """Each file has two images with a pattern of its own each: that of the one in use is taken off."""
    rng = np.random.default_rng(0)
    for number in range(5):
        first, second = rng.normal(100, 1, (2, 5, *SHAPE))
        first[2, :, 4] += 50
        second[2, :, 20] += 50
        units = [fits.PrimaryHDU(), *(fits.ImageHDU(a.astype(np.uint16)) for a in (first, second))]
        fits.HDUList(units).writeto(tmp_path / f"{number}.fits")
    pipeline = Pipeline(PIPELINE)
    recordings = list(pipeline.find(tmp_path))
    image = last_window(recordings[-1], pipeline.plan.preprocessors[1]).planes["image"]
    assert np.abs(image).max() < 20
    others = Pipeline.from_toml("meteor").find(tmp_path)
    assert next(others).path == "0.fits"
    assert next(pipeline.referenced(recordings[-1:])) == recordings[-1]


def test_pattern_goes_and_event_stays(tmp_path: Path) -> None:
    write_night(tmp_path, 7)
    stage = NoisePattern(recordings=5)
    made = images(tmp_path, stage)
    image = made["A_06.fits"]
    assert abs(np.median(image[:, 20])) < 2
    assert np.median(image[STREAK]) > 70
    first = made["A_00.fits"]
    assert np.median(first[:, 20]) > 45, "with fewer than three references nothing is subtracted"
    reports = stage.take_reports()
    assert sum("nothing subtracted" in report for report in reports) == 3
    assert np.median(made["A_03.fits"][:, 20]) < 5


def test_result_does_not_depend_on_the_order_of_the_work(tmp_path: Path) -> None:
    write_night(tmp_path, 6)
    together = images(tmp_path, NoisePattern(recordings=3))
    alone = images(tmp_path, NoisePattern(recordings=3), only="A_05.fits")
    np.testing.assert_array_equal(alone["A_05.fits"], together["A_05.fits"])


def test_frames_of_another_shape_and_broken_files_are_passed_over(tmp_path: Path) -> None:
    write_night(tmp_path, 5)
    write_night(tmp_path, 1, camera="A_04b", shape=(30, 40))
    (tmp_path / "A_03b.fits").write_bytes(b"SIMPLE  =                    T")
    made = images(tmp_path, NoisePattern(recordings=4), only="A_04.fits")
    assert abs(np.median(made["A_04.fits"][:, 20])) < 5


def test_other_cameras_do_not_count(tmp_path: Path) -> None:
    write_night(tmp_path, 3, camera="A")
    write_night(tmp_path / "0", 4, camera="B")
    stage = NoisePattern()
    images(tmp_path, stage, only="A_02.fits")
    assert "2 reference images, at least 3 are needed" in stage.take_reports()[0]


def test_reference_folder(tmp_path: Path) -> None:
    write_night(tmp_path / "night", 1)
    write_night(tmp_path / "reference", 4)
    made = images(tmp_path / "night", NoisePattern(reference=tmp_path / "reference"))
    image = made["A_00.fits"]
    assert abs(np.median(image[:, 20])) < 5
    assert np.median(image[STREAK]) > 70


def test_reference_without_recordings_is_an_error(tmp_path: Path) -> None:
    write_night(tmp_path / "night", 1)
    (tmp_path / "empty").mkdir()
    for folder, message in {
        "empty": "no recording to take a noise pattern from",
        "gone": "no such file",
    }.items():
        with pytest.raises(AstrodetectError, match=message):
            images(tmp_path / "night", NoisePattern(reference=tmp_path / folder))
    write_night(tmp_path / "other", 3, shape=(30, 40))
    with pytest.raises(AstrodetectError, match=r"frames are \(30, 40\)"):
        images(tmp_path / "night", NoisePattern(reference=tmp_path / "other"))


def test_an_object_in_two_of_four_images_is_not_in_the_pattern() -> None:
    event, nothing = np.full((2, 2), 9, np.float32), np.zeros((2, 2), np.float32)
    assert not noise_pattern([event, nothing, event, nothing]).any()
    assert (noise_pattern([event, event, event, nothing]) == 9).all()
