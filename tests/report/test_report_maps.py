"""The night at a glance: timeline, maps over frame and sky."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_samples import block, find, meteor, write_catalog, write_recording
from test_report_page import Page

from astrodetect.core.columns import LABELS
from astrodetect.report import write_report
from astrodetect.report.maps import hammer_xy, sky_xy
from astrodetect.report.palette import COLOURED
from astrodetect.report.timeline import Timeline

NAN = np.nan


def sky(az: float = 350.0, ra: float = 359.0) -> dict[str, Any]:
    return {
        "az_start": [az, NAN], "alt_start": [40.0, NAN], "az_end": [az + 12, NAN], "alt_end": [55.0, NAN],
        "ra_start": [ra, NAN], "dec_start": [10.0, NAN], "ra_end": [ra + 3, NAN], "dec_end": [20.0, NAN],
    }  # fmt: skip


def night_with_directions(folder: Path) -> Path:
    for number in range(3):
        write_recording(folder / "night" / f"cube{number}.fits", number)
    blocks = [
        block(recording, meteor(**sky(350 - 70 * i, 358 - 100 * i)), time_start=1.7866e9 + 400 * i,
              time_end=1.7866e9 + 400 * i + 300)
        for i, recording in enumerate(find(folder / "night"))
    ]  # fmt: skip
    return write_catalog(folder / "night.h5", [_with_camera(one, i) for i, one in enumerate(blocks)])


def _with_camera(one: Any, number: int) -> Any:
    one.recording["camera"] = f"XX000{number}"
    return one


def test_directions_are_drawn_over_the_sky_and_by_right_ascension(tmp_path: Path) -> None:
    page = Page(write_report(night_with_directions(tmp_path)).page)
    page.check()
    assert "3 tracks over the sky" in page.text
    assert "3 tracks by right ascension and declination" in page.text
    assert "1 track over the frame of XX0001, 80\u00d748 px" in page.text
    assert page.html.count('class="timeline"') == 1
    assert page.html.count('class="recorded"') == 3


@pytest.mark.parametrize(
    ("az", "alt", "x", "y"),
    [
        (0, 0, 0, -240),
        (90, 0, -240, 0),
        (180, 0, 0, 240),
        (270, 0, 240, 0),
        (123, 90, 0, 0),
        (0, 45, 0, -120),
    ],
)
def test_the_sky_is_seen_from_below(az: float, alt: float, x: float, y: float) -> None:
    np.testing.assert_allclose(sky_xy(np.array([float(az)]), np.array([float(alt)])), [[x, y]], atol=1e-9)


def test_the_map_by_right_ascension_has_equal_areas() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        ra, dec = rng.uniform(1, 359), rng.uniform(-80, 80)
        step = 1e-3
        corners = hammer_xy(np.array([ra, ra + step, ra]), np.array([dec, dec, dec + step]))
        a, b = corners[1] - corners[0], corners[2] - corners[0]
        area = abs(a[0] * b[1] - a[1] * b[0]) / (np.radians(step) ** 2 * np.cos(np.radians(dec)))
        # The whole sky, 4 pi, is an ellipse with the half axes 240 and 120.
        np.testing.assert_allclose(area, np.pi * 240 * 120 / (4 * np.pi), rtol=1e-3)


def test_nights_are_cut_at_long_pauses_and_an_unknown_time_is_left_out() -> None:
    timeline = Timeline()
    for start in (0.0, 100.0, 86400.0, np.nan):
        timeline.add_recording("A", start, start + 50)
    drawn = timeline.html()
    assert drawn.count('class="timeline"') == 2
    assert drawn.count('class="recorded"') == 3
    assert Timeline().html() == ""


def test_only_labels_that_exist_have_colours() -> None:
    assert set(COLOURED) <= set(LABELS)
