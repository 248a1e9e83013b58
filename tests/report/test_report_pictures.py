"""What the pictures are made of, against the definition; on recordings that arrive reduced, too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from report_samples import find, make_night

from astrodetect.core import registry
from astrodetect.core.detections import Detections
from astrodetect.core.discovery import discover
from astrodetect.core.errors import AstrodetectError, SourceError
from astrodetect.core.stages import FrameSource
from astrodetect.report import write_report
from astrodetect.report.drawing import light_curve, track_points
from astrodetect.report.pictures import block_maximum, project, regions_of
from astrodetect.report.stretch import grey, levels_of

SHAPE = 40, 70
WINDOWS = (slice(0, 65), slice(65, 130), slice(85, 150))


def boxes(frames: list[tuple[int, int]], **more: Any) -> Detections:
    n = len(frames)
    box = {
        "x_min": np.full(n, 30.0),
        "y_min": np.full(n, 10.0),
        "x_max": np.full(n, 36.0),
        "y_max": np.full(n, 14.0),
    }
    first, last = np.array(frames).T
    return Detections(
        {
            **box,
            "label": ["meteor"] * n,
            "probability": np.ones(n),
            "frame_start": first,
            "frame_end": last,
            **more,
        }
    )


def cube(tmp_path: Path, n: int = 150) -> tuple[Any, FrameSource, Any]:
    frames = np.random.default_rng(3).integers(0, 4096, (n, *SHAPE)).astype(np.uint16)
    fits.PrimaryHDU(frames).writeto(tmp_path / "cube.fits")
    return frames, registry.load("fits", FrameSource)(), find(tmp_path)[0]


def of_window(frames: Any, window: slice) -> Any:
    return (frames[window].max(axis=0) - np.median(frames[window], axis=0)).astype(np.float32)


def test_image_is_maximum_minus_median_of_the_windows_with_detections(tmp_path: Path) -> None:
    frames, source, recording = cube(tmp_path)
    made = project(source, recording, boxes([(70, 71)]))
    # Frame 70 lies in the second window alone.
    np.testing.assert_array_equal(made.image, of_window(frames, WINDOWS[1]))
    assert (made.first, made.last, made.selected, made.note) == (65, 129, None, "")
    made = project(source, recording, boxes([(3, 4), (149, 149)]))
    expected = np.maximum(of_window(frames, WINDOWS[0]), of_window(frames, WINDOWS[2]))
    np.testing.assert_array_equal(made.image, expected)
    assert (made.first, made.last) == (0, 149)


def test_selected_and_cutouts_are_of_their_own_frames(tmp_path: Path) -> None:
    frames, source, recording = cube(tmp_path)
    found = boxes([(10, 12), (63, 66)])
    made = project(source, recording, found, selected=[0])
    median = np.median(frames[WINDOWS[0]], axis=0)
    np.testing.assert_array_equal(made.selected, (frames[8:15].max(axis=0) - median).astype(np.float32))
    assert (made.selected_first, made.selected_last) == (8, 14)
    region = regions_of(found, SHAPE)[1]
    place = slice(region.y0, region.y1), slice(region.x0, region.x1)
    second = np.median(frames[WINDOWS[1]], axis=0)
    expected = np.maximum(frames[63:65].max(axis=0) - median, frames[65:67].max(axis=0) - second)[place]
    np.testing.assert_array_equal(made.cutouts[1], expected.astype(np.float32))


def test_reading_ends_after_the_last_detection(tmp_path: Path) -> None:
    _, source, recording = cube(tmp_path)
    path = tmp_path / "cube.fits"
    with path.open("r+b") as file:  # what lies behind frame 100 is not there any more
        file.truncate(2880 + 100 * SHAPE[0] * SHAPE[1] * 2)
    assert project(source, recording, boxes([(3, 4)])).note == ""
    with pytest.raises(SourceError, match="truncated"):
        project(source, recording, boxes([(1000, 1001)]))


@given(
    st.integers(1, 3000), st.integers(1, 3000),
    st.tuples(*[st.floats(-5000, 5000)] * 2), st.tuples(*[st.floats(0.1, 5000)] * 2),
)  # fmt: skip
def test_region_lies_in_the_frame_and_holds_the_box(
    height: int, width: int, corner: tuple[float, float], size: tuple[float, float]
) -> None:
    x0, y0, x1, y1 = corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]
    found = Detections(
        {
            "x_min": [x0],
            "y_min": [y0],
            "x_max": [x1],
            "y_max": [y1],
            "label": ["meteor"],
            "probability": [1.0],
        }
    )
    (region,) = regions_of(found, (height, width))
    assert 0 <= region.x0 < region.x1 <= width
    assert 0 <= region.y0 < region.y1 <= height
    for low, high, first, last, length in (
        (x0, x1, region.x0, region.x1, width),
        (y0, y1, region.y0, region.y1, height),
    ):
        assert first <= np.clip(low, 0, length) + 0.5
        assert last >= np.clip(high, 0, length) - 0.5


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_block_maximum(height: int, width: int, factor: int) -> None:
    image = np.random.default_rng(height * width).random((height, width), dtype=np.float32)
    reduced = block_maximum(image, factor)
    assert reduced.shape == (-(-height // factor), -(-width // factor))
    for i in range(reduced.shape[0]):
        for j in range(reduced.shape[1]):
            block = image[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
            assert reduced[i, j] == block.max()


@pytest.mark.parametrize("image", [np.zeros((30, 40)), np.full((1, 1), 7.0), np.eye(50) * 60000])
def test_grey_levels_of_awkward_images(image: Any) -> None:
    image = image.astype(np.float32)
    levels = levels_of(image)
    shown = grey(image, levels)
    assert shown.dtype == np.uint8
    assert levels.black < levels.white
    assert np.all(np.diff(shown.ravel()[np.argsort(image.ravel())].astype(int)) >= 0)


def test_track_and_curve_of_few_or_unknown_points() -> None:
    nowhere = {"x_start": np.nan, "y_start": 1.0, "x_end": 2.0, "y_end": 3.0}
    assert len(track_points(nowhere, {})) == 0
    assert track_points({**nowhere, "x_start": 0.0}, {}).tolist() == [[0, 1], [2, 3]]
    assert light_curve({}) == "\u2013"
    one = {"frame": np.array([1]), "flux": np.array([3.0])}
    assert light_curve(one) == "\u2013"
    many = {"frame": np.arange(5000), "flux": np.sin(np.arange(5000)) - 2}
    many["flux"][4321] = 70.0
    drawn = light_curve(many)
    assert "5\u202f000 frames, brightest in frame 4321 with 70 ADU" in drawn
    assert len(drawn) < 4000
    assert "3.0" in drawn  # the peak is not lost when points are joined


def test_a_picture_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    catalog = make_night(tmp_path, 1)
    folder = tmp_path / "r"
    write_report(catalog, folder)
    (folder / "pictures-b").write_text("in the way")
    with pytest.raises(AstrodetectError, match="pictures-b: the report cannot be written") as caught:
        write_report(catalog, folder)
    assert "\n" not in str(caught.value)


def test_recordings_that_arrive_reduced(tmp_path: Path) -> None:
    data = os.environ.get("ASTRODETECT_DATA")
    if not data:
        pytest.skip("needs real data, ASTRODETECT_DATA is not set")
    cls = registry.load("rms-ff", FrameSource)
    recording = next(iter(discover([Path(data) / "rms" / "UK0006_20220914"], {"rms-ff": cls})))
    made = project(cls(), recording, boxes([(59, 79)]), selected=[0])
    assert made.selected is None
    assert (made.first, made.last) == (0, 255)
    assert made.image.shape == (720, 1280)
