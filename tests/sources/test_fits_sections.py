"""FITS images read part by part are those read whole, and may be larger than memory."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from astrodetect.core.data import Recording
from astrodetect.core.errors import SourceError
from astrodetect.core.windows import opened
from astrodetect.methods.background import spatial_background
from astrodetect.methods.background_grid import background_grid
from astrodetect.plugins.preprocessors.background import still_planes
from astrodetect.plugins.preprocessors.lazy_background import lazy_planes
from astrodetect.plugins.sources.fits import Fits


def source_of(path):
    source = Fits()
    source.in_tiles = True
    return source, Recording(path.name, str(path.parent), (path.name,), "fits", "0")


def write(path, kind):
    rng = np.random.default_rng(1)
    image = rng.normal(500, 40, (90, 130))
    if kind == "uint16":
        fits.PrimaryHDU(image.astype(np.uint16)).writeto(path)
    elif kind == "scaled":
        hdu = fits.PrimaryHDU(image)
        hdu.scale("int16", bzero=100.0, bscale=0.25)
        hdu.writeto(path)
    elif kind == "blank":
        hdu = fits.PrimaryHDU(image.astype(np.int16))
        hdu.data[10:20, 30:40] = -9
        hdu.header["BLANK"] = -9
        hdu.writeto(path)
    elif kind == "degenerate axes":
        fits.PrimaryHDU(image[None, None].astype(np.float32)).writeto(path)
    elif kind == "extension":
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image.astype(np.float64))]).writeto(path)
    else:
        hdu = fits.CompImageHDU(image.astype(np.int16), compression_type=kind)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


@pytest.mark.parametrize(
    "kind", ["uint16", "scaled", "blank", "degenerate axes", "extension", "RICE_1", "GZIP_2"]
)
def test_every_part_is_that_of_the_whole_image(tmp_path, kind):
    path = tmp_path / "a.fits"
    write(path, kind)
    source, recording = source_of(path)
    with opened(source, recording) as stream:
        whole = next(source.frames()).data.copy()
        still = source.still()
        plane = still.planes["max"]
        assert still.frames is None
        assert (plane.shape, plane.dtype) == (stream.shape, stream.dtype)
        assert still.times.shape == (1,)
        for rows, columns in (
            (slice(0, 90), slice(0, 130)), (slice(17, 45), slice(20, 63)), (slice(89, 90), slice(129, 130)),
            (slice(17, 45), slice(100, 130)), (slice(5, 5), slice(3, 9)),
        ):  # fmt: skip
            part = plane[rows, columns]
            assert part.dtype == whole.dtype
            np.testing.assert_array_equal(part, whole[rows, columns])


def test_sequences_cubes_and_packed_files_are_read_whole(tmp_path):
    fits.PrimaryHDU(np.zeros((3, 20, 30), np.uint8)).writeto(tmp_path / "cube.fits")
    fits.PrimaryHDU(np.zeros((20, 30), np.uint8)).writeto(tmp_path / "packed.fits.gz")
    for name in ("cube.fits", "packed.fits.gz"):
        source, recording = source_of(tmp_path / name)
        with opened(source, recording):
            assert source.still() is None


def sparse(path, side, bitpix=16):
    """Write a square image of zeros that takes no room on the disk."""
    cards = {"SIMPLE": "T", "BITPIX": bitpix, "NAXIS": 2, "NAXIS1": side, "NAXIS2": side}
    text = "".join(f"{name:<8}= {value!s:>20}".ljust(80) for name, value in cards.items()) + "END".ljust(80)
    with path.open("wb") as file:
        file.write(text.ljust(2880).encode())
        file.truncate(2880 + -(-(side * side * bitpix // 8) // 2880) * 2880)


def test_a_large_image_opens_in_tiles_only_and_the_line_says_so(tmp_path):
    path = tmp_path / "mosaic.fits"
    sparse(path, 1 << 15, bitpix=8)
    source, recording = source_of(path)
    with opened(source, recording) as stream:
        assert stream.shape == (1 << 15, 1 << 15)
        assert source.still().planes["max"][30000:30010, 5:8].shape == (10, 3)
    source.in_tiles = False
    with (
        pytest.raises(SourceError, match=r"frames of 32768 x 32768 pixels.*a \[tile\] table") as told,
        opened(source, recording),
    ):
        pass
    assert "\n" not in str(told.value)


def test_a_file_that_ends_too_soon_is_told_when_the_part_is_read(tmp_path):
    path = tmp_path / "a.fits"
    write(path, "uint16")
    source, recording = source_of(path)
    with opened(source, recording):
        plane = source.still().planes["max"]
        with path.open("r+b") as file:
            file.truncate(2880 + 60 * 130 * 2)
        assert plane[0:50, 0:10].shape == (50, 10)
        with pytest.raises(SourceError, match=r"a\.fits: truncated: .* bytes of a frame are missing"):
            plane[50:80, 0:10]


@pytest.mark.parametrize(("shape", "side"), [((600, 520), 64), ((300, 700), 100), ((130, 90), 30)])
def test_the_grid_of_backgrounds_is_that_of_the_whole_image(shape, side):
    rng = np.random.default_rng(0)
    image = (rng.normal(100, 5, shape) + np.indices(shape).sum(axis=0) / 30).astype(np.float32)
    image[: shape[0] // 3, : shape[1] // 4] = np.nan  # a corner of a mosaic without data
    mask = rng.random(shape) < 0.02
    background, noise = spatial_background(image, mask, box=side)
    everything = slice(0, shape[0]), slice(0, shape[1])
    for band in (1, 2, 50):
        grid = background_grid(image, mask, side=side, band=band)
        np.testing.assert_allclose(grid.background(*everything), background, atol=2e-4)
        np.testing.assert_allclose(grid.noise(*everything), noise, atol=2e-5)
        part = slice(40, 70), slice(3, 60)
        np.testing.assert_array_equal(grid.background(*part), grid.background(*everything)[part])


def test_an_image_without_any_value_has_no_background():
    grid = background_grid(np.full((70, 90), np.nan), side=20)
    assert not grid.background(slice(0, 70), slice(0, 90)).any()
    assert not grid.noise(slice(0, 70), slice(0, 90)).any()


def test_lazy_planes_are_those_of_the_whole_image(tmp_path):
    rng = np.random.default_rng(2)
    image = rng.normal(1000, 20, (400, 500)).astype(np.float32)
    image[200:260, 300:420] = np.nan
    fits.PrimaryHDU(image).writeto(tmp_path / "a.fits")
    source, recording = source_of(tmp_path / "a.fits")
    with opened(source, recording):
        lazy = lazy_planes(source.still())
        whole = still_planes(next(source.windows(1, 1)), border="keep")
        cut = slice(150, 270), slice(250, 430)
        np.testing.assert_array_equal(lazy.mask[cut], whole.mask[cut])
        for name, within in (("image", 2e-3), ("background", 2e-3), ("std", 1e-4), ("max", 2e-3)):
            np.testing.assert_allclose(lazy.planes[name][cut], whole.planes[name][cut], atol=within)


#: Looks at every pixel of an image in tiles, and tells what it found and what memory it took besides.
LOOK = """
import resource, sys
import numpy as np, scipy.ndimage, scipy.spatial
from astrodetect import Detections, Detector
from astrodetect.core.data import Recording
from astrodetect.core.tables import TileSettings
from astrodetect.core.tiling import Tiled
from astrodetect.core.windows import opened
from astrodetect.plugins.sources.fits import Fits

