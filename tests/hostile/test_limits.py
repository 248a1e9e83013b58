"""What would take too much memory is refused before it is taken; the limits are settings."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from astropy.io import fits
from hostile_samples import read_as_a_run, samples

from astrodetect.core import limits
from astrodetect.core.data import Recording
from astrodetect.core.errors import SourceError
from astrodetect.pipeline import Pipeline
from astrodetect.plugins.sources.fits import Fits

#: What reading any of these may add to a process that has the libraries loaded (MB).
BOUND = 150
#: Reads a recording in a process of its own and tells what it said and took.
READ = """
import resource, sys, warnings
warnings.simplefilter("ignore")
import astropy.io.fits, av, numpy, PIL.Image, tifffile
from astrodetect.core import registry
from astrodetect.core.data import Recording
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import FrameSource
from astrodetect.core.windows import opened
registry.load_sources()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
name, root, source = sys.argv[1:]
before = peak()
source = registry.load(source, FrameSource)()
try:
    with opened(source, Recording(name, root, (name,), "x")):
        for _ in source.frames():
            pass
    print("read")
except AstrodetectError as error:
    print(error)
print(peak() - before)
"""


def header(**cards: object) -> bytes:
    """Write a FITS header of some cards."""
    text = "".join(f"{name:<8}= {value!s:>20}".ljust(80) for name, value in cards.items()) + "END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880).encode()


def image(width: int, height: int, **more: object) -> bytes:
    """Write the header of an image."""
    return header(SIMPLE="T", BITPIX=8, NAXIS=2, NAXIS1=width, NAXIS2=height, **more)


def zeros(packer: Any, n_bytes: int, head: bytes = b"") -> bytes:
    """Pack a head and so many zeros without having them in memory."""
    parts = [packer.compress(head)]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(n_bytes >> 20)]
    return b"".join([*parts, packer.flush()])


def gzip_packer() -> Any:
    """Give what packs as gzip does."""
    return zlib.compressobj(9, zlib.DEFLATED, 31)


def huge_png() -> bytes:
    """Write a PNG of 16000 x 16000 pixels in a few hundred kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    data = zeros(zlib.compressobj(9), 16000 * 16001)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 16000, 16000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff_with_bomb(compression: int, data: bytes, size: int = 64) -> bytes:
    """Write a TIFF of 64 x 64 pixels whose one strip expands to far more."""
    tags = [(256, size), (257, size), (258, 8), (259, compression), (262, 1), (273, 200)]
    tags += [(277, 1), (278, 64), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return (b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)).ljust(200, b"\0") + data


def tiled_bomb() -> bytes:
    """Write a FITS image of one gzip tile that expands to a gigabyte."""
    data = zeros(gzip_packer(), 1 << 30)
    table = header(
        XTENSION="'BINTABLE'", BITPIX=8, NAXIS=2, NAXIS1=8, NAXIS2=1, PCOUNT=len(data), GCOUNT=1, TFIELDS=1,
        TTYPE1="'COMPRESSED_DATA'", TFORM1=f"'1PB({len(data)})'", ZIMAGE="T", ZCMPTYPE="'GZIP_1  '",
        ZBITPIX=8, ZNAXIS=2, ZNAXIS1=64, ZNAXIS2=64, ZTILE1=64, ZTILE2=64,
    )  # fmt: skip
    body = struct.pack(">II", len(data), 0) + data
    primary = header(SIMPLE="T", BITPIX=8, NAXIS=0, EXTEND="T")
    return primary + table + body.ljust(-(-len(body) // 2880) * 2880, b"\0")


def tall_video() -> bytes:
    """Write an AVI whose PNG frames declare 60000 x 60000 pixels."""
    out = io.BytesIO()
    with av.open(out, "w", format="avi") as file:
        stream = file.add_stream("png", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "gray"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64), np.uint8), "gray")))
        file.mux(stream.encode())
    data = out.getvalue().replace(struct.pack("<II", 64, 64), struct.pack("<II", 60000, 60000))
    return data.replace(struct.pack(">II", 64, 64), struct.pack(">II", 60000, 60000))


