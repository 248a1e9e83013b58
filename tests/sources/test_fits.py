"""FITS images, cubes and sequences: pixels as astropy gives them, times as the headers say."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrodetect.core.data import Recording
from astrodetect.core.discovery import discover
from astrodetect.core.errors import SourceError
from astrodetect.core.testing import SourceConformance
from astrodetect.core.windows import opened, ring_windows
from astrodetect.plugins.sources.fits import Fits

SHAPE = (24, 30)
START = 1700000000.0


def pixels(dtype: str, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Values over the whole range of a type."""
    rng = np.random.default_rng(1)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1e4, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def date(seconds: float) -> str:
    """DATE-OBS so many seconds after the start."""
    return str(np.datetime64(round((START + seconds) * 1000), "ms"))


def write(path: Path, data: np.ndarray | None, **cards) -> Path:
    """Write a primary image; underscores in names of cards stand for hyphens."""
    header = fits.Header({name.replace("_", "-"): value for name, value in cards.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(data, header).writeto(path)
    return path


def write_sequence(folder: Path, times, *, shape=SHAPE, prefix="f", **cards) -> np.ndarray:
    """Write one frame per time; each holds its number."""
    frames = np.arange(len(times), dtype="u2")[:, None, None] * np.ones((1, *shape), "u2") + pixels(
        "u1", shape
    )
    for index, (frame, time) in enumerate(zip(frames, times, strict=True)):
        write(folder / f"{prefix}{index}.fits", frame.astype("u2"), DATE_OBS=date(time), **cards)
    return frames.astype("u2")


def find(root: Path, **settings) -> list[Recording]:
    """Find recordings with some settings."""
    return list(discover([root], {"fits": Fits(**settings)}))


def read(recording: Recording, **settings):
    """Give stream, frames, times and reports of a recording."""
    source = Fits(**settings)
    with opened(source, recording) as stream:
        taken = [(frame.data.copy(), frame.time) for frame in source.frames()]
    return (
        stream,
        np.stack([data for data, _ in taken]),
        np.array([t for _, t in taken]),
        source.take_reports(),
    )


@pytest.mark.parametrize("packing", ["plain", "gz", "bz2", "tiles", "fz", "tiles.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_pixels_keep_their_type_and_value(tmp_path, dtype, packing):
    if "tiles" in packing or packing == "fz":
        if dtype in {"i8", "i1"}:
            pytest.skip("the tile convention has no such integers")
        data = pixels(dtype)
        method = "GZIP_2" if dtype in {"u4", "i4", "f4", "f8"} else "RICE_1"
        image = fits.CompImageHDU(data, compression_type=method, quantize_level=0.0)
        path = tmp_path / ("a.fits.fz" if packing == "fz" else "a.fits")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
        if packing == "tiles.gz":
            (tmp_path / "a.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    else:
        data = pixels(dtype)
        path = write(tmp_path / "a.fit", data)
        pack = {"gz": gzip.compress, "bz2": bz2.compress}.get(packing)
        if pack:
            (tmp_path / f"a.fit.{packing}").write_bytes(pack(path.read_bytes()))
            path.unlink()
    (recording,) = find(tmp_path)
    stream, frames, *_ = read(recording)
    assert stream.dtype == frames.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(frames, data[None])


def test_scaled_integers_become_float32(tmp_path):
    hdu = fits.PrimaryHDU(pixels("i2"))
    hdu.header["BSCALE"], hdu.header["BZERO"] = 12.0, 12 * 32768.0
    hdu.writeto(tmp_path / "sum.fits")
    stream, frames, *_ = read(find(tmp_path)[0])
    assert stream.dtype == np.float32
    np.testing.assert_array_equal(frames[0], fits.getdata(tmp_path / "sum.fits").astype("f4"))


def test_undefined_integers_become_nan_and_are_told(tmp_path):
    data = pixels("i2")
    data[3, 4] = -32768
    write(tmp_path / "a.fits", data, BLANK=-32768)
    stream, frames, _, reports = read(find(tmp_path)[0])
    assert stream.dtype == np.float32
    assert np.isnan(frames[0, 3, 4])
    assert "NaN or infinite" in reports[0]


def test_pixels_that_are_no_numbers_pass_and_are_told(tmp_path):
    data = pixels("f4", (3, *SHAPE))
    data[1, 2, 3], data[1, 5, 6], data[2, 0, 0] = np.nan, np.inf, -np.inf
    write(tmp_path / "cube.fits", data)
    _, frames, _, reports = read(find(tmp_path)[0])
    np.testing.assert_array_equal(frames, data)
    assert reports == ["3 pixels are NaN or infinite, in 2 frames, first in frame 1"]


def test_a_cube_gives_its_planes(tmp_path):
    data = pixels("u2", (5, *SHAPE))
    write(tmp_path / "cube.fits", data, DATE_OBS=date(0), FPS=25.0)
    stream, frames, times, _ = read(find(tmp_path)[0])
    np.testing.assert_array_equal(frames, data)
    np.testing.assert_allclose(times - START, np.arange(5) / 25, atol=1e-6)
    assert (stream.n_frames, stream.frame_rate, stream.start) == (5, 25, START)


def test_settings_say_what_the_header_does_not(tmp_path):
    write(tmp_path / "cube.fits", pixels("u2", (3, *SHAPE)), DATE_OBS=date(0))
    (found,) = find(tmp_path)
    source = Fits(frame_rate=25.0, saturation=4095)
    stream = source.open(found)
    assert (stream.frame_rate, stream.saturation) == (25.0, 4095)
    np.testing.assert_allclose([f.time - START for f in source.frames()], [0, 0.04, 0.08], atol=1e-6)
    assert np.isnan(Fits().open(found).frame_rate)
    assert Fits().open(found).saturation == 65535


@pytest.mark.parametrize("packing", ["gz", "tiles"])
def test_packed_cubes(tmp_path, packing):
    data = pixels("u2", (4, *SHAPE))
    if packing == "gz":
        path = write(tmp_path / "cube.fits", data)
        (tmp_path / "cube.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    else:
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data)]).writeto(tmp_path / "cube.fits")
    np.testing.assert_array_equal(read(find(tmp_path)[0])[1], data)


def test_more_than_three_axes(tmp_path):
    data = pixels("i2", (2, 3, *SHAPE))
    write(tmp_path / "hyper.fits", data)
    np.testing.assert_array_equal(read(find(tmp_path)[0])[1], data.reshape(6, *SHAPE))


def test_without_any_time_seconds_count_from_the_first_frame(tmp_path):
    write(tmp_path / "cube.fits", pixels("u1", (3, *SHAPE)), FPS=10)
    stream, _, times, _ = read(find(tmp_path)[0])
    assert np.isnan(stream.start)
    np.testing.assert_allclose(times, [0, 0.1, 0.2])


def test_the_first_image_or_the_one_that_is_asked_for(tmp_path):
    first, second = pixels("u2"), pixels("f4")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))])
    hdus = [fits.PrimaryHDU(), table, fits.ImageHDU(first, name="SCI"), fits.ImageHDU(second, name="WHT")]
    hdus[0].header["DATE-OBS"] = date(1)
    hdus[0].header["TELESCOP"] = "CAM1"
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    stream, frames, *_ = read(find(tmp_path)[0])
    np.testing.assert_array_equal(frames[0], first)
    assert (stream.start, stream.camera) == (START + 1, "CAM1")
    assert "not read: WHT" in stream.warnings[0]
    for hdu in (3, "wht"):
        np.testing.assert_array_equal(read(find(tmp_path, hdu=hdu)[0], hdu=hdu)[1][0], second)
    with pytest.raises(SourceError, match="has no HDU 'ERR'; it has 0, 1, SCI, WHT"):
        Fits(hdu="ERR").open(find(tmp_path)[0])
    with pytest.raises(SourceError, match="holds no image"):
        Fits(hdu=1).open(find(tmp_path)[0])


