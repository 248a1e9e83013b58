"""Files are what cameras write."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from numpy.typing import NDArray

from astrodetect.cli.simulate import simulate
from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation import simulate_night, write_frames
from astrodetect.simulation.ff import reduce_frames
from astrodetect.simulation.writers import CameraPosition

START = 1723507199.5  # 2024-08-12 23:59:59.5 UTC


def random_frames(n: int, dtype: Any, top: int, shape: tuple[int, int] = (34, 48)) -> list[NDArray[Any]]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, top + 1, shape).astype(dtype) for _ in range(n)]


def test_freeture_event_is_upside_down_and_signed_with_odd_seconds(tmp_path: Path) -> None:
    frames = random_frames(12, np.uint16, 4095)
    where = write_frames(
        frames, "freeture", tmp_path, "ITXX01", 30.0, START, positions=[CameraPosition(3, 11.7, 5.2)]
    )
    assert where == "ITXX01_20240812/events/ITXX01_20240812T235959_UT"
    files = sorted((tmp_path / where / "fits2D").iterdir())
    assert [path.name for path in files][:2] == ["frame_00.fit", "frame_01.fit"]
    for number, path in enumerate(files):
        with fits.open(path) as opened:
            opened.verify("exception")
            assert opened[0].header["BITPIX"] == 16
            np.testing.assert_array_equal(opened[0].data[::-1], frames[number])
        assert path.stat().st_size % 2880 == 0
    header = fits.getheader(files[0])
    assert header["DATE-OBS"] == "2024-08-12T23:59:59.5"
    assert header["BZERO"] == 32768
    assert header["SATURATE"] == 4095
    names = list(header)
    assert names.index("CREATOR") < names.index("BZERO") < names.index("RADESYS")
    seconds = {fits.getheader(path)["DATE-OBS"].rsplit(":", 1)[1] for path in files}
    assert "59.5333" in seconds
    # Six digits are all there are: what is left after midnight is a rounding error.
    assert fits.getheader(write_at_midnight(tmp_path))["DATE-OBS"].startswith("2024-08-13T00:00:0")
    assert (tmp_path / where / "positions.txt").read_text() == (
        "3               (10;30)                 2024-08-12T23:59:59.6\n"
    )


def write_at_midnight(folder: Path) -> Path:
    where = write_frames(random_frames(1, np.uint8, 255), "freeture", folder, "B", 30.0, START + 0.50001)
    return next((folder / where / "fits2D").iterdir())


def test_fits_sequence_takes_frames_in_any_order_of_memory(tmp_path: Path) -> None:
    made = np.asfortranarray(np.arange(24, dtype=np.uint16).reshape(4, 6))
    path = write_frames([made, made], "fits", tmp_path, "XX0001", 25.0, 0.0, n_frames=2, bits=12)
    for file in sorted((tmp_path / path).glob("*.fits")):
        np.testing.assert_array_equal(fits.getdata(file), made)


def test_fits_sequence_has_its_rows_as_the_camera_shows_them(tmp_path: Path) -> None:
    for dtype, top in ((np.uint8, 255), (np.uint16, 4095)):
        frames = random_frames(5, dtype, top)
        where = write_frames(iter(frames), "fits", tmp_path / str(top), "CAM", 25.0, START, n_frames=5)
        files = sorted((tmp_path / str(top) / where).iterdir())
        for path, frame in zip(files, frames, strict=True):
            np.testing.assert_array_equal(fits.getdata(path), frame)
        assert fits.getheader(files[1])["DATE-OBS"] == "2024-08-12T23:59:59.540000"


@pytest.mark.parametrize(
    ("codec", "dtype"), [("ffv1", np.uint8), ("ffv1", np.uint16), ("rawvideo", np.uint8)]
)
def test_avi_without_loss(tmp_path: Path, codec: str, dtype: Any) -> None:
    frames = random_frames(5, dtype, 255 if dtype == np.uint8 else 4095)
    where = write_frames(frames, "avi", tmp_path, "CAM", 29.97, START, codec=codec)
    assert where == "CAM_20240812_235959_500000.avi"
    with av.open(str(tmp_path / where)) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(29.97, abs=1e-3)
        decoded = [frame.to_ndarray() for frame in container.decode(video=0)]
    np.testing.assert_array_equal(decoded, frames)


def test_mjpeg_keeps_the_range_of_luminance(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None], 48, axis=0)
    where = write_frames([ramp] * 3, "avi", tmp_path, "CAM", 30.0, START, codec="mjpeg")
    with av.open(str(tmp_path / where)) as container:
        frame = next(container.decode(video=0))
        luminance = np.asarray(frame.planes[0]).reshape(48, -1)[:, :64]
    assert np.abs(luminance.astype(int) - ramp).max() <= 4


def test_ff_planes_are_the_statistics_without_the_four_highest() -> None:
    frames = random_frames(40, np.uint8, 30)
    frames[7][:, 5] = 200
    stack = np.stack(frames)
    planes = reduce_frames(iter(frames))
    np.testing.assert_array_equal(planes["MAXPIXEL"], stack.max(axis=0))
    at = planes["MAXFRAME"]
    np.testing.assert_array_equal(
        np.take_along_axis(stack, at[None].astype(int), axis=0)[0], stack.max(axis=0)
    )
    assert (at[:, 5] == 7).all()
    rest = np.sort(stack, axis=0)[:-4]
    np.testing.assert_array_equal(planes["AVEPIXEL"], rest.mean(axis=0).astype(np.uint8))
    np.testing.assert_array_equal(planes["STDPIXEL"], np.maximum(rest.std(axis=0), 1).astype(np.uint8))


def test_equal_maxima_fall_on_any_frame_alike() -> None:
    flat = [np.full((100, 100), 7, dtype=np.uint8)] * 10
    counts = np.bincount(reduce_frames(iter(flat))["MAXFRAME"].ravel(), minlength=10)
    assert counts.min() > 850
    assert counts.max() < 1150


def test_ff_file_has_the_keywords_of_rms(tmp_path: Path) -> None:
    where = write_frames(random_frames(10, np.uint8, 255), "ff", tmp_path, "XX0001", 25.0, START)
    assert re.fullmatch(r"FF_XX0001_20240812_235959_500_\d{7}\.fits", where)
    with fits.open(tmp_path / where) as opened:
        header = opened[0].header
        assert (header["NROWS"], header["NCOLS"], header["NFRAMES"], header["FPS"]) == (34, 48, 10, 25.0)
        assert [plane.name for plane in opened[1:]] == ["MAXPIXEL", "MAXFRAME", "AVEPIXEL", "STDPIXEL"]
        assert header["FIRST"] == int(where[-12:-5]) + 256


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    wide = random_frames(2, np.uint16, 4095)
    for arguments, word in (
        (("ff",), "8 bits"),
        (("tiff",), "tiff"),
    ):
        with pytest.raises(AstrodetectError, match=word):
            write_frames(wide, *arguments, tmp_path, "C", 30.0, START)
    with pytest.raises(AstrodetectError, match="8 bits"):
        write_frames(wide, "avi", tmp_path, "C", 30.0, START, codec="mjpeg")
    with pytest.raises(AstrodetectError, match="no frames"):
        write_frames([], "fits", tmp_path, "C", 30.0, START)
    with pytest.raises(AstrodetectError, match="256"):
        write_frames(random_frames(1, np.uint8, 9) * 257, "ff", tmp_path, "C", 30.0, START)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_truth_is_the_same_in_every_format_but_for_the_path(tmp_path: Path) -> None:
    rows, tracks = {}, {}
    for name in ("freeture", "fits", "avi", "ff"):
        paths = simulate_night(tmp_path / name, recordings=2, format=name, seed=3, shape=(64, 80), frames=20)
        for path in paths:
            assert (tmp_path / name / path).exists()
        rows[name] = read_rows(tmp_path / name / "truth.csv")
        tracks[name] = read_rows(tmp_path / name / "tracks.csv")
        assert {row["path"] for row in rows[name]} == set(paths)
        for row in [*rows[name], *tracks[name]]:
            del row["path"]
    assert rows["freeture"] == rows["fits"] == rows["avi"] == rows["ff"]
    assert tracks["freeture"] == tracks["ff"]
    meteor = next(row for row in rows["fits"] if row["label"] == "meteor")
    own = next(row for row in tracks["fits"] if row["object"] == meteor["object"])
    assert (own["frame"], own["x"], own["y"]) == (meteor["frame_first"], meteor["x_first"], meteor["y_first"])


def run(*arguments: object) -> Any:
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


SMALL = ("--recordings", 2, "--shape", "48x64", "--frames", 10)


def test_command_writes_recordings_truth_and_settings(tmp_path: Path) -> None:
    out = tmp_path / "night"
    result = run(out, *SMALL)
    assert result.exit_code == 0, result.output
    assert "2 recordings (freeture, 10 frames of 48x64), 1 meteor," in result.stdout
    assert len(list(out.rglob("*.fit"))) == 20
    assert "meteor_snr = (3.0, 50.0)" in (out / "settings.txt").read_text()
    assert {row["path"] for row in read_rows(out / "truth.csv")} == {
        path.relative_to(out).as_posix() for path in out.glob("*/events/*")
    }


def test_command_keeps_its_hands_off_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "night"
    assert run(out, *SMALL).exit_code == 0
    (out / "mine.txt").write_text("keep")
    again = run(out, *SMALL, "--format", "avi")
    assert isinstance(again.exception, AstrodetectError)
    assert "not empty" in str(again.exception)
    assert run(out, *SMALL, "--format", "avi", "--force").exit_code == 0
    assert (out / "mine.txt").read_text() == "keep"
    assert not list(out.rglob("*.fit"))
    assert len(list(out.glob("*.avi"))) == 2
    a_file = tmp_path / "file"
    a_file.write_text("")
    assert "is a file" in str(run(a_file, *SMALL).exception)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--format", "ff", "--frames", 300), "256"),
        (("--recordings", 0), "recordings is 0"),
        (("--seed", -1), "seed"),
        (("--recordings", 10**7), "free"),
    ],
)
def test_command_refuses_in_one_line_before_writing(
    tmp_path: Path, arguments: tuple[object, ...], word: str
) -> None:
    result = run(tmp_path / "night", "--shape", "3000x4000", *arguments)
    assert word in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "night").exists()


def test_command_names_a_shape_that_is_none(tmp_path: Path) -> None:
    result = run(tmp_path / "night", "--shape", "big")
    assert result.exit_code == 2
    assert "480x640" in result.output
