"""What numbers mean in each format, and that it is converted: directions, origins, times, units."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exchange_samples import one_meteor

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange import Content, format_named, read
from astrodetect.exchange.text import iso_text, iso_time
from astrodetect.methods.names import parse_time

START = parse_time("2023-04-21T21:22:24.982")


def files(content: Content, name: str) -> dict[str, str]:
    return {key: data.decode() for key, data in format_named(name).write(content)}


def only(content: Content, name: str) -> str:
    (text,) = files(content, name).values()
    return text


def with_recording(**changes) -> Content:
    content = one_meteor()
    return replace(content, recordings=(replace(content.recordings[0], **changes),))


def test_gfe_states_what_the_standard_asks_for(tmp_path: Path) -> None:
    from astropy.table import Table

    ((name, data),) = format_named("gfe").write(one_meteor())
    assert name == "2023-04-21T21_22_25_ASTRODETECT_UK0006.ecsv"
    (tmp_path / name).write_bytes(data)
    table = Table.read(tmp_path / name, format="ascii.ecsv")
    assert table.colnames[:5] == ["datetime", "ra", "dec", "azimuth", "altitude"]
    assert [str(table[n].unit) for n in table.colnames[1:7]] == ["deg"] * 4 + ["pix"] * 2
    assert table["datetime"][0] == "2023-04-21T21:22:25.782000"
    assert table["y_image"][0] == 50.0
    assert "mag_data" in table.colnames
    assert table.meta["mag_label"] == "mag_data"
    assert b"obs_latitude: 51.883100}" in data
    assert b"obs_longitude: -1.306160}" in data
    assert table.meta["obs_elevation"] == 80.0
    assert table.meta["isodate_start_obs"] == "2023-04-21T21:22:24.982000"
    assert b"delimiter: ','" in data


def test_gfe_heads_hold_any_text(tmp_path: Path) -> None:
    from astropy.table import Table

    odd = 'a "quoted": {text}, # 観測 \x07'
    content = with_recording(camera=odd, path=odd)
    ((name, data),) = format_named("gfe").write(content)
    (tmp_path / name).write_bytes(data)
    assert read(tmp_path / name).recordings[0].camera == odd
    assert Table.read(tmp_path / name, format="ascii.ecsv").meta["camera_id"] == odd


def test_ftpdetectinfo_has_the_widths_of_rms() -> None:
    lines = only(one_meteor(), "ftpdetectinfo").split("\n")
    assert lines[0] == "Meteor Count = 000001"
    assert lines[11] == "-" * 55
    assert lines[12] == "FF_UK0006_20230421_212224_982_0000000.fits"
    assert lines[13] == "Calibrated with astrodetect"
    assert re.fullmatch(
        r"UK0006 0001 0010 0025\.00 000\.0 000\.0  00\.0 005\.4 \d{4}\.\d -?\d+\.\d", lines[14]
    )
    first = [
        "020.0000",
        "0100.00",
        "0050.00",
        "359.000000",
        "+10.000000",
        "200.000000",
        "+40.000000",
        "000000900",
        "+02.00",
    ]
    assert lines[15].split() == ["0" + first[0], *first[1:]]


def test_uncalibrated_meteors_are_written_as_such() -> None:
    content = one_meteor()
    tracks = dict(content.recordings[0].detections.tracks)
    for name in ("ra", "dec", "az", "alt"):
        tracks.pop(name)
    bare = replace(content.recordings[0].detections, tracks=tracks)
    bare = Content((replace(content.recordings[0], detections=bare),))
    text = only(bare, "ftpdetectinfo")
    assert "\nUncalibrated\n" in text
    with pytest.raises(
        AstrodetectError, match=r"gfe: 1 of 1 detections have no position on the sky \(clip.avi at "
    ):
        list(format_named("gfe").write(bare))


def test_frames_follow_from_times_and_the_name_of_the_file(tmp_path: Path) -> None:
    """A rolling shutter makes frames fractional; a name has milliseconds, the recording microseconds."""
    (late,) = with_recording(time_start=START + 0.0004).recordings
    tracks = {**late.detections.tracks, "time": late.detections.tracks["time"] + 0.0004 + 0.5 / 25}
    content = Content((replace(late, detections=replace(late.detections, tracks=tracks)),))
    ((name, data),) = format_named("ftpdetectinfo").write(content)
    (tmp_path / name).write_bytes(data)
    found = read(tmp_path / name).recordings[0].detections.tracks
    assert found["frame"].tolist() == list(range(20, 30))
    np.testing.assert_allclose(found["time"], tracks["time"], rtol=0, atol=3e-6)


def test_nights_and_cameras_are_files_of_their_own() -> None:
    one = one_meteor().recordings[0]
    other = replace(one, camera="UK0007", path="b.avi")
    later = {**one.detections.tracks, "time": one.detections.tracks["time"] + 86400}
    columns = {**one.detections.columns, "time_start": one.detections["time_start"] + 86400}
    next_night = replace(one, path="c.avi", time_start=START + 86400,
                         detections=replace(one.detections, tracks=later, columns=columns))  # fmt: skip
    names = list(files(Content((one, other, next_night)), "ftpdetectinfo"))
    assert [name[14:29] for name in names] == ["UK0006_20230421", "UK0006_20230422", "UK0007_20230421"]


UFO = """<?xml version="1.0" encoding="{encoding}" ?>
<ufoanalyzer_record version="200" clip_name="M20210318_084219_X_TC" o="1" y="2021" mo="3" d="18" h="8" m="42"
 s="19.5" tz="9" lid="{lid}" sid="TC" lng="139.5" lat="35.5" alt="80" cx="720" cy="576" fps="25.0"
 interlaced="1" frames="82" head="30" tail="30">
