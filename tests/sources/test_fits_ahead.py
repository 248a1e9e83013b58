"""Reading ahead gives the same frames in the same order, and compiled RICE decoding the same pixels."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrodetect.core.errors import SourceError
from astrodetect.core.windows import opened
from astrodetect.methods.compiled import INSTALLED
from astrodetect.plugins.sources._fits_ahead import rice_plane
from astrodetect.plugins.sources._fits_files import read_headers
from astrodetect.plugins.sources.fits import Fits

needs_numba = pytest.mark.skipif(not INSTALLED, reason="numba (extra fast) is not installed")


def write_sequence(
    folder: Path, n_frames: int, *, tiled: bool, shape: tuple[int, int] = (24, 40)
) -> np.ndarray:
    frames = np.random.default_rng(3).normal(3000, 40, (n_frames, *shape)).astype(np.uint16)
    for index, data in enumerate(frames):
        cards = fits.Header({"TELESCOP": "CAM", "DATE-OBS": f"2026-01-02T03:04:{index / 10:09.6f}"})
        hdu = (
            fits.CompImageHDU(data, cards, compression_type="RICE_1")
            if tiled
            else fits.PrimaryHDU(data, cards)
        )
        hdus = fits.HDUList([fits.PrimaryHDU(), hdu]) if tiled else fits.HDUList([hdu])
        hdus.writeto(folder / f"f{index:03d}.fits")
    return frames


def read(folder: Path, threads: int) -> tuple[list[np.ndarray], list[float], list[str]]:
    source = Fits(threads=threads)
    (recording,) = Fits.find(folder)
    with opened(source, recording) as stream:
        slots = itertools.cycle(np.zeros((3, *stream.shape), stream.dtype))
        frames = [(frame.data.copy(), frame.time) for frame in source.frames_into(slots)]
        return [data for data, _ in frames], [time for _, time in frames], source.take_reports()


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
@pytest.mark.parametrize("tiled", [False, True])
def test_frames_come_in_order_whoever_reads_them(tmp_path: Path, threads: int, tiled: bool) -> None:
    frames = write_sequence(tmp_path, 34, tiled=tiled)
    data, times, reports = read(tmp_path, threads)
    np.testing.assert_array_equal(data, frames)
    assert times == sorted(times)
    assert not reports


@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_that_breaks_is_left_out_and_told(tmp_path: Path, threads: int) -> None:
    frames = write_sequence(tmp_path, 8, tiled=False)
    source = Fits(threads=threads)
    (recording,) = Fits.find(tmp_path)
    with opened(source, recording) as stream:
        broken = tmp_path / "f003.fits"
        broken.write_bytes(broken.read_bytes()[:3000])
        slots = itertools.cycle(np.zeros((2, *stream.shape), stream.dtype))
        found = [(frame.index, frame.data.copy()) for frame in source.frames_into(slots)]
        (report,) = source.take_reports()
    assert [index for index, _ in found] == list(range(7))
    np.testing.assert_array_equal([data for _, data in found], np.delete(frames, 3, axis=0))
    assert "f003.fits" in report
    assert "1 frames could not be read" in report


def test_reading_ahead_stops_with_who_reads(tmp_path: Path) -> None:
    write_sequence(tmp_path, 12, tiled=False)
    source = Fits(threads=2)
    (recording,) = Fits.find(tmp_path)
    with opened(source, recording) as stream:
        frames = source.frames_into(itertools.repeat(np.zeros(stream.shape, stream.dtype)))
        next(frames)
        frames.close()


@needs_numba
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
@pytest.mark.parametrize("spread", [0, 0.4, 3, 40, 2000, 1e7])
@pytest.mark.parametrize("tile", [None, (5, 61)])
def test_rice_equals_astropy(tmp_path: Path, dtype: str, spread: float, tile: tuple[int, int] | None) -> None:
    """From blocks without differences to blocks that are stored as they are."""
    rng = np.random.default_rng(int(spread) + len(dtype))
    limits = np.iinfo(dtype)
    values = rng.normal(0, 1, (23, 61)) * spread + 100
    values[:, 40:] = values[:, 40:41]
    data = values.clip(limits.min, limits.max).astype(dtype)
    path = tmp_path / "tiles.fits"
    shape = {"tile_shape": tile} if tile else {}
    hdu = fits.CompImageHDU(data, compression_type="RICE_1", **shape)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    image, _ = read_headers(path) or pytest.fail("no image")
    plane = rice_plane(image)
    with fits.open(path, do_not_scale_image_data=True) as hdus:
        expected = hdus[1].data
    assert plane is not None
    np.testing.assert_array_equal(plane, expected)


@needs_numba
def test_what_is_not_plain_rice_is_left_to_the_library(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(100, 5, (30, 32))
    for name, pixels, options in (
        ("gzip", data.astype(np.int16), {"compression_type": "GZIP_1"}),
        ("float", data.astype(np.float32), {"compression_type": "RICE_1"}),
        ("square", data.astype(np.int16), {"compression_type": "RICE_1", "tile_shape": (10, 16)}),
        ("cube", np.stack([data, data]).astype(np.int16), {"compression_type": "RICE_1"}),
    ):
        path = tmp_path / f"{name}.fits"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, **options)]).writeto(path)
        image, _ = read_headers(path) or pytest.fail("no image")
        assert rice_plane(image) is None, name


@needs_numba
def test_damaged_tiles_are_refused(tmp_path: Path) -> None:
    """Any byte of the table may be wrong: nothing is read outside it."""
    write_sequence(tmp_path, 1, tiled=True)
    path = tmp_path / "f000.fits"
    image, _ = read_headers(path) or pytest.fail("no image")
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(60):
        hurt = bytearray(whole)
        for place in rng.integers(image.offset, len(hurt), 20):
            hurt[place] = rng.integers(256)
        path.write_bytes(hurt)
        plane = rice_plane(image)
        assert plane is None or plane.shape == (24, 40)
    path.write_bytes(whole[: image.offset + 30])
    assert rice_plane(image) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("TELESCOP", "OTHER"), ("SATURATE", 1000), ("EXPOSURE", 0.5), ("DATE-OBS", "1999-01-01T00")],
)
def test_a_header_is_read_whole_where_more_than_the_time_differs(
    tmp_path: Path, name: str, value: object
) -> None:
    """Of files alike only the time is looked at; whatever else differs is seen."""
    pixels = np.zeros((4, 6), np.uint16)
    cards = {"TELESCOP": "CAM", "SATURATE": 4095, "EXPOSURE": 0.04, "DATE-OBS": "2026-01-02T03:04:05.5"}
    first, later, other = (tmp_path / f"{part}.fits" for part in ("first", "later", "other"))
    fits.PrimaryHDU(pixels, fits.Header(cards)).writeto(first)
    fits.PrimaryHDU(pixels, fits.Header({**cards, "DATE-OBS": "2026-01-02T03:04:06.5"})).writeto(later)
    fits.PrimaryHDU(pixels, fits.Header({**cards, name: value})).writeto(other)

    image, header = read_headers(first)
    same, same_header = read_headers(later)
    assert (same.time - image.time, same.path, same.camera) == (1.0, later, "CAM")
    assert dict(same_header) == {**header, "DATE-OBS": "2026-01-02T03:04:06.5"}
    found, values = read_headers(other)
    assert dict(values) == {**header, name: value}
    assert found.camera == values["TELESCOP"]
    with later.open("r+b") as file:
        file.truncate(2880 + 10)
    with pytest.raises(SourceError, match="truncated"):
        read_headers(later)
