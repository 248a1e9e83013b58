"""Reading still images: pixels as luminance in their own type, and what EXIF says."""

from __future__ import annotations

import logging
import lzma
import warnings
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core import limits
from astrodetect.core.data import Array, Site
from astrodetect.core.errors import SourceError

_EXIF, _GPS = 0x8769, 0x8825
_MODEL, _DATE, _ORIENTATION, _EXPOSURE = 272, 306, 274, 33434
_ORIGINAL, _OFFSETS, _SUBSECONDS = 36867, (36881, 36880), (37521, 37520)


@dataclass(frozen=True)
class Exif:
    """What a camera wrote into the picture.

    Attributes
    ----------
    time : float
        Unix seconds; of the camera's own clock, read as UTC, unless `utc`. NaN if there is none.
    utc : bool
        The offset from UTC is stated, and taken off.
    exposure : float
        Seconds, or NaN.
    camera : str
        Model, or an empty string.
    site : Site or None
        From GPS.
    orientation : int
        1 is upright.
    """

    time: float = float("nan")
    utc: bool = False
    exposure: float = float("nan")
    camera: str = ""
    site: Site | None = None
    orientation: int = 1


@dataclass(frozen=True)
class Still:
    """A picture: `pixels` (H, W), from where they are `saturation`, `exif`, and what is wrong."""

    pixels: Array
    saturation: float
    exif: Exif
    kind: str
    warnings: tuple[str, ...] = ()


def read_still(path: Path) -> Still:
    """Read a JPEG, PNG, TIFF or BMP file, by what it is, whatever its suffix.

    Colour becomes Rec. 601 luminance, ``0.299 R + 0.587 G + 0.114 B``, rounded, in the type of the
    channels; of a JPEG it is the Y that is stored. Transparency is not applied.

    Parameters
    ----------
    path : Path
        File.

    Raises
    ------
    SourceError
        It is none of these, truncated, damaged, or beyond the limits (`astrodetect.core.limits`).
    """
    try:
        with path.open("rb") as file:
            head = file.read(32)
        kind = _kind(head)
        if not kind:
            found = "is empty" if not head else f"begins with {head[:8]!r}"
            raise SourceError(f"{path}: {found}; expected a JPEG, PNG, TIFF or BMP image")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries; what matters is told by this function
            return _read_tiff(path) if kind == "TIFF" else _read_pillow(path, kind, head)
    except (SourceError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged file makes the readers say
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"{path}: damaged or truncated image ({reason})") from None


def _kind(head: bytes) -> str:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    return ""


_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)


def _check_size(path: Path, height: int, width: int, pixel_bytes: int = 1) -> None:
    limits.current().check_frame(path, height, width)
    limits.current().check_unpacked(path, path.stat().st_size, height * width * pixel_bytes)


def _read_pillow(path: Path, kind: str, head: bytes) -> Still:
    from PIL.BmpImagePlugin import BmpImageFile
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    # The classes themselves, for the limit is ours: Image.open has a lower one.
    reader: Any = {"JPEG": JpegImageFile, "PNG": PngImageFile, "BMP": BmpImageFile}[kind]
    with reader(path) as image:
        _check_size(path, image.height, image.width, len(image.getbands()))
        exif = _exif(image.getexif())
        if kind == "PNG" and head[24] == 16 and head[25] in (2, 4, 6):
            pixels = _deep_png(path)
        else:
            if kind == "JPEG":
                image.draft("L", None)
            pixels = _pillow_pixels(image)
    saturation = 65535.0 if pixels.dtype == np.uint16 else 255.0
    return Still(pixels, saturation, exif, kind)


def _pillow_pixels(image: Any) -> Array:
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.array(image)
        return np.ascontiguousarray(values, dtype=np.uint16)
    if image.mode not in ("L", "LA", "La", "1", "RGB"):
        image = image.convert("RGB")
    return np.array(image.convert("L"))