class Bright(Detector):
    def detect(self, window):
        y, x = np.nonzero(window.planes["max"])
        columns = {"x_min": x, "y_min": y, "x_max": x + 1, "y_max": y + 1}
        return Detections({**columns, "label": ["star"] * len(x), "probability": np.ones(len(x))})

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
source = Fits()
source.in_tiles = True
with opened(source, Recording(sys.argv[2], sys.argv[1], (sys.argv[2],), "fits", "0")):
    before = peak()
    found = Tiled(Bright(), TileSettings(size=2048, overlap=32)).detect(source.still())
    print(len(found), int(found["x_min"][0]), int(found["y_min"][0]), peak() - before)
"""


@pytest.mark.slow
def test_a_map_of_32k_by_32k_is_never_whole_in_memory(tmp_path):
    side = 1 << 15
    path = tmp_path / "map.fits"
    sparse(path, side)
    x, y = 2048 * 7 + 3, 30001
    with path.open("r+b") as file:
        file.seek(2880 + 2 * (y * side + x))
        file.write(b"\0\1")
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path), path.name], capture_output=True, text=True, check=True
    )
    n, found_x, found_y, megabytes = done.stdout.split()
    assert (int(n), int(found_x), int(found_y)) == (1, x, y)
    assert float(megabytes) < 150  # the map is of 2048
