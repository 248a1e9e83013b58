"""Event folders of freeture: every case that archives hold."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from freeture_fixture import freeture_date, header_of, write_avi, write_event, write_image

from astrodetect.core.data import Recording
from astrodetect.core.discovery import discover
from astrodetect.core.errors import SourceError
from astrodetect.core.registry import load_sources
from astrodetect.core.testing import SourceConformance
from astrodetect.core.windows import opened, ring_windows
from astrodetect.methods.fits_times import parse_utc
from astrodetect.plugins.sources.fits import Fits
from astrodetect.plugins.sources.freeture import Freeture

START = 1555357790.1234  # 2019-04-15T19:49:50.1234
STEP = 1 / 30
SHAPE = (40, 52)
SOURCES = {"freeture": Freeture, "fits": Fits}


def make_frames(n: int = 6, dtype: str = "u2", high: int = 4096) -> np.ndarray:
    """Frames that differ everywhere, so that a turned or a swapped one is seen."""
    return np.random.default_rng(3).integers(0, high, (n, *SHAPE)).astype(dtype)


def times_of(n: int = 6, start: float = START) -> list[float]:
    """Times of n frames."""
    return [start + STEP * i for i in range(n)]


def read(recording: Recording, source: Freeture | None = None):
    """Open a recording and give stream, frames, times, reports, camera detections."""
    source = source or Freeture()
    with opened(source, recording) as stream:
        taken = [(frame.data.copy(), frame.time, frame.index) for frame in source.frames()]
        camera = source.camera_detections()
    frames, times, indices = zip(*taken, strict=True)
    assert list(indices) == list(range(len(taken)))
    return stream, np.stack(frames), np.array(times), source.take_reports(), camera


def only(root: Path, sources=SOURCES) -> Recording:
    """Find the one recording under a folder."""
    (recording,) = discover([root], sources)
    return recording


def test_an_event_is_one_recording_with_all_its_files(tmp_path):
    event = write_event(tmp_path, make_frames(), times_of(), positions=[(0, 5, 6, START)], cube=True)
    recording = only(tmp_path)
    assert (recording.source, recording.path) == ("freeture", "ITTEST01_20190415T194950_UT")
    assert set(recording.file_paths) == {path for path in event.rglob("*") if path.is_file()}


@pytest.mark.parametrize("way", ["plain", "packed", "tiled", "cube"])
def test_frames_are_given_as_the_camera_shows_them(tmp_path, way):
    frames = make_frames()
    write_event(
        tmp_path, frames, times_of(), packed=way == "packed", tiled=way == "tiled", cube=way == "cube",
        frame_files=way != "cube",
    )  # fmt: skip
    stream, given, times, reports, _ = read(only(tmp_path))
    assert given.dtype == np.uint16
    np.testing.assert_array_equal(given, frames)
    np.testing.assert_allclose(times, times_of(), atol=2e-4)
    assert not reports
    assert not stream.warnings
    assert stream.frame_rate == pytest.approx(30, rel=3e-3)
    assert (stream.n_frames, stream.saturation, stream.exposure) == (6, 4095, pytest.approx(0.0333, abs=1e-3))
    assert stream.site == (45.15, pytest.approx(9.7), 70)


def test_the_nominal_coordinate_system_is_left_out(tmp_path):
    write_event(tmp_path, make_frames(), times_of())
    header = read(only(tmp_path))[0].header
    assert header["CAMERA"] == "Basler scA1300-gm"
    assert not {"CTYPE1", "CD1_1", "CRVAL1", "K1"} & set(header)


def test_frames_of_8_bits(tmp_path):
    frames = make_frames(dtype="u1", high=256)
    write_event(tmp_path, frames, times_of(), bits=8)
    stream, given, *_ = read(only(tmp_path))
    assert given.dtype == np.uint8
    assert stream.saturation == 255
    np.testing.assert_array_equal(given, frames)


def test_ring_and_frames_agree(tmp_path):
    frames = make_frames(9)
    write_event(tmp_path, frames, times_of(9))
    source = Freeture()
    with opened(source, only(tmp_path)):
        windows = [(window.start, window.frames.copy()) for window in ring_windows(source, 4, 3)]
    assert [start for start, _ in windows] == [0, 3, 5]
    for start, given in windows:
        np.testing.assert_array_equal(given, frames[start : start + 4])


def test_rows_stay_where_the_user_says_so(tmp_path):
    frames = make_frames()
    write_event(tmp_path, frames, times_of())
    np.testing.assert_array_equal(read(only(tmp_path), Freeture(flip=False))[1], frames[:, ::-1])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("05.12345", 5.12345), ("50.1234", 50.1234), ("07", 7.0), ("60", 60.0), ("01e-05", 1e-5), ("00", 0.0)],
)
def test_seconds_as_freeture_prints_them(text, seconds):
    minute, _ = parse_utc("2019-04-15T19:49:00")
    time, has_clock = parse_utc(f"2019-04-15T19:49:{text}")
    assert has_clock
    assert time - minute == pytest.approx(seconds, abs=1e-6)


def test_an_event_over_the_full_minute_and_midnight(tmp_path):
    midnight = 1555372800.0
    times = [midnight - 2 * STEP, midnight - STEP, midnight - 1e-6, midnight + STEP, midnight + 2 * STEP]
    assert freeture_date(times[2]).endswith("23:59:60")
    frames = make_frames(5)
    write_event(tmp_path, frames, times)
    recording = only(tmp_path)
    assert recording.path == "ITTEST01_20190415T235959_UT"
    stream, given, read_times, *_ = read(recording)
    np.testing.assert_array_equal(given, frames)
    np.testing.assert_allclose(read_times, times, atol=1e-4)
    assert not stream.warnings


def test_frames_are_sorted_by_date_not_by_name(tmp_path):
    frames = make_frames()
    order = [3, 0, 4, 1, 5, 2]
    write_event(tmp_path, frames[order], [times_of()[i] for i in order])
    stream, given, times, *_ = read(only(tmp_path))
    np.testing.assert_array_equal(given, frames)
    assert np.all(np.diff(times) > 0)
    assert "backwards" in stream.warnings[0]


def test_missing_and_repeated_frames_are_told(tmp_path):
    times = times_of(12)
    times = [*times[:5], times[4], *times[8:]]
    write_event(tmp_path, make_frames(len(times)), times)
    text = " ".join(read(only(tmp_path))[0].warnings)
    assert "1 of 10 frames repeat" in text
    assert "3 frames are missing in 1 gap, the first (3) after frame 5" in text


def test_positions_are_matched_by_date_when_the_index_is_shifted(tmp_path):
    frames, times = make_frames(8), times_of(8)
    points = [(30 + i, 10 + 2 * i, 4 + 3 * i, times[i]) for i in (2, 3, 4, 6)]
    write_event(tmp_path, frames, times, positions=points)
    *_, reports, camera = read(only(tmp_path))
    assert not reports
    (row,) = camera
    assert (row["label"], row["probability"]) == ("unknown", 0)
    assert (row["frame_start"], row["frame_end"], row["n_frames"]) == (2, 6, 4)
    assert (row["x_start"], row["y_start"], row["x_end"], row["y_end"]) == (14, 10, 22, 22)
    assert (row["x_min"], row["x_max"], row["y_min"], row["y_max"]) == (14, 23, 10, 23)
    assert row["speed"] == pytest.approx(math.hypot(8, 12) / 4)
    assert row["time_start"] == pytest.approx(times[2], abs=1e-3)
    track = camera.track(0)
    assert track["frame"].tolist() == [2, 3, 4, 6]
    assert track["y"].tolist() == [10, 13, 16, 22]


def test_positions_point_at_the_pixel_that_was_lit(tmp_path):
    frames = np.zeros((3, *SHAPE), np.uint16)
    lit = [(0, 5), (SHAPE[0] - 1, 7), (17, 30)]  # the top row, the bottom row
    for frame, (row, column) in zip(frames, lit, strict=True):
        frame[row, column] = 4000
    times = times_of(3)
    points = [(i, column, row, times[i]) for i, (row, column) in enumerate(lit)]
    event = write_event(tmp_path, frames, times, positions=points)
    assert f"(5;{SHAPE[0]})" in (event / "positions.txt").read_text()
    assert "(7;1)" in (event / "positions.txt").read_text()
    _, given, _, _, camera = read(only(tmp_path))
    track = camera.track(0)
    for frame, x, y in zip(track["frame"], track["x"], track["y"], strict=True):
        assert given[frame, int(y), int(x)] == 4000


def test_frames_that_lie_there_packed_and_unpacked_count_once(tmp_path):
    frames = make_frames()
    event = write_event(tmp_path, frames, times_of())
    for path in sorted((event / "fits2D").iterdir())[:3]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    stream, given, *_ = read(only(tmp_path))
    np.testing.assert_array_equal(given, frames)
    assert not stream.warnings


def test_several_positions_in_one_frame_are_one_point(tmp_path):
    times = times_of()
    write_event(tmp_path, make_frames(), times, positions=[(1, 10, 10, times[1]), (1, 20, 14, times[1])])
    camera = read(only(tmp_path))[-1]
    track = camera.track(0)
    assert (track["x"].tolist(), track["y"].tolist()) == ([15], [12])
    assert camera["n_frames"][0] == 1
    assert camera["x_max"][0] == 21


def test_positions_of_frames_that_are_gone_and_lines_that_are_none(tmp_path):
    times = times_of()
    points = [(0, 1, 1, times[0]), (1, 2, 2, times[1]), (9, 3, 3, times[5] + 5)]
    event = write_event(tmp_path, make_frames(), times, positions=points)
    with (event / "positions.txt").open("a") as stream:
        stream.write("rubbish\n")
    stream, _, _, reports, camera = read(only(tmp_path))
    assert len(camera.track(0)["frame"]) == 2
    assert "1 of 3 positions have the time of no frame" in reports[0]
    assert "line 4" in stream.warnings[0]


def test_an_event_without_positions(tmp_path):
    write_event(tmp_path, make_frames(), times_of(), extras=False)
    assert read(only(tmp_path))[-1] is None


def test_only_the_avi_is_left(tmp_path):
    frames = np.zeros((20, 64, 80), np.uint16)
    frames[:] = np.arange(64)[None, :, None] * 60  # dark at the top
    times = times_of(20)
    points = [(i, 10, 20, times[i]) for i in (3, 8, 13)]
    event = write_event(tmp_path, frames, times, frame_files=False, positions=points)
    write_avi(event / "video.avi", frames)
    stream, given, read_times, reports, camera = read(only(tmp_path))
    assert stream.shape == (64, 80)
    assert given.dtype == np.uint8
    assert given[0, :8].mean() < 40
    assert given[0, -8:].mean() > 200
    assert stream.frame_rate == pytest.approx(30, rel=1e-2)
    np.testing.assert_allclose(read_times, times, atol=0.01)
    assert any("photometry" in line for line in stream.warnings)
    assert camera.track(0)["frame"].tolist() == [3, 8, 13]
    assert any("by index" in line for line in reports)


def test_only_the_avi_and_no_positions(tmp_path):
    event = write_event(tmp_path, make_frames(), times_of(), frame_files=False)
    write_avi(event / "video.avi", np.arange(10 * 32 * 48).reshape(10, 32, 48))
    stream, _, times, *_ = read(only(tmp_path), Freeture(avi_frame_rate=25))
    assert stream.frame_rate == 25
    assert times[0] == pytest.approx(math.floor(START), abs=1e-3)
    assert times[5] - times[0] == pytest.approx(5 / 25, abs=1e-3)


def test_an_unreadable_frame_is_left_out_and_named(tmp_path):
    frames = make_frames()
    event = write_event(tmp_path, frames, times_of())
    damaged = event / "fits2D" / "frame_3.fit"
    damaged.write_bytes(damaged.read_bytes()[:4000])
    odd = event / "fits2D" / "frame_4.fit"
    odd.unlink()
    write_image(odd, frames[4, :20], header_of(freeture_date(times_of()[4])))
    stream, given, *_ = read(only(tmp_path))
    np.testing.assert_array_equal(given, frames[[0, 1, 2, 5]])
    text = " ".join(stream.warnings)
    assert "frame_3.fit: truncated" in text
    assert "frame_4.fit" in text


def test_an_event_without_frames_fails_with_one_line(tmp_path):
    write_event(tmp_path, make_frames(), times_of(), frame_files=False, positions=[(0, 1, 1, START)])
    with pytest.raises(SourceError, match=r"no frames; expected fits2D"):
        Freeture().open(only(tmp_path))


def test_no_dates_in_the_headers(tmp_path):
    event = tmp_path / "FRNP03_20190415T194950_UT" / "fits2D"
    event.mkdir(parents=True)
    for index, frame in enumerate(make_frames(3)):
        header = header_of("")
        write_image(event / f"frame_{index}.fit", frame, header)
    stream, _, times, *_ = read(only(tmp_path))
    assert stream.start == 1555357790
    assert times[2] == pytest.approx(1555357790 + 2 * 0.0333, abs=2e-3)
    assert any("folder's name" in line for line in stream.warnings)


@pytest.mark.parametrize(
    ("station", "telescope", "camera"),
    [
        ("ITTEST01", "CODOGNO", "ITTEST01"),
        ("PINOTORINESE", "ITPI01", "ITPI01"),
        ("A", "B", "B"),
        ("PINO", "", "PINO"),
    ],
)
def test_the_code_of_the_station_wherever_it_stands(tmp_path, station, telescope, camera):
    write_event(tmp_path, make_frames(), times_of(), station=station, telescope=telescope, extras=False)
    stream = read(only(tmp_path))[0]
    assert stream.camera == camera
    assert stream.header["station"] == station


def test_a_table_of_stations(tmp_path):
    table = tmp_path / "stations.csv"
    table.write_text("code,name\nITPI01,PinoTorinese\n")
    write_event(tmp_path, make_frames(), times_of(), station="PINOTORINESE", telescope="PINO")
    assert read(only(tmp_path), Freeture(stations=table))[0].camera == "ITPI01"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="columns code and name"):
        Freeture(stations=table).open(only(tmp_path))


def test_layouts_of_archives(tmp_path):
    station = tmp_path / "ITTEST01_20190415" / "events"
    fripon = tmp_path / "detections" / "multiple" / "201904" / "20190415T194950_UT"
    prisma = tmp_path / "events" / "20190415T194951_UT"
    for folder in (station, fripon, prisma):
        write_event(folder, make_frames(), times_of(), station="FRNP03", positions=[(0, 1, 1, START)])
    (fripon / "Trajectory").mkdir()
    (fripon / "Trajectory" / "orbit.txt").write_text("x")
    found = [recording.path for recording in discover([tmp_path], SOURCES)]
    name = "FRNP03_20190415T194950_UT"
    expected = [folder / name for folder in (station, fripon, prisma)]
    assert sorted(found) == sorted(path.relative_to(tmp_path).as_posix() for path in expected)


def test_the_input_may_be_the_event_or_its_frames(tmp_path):
    times = times_of()
    event = write_event(tmp_path, make_frames(), times, positions=[(0, 1, 1, times[0])])
    assert only(event).path == event.name
    recording = only(event / "fits2D")
    assert recording.path == "fits2D"
    stream, given, _, _, camera = read(recording)
    assert stream.camera == "ITTEST01"
    np.testing.assert_array_equal(given, make_frames())
    assert len(camera) == 1


def test_one_frame_or_a_folder_of_frames_without_its_name(tmp_path):
    frames = make_frames()
    event = write_event(tmp_path, frames, times_of())
    recording = only(event / "fits2D" / "frame_2.fit")
    assert recording.source == "freeture"
    np.testing.assert_array_equal(read(recording)[1], frames[2:3])
    (event / "fits2D").rename(tmp_path / "mine")
    np.testing.assert_array_equal(read(only(tmp_path / "mine"))[1], frames)


def test_captures_are_nobodys_recordings_unless_wanted(tmp_path):
    write_event(tmp_path / "events", make_frames(), times_of())
    folder = tmp_path / "captures" / "ITTEST01" / "201904"
    folder.mkdir(parents=True)
    capture = make_frames(1)[0]
    write_image(
        folder / "ITTEST01_20190415T200000_UT-0.fit", capture, header_of("2019-04-15T20:00:00"), packed=True
    )
    (tmp_path / "stacks").mkdir()
    write_image(
        tmp_path / "stacks" / "CODOGNO_20190415T200000_UT.fit", capture, header_of("2019-04-15T20:00:00")
    )
    assert only(tmp_path).path.startswith("events")
    wanted = list(discover([tmp_path], {"freeture": Freeture(captures=True), "fits": Fits}))
    assert {recording.source for recording in wanted} == {"freeture"}
    assert len(wanted) == 3
    pointed = only(tmp_path / "captures")
    stream, given, times, *_ = read(pointed)
    np.testing.assert_array_equal(given[0], capture)
    assert (stream.n_frames, len(times)) == (1, 1)


def test_other_files_in_an_event_are_left_to_others(tmp_path):
    event = write_event(tmp_path, make_frames(), times_of())
    (event / "solution.head").write_text("x")
    write_image(event / "mine.fits", make_frames(1)[0], header_of("2019-04-15T20:00:00"))
    found = {recording.path: recording.source for recording in discover([tmp_path], SOURCES)}
    assert found == {event.name: "freeture", f"{event.name}/mine.fits": "fits"}


def test_among_all_sources_an_event_is_one_recording(tmp_path):
    event = write_event(tmp_path, make_frames(), times_of())
    write_avi(event / "video.avi", np.arange(10 * 32 * 48).reshape(10, 32, 48))
    sources, failures = load_sources()
    assert not failures
    assert only(tmp_path, sources).source == "freeture"


class TestFreetureConforms(SourceConformance):
    """The tests that every source has to pass."""

    plugin = Freeture
    n_frames = 6

    def write_sample(self, folder):
        write_event(folder, make_frames(), times_of())
