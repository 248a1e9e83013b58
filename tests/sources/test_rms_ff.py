"""The frame source `rms-ff`: reduced planes, times from the name, mask and site of the folder."""

import csv
import json
import os
import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image as Pillow

from astrodetect.core.data import Stream, Window
from astrodetect.core.discovery import discover
from astrodetect.core.errors import SourceError
from astrodetect.core.windows import opened
from astrodetect.plugins.sources.fits import Fits
from astrodetect.plugins.sources.image import Image
from astrodetect.plugins.sources.rms_ff import RmsFF
from astrodetect.plugins.sources.video import Video

NAME = "FF_UK0006_20230421_212224_982_0115712.fits"
START = datetime(2023, 4, 21, 21, 22, 24, 982000, tzinfo=UTC).timestamp()
SHAPE = (20, 30)


def planes(n_frames: int = 256) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    mean = rng.integers(10, 50, SHAPE, dtype=np.uint8)
    return {
        "MAXPIXEL": mean + rng.integers(0, 200, SHAPE, dtype=np.uint8),
        "MAXFRAME": rng.integers(0, n_frames, SHAPE).astype(np.uint8),
        "AVEPIXEL": mean,
        "STDPIXEL": rng.integers(1, 9, SHAPE, dtype=np.uint8),
    }


def write_fits(path: Path, n_frames: int = 256, fps: float = 25.0, **cards: object) -> dict[str, np.ndarray]:
    data = planes(n_frames)
    primary = fits.PrimaryHDU()
    known = {
        "NROWS": 20,
        "NCOLS": 30,
        "NBITS": 8,
        "NFRAMES": n_frames,
        "FIRST": 7,
        "CAMNO": "XX0001",
        "FPS": fps,
    }
    for key, value in {**known, **{key.replace("_", "-"): value for key, value in cards.items()}}.items():
        primary.header[key] = value
    hdus = [primary, *(fits.ImageHDU(values, name=key) for key, values in data.items())]
    fits.HDUList(hdus).writeto(path)
    return data


def write_bin(path: Path, version: int) -> dict[str, np.ndarray]:
    data = planes(128 if version == 2 else 256)
    head = struct.pack("<i8I", -1, 20, 30, 128, 7, 499, 1, 0, 29970)
    if version == 1:
        head = struct.pack("<5I", 20, 30, 8, 7, 499)
    path.write_bytes(head + b"".join(values.tobytes() for values in data.values()))
    return data


def read(path: Path, **settings: object) -> tuple[Stream, Window]:
    source = RmsFF(**settings)
    (recording,) = RmsFF.find(path)
    assert recording.source == "rms-ff"
    with opened(source, recording) as stream:
        (window,) = source.windows(65, 50)
        return stream, window


def test_an_ff_file_is_one_window_with_the_planes_as_stored(tmp_path) -> None:
    data = write_fits(tmp_path / NAME, n_frames=200)
    stream, window = read(tmp_path / NAME)
    assert (stream.shape, stream.dtype, stream.n_frames, stream.frame_rate) == (SHAPE, np.uint8, 200, 25)
    assert (stream.camera, stream.saturation, stream.site, stream.mask) == ("UK0006", 255, None, None)
    assert not stream.warnings
    assert stream.start == pytest.approx(START, abs=1e-6)
    assert window.frames is None
    assert window.start == 0
    np.testing.assert_allclose(window.times, START + np.arange(200) / 25, atol=1e-6)
    names = {
        "max": "MAXPIXEL",
        "argmax": "MAXFRAME",
        "mean": "AVEPIXEL",
        "background": "AVEPIXEL",
        "std": "STDPIXEL",
    }
    for plane, name in names.items():
        assert window.planes[plane].dtype == np.uint8
        np.testing.assert_array_equal(window.planes[plane], data[name])
    assert window.planes["image"].dtype == np.float32
    np.testing.assert_array_equal(window.planes["image"], data["MAXPIXEL"].astype(float) - data["AVEPIXEL"])