<ua2_objects><ua2_object fs="60" fe="63" mag="-1.5" x1="416.75" y1="463.5" x2="294.8" y2="460.5" az1="1"
 ev1="2" az2="3" ev2="4" ra1="5" dc1="6" ra2="7" dc2="8" class="spo"><ua2_objpath>
<ua2_fdata2 fno=" 60" Lsum=" 300.0" mag="+0.77" az=" 339.6" ev=" 62.5" ra=" 131.7" dec=" +74.8"></ua2_fdata2>
<ua2_fdata2 fno=" 63" Lsum=" 475.5" mag="+0.27" az=" 339.0" ev=" 62.6" ra=" 131.4" dec=" +74.5"></ua2_fdata2>
</ua2_objpath></ua2_object></ua2_objects></ufoanalyzer_record>
"""


@pytest.mark.parametrize("encoding", ["Shift_JIS", "UTF-8", "EUC-JP", "UTF-16"])
def test_ufo_analysis_fields_zone_rows_and_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "M20210318_084219_X_TCA.XML"
    path.write_bytes(UFO.format(encoding=encoding, lid="東京").encode(encoding))
    (recording,) = read(path).recordings
    assert recording.camera == "東京_TC"
    assert recording.site == Site(35.5, 139.5, 80.0)
    trigger = parse_time("2021-03-17T23:42:19.5")  # nine hours before the clock of the PC
    assert recording.time_start == pytest.approx(trigger - 30 / 25, abs=1e-6)
    track = recording.detections.track(0)
    assert track["frame"].tolist() == [30, 31]  # two fields a frame
    np.testing.assert_allclose(track["time"], [trigger, trigger + 3 / 50], rtol=0, atol=1e-6)
    assert track["y"].tolist() == [576 - 0.5 - 463.5, 576 - 0.5 - 460.5]
    assert recording.detections["peak_magnitude"].tolist() == [-1.5]


def test_an_old_file_may_not_say_that_it_is_shift_jis(tmp_path: Path) -> None:
    path = tmp_path / "M20210318_084219_X_TCA.XML"
    path.write_bytes(UFO.replace(' encoding="{encoding}"', "").format(lid="東京").encode("cp932"))
    assert read(path).recordings[0].camera == "東京_TC"


def test_ufo_times_agree_however_the_record_is_understood() -> None:
    """The record is of the first frame of the meteor, which is also `head` frames after the beginning."""
    text = only(one_meteor(), "ufo")
    assert 'head="20"' in text
    assert 'fs="20"' in text
    assert 's="25.782000"' in text
    assert 'interlaced="0"' in text


def test_ufo_csv_counts_azimuth_from_the_south(tmp_path: Path) -> None:
    text = only(one_meteor(), "ufo-csv")
    cells = text.split("\n")[1].split(",")
    assert cells[0] == "R91"
    assert float(cells[9]) == 20.0
    assert cells[-1] == ""
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert read(path).recordings[0].detections["az_start"].tolist() == [200.0]


def test_cams_counts_longitude_to_the_west_and_height_in_km(tmp_path: Path) -> None:
    made = files(one_meteor(), "cams")
    row = made["CameraSites.txt"].split("\n")[2].split()
    assert row == ["UK0006", "51.883100", "1.306160", "0.08000"]
    night = next(text for name, text in made.items() if name.startswith("FTPdetectinfo"))
    assert len(night.split("\n")[15].split()) == 8
    path = tmp_path / "CameraSites.txt"
    path.write_text(made["CameraSites.txt"])
    assert read(path).recordings[0].site == pytest.approx(Site(51.8831, -1.30616, 80.0))


def test_fripon_pixels_are_those_of_fits(tmp_path: Path) -> None:
    ((name, data),) = format_named("met").write(one_meteor())
    assert name == "20230421T212225_UT_UK0006_AD.met"
    row = next(line for line in data.decode().split("\n") if not line.startswith("#")).split()
    assert [float(cell) for cell in row[3:5]] == [101.0, 720 - 50.0]
    (tmp_path / name).write_bytes(data)
    track = read(tmp_path / name).recordings[0].detections.track(0)
    assert np.isnan(track["y"]).all()  # the height of the frame is not in the file
    assert track["y_fits"][0] == 670.0


@pytest.mark.parametrize(("source", "y"), [("rms-ff", 51.0), ("freeture", 670.0)])
def test_ds9_counts_from_one_along_the_rows_as_stored(source: str, y: float) -> None:
    text = only(with_recording(meta={"source": source}), "ds9")
    assert f"line(101.0000,{y:.4f},146.0000," in text
    assert "\nimage\n" in text


def test_ds9_regions_drawn_by_hand_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.reg"
    path.write_text("# Region file format: DS9 version 4.1\nimage\nbox(11,21,4,2,0) # text={meteor}\n"
                    "circle 5 6 2\nfk5; circle(5:30:00,-10:30:00,20\")\n")  # fmt: skip
    (recording,) = read(path).recordings
    found = recording.detections
    assert found["label"].tolist() == ["meteor", "unknown", "unknown"]
    box = [found[name][0] for name in ("x_min", "x_max", "y_min", "y_max")]
    assert box == [8.5, 12.5, 19.5, 21.5]
    assert found["ra_start"][2] == pytest.approx(82.5)
    assert found["dec_start"][2] == pytest.approx(-10.5)
    assert np.isnan(found["x_start"][2])


def test_boxes_of_yolo_and_coco_cover_pixels() -> None:
    """The box [x_min, x_max) is the same edge to edge: no half pixel is lost or gained."""
    annotation = json.loads(only(one_meteor(), "coco"))["annotations"][0]
    assert annotation["bbox"] == [100.0, 50.0, 46.0, 19.0]
    made = files(one_meteor(), "yolo")
    assert [float(v) for v in made["clip.txt"].split()] == pytest.approx(
        [0, 123 / 1280, 59.5 / 720, 46 / 1280, 19 / 720, 1]
    )
    assert made["classes.txt"] == "meteor\n"


def test_yolo_takes_the_size_from_the_image(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    Image.new("L", (200, 100)).save(tmp_path / "images" / "a.png")
    (tmp_path / "labels" / "a.txt").write_text("3 0.5 0.5 0.1 0.2\n")
    (tmp_path / "classes.txt").write_text("x\ny\nz\nmeteor\n")
    (recording,) = read(tmp_path / "labels" / "a.txt").recordings
    assert (recording.path, recording.width, recording.height) == ("a.png", 200, 100)
    assert recording.detections["label"].tolist() == ["meteor"]
    assert recording.detections["x_min"].tolist() == pytest.approx([90.0])


def test_mdrf_scales_points_and_has_no_calendar(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    target = {"start_time": "00:00:02.400000", "end_time": "00:00:04.400000", "pt1": [433, 147],
              "pt2": [374, 222], "category": "METEOR", "score": 0.75}  # fmt: skip
    path.write_text(json.dumps({
        "version": "2.2",
        "basic_info": {"video": "D:\\\\x\\\\a.mp4", "fps": 25.0, "resolution": [1920, 1080]},
        "type": "ground-truth", "anno_size": [960, 540], "results": [{"target": [target]}],
    }))  # fmt: skip
    (recording,) = read(path).recordings
    found = recording.detections
    assert recording.path == "a.mp4"
    assert (found["x_start"][0], found["y_end"][0]) == (866.0, 444.0)
    assert found["frame_start"].tolist() == [60]
    assert found["probability"].tolist() == [0.75]
    assert np.isnan(found["time_start"]).all()


def test_allsky7_frames(tmp_path: Path) -> None:
    path = tmp_path / "2022_01_31_05_23_01_000_010001-trim-0100-reduced.json"
    rows = [["2022-01-31 05:23:05.123", 103, 100, 50, 5, 6, 900, 10.5, 20.5, 30.5, 40.5]]
    path.write_text(json.dumps({
        "station_name": "AMS100", "device_name": "010001", "hd_video_file": "/mnt/x/a.mp4",
        "peak_magnitude": -2.5,
        "meteor_frame_data": rows, "cal_params": {"device_lat": 50.0, "device_lng": 9.0, "device_alt": 120.0,
        "user_stars": [[1, 2, 3], [4, 5, 6]]},
    }))  # fmt: skip
    content = read(path)
    (recording,) = content.recordings
    assert recording.path == "a.mp4"
    assert recording.camera == "AMS100_010001"
    assert recording.site == Site(50.0, 9.0, 120.0)
    assert recording.detections["time_start"][0] == pytest.approx(
        parse_time("2022-01-31T05:23:05.123"), abs=1e-6
    )
    assert recording.detections["alt_start"].tolist() == [40.5]
    assert content.stars["x"].tolist() == [1.0, 4.0]


def test_leap_seconds_and_rounded_seconds_are_times() -> None:
    assert iso_time("2016-12-31T23:59:60.25Z") == iso_time("2017-01-01T00:00:00.25")
    assert iso_time("2019-04-15T19:49:1e-05") == pytest.approx(iso_time("2019-04-15T19:49:00"), abs=1e-4)
    assert iso_text(iso_time("2016-12-31T23:59:59.9999999"), 3) == "2017-01-01T00:00:00.000"
    for text in ("", "2016-13-01T00:00:00", "2016-12-31T23:59:61", "12.3", "2016-12-31"):
        with pytest.raises(ValueError, match=r"time|seconds|month"):
            iso_time(text)


def test_the_faults_of_the_networks_own_ecsv_are_named(real_data: Path) -> None:
    content = read(real_data / "rms" / "UK0006_20220914" / "2022-09-14T19_49_11_RMS_UK0006.ecsv")
    assert [str(fault) for fault in content.faults] == [
        "line 33: the column 'integrated_pixel_value' is not declared in the head: no valid ECSV",
        "line 33: the columns are in another order than in the head: no valid ECSV",
    ]
    (recording,) = content.recordings
    assert recording.site == Site(51.8831, -1.30616, 80.0)
    assert recording.detections["x_start"].tolist() == [488.783]
    assert recording.detections.tracks["magnitude"].tolist() == [0.61, 0.57, 0.43, 0.52, 0.47]