def test_a_folder_of_frames_is_one_sequence_in_order_of_time(tmp_path):
    times = np.array([3, 1, 0, 2, 4, 11, 5, 6, 10, 7, 8, 9]) * 0.04
    frames = write_sequence(tmp_path / "night", times, TELESCOP="CAM1", EXPTIME=0.04, SATURATE=4095)
    (recording,) = find(tmp_path)
    assert (recording.path, recording.source, len(recording.files)) == ("night", "fits", 12)
    stream, given, read_times, _ = read(recording)
    np.testing.assert_array_equal(given, frames[np.argsort(times)])
    np.testing.assert_allclose(read_times - START, np.sort(times), atol=1e-6)
    assert stream.frame_rate == pytest.approx(25, rel=1e-6)
    assert (stream.start, stream.exposure, stream.saturation) == (START, 0.04, 4095)
    assert (stream.camera, stream.n_frames, stream.shape) == ("CAM1", 12, SHAPE)
    assert "times go backwards" in stream.warnings[0]


def test_frames_go_straight_into_the_ring(tmp_path):
    frames = write_sequence(tmp_path, np.arange(11) * 0.04)
    source = Fits()
    (recording,) = find(tmp_path)
    with opened(source, recording):
        for window in ring_windows(source, 4, 2):
            np.testing.assert_array_equal(window.frames, frames[window.start : window.start + 4])
        slots = np.zeros((11, *SHAPE), "u2")
        for slot, frame in zip(slots, source.frames_into(iter(slots)), strict=True):
            assert frame.data is slot or frame.data.base is slots
    np.testing.assert_array_equal(slots, frames)


