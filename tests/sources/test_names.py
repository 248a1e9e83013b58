"""Times and cameras from file names."""

from datetime import UTC, datetime

import pytest

from astrodetect.methods.names import parse_time, time_from_name


def unix(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "time", "zone", "camera"),
    [
        ("FF_UK0006_20230421_212224_982_0115712.fits", "2023-04-21T21:22:24.982", "utc", "UK0006"),
        ("FF_UK0006_20230421_212224_982123_0115712.fits", "2023-04-21T21:22:24.982123", "utc", "UK0006"),
        ("FF499_20170626_020520_353_0005120.bin", "2017-06-26T02:05:20.353", "utc", "499"),
        ("CZ0003_20210307_021710_233167.mp4", "2021-03-07T02:17:10.233167", "utc", "CZ0003"),
        ("M20200711_000453_EastBarnet_NE.avi", "2020-07-11T00:04:53", "local", "EastBarnet_NE"),
        ("CODOGNO_20190415T194950_UT.avi", "2019-04-15T19:49:50", "utc", "CODOGNO"),
        ("PRISMA_ITPI01_20190415T194950_UT-0.fit", "2019-04-15T19:49:50", "utc", "PRISMA_ITPI01"),
        ("2022-09-14T19_49_11_RMS_UK0006.avi", "2022-09-14T19:49:11", "utc", "UK0006"),
        ("2022-09-14T19_49_11.mkv", "2022-09-14T19:49:11", "unknown", ""),
        ("2022_01_31_05_23_01_250_010001-trim0123.mp4", "2022-01-31T05:23:01.250", "utc", "010001"),
        ("20210307_021710.avi", "2021-03-07T02:17:10", "unknown", ""),
        ("20210307021710.avi", "2021-03-07T02:17:10", "unknown", ""),
        ("cam7-20210307_021710.25.avi", "2021-03-07T02:17:10.25", "unknown", "cam7"),
        ("video_20210307_021710.avi", "2021-03-07T02:17:10", "unknown", ""),
        ("2021-03-07_02-17-10.mov", "2021-03-07T02:17:10", "unknown", ""),
        ("2021-03-07 02:17:10,5.mov", "2021-03-07T02:17:10.5", "unknown", ""),
        ("20210307T021710Z.avi", "2021-03-07T02:17:10", "utc", ""),
        ("20210307T031710+0100.avi", "2021-03-07T02:17:10", "utc", ""),
        ("2021-03-06T23-47-10.5-02:30.avi", "2021-03-07T02:17:10.5", "utc", ""),
        ("20210307_021710_01.avi", "2021-03-07T02:17:10", "unknown", ""),  # 01 is a number, no fraction
        ("20210307_021660.avi", "2021-03-07T02:17:00", "unknown", ""),  # rounded up
    ],
)
def test_conventions(name: str, time: str, zone: str, camera: str) -> None:
    found = time_from_name(name)
    assert found is not None
    assert found.time == pytest.approx(unix(time), abs=1e-6)
    assert (found.zone, found.camera) == (zone, camera)


@pytest.mark.parametrize(
    "name",
    [
        "meteor1.avi",
        "20211307_021710.avi",
        "20210307_256110.avi",
        "clip_0001.avi",
        "IMG_20210307.jpg",
        "1234567890123456.avi",
    ],
)
def test_names_without_a_time(name: str) -> None:
    assert time_from_name(name) is None


def test_a_stated_time_needs_a_date_with_a_time_and_defaults_to_utc() -> None:
    assert (
        parse_time("2021-03-07T02:17:10Z") == parse_time("2021-03-07 02:17:10") == unix("2021-03-07T02:17:10")
    )
    with pytest.raises(ValueError, match="yesterday"):
        parse_time("yesterday")