@pytest.mark.parametrize(("version", "n_frames", "rate"), [(1, 256, 25), (2, 128, 29.97)])
def test_both_versions_of_the_binary_form(tmp_path, version, n_frames, rate) -> None:
    path = tmp_path / "FF499_20170626_020520_353_0005120.bin"
    data = write_bin(path, version)
    stream, window = read(path)
    assert (stream.n_frames, stream.frame_rate, stream.camera) == (n_frames, rate, "499")
    assert stream.start == datetime(2017, 6, 26, 2, 5, 20, 353000, tzinfo=UTC).timestamp()
    assert ("no frame rate" in "".join(stream.warnings)) == (version == 1)
    np.testing.assert_array_equal(window.planes["max"], data["MAXPIXEL"])
    np.testing.assert_array_equal(window.planes["std"], data["STDPIXEL"])
    assert read(path, frame_rate=50.0)[1].times[50] == pytest.approx(stream.start + 1, abs=1e-6)


def test_frames_are_the_maximum_where_it_fell_and_the_mean_elsewhere(tmp_path) -> None:
    data = write_fits(tmp_path / NAME)
    source = RmsFF()
    with opened(source, next(RmsFF.find(tmp_path))):
        frames = [frame.data for frame in source.frames()]
    assert len(frames) == 256
    np.testing.assert_array_equal(np.max(frames, axis=0), data["MAXPIXEL"])
    np.testing.assert_array_equal(
        frames[17], np.where(data["MAXFRAME"] == 17, data["MAXPIXEL"], data["AVEPIXEL"])
    )


def test_date_obs_is_only_compared_with_the_name(tmp_path) -> None:
    write_fits(tmp_path / NAME, DATE_OBS="2023-04-21T21:22:25.982000")
    stream, _ = read(tmp_path / NAME)
    assert stream.start == pytest.approx(START, abs=1e-6)
    assert "DATE-OBS is +1.000 s" in stream.warnings[0]


def test_the_mask_of_the_folder_is_used_where_it_fits(tmp_path) -> None:
    write_fits(tmp_path / NAME)
    black = np.full(SHAPE, 255, np.uint8)
    black[:5] = 0
    Pillow.fromarray(black).convert("P").save(tmp_path / "mask.bmp")
    stream, window = read(tmp_path / NAME)
    np.testing.assert_array_equal(stream.mask, black == 0)
    np.testing.assert_array_equal(window.mask, black == 0)
    assert read(tmp_path / NAME, mask=False)[0].mask is None
    Pillow.fromarray(black[1:]).save(tmp_path / "mask.bmp")
    os.utime(tmp_path / "mask.bmp", (1, 1))
    stream, _ = read(tmp_path / NAME)
    assert stream.mask is None
    assert "(19, 30)" in stream.warnings[0]
    (tmp_path / "mask.bmp").write_text("no picture")
    assert "cannot be read" in read(tmp_path / NAME)[0].warnings[0]


@pytest.mark.parametrize("kind", ["platepar", "recalibrated", "config"])
def test_the_site_comes_from_the_files_of_the_folder(tmp_path, kind) -> None:
    write_fits(tmp_path / NAME)
    place = {"lat": 51.88, "lon": -1.3, "elev": 80}
    if kind == "platepar":
        (tmp_path / "platepar_cmn2010.cal").write_text(json.dumps(place))
    elif kind == "recalibrated":
        (tmp_path / "platepars_all_recalibrated.json").write_text(json.dumps({NAME: place}))
    else:
        lines = "[System]\nstationID: UK0006\nlatitude: 51.88 ; N\nlongitude: -1.3 ; E\nelevation: 80 ; m\n"
        (tmp_path / ".config").write_text(lines)
    assert read(tmp_path / NAME)[0].site == (51.88, -1.3, 80)