def test_what_makes_a_sequence(tmp_path):
    slow, fast = np.arange(6) * 60.0, np.arange(6) * 0.5
    write_sequence(tmp_path / "slow", slow)
    write_sequence(tmp_path / "fast", fast)
    write_sequence(tmp_path / "still", np.zeros(6))
    lengths = {recording.path: len(recording.files) for recording in find(tmp_path)}
    assert lengths.pop("fast") == 6
    assert len(lengths) == 12
    assert set(lengths.values()) == {1}
    assert len(find(tmp_path, sequence="never")) == 18
    assert sorted(len(recording.files) for recording in find(tmp_path, sequence="always")) == [6, 6, 6]


def test_always_takes_files_without_times_by_name(tmp_path):
    for number in (2, 10, 1):
        write(tmp_path / "s" / f"img{number}.fits", np.full(SHAPE, number, "u2"), FPS=5.0)
    assert len(find(tmp_path)) == 3
    (recording,) = find(tmp_path, sequence="always")
    stream, frames, times, _ = read(recording)
    assert frames[:, 0, 0].tolist() == [1, 2, 10]
    np.testing.assert_allclose(times, [0, 0.2, 0.4])
    assert "no file has a time" in stream.warnings[0]


def test_cameras_shapes_and_types_are_kept_apart(tmp_path):
    write_sequence(tmp_path, np.arange(5) * 0.1, prefix="a", TELESCOP="A")
    write_sequence(tmp_path, np.arange(5) * 0.1, prefix="b", TELESCOP="B")
    write(tmp_path / "odd.fits", pixels("u2", (8, 9)), DATE_OBS=date(0.25), TELESCOP="A")
    write(tmp_path / "other.fits", pixels("u1"), DATE_OBS=date(0.25), TELESCOP="A")
    found = {recording.path: len(recording.files) for recording in find(tmp_path)}
    assert found == {"a0.fits": 5, "b0.fits": 5, "odd.fits": 1, "other.fits": 1}