WIDE = image(1 << 14, 1 << 14)
FF_NAME = "FF_XX0001_20260812_223000_123_0000000.fits.gz"
#: By name: the file, the source, the bytes, and what is said.
BOMBS: dict[str, tuple[str, str, Callable[[], bytes], str]] = {
    "10^12 pixels": ("a.fits", "fits", lambda: image(10**6, 10**6), "1000000 x 1000000 pixels"),
    "10^12 pixels, sparse": ("sparse.fits", "fits", lambda: image(10**6, 10**6), "1000000 pixels"),
    "2^29 pixels, sparse": ("sparse.fits", "fits", lambda: image(1 << 15, 1 << 14), r"\[limits\] pixels"),
    "gzip": ("a.fits.gz", "fits", lambda: zeros(gzip_packer(), 1 << 28, WIDE), "would expand"),
    "bzip2": ("a.fits.bz2", "fits", lambda: zeros(bz2.BZ2Compressor(), 1 << 28, WIDE), "would expand"),
    "gzip, before the image": (
        "a.fits.gz",
        "fits",
        lambda: zeros(
            gzip_packer(), 1 << 29, header(SIMPLE="T", BITPIX=8, NAXIS=1, NAXIS1=1 << 40, EXTEND="T")
        ),
        "would expand",
    ),
    "gzip, FF": (FF_NAME, "rms-ff", lambda: zeros(gzip_packer(), 1 << 28, WIDE), "would expand"),
    "a tile": ("a.fits.fz", "fits", tiled_bomb, "a tile expands to more"),
    "png": ("a.png", "image", huge_png, "would expand to 256000000"),
    "tiff, deflate": (
        "a.tif",
        "image",
        lambda: tiff_with_bomb(8, zeros(zlib.compressobj(9), 1 << 29)),
        "expands to more",
    ),
    "tiff, lzma": (
        "a.tif",
        "image",
        lambda: tiff_with_bomb(34925, zeros(lzma.LZMACompressor(preset=0), 1 << 28)),
        "expands to more",
    ),
    "tiff, 10^12 pixels": (
        "a.tif",
        "image",
        lambda: tiff_with_bomb(1, bytes(9), 1 << 20),
        r"\[limits\] pixels",
    ),
    "video": ("a.avi", "video", tall_video, r"\[limits\] pixels"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_memory_is_taken(tmp_path: Path, name: str) -> None:
    file, source, make, words = BOMBS[name]
    (tmp_path / file).write_bytes(make())
    if file.startswith("sparse"):  # as long as it says, on no space
        with (tmp_path / file).open("r+b") as stream:
            stream.truncate(2880 + (10**12 if "12" in name else 1 << 29))
    line = [sys.executable, "-c", READ, file, str(tmp_path), source]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60)
    said, taken = done.stdout.strip().split("\n")
    assert re.search(words, said), said
    assert float(taken) < BOUND


def test_a_pipeline_sets_the_limits(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_bytes(image(100, 100) + bytes(10080))
    (tmp_path / "b.fits.gz").write_bytes(gzip.compress(image(2000, 1000) + bytes(2_002_880)))
    text = """
    [[preprocess]]
    use = "max-minus-median"
    [score]
    use = "peak-snr"
    [select]
    use = "top-k"
    [extract]
    use = "patches"
    [classify]
    use = "streak"
    """
    try:
        _ = Pipeline(text + "[limits]\npixels = 9999").plan
        with pytest.raises(SourceError, match=r"100 x 100 pixels; expected 1 to 9999 pixels"):
            Fits().open(Recording("a.fits", str(tmp_path), ("a.fits",), "fits"))
        _ = Pipeline(text).plan
        assert limits.current() == limits.Limits()
        assert read_as_a_run(tmp_path) == (1, 1)
        wide = Pipeline(text + "[limits]\nexpansion = 2000").plan
        assert "expansion = 2000" in wide.to_toml()
        assert read_as_a_run(tmp_path) == (2, 0)
        _ = Pipeline(text + "[limits]\nexpansion = 2000\nunpacked_bytes = 2000000").plan
        assert read_as_a_run(tmp_path) == (1, 1)
    finally:
        limits.use(limits.Limits())
    problems = Pipeline(text + "[limits]\npixel = 3\nexpansion = 0").check()
    assert len(problems) == 2
    assert "[limits]" in problems[0]


def test_nothing_in_a_file_leads_to_another_file_or_program(tmp_path: Path) -> None:
    """Playlists, scripts and EPS under the names of recordings are refused, not followed."""
    secret = tmp_path / "elsewhere.avi"
    (tmp_path / "in").mkdir()
    ran = tmp_path / "ran"
    contents = {
        "concat.avi": f"ffconcat version 1.0\nfile '{secret}'\n",
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n",
        "page.mkv": f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file://{secret}">]><a>&b;</a>',
        "eps.png": f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch {ran}) (w) file\n",
        "pickle.fits": "cos\nsystem\n(S'true'\ntR.",
    }
    for name, text in contents.items():
        (tmp_path / "in" / name).write_text(text)
    assert read_as_a_run(tmp_path / "in") == (0, len(contents))
    assert not ran.exists()


def test_names_of_recordings_mean_no_protocol_and_no_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    video, picture = (samples()[name][1] for name in ("avi, raw", "png"))
    for name in ("concat:a|b.avi", "http:x.avi", "a%03d.avi", "-i.avi"):
        (tmp_path / name).write_bytes(video["a.avi"])
    (tmp_path / "p%02d.png").write_bytes(picture["a.png"])
    monkeypatch.chdir(tmp_path)
    assert read_as_a_run(Path()) == (5, 0)


def test_what_lies_beside_a_recording_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"")
    with (tmp_path / "big").open("r+b") as file:
        file.truncate(limits.SIDECAR_BYTES + 1)
    with pytest.raises(ValueError, match="more than"):
        limits.read_sidecar(tmp_path / "big")


def test_a_black_image_that_packs_well_is_read(tmp_path: Path) -> None:
    data = np.zeros((480, 640), np.uint8)
    path = tmp_path / "a.fits.gz"
    fits.PrimaryHDU(data).writeto(path)
    assert path.stat().st_size * 200 < data.size
    assert read_as_a_run(tmp_path) == (1, 0)


def test_names_with_control_characters_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from astrodetect.cli import main

    name = tmp_path / "a\x1b[2J\x07.h5"
    name.write_bytes(b"no catalog")
    with pytest.raises(SystemExit) as stopped:
        main(["catalog", "show", str(name)])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert r"a\x1b[2J\x07.h5" in said
