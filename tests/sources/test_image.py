"""The frame source `image`: pixels as luminance in their own type, times, and what is no recording."""

import os
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from astrodetect.core.data import Stream
from astrodetect.core.errors import SourceError
from astrodetect.core.windows import opened
from astrodetect.plugins.sources.image import Image

SHAPE = (37, 53)
TIME = datetime(2021, 3, 7, 2, 17, 10, tzinfo=UTC).timestamp()


def noise(dtype: type = np.uint8, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    rng = np.random.default_rng(9)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def smooth() -> np.ndarray:
    y, x = np.indices(SHAPE)
    return np.stack([4 * x, 6 * y, 100 + x + y], axis=-1).astype(np.uint8)


def read(path: Path, **settings: object) -> tuple[Stream, np.ndarray, float]:
    source = Image(**settings)
    (recording,) = Image.find(path)
    assert recording.source == "image"
    with opened(source, recording) as stream:
        (window,) = source.windows(65, 50)
        assert window.frames is not None
        assert window.n_frames == stream.n_frames == 1
        return stream, window.frames[0].copy(), float(window.times[0])


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [("png", np.uint8), ("png", np.uint16), ("bmp", np.uint8), ("tif", np.uint8), ("tiff", np.uint16)],
)
def test_grey_pictures_are_read_bit_for_bit(tmp_path, suffix, dtype) -> None:
    data = noise(dtype)
    path = tmp_path / f"a.{suffix}"
    Pillow.fromarray(data).save(path)
    stream, pixels, time = read(path)
    assert (stream.shape, stream.dtype) == (SHAPE, dtype)
    assert stream.saturation == np.iinfo(dtype).max
    assert np.isnan(stream.start)
    assert time == 0
    assert not stream.warnings
    np.testing.assert_array_equal(pixels, data)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_tiff_of_any_type(tmp_path, byteorder, compression) -> None:
    for number, dtype in enumerate((np.uint16, np.int16, np.uint32, np.float32, np.float64)):
        data = noise(np.uint16).astype(dtype)
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(path, data, byteorder=byteorder, compression=compression)
        stream, pixels, _ = read(path)
        assert stream.dtype == dtype
        assert np.isnan(stream.saturation) == (np.dtype(dtype).kind == "f")
        np.testing.assert_array_equal(pixels, data)


def test_compressed_tiff_that_tifffile_leaves_to_others(tmp_path) -> None:
    data = noise()
    Pillow.fromarray(data).save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[1], data)


def test_of_a_tiff_of_several_pages_the_first_is_read_and_that_is_told(tmp_path) -> None:
    data = noise(np.uint16, (3, *SHAPE))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in data:
            writer.write(page)
    stream, pixels, _ = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels, data[0])
    assert stream.warnings == ("3 pages, the first is read",)


@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", np.uint8), ("bmp", np.uint8), ("tif", np.uint8), ("tif", np.uint16)]
)
def test_colour_becomes_luminance_of_the_same_type(tmp_path, suffix, dtype) -> None:
    data = noise(dtype, (*SHAPE, 3))
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, data, photometric="rgb")
    else:
        Pillow.fromarray(data).save(path)
    stream, pixels, _ = read(path)
    assert stream.dtype == dtype
    assert np.abs(pixels - data @ [0.299, 0.587, 0.114]).max() <= 0.6


def test_sixteen_bit_colour_png_keeps_its_bits(tmp_path) -> None:
    data = noise(np.uint16, (*SHAPE, 3))
    context = av.CodecContext.create("png", "w")
    context.height, context.width, context.pix_fmt, context.time_base = *SHAPE, "rgb48be", Fraction(1)
    frame = av.VideoFrame.from_ndarray(data, format="rgb48le").reformat(format="rgb48be")
    (tmp_path / "a.png").write_bytes(b"".join(bytes(packet) for packet in context.encode(frame)))
    stream, pixels, _ = read(tmp_path / "a.png")
    assert stream.dtype == np.uint16
    assert stream.saturation == 65535
    assert np.abs(pixels - data @ [0.299, 0.587, 0.114]).max() <= 1


def test_jpeg_gives_its_stored_luminance(tmp_path) -> None:
    path = tmp_path / "a.jpg"
    Pillow.fromarray(smooth()).save(path, quality=98)
    stream, pixels, _ = read(path)
    assert (stream.dtype, stream.saturation) == (np.uint8, 255)
    assert np.abs(pixels - smooth() @ [0.299, 0.587, 0.114]).max() <= 3


@pytest.mark.parametrize("mode", ["P", "1", "LA", "RGBA", "CMYK"])
def test_other_modes_are_read(tmp_path, mode) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture = Pillow.fromarray(smooth()).convert(mode)
    picture.save(path)
    stream, pixels, _ = read(path)
    assert stream.dtype == np.uint8
    limit = 128 if mode == "1" else 12
    assert np.abs(pixels - np.asarray(picture.convert("RGB")) @ [0.299, 0.587, 0.114]).max() <= limit


def with_exif(path: Path, offset: str = "") -> Path:
    exif = Pillow.Exif()
    exif[272] = "ILCE-7S"
    inner = exif.get_ifd(0x8769)
    inner[36867], inner[37521], inner[33434] = "2021:03:07 03:17:10", "25", (4, 1)
    if offset:
        inner[36881] = offset
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (51.0, 30.0, 36.0), "W", (1.0, 15.0, 0.0)
    Pillow.fromarray(smooth()).save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_time_camera_and_site_from_exif(tmp_path, suffix) -> None:
    stream, _, time = read(with_exif(tmp_path / f"a.{suffix}", "+01:00"))
    assert stream.start == time == TIME + 0.25
    assert stream.camera == "ILCE-7S"
    assert stream.exposure == 4
    assert stream.site == pytest.approx((51.51, -1.25, 0))
    assert not stream.warnings