def test_unreadable_files_fail_by_themselves(tmp_path):
    write_sequence(tmp_path / "n", np.arange(8) * 0.1)
    broken = tmp_path / "n" / "f3.fits"
    broken.write_bytes(broken.read_bytes()[:3000])
    (tmp_path / "n" / "f4.fits").write_text("this is no image\n" * 9)
    (tmp_path / "n" / "f5.fits").write_bytes(b"")
    found = {recording.path: recording for recording in find(tmp_path)}
    assert {path: len(recording.files) for path, recording in found.items()} == {
        "n": 5, "n/f3.fits": 1, "n/f4.fits": 1, "n/f5.fits": 1,
    }  # fmt: skip
    assert len(read(found["n"])[1]) == 5
    for name, words in (("f3", "f3.fits: truncated: 3000 bytes"), ("f4", "not a FITS file"), ("f5", "empty")):
        with pytest.raises(SourceError, match=words) as caught:
            Fits().open(found[f"n/{name}.fits"])
        assert "\n" not in str(caught.value)


def test_a_file_that_breaks_while_reading_is_left_out(tmp_path):
    frames = write_sequence(tmp_path / "n", np.arange(5) * 0.1, shape=(100, 120))
    packed = tmp_path / "n" / "f2.fits"
    data = gzip.compress(packed.read_bytes())
    packed.unlink()
    (tmp_path / "n" / "f2.fits.gz").write_bytes(data[: len(data) // 2])
    (recording,) = find(tmp_path)
    _, given, times, reports = read(recording)
    np.testing.assert_array_equal(given, frames[[0, 1, 3, 4]])
    np.testing.assert_allclose(times - START, [0, 0.1, 0.3, 0.4], atol=1e-6)
    assert "1 frames could not be read" in reports[0]
    assert "f2.fits.gz" in reports[0]


def test_times_repeated_and_frames_missing(tmp_path):
    write_sequence(tmp_path, [0, 0.1, 0.2, 0.2, 0.3, 0.4, 0.9, 1.0, 1.1, 1.2])
    stream = read(find(tmp_path)[0])[0]
    assert stream.frame_rate == pytest.approx(10, rel=1e-6)
    assert "1 of 10 frames repeat the time stamp" in stream.warnings[0]
    assert "4 frames are missing in 1 gap, the first (4) after frame 5" in stream.warnings[1]


def test_a_clock_of_whole_seconds(tmp_path):
    write_sequence(tmp_path, np.floor(np.arange(40) / 10 + 0.35))
    stream = read(find(tmp_path)[0])[0]
    assert stream.frame_rate == pytest.approx(10, rel=1e-3)
    assert "coarser" in stream.warnings[0]


def test_split_date_and_time(tmp_path):
    for index in range(4):
        cards = {"DATE_OBS": "2018-08-16", "TIME_OBS": f"20:58:3{index}.5"}
        write(tmp_path / "n" / f"{index}.fts", pixels("u2"), **cards)
    (recording,) = find(tmp_path)
    stream = read(recording)[0]
    assert stream.start == np.datetime64("2018-08-16T20:58:30.5").astype("M8[ms]").astype(float) / 1000
    assert stream.frame_rate == pytest.approx(1)


class TestFitsConforms(SourceConformance):
    """The tests that every source has to pass."""

    plugin = Fits
    n_frames = 5

    def write_sample(self, folder):
        write_sequence(folder, np.arange(5) * 0.1)


def test_real_images(real_data):
    found = {recording.path: recording for recording in find(real_data / "allsky")}
    assert len(found) == 5
    stream, frames, *_ = read(found["000.fits.bz2"])
    assert (stream.shape, stream.dtype, stream.exposure) == ((1040, 1392), np.uint16, 60)
    assert stream.site is not None
    np.testing.assert_array_equal(frames[0], fits.getdata(real_data / "allsky" / "000.fits.bz2"))
    stream, frames, *_ = read(found["magic_images_20180816_2101.fits"])
    assert stream.dtype == np.float32
    assert stream.start == np.datetime64("2018-08-16T20:58:35").astype("M8[s]").astype(float)
    (streak,) = find(real_data / "streak")
    stream, frames, *_ = read(streak)
    np.testing.assert_array_equal(frames[0], fits.getdata(streak.location))
    assert stream.start == pytest.approx((2452482.31709 - 2440587.5) * 86400, abs=1)
    assert len(find(real_data / "sources")) == 3
