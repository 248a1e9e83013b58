"""Small sound recordings of every kind, ways to break them, and a reading of what comes out."""

from __future__ import annotations

import gzip
import io
import os
import random
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core import limits, registry
from astrodetect.core.discovery import discover
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.windows import opened

#: Limits under which broken inputs are read: what they may take is then small, and measurable.
TIGHT = limits.Limits(pixels=1 << 22, unpacked_bytes=1 << 25)
#: Growth of the process that TIGHT explains, in MB: some planes of 2**22 pixels of 8 bytes.
MEMORY_BOUND = 400
#: No input of some kilobytes may take longer, in seconds.
TIME_BOUND = 10.0
_FRAMES = 40


def _fits(data: Any, **more: Any) -> bytes:
    from astropy.io import fits

    header = fits.Header()
    header.update({"DATE-OBS": "2026-08-12T22:30:00.5", "EXPOSURE": 0.03, "TELESCOP": "CAM1", **more})
    out = io.BytesIO()
    fits.PrimaryHDU(data, header).writeto(out)
    return out.getvalue()


def _tiled(kind: str, data: Any) -> bytes:
    from astropy.io import fits

    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, compression_type=kind)]).writeto(out)
    return out.getvalue()


def _ff() -> bytes:
    from astropy.io import fits

    rng = np.random.default_rng(2)
    primary = fits.PrimaryHDU()
    primary.header.update({"NFRAMES": 256, "FPS": 25.0, "CAMNO": "XX0001"})
    names = ("MAXPIXEL", "MAXFRAME", "AVEPIXEL", "STDPIXEL")
    planes = [fits.ImageHDU(rng.integers(0, 255, (24, 32), np.uint8), name=name) for name in names]
    out = io.BytesIO()
    fits.HDUList([primary, *planes]).writeto(out)
    return out.getvalue()


def _ff_bin() -> bytes:
    head = struct.pack("<i8I", -1, 24, 32, 256, 1, 6, 1, 0, 25000)
    return head[:36] + np.random.default_rng(3).integers(0, 255, 4 * 24 * 32, np.uint8).tobytes()


def _picture(kind: str, mode: str, **options: Any) -> bytes:
    from PIL import Image

    rng = np.random.default_rng(1)
    shape = (24, 32, 3) if mode == "RGB" else (24, 32)
    values = rng.integers(0, 255, shape, np.uint16 if mode == "I;16" else np.uint8)
    out = io.BytesIO()
    exif = Image.Exif()
    exif[306], exif[274] = "2026:08:12 22:30:00", 1
    Image.fromarray(values).save(out, kind, **({"exif": exif} if kind == "JPEG" else {}), **options)
    return out.getvalue()


def _tiff(**options: Any) -> bytes:
    import tifffile

    out = io.BytesIO()
    data = np.random.default_rng(1).integers(0, 65535, (24, 32), np.uint16)
    tifffile.imwrite(out, data, **options)
    return out.getvalue()


def _video(container: str, codec: str, pixel_format: str) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, pixel_format
        y, x = np.indices((32, 48))
        for k in range(6):
            frame = av.VideoFrame.from_ndarray((2 * x + y + 8 * k).astype(np.uint8), format="gray")
            file.mux(stream.encode(frame.reformat(format=pixel_format)))
        file.mux(stream.encode())
    return out.getvalue()


def _positions() -> bytes:
    lines = [f"{k}    ({10 + k};{20 - k})    2026-08-12T22:30:{k / 30:09.6f}" for k in range(4)]
    return "\n".join(lines).encode()


#: A case: the file that is to be broken, and all files, by path.
Case = tuple[str, dict[str, bytes]]


def _alone(name: str, data: bytes) -> Case:
    return name, {name: data}


def _fits_cases() -> dict[str, Case]:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 4000, (24, 32)).astype(np.int16)
    cube = rng.integers(0, 4000, (4, 24, 32)).astype(np.int16)
    event = "CAM1_20260812T223000_UT"
    events = {f"{event}/positions.txt": _positions()}
    for k in range(3):
        cards = {"DATE-OBS": f"2026-08-12T22:30:0{k}.1", "PROGRAM": "FreeTure"}
        events[f"{event}/fits2D/frame_{k:02d}.fit"] = _fits(frame, **cards)
    return {
        "fits image": _alone("a.fits", _fits(frame)),
        "fits cube": _alone("a.fits", _fits(cube, BZERO=32768)),
        "fits gzip": _alone("a.fits.gz", gzip.compress(_fits(cube))),
        "fits tiles, Rice": _alone("a.fits.fz", _tiled("RICE_1", frame)),
        "fits tiles, gzip": _alone("a.fits.fz", _tiled("GZIP_1", frame.astype(np.float32))),
        "fits tiles, H": _alone("a.fits.fz", _tiled("HCOMPRESS_1", frame)),
        "fits tiles, PLIO": _alone("a.fits.fz", _tiled("PLIO_1", frame)),
        "freeture frame": (f"{event}/fits2D/frame_00.fit", events),
        "freeture positions": (f"{event}/positions.txt", events),
    }