def test_real_frame_times_beside_it_are_used(tmp_path) -> None:
    write_fits(tmp_path / NAME)
    times = START + 0.05 + np.arange(256) * 0.0401
    rows = np.rec.fromarrays([np.arange(256), times], dtype=[("frame", "<u4"), ("time", "<f8")])
    path = tmp_path / "FT_UK0006_20230421_212224_982_0115712.bin"
    path.write_bytes(struct.pack("<I", 256) + rows.tobytes())
    stream, window = read(tmp_path / NAME)
    np.testing.assert_array_equal(window.times, times)
    assert stream.start == times[0]
    path.write_bytes(struct.pack("<I", 256) + rows.tobytes()[:50])
    stream, window = read(tmp_path / NAME)
    assert "cannot be read" in stream.warnings[0]
    assert window.times[25] == pytest.approx(START + 1, abs=1e-6)


@pytest.mark.parametrize("name", [NAME, "FF499_20170626_020520_353_0005120.bin"])
@pytest.mark.parametrize("kept", [0, 10, 1000, 0.5, 0.9])
def test_a_truncated_file_is_told_in_one_line(tmp_path, name, kept) -> None:
    path = tmp_path / name
    if path.suffix == ".bin":
        write_bin(path, 2)
    else:
        write_fits(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(SourceError) as caught, opened(RmsFF(), next(RmsFF.find(path))):
        pass
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_fits_under_the_name_of_an_ff_file(tmp_path) -> None:
    fits.PrimaryHDU(np.zeros((4, 4), np.uint8)).writeto(tmp_path / NAME)
    with pytest.raises(SourceError, match="lacks MAXPIXEL"), opened(RmsFF(), next(RmsFF.find(tmp_path))):
        pass


def test_a_night_folder_gives_its_ff_files_and_nothing_else(tmp_path) -> None:
    """Masks, flats, pictures and text of the folder are neither a recording nor a failure."""
    night = tmp_path / "UK0006_20230421_194826_180103"
    night.mkdir()
    write_fits(night / NAME)
    write_bin(night / "FF499_20170626_020520_353_0005120.bin", 2)
    (night / "FR_UK0006_20230421_212224_982_0115712.bin").write_bytes(bytes(100))
    (night / "FS_UK0006_20230421_194826_180103_fieldsum.bin").write_bytes(bytes(100))
    (night / "FTPdetectinfo_UK0006_20230421_194826_180103.txt").write_text("Meteor Count = 000001\n")
    grey = Pillow.fromarray(np.zeros(SHAPE, np.uint8))
    for name in ("mask.bmp", "flat.bmp", "UK0006_stack_12_meteors.jpg", "UK0006_fieldsums.png"):
        grey.save(night / name)
    (night / "UK0006_20230421_194826_180103_timelapse.mp4").write_bytes(bytes(100))
    found = list(discover([tmp_path], {"rms-ff": RmsFF, "fits": Fits, "image": Image, "video": Video}))
    assert [recording.source for recording in found] == ["rms-ff", "rms-ff"]
    assert {Path(recording.path).name[:5] for recording in found} == {"FF499", "FF_UK"}


DATA = os.environ.get("ASTRODETECT_DATA")


@pytest.mark.skipif(not DATA, reason="ASTRODETECT_DATA is not set: real recordings are not at hand")
def test_real_ff_files_are_the_right_way_up() -> None:
    """Along the true track, the brightest pixel has its maximum in the true frame."""
    root = Path(str(DATA)) / "rms"
    with (root / "truth.csv").open() as file:
        truth = {row["file"]: row for row in csv.DictReader(file)}
    found = list(RmsFF.find(root))
    assert len(found) == len(truth) == 8
    for recording in found:
        row = truth[Path(recording.path).name]
        source = RmsFF()
        with opened(source, recording) as stream:
            (window,) = source.windows(65, 50)
        assert (stream.shape, stream.n_frames, stream.frame_rate) == ((720, 1280), 256, 25)
        assert stream.camera == "UK0006"
        assert stream.site is not None
        assert stream.mask is not None
        assert 0.01 < stream.mask.mean() < 0.1
        first, last = int(row["frame_first"]), int(row["frame_last"])
        errors = []
        for frame in range(first, last + 1):
            part = (frame - first) / (last - first)
            x = float(row["x_first"]) + part * (float(row["x_last"]) - float(row["x_first"]))
            y = float(row["y_first"]) + part * (float(row["y_last"]) - float(row["y_first"]))
            top, left = max(0, round(y) - 4), max(0, round(x) - 4)
            near = np.s_[top : round(y) + 5, left : round(x) + 5]
            image = window.planes["image"][near]
            errors.append(abs(int(window.planes["argmax"][near].flat[image.argmax()]) - frame))
        assert np.median(errors) <= 2


FTP_HEAD = """Meteor Count = 000001
-----------------------------------------------------
Processed with RMS 1.0
-----------------------------------------------------
FF  folder = /night
CAL folder = /night
-----------------------------------------------------
FF  file processed
CAL file processed
Cam# Meteor# #Segments fps hnr mle bin Pix/fm Rho Phi
Per segment:  Frame# Col Row RA Dec Azim Elev Inten Mag
-------------------------------------------------------
"""
FTP_METEOR = """Recalibrated with RMS
UK0006 0001 0003 0025.00 000.0 000.0  00.0 008.3 0229.2 -164.5
"""


def write_ftp(path: Path, first: int) -> None:
    rows = "".join(f"{first + i}.4 {4 + 2 * i}.00 {9 + i}.00 0 0 0 0 100 2.3\n" for i in range(3))
    path.write_text(f"{FTP_HEAD}{NAME}\n{FTP_METEOR}{rows}")


def camera_frames(path: Path) -> tuple[list[int], list[str]]:
    source = RmsFF()
    (recording,) = source.find(path.parent)
    with opened(source, recording):
        found = source.camera_detections()
        return ([] if found is None else [int(i) for i in found["frame_start"]]), source.take_reports()


def test_what_the_camera_found_is_given_as_its_own_detections(tmp_path):
    path = tmp_path / NAME
    write_fits(path)
    assert camera_frames(path) == ([], [])
    write_ftp(tmp_path / "FTPdetectinfo_UK0006_20230421_194826_180103_unfiltered.txt", 40)
    assert camera_frames(path)[0] == [40]
    write_ftp(tmp_path / "FTPdetectinfo_UK0006_20230421_194826_180103.txt", 50)
    write_ftp(tmp_path / "FTPdetectinfo_UK0006_20230421_194826_180103_manual.txt", 60)
    assert camera_frames(path)[0] == [50, 60]
    source = RmsFF()
    with opened(source, next(iter(source.find(tmp_path)))):
        found = source.camera_detections()
    assert [float(found[name][0]) for name in ("x_start", "y_start", "x_end", "y_end")] == [4, 9, 8, 11]
    assert list(found["label"]) == ["meteor", "meteor"]
    assert found.track(0)["frame"].tolist() == [50, 51, 52]
    assert found.track(0)["time"] == pytest.approx(START + np.array([50.4, 51.4, 52.4]) / 25)
    assert "rho" not in found


def test_a_list_of_the_camera_that_is_cut_off_costs_nothing_but_itself(tmp_path):
    path = tmp_path / NAME
    write_fits(path)
    (tmp_path / "FTPdetectinfo_UK0006_20230421_194826_180103.txt").write_text(f"{FTP_HEAD}{NAME}\n")
    frames, told = camera_frames(path)
    assert frames == []
    assert len(told) == 1
    assert told[0].startswith("FTPdetectinfo_UK0006_20230421_194826_180103.txt cannot be read")