def _deep_png(path: Path) -> Array:
    """Read 16-bit colour, which Pillow would cut to 8 bits."""
    import av

    try:
        with path.open("rb") as file, av.open(file, "r", format="png_pipe") as container:
            frame = next(container.decode(video=0))
    except (av.FFmpegError, StopIteration) as error:
        raise SourceError(f"{path}: damaged or truncated image ({error})") from None
    if frame.is_corrupt:
        raise SourceError(f"{path}: damaged or truncated image")
    name = "gray16le" if frame.format.name.startswith("ya16") else "rgb48le"
    values = frame.to_ndarray(format=name)
    return values if values.ndim == 2 else to_luminance(values)


def to_luminance(colour: Array) -> Array:
    """Give the Rec. 601 luminance of an image.

    Parameters
    ----------
    colour : (H, W, C) array
        Red, green, blue, and what follows is not looked at; or one or two channels, of which the
        first counts.

    Returns
    -------
    (H, W) array of the same type; integers are rounded

    Examples
    --------
    >>> to_luminance(np.array([[[255, 255, 255], [255, 0, 0]]], np.uint8))
    array([[255,  76]], dtype=uint8)
    """
    if colour.shape[2] < 3:
        return np.ascontiguousarray(colour[:, :, 0])
    if colour.dtype.kind == "f":
        weights = np.array([0.299, 0.587, 0.114], colour.dtype)
        grey: Array = colour[:, :, :3] @ weights
        return grey
    wide = colour.astype(np.uint64)
    total = 299 * wide[:, :, 0] + 587 * wide[:, :, 1] + 114 * wide[:, :, 2] + 500
    luma: Array = (total // 1000).astype(colour.dtype)
    return luma


def _read_tiff(path: Path) -> Still:
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # else it writes on the terminal
    told = []
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        _check_tiff(path, page)
        if len(tiff.pages) > 1:
            told.append(f"{len(tiff.pages)} pages, the first is read")
        bits = int(page.bitspersample)
        exif = _tiff_exif(page)
        palette = page.photometric == tifffile.PHOTOMETRIC.PALETTE
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        codec_needed = page.photometric == tifffile.PHOTOMETRIC.YCBCR or bits < 8
        try:
            data = None if palette or codec_needed else np.asarray(page.asarray())
        except (ValueError, ImportError) as error:
            if "imagecodecs" not in str(error):
                raise
            data = None
    if data is None:
        return Still(
            _tiff_by_pillow(path), 255.0 if bits <= 8 else float((1 << bits) - 1), exif, "TIFF", tuple(told)
        )
    pixels = _flat(path, data)
    saturation = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else float("nan")
    if inverted and pixels.dtype.kind == "u":
        pixels = np.iinfo(pixels.dtype).max - pixels
    return Still(pixels, saturation, exif, "TIFF", tuple(told))


def _check_tiff(path: Path, page: Any) -> None:
    """Refuse too large an image, samples without end, and packed strips that expand beyond their size."""
    sample_bytes = -(-int(page.bitspersample) // 8) * int(page.samplesperpixel) * int(page.imagedepth)
    _check_size(path, int(page.imagelength), int(page.imagewidth), sample_bytes)
    inflate = _INFLATORS.get(int(page.compression))
    if inflate is None:
        return
    rows, cols = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    most = min(int(rows), int(page.imagelength) + int(rows) % (1 << 16)) * int(cols) * sample_bytes
    with path.open("rb") as file:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            file.seek(offset)
            if len(inflate(file.read(count), most + 1)) > most:
                raise SourceError(f"{path}: a strip or tile expands to more than its {most} bytes")


def _inflate(data: bytes, most: int) -> bytes:
    return zlib.decompressobj().decompress(data, most)


def _unlzma(data: bytes, most: int) -> bytes:
    return lzma.LZMADecompressor().decompress(data, most)


#: What Python's libraries unpack without asking how much, by TIFF compression.
_INFLATORS = {8: _inflate, 32946: _inflate, 34925: _unlzma}


def _flat(path: Path, data: Array) -> Array:
    """Give (H, W) of grey, chunky or planar colour, in the machine's byte order."""
    if data.ndim == 3 and data.shape[0] in (3, 4) and data.shape[2] not in (1, 2, 3, 4):
        data = np.moveaxis(data, 0, -1)
    if data.ndim == 3 and data.shape[2] <= 4:
        data = to_luminance(data)
    if data.ndim != 2 or data.dtype.kind not in "uif":
        raise SourceError(
            f"{path}: an image of shape {data.shape} and type {data.dtype}; expected a grey or RGB image"
        )
    if data.dtype == np.float16:
        data = data.astype(np.float32)
    return np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("="))


def _tiff_by_pillow(path: Path) -> Array:
    """Read what tifffile needs further libraries for: compressed, palette and YCbCr images."""
    from PIL.TiffImagePlugin import TiffImageFile

    with TiffImageFile(path) as image:
        if image.mode == "F":
            return np.array(image)
        return _pillow_pixels(image)


def _tiff_exif(page: Any) -> Exif:
    def value(code: int) -> Any:
        tag = page.tags.get(code)
        return tag.value if tag is not None else None

    inner = value(_EXIF)
    names = inner if isinstance(inner, dict) else {}
    main = {code: value(code) for code in (_MODEL, _DATE, _ORIENTATION)}
    text = names.get("DateTimeOriginal") or main[_DATE]
    seconds = names.get("SubsecTimeOriginal") or names.get("SubsecTime")
    offset = names.get("OffsetTimeOriginal") or names.get("OffsetTime")
    time, utc = exif_time(text, seconds, offset)
    return Exif(
        time,
        utc,
        _number(names.get("ExposureTime")),
        _text(main[_MODEL]),
        orientation=int(main[_ORIENTATION] or 1),
    )


def _exif(tags: Any) -> Exif:
    """Read Pillow's EXIF tags."""
    inner = tags.get_ifd(_EXIF)
    first = next((inner[code] for code in _SUBSECONDS if code in inner), None)
    offset = next((inner[code] for code in _OFFSETS if code in inner), None)
    time, utc = exif_time(inner.get(_ORIGINAL) or tags.get(_DATE), first, offset)
    orientation = tags.get(_ORIENTATION)
    return Exif(
        time,
        utc,
        _number(inner.get(_EXPOSURE)),
        _text(tags.get(_MODEL)),
        _gps(tags.get_ifd(_GPS)),
        orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1,
    )


def exif_time(text: object, subseconds: object, offset: object) -> tuple[float, bool]:
    """Give a time of EXIF in Unix seconds, and whether its offset from UTC is known.

    Parameters
    ----------
    text : str
        ``YYYY:MM:DD hh:mm:ss``.
    subseconds : str
        Decimal digits that follow the seconds.
    offset : str
        ``+hh:mm``.

    Examples
    --------
    >>> exif_time("2021:03:07 03:17:10", "25", "+01:00")
    (1615083430.25, True)
    >>> exif_time("0000:00:00 00:00:00", None, None)
    (nan, False)
    """
    zone = _text(offset)
    try:
        moment = datetime.strptime(_text(text), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
        if zone:
            moment = datetime.fromisoformat(moment.strftime("%Y-%m-%dT%H:%M:%S") + zone)
    except ValueError:
        return float("nan"), False
    digits = _text(subseconds)
    fraction = float(f"0.{digits}") if digits.isdigit() else 0.0
    return moment.timestamp() + fraction, bool(zone)


def _gps(tags: Any) -> Site | None:
    """Read latitude, longitude and height; degrees, minutes and seconds, with references N, E, above."""
    try:
        latitude, longitude = (
            sum(float(part) / 60**power for power, part in enumerate(tags[code])) for code in (2, 4)
        )
        south, west = tags.get(1) == "S", tags.get(3) == "W"
        height = float(tags.get(6, 0)) * (-1 if tags.get(5) in (1, b"\x01") else 1)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return Site(-latitude if south else latitude, -longitude if west else longitude, height)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return value.strip("\0 ") if isinstance(value, str) else ""


def _number(value: Any) -> float:
    try:
        return float(value[0] / value[1]) if isinstance(value, tuple) else float(value)
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return float("nan")
