"""The frame source `video`: what was written is what is read, with its times."""

import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from video_fixture import SHAPE, noise, ramps, read, write

from astrodetect.core.windows import opened
from astrodetect.plugins.sources._video_pixels import layout_of, luminance
from astrodetect.plugins.sources.video import Video


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "dtype"),
    [
        ("a.avi", "rawvideo", "gray", np.uint8),
        ("a.mkv", "rawvideo", "gray", np.uint8),
        ("a.avi", "ffv1", "gray", np.uint8),
        ("a.avi", "ffv1", "gray16le", np.uint16),
        ("a.mkv", "ffv1", "gray16le", np.uint16),
        ("a.avi", "rawvideo", "gray16le", np.uint16),
        ("a.mov", "png", "gray16be", np.uint16),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_lossless_grey_is_read_bit_for_bit(tmp_path, name, codec, pixel_format, dtype, threads) -> None:
    frames = noise(dtype=dtype)
    given = "gray" if dtype == np.uint8 else "gray16le"
    stream, data, times, reports = read(
        write(tmp_path / name, frames, codec, pixel_format, given), threads=threads
    )
    assert stream.dtype == dtype
    assert stream.shape == SHAPE
    assert stream.saturation == np.iinfo(dtype).max
    assert stream.frame_rate == 25
    np.testing.assert_array_equal(data, frames)
    np.testing.assert_allclose(times, np.arange(12) / 25, atol=1e-3)
    assert not reports


def test_frames_gives_the_same_as_frames_into(tmp_path) -> None:
    frames = noise(dtype=np.uint16)
    path = write(tmp_path / "a.mkv", frames, "ffv1", "gray16le", "gray16le")
    source = Video()
    with opened(source, next(Video.find(path))):
        kept = [frame.data for frame in source.frames()]  # views stay valid while they are held
        np.testing.assert_array_equal(kept, frames)
        np.testing.assert_array_equal([frame.data.copy() for frame in source.frames()], frames)


@pytest.mark.parametrize("kind", ["gray16le", "bgr24"])
def test_lines_stored_bottom_up_are_turned(tmp_path, kind) -> None:
    shape = SHAPE if kind == "gray16le" else (*SHAPE, 3)
    frames = noise(3, np.uint16 if kind == "gray16le" else np.uint8, shape)
    straight = write(tmp_path / "a.avi", frames, "rawvideo", kind, kind)
    content = bytearray(straight.read_bytes())
    place = content.find(b"strf") + 16
    content[place : place + 4] = struct.pack("<i", SHAPE[0])  # positive: the first line is the lowest
    turned = tmp_path / "b.avi"
    turned.write_bytes(content)
    np.testing.assert_array_equal(np.array(read(turned)[1]), np.array(read(straight)[1])[:, ::-1])


def test_a_palette_is_looked_up_as_luminance(tmp_path) -> None:
    """Grey DIB of 8 bits, whose palette is reversed: value 0 is white."""
    frames = noise(2, shape=(8, 12))
    content = bytearray(write(tmp_path / "a.avi", frames, "rawvideo", "gray").read_bytes())
    place = content.find(b"strf")
    size = struct.unpack_from("<I", content, place + 4)[0]
    header = bytearray(content[place + 8 : place + 8 + size])
    header[8:12], header[16:20], header[32:36] = struct.pack("<i", -8), bytes(4), struct.pack("<I", 256)
    palette = b"".join(bytes((255 - k, 255 - k, 255 - k, 0)) for k in range(256))
    new = bytes(header[:40]) + palette
    grown = len(new) - size
    content[place : place + 8 + size] = b"strf" + struct.pack("<I", len(new)) + new
    for tag in (b"RIFF", b"hdrl", b"strl"):  # the lists that hold the header grow with it
        spot = content.find(tag) - (0 if tag == b"RIFF" else 8) + 4
        struct.pack_into("<I", content, spot, struct.unpack_from("<I", content, spot)[0] + grown)
    path = tmp_path / "b.avi"
    path.write_bytes(content)
    np.testing.assert_array_equal(read(path)[1], 255 - np.array(frames))


def test_y16_avi_that_ffmpeg_cannot_decode_is_read(tmp_path) -> None:
    frames = noise(dtype=np.uint16)
    content = bytearray(write(tmp_path / "a.avi", frames, "rawvideo", "gray16le", "gray16le").read_bytes())
    place = content.find(b"strf") + 24
    content[place : place + 4] = b"Y16 "
    path = tmp_path / "b.avi"
    path.write_bytes(content)
    stream, data, _, _ = read(path)
    assert stream.dtype == np.uint16
    np.testing.assert_array_equal(data, frames)


def test_two_byte_raw_video_can_be_read_as_colour(tmp_path) -> None:
    path = write(tmp_path / "a.avi", noise(2, np.uint16), "rawvideo", "gray16le", "gray16le")
    stream, _, _, _ = read(path)
    assert "16-bit grey" in stream.warnings[0]
    assert read(path, raw16="colour")[0].dtype == np.uint8


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "saturation", "options"),
    [
        ("a.avi", "mjpeg", "yuvj420p", 255, {"qmin": "2", "qmax": "2"}),
        ("a.avi", "mpeg4", "yuv420p", 235, {"qmin": "2", "qmax": "2"}),
        ("a.mp4", "libx264", "yuv420p", 235, {"crf": "10"}),
        ("a.mkv", "libx264", "yuv420p", 235, {"crf": "10"}),
        ("a.mov", "libx264", "yuv420p", 235, {"crf": "10"}),
        ("a.flv", "libx264", "yuv420p", 235, {"crf": "10"}),
    ],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_lossy_video_gives_its_y_plane_unscaled(
    tmp_path, name, codec, pixel_format, saturation, options, threads
):
    frames = ramps(20)
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pixel_format
        for data in frames:
            grey = np.full((72, 64), 128, np.uint8)
            grey[:48] = data
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format=pixel_format)))
        container.mux(stream.encode())
    known, data, times, reports = read(path, threads=threads)
    assert known.saturation == saturation
    assert len(data) == 20
    assert np.abs(np.subtract(data, frames, dtype=int)).max() <= 6
    np.testing.assert_allclose(np.diff(times), 0.04, atol=2e-3)
    assert not reports


