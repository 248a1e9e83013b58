"""What is read, written and read again is the same, and what a format keeps is what was there."""

from __future__ import annotations

import shutil
from pathlib import Path

import exchange_samples
import numpy as np
import pytest
from exchange_samples import ACCURACY, assert_equal, points, read_all, written
from hypothesis import HealthCheck, given, settings

from astrodetect.exchange import Content, format_of_file, read
from astrodetect.exchange.formats import targets

_RUN = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def test_every_format_is_tried_here():
    assert {*ACCURACY, "platepar", "calstars"} == set(targets())


@pytest.mark.parametrize("name", ACCURACY)
def test_generated_contents_survive(tmp_path: Path, name: str) -> None:
    @given(content=exchange_samples.contents())
    @_RUN
    def check(content: Content) -> None:
        shutil.rmtree(tmp_path)
        first = read_all(written(content, name, tmp_path / "a"))
        again = read_all(written(first, name, tmp_path / "b"))
        assert first.faults == again.faults == ()
        assert_equal(first, again)
        assert sum(len(r.detections) for r in first.recordings) == sum(
            len(r.detections) for r in content.recordings
        )
        _assert_kept(content, first, ACCURACY[name])

    check()


def _assert_kept(content: Content, found: Content, accuracy: tuple[float | None, ...]) -> None:
    """What a format keeps differs by no more than its own rounding."""
    before, after = points(content), points(found)
    seconds, pixels, degrees, magnitudes = accuracy
    ends_only = len(before["time"]) != len(after.get("time", ()))
    for names, limit in (
        (("time",), seconds), (("x", "y"), pixels), (("ra", "dec", "az", "alt"), degrees),
        (("magnitude",), magnitudes),
    ):  # fmt: skip
        if limit is None or ends_only:
            continue
        for name in (name for name in names if name in after):
            known = np.isfinite(after[name])
            apart = np.abs(before[name][known] - after[name][known])
            apart = np.minimum(apart, np.abs(360 - apart)) if name in ("az", "ra") else apart
            assert apart.max(initial=0) <= limit + 1e-12, name


def _real_files(folder: Path) -> list[Path]:
    patterns = ("ftp/*", "rms/*/FTP*", "rms/*/*.ecsv", "rms/*/UK*.csv", "ufo/*.xml", "calibration/*.xml")
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]


def test_real_files_survive(real_data: Path, tmp_path: Path) -> None:
    files = _real_files(real_data)
    assert len(files) > 80
    for number, path in enumerate(files):
        name = format_of_file(path).name
        content = read(path)
        if not any(len(recording.detections) for recording in content.recordings):
            continue  # two nights have no meteor
        again = read_all(written(content, name, tmp_path / str(number)))
        if name == "ufo-csv" or path.stem == "ucexample":  # that is no name of a clip
            assert_equal(_unnamed(content), _unnamed(again), tolerance=1e-6)
        else:
            assert_equal(_sorted(content), _sorted(again), tolerance=2e-6)


def _unnamed(content: Content) -> Content:
    """Leave out names: a row of the CSV has none of its own."""
    from dataclasses import replace

    return Content(tuple(replace(recording, path="") for recording in content.recordings))


def _sorted(content: Content) -> Content:
    return Content(tuple(sorted(content.recordings, key=lambda recording: recording.path)))


def test_real_platepars_survive_with_every_key(real_data: Path, tmp_path: Path) -> None:
    files = [*real_data.glob("calibration/UK*.json"), *real_data.glob("rms/*/platepar*")]
    assert len(files) == 5
    for path in files:
        content = read(path)
        (made,) = written(content, "platepar", tmp_path / path.parent.name / path.name)
        again = read(made)
        assert again.calibrations == content.calibrations
        for name, values in content.stars.items():
            np.testing.assert_array_equal(values, again.stars[name])