def _night_cases() -> dict[str, Case]:
    ff = "FF_XX0001_20260812_223000_123_0000000"
    times = struct.pack("<I", 4) + b"".join(struct.pack("<Id", k, 1.7e9 + k) for k in range(4))
    night = {
        f"{ff}.fits": _ff(),
        f"FT{ff[2:]}.bin": times,
        "mask.bmp": _picture("BMP", "L"),
        "platepar_cmn2010.cal": b'{"lat": 45.0, "lon": 9.0, "elev": 100.0}',
        ".config": b"latitude: 45.0 ; north\nlongitude: 9.0\nelevation: 100\n",
    }
    return {
        "ff": (f"{ff}.fits", night),
        "ff bin": _alone("FF001_20260812_223000_123_0000000.bin", _ff_bin()),
        "ff times": (f"FT{ff[2:]}.bin", night),
        "ff mask": ("mask.bmp", night),
        "ff platepar": ("platepar_cmn2010.cal", night),
        "ff config": (".config", night),
    }


def _image_and_video_cases() -> dict[str, Case]:
    clip = "M20260812_223000_CAM1_NE"
    record = (
        b'<ufocapture_record version="215" y="2026" mo="8" d="12" h="22" m="30" s="0.5" tz="0" '
        b'lid="CAM1" sid="NE" lng="9.0" lat="45.0" alt="100"></ufocapture_record>'
    )
    raw = _video("avi", "rawvideo", "gray")
    return {
        "jpeg": _alone("a.jpg", _picture("JPEG", "RGB")),
        "png": _alone("a.png", _picture("PNG", "RGB")),
        "png, 16 bits": _alone("a.png", _picture("PNG", "I;16")),
        "bmp": _alone("a.bmp", _picture("BMP", "L")),
        "tiff": _alone("a.tif", _tiff()),
        "tiff, deflate": _alone("a.tif", _tiff(compression="zlib", tile=(16, 16))),
        "avi, raw": _alone("a.avi", raw),
        "avi, mjpeg": _alone("a.avi", _video("avi", "mjpeg", "yuvj420p")),
        "mp4": _alone("a.mp4", _video("mp4", "mpeg4", "yuv420p")),
        "mkv": _alone("a.mkv", _video("matroska", "mpeg4", "yuv420p")),
        "ufo record": (f"{clip}.XML", {f"{clip}.XML": record, f"{clip}.avi": raw}),
    }


def samples() -> dict[str, Case]:
    """Give all cases by name."""
    return {**_fits_cases(), **_night_cases(), **_image_and_video_cases()}


#: Numbers that break what computes with sizes.
_NUMBERS = (0, 1, -1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, -0x80000000, 0x10000, 0x40000000)
_CARDS = (b"0", b"-1", b"1000000", b"1000000000000", b"1E400", b"NaN", b"'x'", b"T", b"999999999999999999999")


def broken(data: bytes, rng: random.Random) -> bytes:
    """Give the bytes with some damage: flips, numbers, cards, cuts, gaps, repetitions."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not damaged:
            break
        # most of what is decided is decided by the first bytes
        place = rng.randrange(min(len(damaged), rng.choice((64, 1024, 1 << 20))))
        length = rng.choice((1, 4, 80, 1000))
        kind = rng.randrange(8)
        if kind == 0:
            damaged[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            damaged[place : place + length] = rng.randbytes(length)
        elif kind == 2:
            order = rng.choice("<>")
            damaged[place : place + 4] = struct.pack(f"{order}I", rng.choice(_NUMBERS) & 0xFFFFFFFF)
        elif kind == 3:
            line = place // 80 * 80
            damaged[line + 10 : line + 30] = rng.choice(_CARDS).rjust(20)
        elif kind == 4:
            del damaged[place : place + length]
        elif kind == 5:
            damaged[place:place] = damaged[place : place + length]
        elif kind == 6:
            del damaged[rng.randrange(len(damaged)) :]
        else:
            digits = [i for i in range(place, min(place + 200, len(damaged))) if chr(damaged[i]).isdigit()]
            for i in digits[: rng.randrange(1, 6)]:
                damaged[i] = ord("9")
    return bytes(damaged)


def write_case(folder: Path, files: dict[str, bytes], replace: tuple[str, bytes] | None = None) -> None:
    """Write the files of a case, one of them with other bytes."""
    for name, data in {**files, **({replace[0]: replace[1]} if replace else {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


_sources: dict[str, Any] = {}


def read_as_a_run(folder: Path) -> tuple[int, int]:
    """Find and read all recordings; give how many were read and how many refused in one line.

    Anything that is not an `AstrodetectError` of one line comes out of here.
    """
    if not _sources:
        loaded, failures = registry.load_sources()
        assert not failures
        _sources.update(loaded)
    read = refused = 0
    for recording in discover([folder], _sources):
        source = _sources[recording.source]()
        try:
            with opened(source, recording) as stream:
                assert stream.shape[0] * stream.shape[1] <= limits.current().pixels
                for number, _ in enumerate(source.frames()):
                    if number >= _FRAMES:
                        break
                if hasattr(source, "camera_detections"):
                    source.camera_detections()
            read += 1
        except AstrodetectError as error:
            if "\n" in str(error):
                raise ValueError(f"a message of several lines: {error}") from error
            refused += 1
    return read, refused


def peak_memory() -> float:
    """Give the largest memory of this process so far in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def attempt(folder: Path, case: Case, seed: int) -> str:
    """Read a case broken by a seed, within the bounds; an empty text if all is well, else what is wrong."""
    name, files = case
    write_case(folder, files, (name, broken(files[name], random.Random(seed))))
    before, start = peak_memory(), time.process_time()
    try:
        read_as_a_run(folder)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    taken, grown = time.process_time() - start, peak_memory() - before
    if taken > TIME_BOUND:
        return f"{taken:.1f} s"
    return f"{grown:.0f} MB more" if grown > MEMORY_BOUND else ""


def quietly(work: Callable[[], Any]) -> Any:
    """Do something with the process's standard error closed off: C libraries write there."""
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        return work()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