def test_limited_range_that_was_not_kept_saturates_at_the_largest_value(tmp_path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 4, 8, "yuv420p"
        container.mux(
            stream.encode(av.VideoFrame.from_ndarray(np.full((6, 8), 255, np.uint8), format="yuv420p"))
        )
        container.mux(stream.encode())
    assert read(path)[0].saturation == 255
    assert read(path, saturation=200.0)[0].saturation == 200


def test_colour_becomes_rec_601_luminance(tmp_path) -> None:
    frames = noise(3, shape=(*SHAPE, 3))
    _, data, _, _ = read(write(tmp_path / "a.avi", frames, "rawvideo", "bgr24", "bgr24"))
    expected = np.array(frames) @ [0.114, 0.587, 0.299]
    assert np.abs(data - expected).max() <= 1.5


@pytest.mark.parametrize(
    ("name", "kind", "dtype", "full_scale", "white"),
    [
        ("yuv420p", "plane", "u1", 255, 235),
        ("nv12", "plane", "u1", 255, 235),
        ("yuyv422", "plane", "u1", 255, 235),
        ("gray10le", "plane", "u2", 1023, 940),
        ("gray12be", "plane", ">u2", 4095, 3760),
        ("yuv420p10le", "plane", "u2", 1023, 940),
        ("p010le", "plane", "u2", 1023 * 64, 940 * 64),
        ("rgb48le", "colour", "u2", 65535, 60160),
        ("bayer_rggb8", "colour", "u1", 255, 235),
        ("monow", "colour", "u1", 255, 235),
        ("pal8", "palette", "u1", 255, 235),
    ],
)
def test_where_the_luminance_of_a_pixel_format_lies(name, kind, dtype, full_scale, white) -> None:
    layout = layout_of(av.VideoFormat(name, 16, 16))
    assert (layout.kind, layout.dtype) == (kind, np.dtype(dtype))
    assert (layout.full_scale, layout.white) == (full_scale, white)


def test_packed_yuv_and_bayer_video_are_read(tmp_path) -> None:
    grey = np.repeat(np.repeat(noise(1, shape=(8, 8))[0], 2, 0), 2, 1)
    packed = np.full((16, 16, 2), 128, np.uint8)
    packed[:, :, 0] = grey
    frame = av.VideoFrame.from_ndarray(packed, format="yuyv422")
    np.testing.assert_array_equal(luminance(frame, layout_of(frame.format)), grey)
    flat = av.VideoFrame.from_ndarray(np.full((16, 16), 77, np.uint8), format="bayer_rggb8")
    assert np.abs(luminance(flat, layout_of(flat.format)).astype(int) - 77).max() <= 2


def test_interlaced_video_is_told(tmp_path) -> None:
    path = write(tmp_path / "a.avi", ramps(3), "mpeg4", "yuv420p", flags="+ilme+ildct")
    assert "interlaced" in read(path)[0].warnings[0]


def test_a_variable_frame_rate_is_kept(tmp_path) -> None:
    stamps = [0, 40, 80, 160, 200, 280, 320]
    _, _, times, _ = read(write(tmp_path / "a.mkv", noise(7), "ffv1", pts=stamps))
    np.testing.assert_allclose(times, np.array(stamps) / 1000, atol=1e-3)


def test_an_implausible_frame_rate_is_told_and_can_be_corrected(tmp_path) -> None:
    path = write(tmp_path / "20210307_021710.avi", noise(5), rate=1)
    assert "1 frames/s" in read(path)[0].warnings[0]
    stream, _, times, _ = read(path, frame_rate=25.0)
    assert not stream.warnings
    assert stream.frame_rate == 25
    np.testing.assert_allclose(np.subtract(times, stream.start), np.arange(5) / 25, atol=1e-6)


def test_start_from_setting_name_and_container_in_this_order(tmp_path) -> None:
    created = {"creation_time": "2020-01-02T03:04:05.000000Z"}
    named = write(
        tmp_path / "UK0006_20210307_021710_500000.mov", ramps(2), "mjpeg", "yuvj420p", metadata=created
    )
    plain = write(tmp_path / "clip.mov", ramps(2), "mjpeg", "yuvj420p", metadata=created)
    stream, _, times, _ = read(named, start="2019-04-15T19:49:50+01:00")
    assert stream.start == times[0] == 1555354190
    stream, _, times, _ = read(named)
    assert stream.start == times[0] == 1615083430.5
    assert stream.camera == "UK0006"
    stream = read(plain)[0]
    assert stream.start == 1577934245
    assert "creation time" in stream.warnings[0]
    stream, _, times, _ = read(write(tmp_path / "none.avi", noise(2)))
    assert np.isnan(stream.start)
    assert times == [0.0, 0.04]
    with pytest.raises(ValueError, match="soon"):
        Video(start="soon")


def test_a_local_clock_is_told_unless_the_offset_or_the_record_is_known(tmp_path) -> None:
    path = write(tmp_path / "M20200711_010453_EastBarnet_NE.avi", noise(2))
    assert "local clock" in read(path)[0].warnings[0]
    stream = read(path, utc_offset=1.0)[0]
    assert stream.start == 1594425893
    assert not stream.warnings
    path.with_suffix(".xml").write_text(
        '<?xml version="1.0"?><ufocapture_record version="215" y="2020" mo="07" d="11" h="01" m="04" '
        's="53.87" tz="1" lng="-0.1692" lat="51.6374" alt="86.0" lid="EastBarnet" sid="NE">'
    )
    stream = read(path)[0]
    assert stream.start == 1594425893.87
    assert stream.site == (51.6374, -0.1692, 86.0)
    assert stream.camera == "EastBarnet_NE"
    assert not stream.warnings


@pytest.mark.parametrize(
    ("frames", "lead"),
    [('fps="25.000" head="30"', 1.2), ('fps="0" head="30"', 0.0), ('fps="25" head="nan"', 0.0), ("", 0.0)],
)
def test_the_clip_of_ufocapture_begins_before_its_trigger(tmp_path, frames, lead) -> None:
    path = write(tmp_path / "M20200711_010453_EastBarnet_NE.avi", noise(2))
    path.with_suffix(".xml").write_text(
        f'<ufocapture_record y="2020" mo="07" d="11" h="01" m="04" s="53.87" tz="1" {frames}>'
    )
    stream, _, times, _ = read(path)
    assert stream.start == pytest.approx(1594425893.87 - lead, abs=1e-6)
    assert times[0] == pytest.approx(stream.start, abs=1e-6)


def test_windows_give_every_frame_once_or_more(tmp_path) -> None:
    frames = noise(23)
    source = Video()
    with opened(source, next(Video.find(write(tmp_path / "a.avi", frames)))):
        starts = []
        for window in source.windows(10, 6):
            starts.append(window.start)
            np.testing.assert_array_equal(window.frames, frames[window.start : window.start + 10])
    assert starts == [0, 6, 12, 13]


def test_a_consumer_that_stops_early_leaves_no_threads(tmp_path) -> None:
    import threading

    path = write(tmp_path / "a.avi", ramps(40), "mjpeg", "yuvj420p")
    source = Video(threads=3)
    with opened(source, next(Video.find(path))):
        frames = source.frames()
        next(frames)
        frames.close()
    assert not [thread for thread in threading.enumerate() if "decoder" in thread.name]


DATA = os.environ.get("ASTRODETECT_DATA")


@pytest.mark.skipif(not DATA, reason="ASTRODETECT_DATA is not set: real recordings are not at hand")
@pytest.mark.parametrize(
    ("name", "count", "shape", "rate", "start"),
    [
        ("meteor1.avi", 181, (480, 640), 29.97, float("nan")),
        ("CZ0003_20210307_021710_233167.mp4", 201, (720, 1280), 25, 1615083430.233167),
    ],
)
def test_real_clips(name, count, shape, rate, start) -> None:
    """Frame counts, times, and the meteor where the truth has it, the right way up."""
    path = Path(str(DATA)) / "clips" / name
    truth = np.genfromtxt(path.with_name(f"{name}.track.csv"), delimiter=",", names=True)
    stream, data, times, reports = read(path)
    assert (len(data), stream.shape, reports) == (count, shape, [])
    assert stream.frame_rate == pytest.approx(rate, abs=1e-2)
    assert stream.start == pytest.approx(start, abs=1e-6, nan_ok=True)
    np.testing.assert_allclose(np.diff(times), 1 / rate, atol=1e-3)
    background = np.median(data[:: len(data) // 15], axis=0)
    found = []
    for row in truth:
        y, x = round(row["y"]), round(row["x"])
        corner = max(0, y - 12), max(0, x - 12)
        patch = (data[int(row["frame"])] - background)[corner[0] : y + 13, corner[1] : x + 13]
        peak = np.unravel_index(patch.argmax(), patch.shape)
        found.append(np.hypot(peak[0] + corner[0] - row["y"], peak[1] + corner[1] - row["x"]))
    assert np.median(found) < 3
