"""The frame source `video` on damaged files: read as far as they go, and told in one line."""

import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
from video_fixture import noise, ramps, read, write

from astrodetect.core.errors import SourceError, TruncatedError
from astrodetect.core.windows import opened
from astrodetect.plugins.sources.video import Video


def read_damaged(path: Path, **settings) -> tuple[int, str]:
    source = Video(**settings)
    with opened(source, next(Video.find(path))) as stream:
        slots = itertools.cycle(np.zeros((3, *stream.shape), stream.dtype))
        count = 0
        try:
            for _ in source.frames_into(slots):
                count += 1
        except TruncatedError as error:
            return count, str(error)
    pytest.fail(f"{count} frames were read, and nothing was said")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("codec", "pixel_format"), [("rawvideo", "gray"), ("mjpeg", "yuvj420p"), ("ffv1", "gray")]
)
def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path, codec, pixel_format, threads) -> None:
    path = write(tmp_path / "a.avi", noise(20, shape=(48, 64)), codec, pixel_format)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    count, message = read_damaged(path, threads=threads)
    assert 8 <= count <= 12
    assert f"{count} frames decoded of 20 frames" in message
    assert str(path) in message
    assert "\n" not in message


def test_a_file_cut_within_its_last_frame_is_truncated(tmp_path) -> None:
    path = write(tmp_path / "a.avi", noise(20, shape=(48, 64)))
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.find(b"idx1") - 1000])
    assert read_damaged(path)[0] == 19


def test_a_header_that_counts_too_few_frames_is_not_believed(tmp_path) -> None:
    path = write(tmp_path / "a.avi", noise(20))
    content = bytearray(path.read_bytes())
    place = content.find(b"strh") + 8 + 32
    assert struct.unpack_from("<I", content, place)[0] == 20
    content[place : place + 4] = struct.pack("<I", 1)
    path.write_bytes(content)
    stream, data, _, _ = read(path)
    assert len(data) == 20
    assert stream.n_frames == -1
    assert "holds more" in stream.warnings[0]


def test_a_truncated_mkv_is_noticed_by_its_duration(tmp_path) -> None:
    path = write(tmp_path / "a.mkv", noise(50), "ffv1")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    count, message = read_damaged(path)
    assert 15 <= count <= 30
    assert "of 2.00 s" in message


@pytest.mark.parametrize("threads", [1, 2])
def test_a_damaged_frame_in_the_middle_is_skipped_and_told(tmp_path, threads) -> None:
    frames = ramps(12)
    content = bytearray(write(tmp_path / "a.avi", frames, "mjpeg", "yuvj420p").read_bytes())
    start = [k for k in range(len(content) - 1) if content[k : k + 3] == b"\xff\xd8\xff"][5]
    content[start : start + 600] = bytes(600)
    path = tmp_path / "b.avi"
    path.write_bytes(content)
    _, data, times, reports = read(path, threads=threads)
    assert len(data) == 11
    assert reports == ["1 damaged frames were skipped"]
    np.testing.assert_allclose(times[5:], np.arange(6, 12) / 25, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"frame,x,y\n1,2,3\n" * 50, "is a text file"),
        (b"", "is empty"),
        (bytes(range(256)) * 20, "cannot be opened"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/a.ts\n", "is a text file"),
        (b"ffconcat version 1.0\nfile other.avi\n", "is a text file"),
    ],
)
def test_what_is_no_video_is_told_in_one_line(tmp_path, content, message) -> None:
    write(tmp_path / "other.avi", noise(2))
    path = tmp_path / "a.avi"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught, opened(Video(), next(Video.find(path))):
        pass
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absurd_dimensions_are_refused(tmp_path) -> None:
    content = bytearray(write(tmp_path / "a.avi", noise(2)).read_bytes())
    place = content.find(b"strf") + 12
    content[place : place + 8] = struct.pack("<ii", 30000, 30000)
    path = tmp_path / "b.avi"
    path.write_bytes(content)
    with pytest.raises(SourceError), opened(Video(), next(Video.find(path))):
        pass


def test_nothing_is_printed(tmp_path, capfd) -> None:
    path = write(tmp_path / "a.avi", noise(20, shape=(48, 64)), "mjpeg", "yuvj420p")
    path.write_bytes(path.read_bytes()[:9000])
    read_damaged(path)
    assert capfd.readouterr() == ("", "")
