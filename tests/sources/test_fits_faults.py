"""FITS files that are broken, hostile, or no recordings."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc

import numpy as np
import pytest
from astropy.io import fits
from test_fits import SHAPE, find, pixels, read, write, write_sequence

from astrodetect.core.data import Recording
from astrodetect.core.errors import SourceError, TruncatedError
from astrodetect.core.windows import opened
from astrodetect.plugins.sources.fits import Fits


def test_tables_are_neither_recordings_nor_failures(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "t.fits")
    fits.PrimaryHDU(np.arange(9.0)).writeto(tmp_path / "spectrum.fits")
    (tmp_path / "t.fits.gz").write_bytes(gzip.compress((tmp_path / "t.fits").read_bytes()))
    assert find(tmp_path) == []
    assert find(tmp_path, hdu="SCI") == []
    path = "t.fits"
    with pytest.raises(SourceError, match="holds no image"):
        Fits().open(Recording(path, str(tmp_path), (path,), "fits"))


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"NAXIS1": 1_000_000, "NAXIS2": 1_000_000}, "must be damaged"),
        ({"NAXIS1": 30_000, "NAXIS2": 30_000}, "expected 1 to 268435456 pixels"),
        ({"NAXIS1": 12_000, "NAXIS2": 12_000}, "truncated|would expand to 288002880 or more"),
        ({"NAXIS1": 0, "NAXIS2": 10}, "0 x 10 pixels"),
        ({"NAXIS1": -4, "NAXIS2": 10}, "-4 x 10 pixels"),
        ({"NAXIS1": "'wide'", "NAXIS2": 10}, "expected an integer"),
        ({"NAXIS1": 30, "NAXIS2": 24, "BITPIX": 12}, "expected 8, 16, 32"),
    ],
)
@pytest.mark.parametrize("packing", ["fits", "fits.gz"])
def test_absurd_headers_are_refused_before_memory_is_taken(tmp_path, cards, words, packing):
    values = {"SIMPLE": "T", "BITPIX": 16, "NAXIS": 2, **cards}
    text = "".join(f"{name:<8}= {value:>20}".ljust(80) for name, value in values.items()) + "END".ljust(80)
    data = text.ljust(2880).encode() + bytes(2880)
    (tmp_path / f"a.{packing}").write_bytes(gzip.compress(data) if packing.endswith("gz") else data)
    (recording,) = find(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=words):
            Fits().open(recording)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_header_without_an_end(tmp_path):
    (tmp_path / "a.fits").write_bytes(b"SIMPLE  =                    T".ljust(80) * 36 * 3)
    with pytest.raises(SourceError, match="no END card"):
        Fits().open(find(tmp_path)[0])


def test_a_truncated_cube_gives_what_is_whole(tmp_path):
    data = pixels("u2", (5, *SHAPE))
    path = write(tmp_path / "cube.fits", data)
    path.write_bytes(path.read_bytes()[: 2880 + 3 * SHAPE[0] * SHAPE[1] * 2 + 100])
    source = Fits()
    with opened(source, find(tmp_path)[0]) as stream:
        assert stream.n_frames == 5
        frames = source.frames()
        for plane in data[:3]:
            np.testing.assert_array_equal(next(frames).data, plane)
        with pytest.raises(TruncatedError, match="3 of 5 planes"):
            next(frames)


def test_a_truncated_packed_image(tmp_path):
    data = gzip.compress(write(tmp_path / "a.fits", pixels("f8", (200, 200))).read_bytes())
    (tmp_path / "a.fits").unlink()
    (tmp_path / "a.fits.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"a\.fits\.gz: truncated"):
        read(find(tmp_path)[0])
    (tmp_path / "a.fits.gz").write_bytes(data[:15])
    with pytest.raises(SourceError, match=r"a\.fits\.gz"):
        read(find(tmp_path)[0])


def test_damaged_tiles(tmp_path):
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels("u2", (200, 200)))]).writeto(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 40000])
    with pytest.raises(SourceError, match=r"a\.fits"):
        read(find(tmp_path)[0])


def test_one_file_as_input(tmp_path):
    write_sequence(tmp_path, np.arange(4) * 0.1)
    (recording,) = find(tmp_path / "f2.fits")
    assert (recording.path, recording.files) == ("f2.fits", ("f2.fits",))
    assert (tmp_path / "f2.fits") == recording.location


def test_the_class_itself_finds_with_default_settings(tmp_path):
    write_sequence(tmp_path, np.arange(4) * 0.1)
    assert [len(recording.files) for recording in Fits.find(tmp_path)] == [4]
    assert [len(recording.files) for recording in Fits(sequence="never").find(tmp_path)] == [1, 1, 1, 1]


def test_frames_share_one_buffer(tmp_path):
    write_sequence(tmp_path, np.arange(4) * 0.1)
    source = Fits()
    (recording,) = find(tmp_path)
    with opened(source, recording):
        held = [frame.data for frame in source.frames()]
    assert all(np.shares_memory(a, b) for a, b in itertools.pairwise(held))