def test_exif_without_offset_is_told_to_be_local(tmp_path) -> None:
    path = with_exif(tmp_path / "DSC_0001.jpg")
    stream, _, _ = read(path)
    assert stream.start == TIME + 3600.25
    assert "camera's clock" in stream.warnings[0]
    stream, _, _ = read(path, utc_offset=1.0)
    assert stream.start == TIME + 0.25
    assert not stream.warnings
    named = with_exif(tmp_path / "UK0006_20210307_021710_250000.jpg")
    stream, _, _ = read(named)
    assert (stream.start, stream.camera) == (TIME + 0.25, "UK0006")
    assert not stream.warnings


def test_a_turned_picture_is_left_as_it_is_and_that_is_told(tmp_path) -> None:
    exif = Pillow.Exif()
    exif[274] = 6
    Pillow.fromarray(smooth()).save(tmp_path / "a.jpg", exif=exif)
    stream, _, _ = read(tmp_path / "a.jpg")
    assert stream.shape == SHAPE
    assert "orientation 6" in stream.warnings[0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp"])
@pytest.mark.parametrize("kept", [0, 3, 20, 0.5, 0.95])
def test_truncated_pictures_are_refused_in_one_line(tmp_path, suffix, kept, capfd) -> None:
    path = tmp_path / f"a.{suffix}"
    Pillow.fromarray(noise(shape=(*SHAPE, 3))).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(SourceError) as caught, opened(Image(), next(Image.find(path))):
        pass
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_what_is_no_picture_and_what_claims_to_be_a_huge_one_is_refused(tmp_path) -> None:
    path = tmp_path / "a.png"
    path.write_text("a text file")
    with pytest.raises(SourceError, match="expected a JPEG"), opened(Image(), next(Image.find(path))):
        pass
    Pillow.fromarray(noise()).save(tmp_path / "b.bmp")
    content = bytearray((tmp_path / "b.bmp").read_bytes())
    content[18:26] = (60000).to_bytes(4, "little") * 2
    (tmp_path / "b.bmp").write_bytes(content)
    with (
        pytest.raises(SourceError, match="60000 x 60000 pixels"),
        opened(Image(), next(Image.find(tmp_path / "b.bmp"))),
    ):
        pass


def test_a_suffix_that_lies_is_no_obstacle(tmp_path) -> None:
    Pillow.fromarray(noise()).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read(tmp_path / "a.jpg")[1], noise())


def test_by_products_are_no_recordings(tmp_path) -> None:
    """Masks, flats, maps, thumbnails of videos, pictures of an event or of a report."""
    picture = Pillow.fromarray(noise())
    event = tmp_path / "CODOGNO_20190415T194950_UT"
    report = tmp_path / "night-report"
    for folder in (tmp_path, event, report, report / "pictures"):
        folder.mkdir(exist_ok=True)
    for name in ("mask.bmp", "flat.bmp", "GeMap.bmp", "DirMap.bmp", "clip.jpg", "good.jpg", "also_good.png"):
        picture.save(tmp_path / name)
    for name in ("P.jpg", "T.jpg", "M.bmp"):
        picture.save(tmp_path / f"M20200711_000453_EastBarnet_NE{name}")
        picture.save(tmp_path / f"M20200711_000516_EastBarnet_NE{name}")
    for video in ("clip.avi", "M20200711_000453_EastBarnet_NE.avi"):
        (tmp_path / video).write_bytes(b"")
    (report / "index.html").write_text("<!DOCTYPE html><title>astrodetect report</title>")
    for folder in (event, report, report / "pictures"):
        picture.save(folder / "CODOGNO_20190415T194950_UT.jpg")
    found = [recording.path for recording in Image.find(tmp_path)]
    assert found == ["M20200711_000516_EastBarnet_NEP.jpg", "also_good.png", "good.jpg"]
    assert len(list(Image.find(tmp_path / "mask.bmp"))) == 1  # named by the user


DATA = os.environ.get("ASTRODETECT_DATA")


@pytest.mark.skipif(not DATA, reason="ASTRODETECT_DATA is not set: real recordings are not at hand")
def test_real_pictures() -> None:
    root = Path(str(DATA))
    pictures = list(Image.find(root / "ufo"))
    assert len(pictures) > 40
    for recording in pictures[:5]:
        stream, pixels, time = read(recording.location)
        assert stream.camera in {"EastBarnet_NE", "EastBarnet_NW", "Lockyer1_L1", "TACKLEY_TC"}
        assert datetime.fromtimestamp(time, UTC).date().isoformat() == "2020-07-11"
        assert stream.site is not None
        assert pixels.std() > 1
    stream, _, _ = read(root / "calibration" / "LYR-Sony-111220_200933.jpg")
    assert (stream.shape, stream.exposure, stream.camera) == ((2832, 2832), 4.0, "ILCE-7S")
    assert stream.start == datetime(2020, 12, 11, 20, 9, 13, tzinfo=UTC).timestamp()
    assert "camera's clock" in stream.warnings[0]
    assert not list(Image.find(root / "rms"))
