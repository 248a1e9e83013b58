"""Files that hold FITS images, as their headers tell."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from astrodetect.core import limits
from astrodetect.core.errors import SourceError
from astrodetect.methods.fits_headers import (
    BLOCK,
    Header,
    ImageLayout,
    camera_name,
    data_bytes,
    exposure_time,
    image_layout,
)
from astrodetect.methods.fits_times import observation_time

#: Endings of FITS files, lower case.
SUFFIXES = (
    *(base + packed for base in (".fit", ".fits", ".fts") for packed in ("", ".gz", ".bz2", ".fz")),
    ".fz",
)
OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
#: A header is not longer than this.
_MAX_HEADER_BLOCKS = 1000
_MAX_HDUS = 10000
_TIME_CARD = b"DATE-OBS= "
#: What helps with a frame that is too large.
_TILES = (
    "; a [tile] table in the pipeline reads it part by part, if it is not packed by gzip or bzip2 and "
    "[[preprocess]] holds nothing but background, max-minus-median and mask"
)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file with an image in it, as its headers tell.

    Attributes
    ----------
    path : Path
        The file.
    layout : ImageLayout
        Shape, type and planes.
    hdu : int
        Number of the HDU with the image.
    offset : int
        First byte of its data in the unpacked file.
    packed : bool
        The whole file is packed by gzip or bzip2.
    n_planes : int
        Planes that are whole.
    time : float
        Start of exposure, UTC Unix seconds; NaN if unknown.
    camera : str
        Camera or station.
    """

    path: Path
    layout: ImageLayout
    hdu: int
    offset: int
    packed: bool
    n_planes: int
    time: float
    camera: str

    @property
    def key(self) -> tuple[tuple[int, int], str, str]:
        """What the files of one sequence have in common: shape, type and camera."""
        return self.layout.shape, self.layout.pixels.dtype.str, self.camera


def is_fits_name(name: str) -> bool:
    """Tell whether a file name ends like one of a FITS file."""
    return name.lower().endswith(SUFFIXES)


def read_headers(
    path: Path, hdu: int | str | None = None, *, in_tiles: bool = False
) -> tuple[ImageFile, Header] | None:
    """Find the image in a file, by headers only.

    Parameters
    ----------
    path : Path
        The file, packed or not.
    hdu : int, str or None
        Number or EXTNAME of the HDU; None for the first with an image.
    in_tiles : bool
        Parts of the image will be read, not the whole of it: its size is no matter, if it can be cut.

    Returns
    -------
    (ImageFile, Header) or None
        The image, and the cards of its header over those of the primary one. None if the file
        holds no image of two or more dimensions.

    Raises
    ------
    SourceError
        The file cannot be opened, is no FITS file, is shorter than its first plane, or its header
        is absurd.
    """
    global _last
    try:
        with open(path, "rb", buffering=0) as raw:
            start, size = raw.read(2 * BLOCK), os.fstat(raw.fileno()).st_size
            alike = _last if hdu is None and not in_tiles else None
            known = None if alike is None else alike.read(path, start, size)
            if known is not None:
                return known
            opener = OPENERS.get(start[:2])
            raw.seek(0)
            stream = cast(
                "BinaryIO",
                raw if opener is None else io.BufferedReader(limits.Unpacked(opener(raw, "rb"), path, size)),
            )
            found = _find_image(path, stream, hdu)
            if found is None:
                return None
            number, offset, header, primary, layout = found
            _check_limits(path, size, offset, layout, header, packed=opener is not None, in_tiles=in_tiles)
            values = header if primary is None else header.over(primary)
            whole = _whole_planes(size, offset, layout, header, packed=opener is not None)
    except SourceError:
        raise
    except (ValueError, OverflowError) as error:
        raise SourceError(f"{path}: damaged FITS header: {error}") from error
    except _DAMAGED as error:
        raise SourceError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if whole == 0:
        raise SourceError(_shortened(path, raw_size(path), offset, layout))
    time = observation_time(values, exposure_time(values))
    image = ImageFile(path, layout, number, offset, opener is not None, whole, time, camera_name(values))
    if number == 0 and opener is None and hdu is None:
        _last = _Alike.of(start[:offset], image, header)
    return image, values


@dataclass(frozen=True, slots=True)
class _Alike:
    """A header with which those of the other files of a sequence are compared.

    Cameras write the same cards into every file but for the time. Then only that is looked at.

    Attributes
    ----------
    before, after : bytes
        What stands before and after the card of the time.
    image : ImageFile
        As this header tells.
    header : Header
    exposure : float
        Seconds.
    allowed : Limits
        Under which it was accepted.
    """

    before: bytes
    after: bytes
    image: ImageFile
    header: Header
    exposure: float
    allowed: limits.Limits

    @classmethod
    def of(cls, start: bytes, image: ImageFile, header: Header) -> _Alike | None:
        """Remember the header at the start of a file; None where it cannot be compared with others."""
        place = start.find(_TIME_CARD)
        if place < 0 or place % 80 or len(start) != image.offset or start.count(_TIME_CARD) > 1:
            return None
        before, after = start[:place], start[place + 80 :]
        return cls(before, after, image, header, exposure_time(header), limits.current())

    def read(self, path: Path, start: bytes, size: int) -> tuple[ImageFile, Header] | None:
        """Give what `read_headers` gives of a file that begins with `start`; None if it is another kind."""
        place, offset, layout = len(self.before), self.image.offset, self.image.layout
        card = start[place : place + 80]
        if start[place + 80 : offset] != self.after or start[:place] != self.before:
            return None
        if not card.startswith(_TIME_CARD) or self.allowed is not limits.current():
            return None
        whole = min(layout.planes, (size - offset) // layout.plane_bytes)
        if layout.tiled or whole < 1:
            return None
        header = self.header.with_raw(_TIME_CARD[:-2].decode(), card[10:].decode("latin-1"))
        time = observation_time(header, self.exposure)
        return ImageFile(path, layout, 0, offset, False, whole, time, self.image.camera), header


_last: _Alike | None = None


def raw_size(path: Path) -> int:
    """Give the size of a file in bytes."""
    return path.stat().st_size


def _shortened(path: Path, size: int, offset: int, layout: ImageLayout) -> str:
    height, width = layout.shape
    needed = offset + layout.plane_bytes
    return f"{path}: truncated: {size} bytes, expected at least {needed} for {width} x {height} pixels"


def _check_limits(
    path: Path, size: int, offset: int, layout: ImageLayout, header: Header, *, packed: bool, in_tiles: bool
) -> None:
    """Refuse what would take too much memory: too large a frame, and what expands too far."""
    allowed = limits.current()
    can_be_cut = layout.planes == 1 and not packed
    if not (in_tiles and can_be_cut):
        allowed.check_frame(path, *layout.shape, _TILES if layout.planes == 1 else "")
    if layout.tiled:
        tiles = [header.integer(f"ZTILE{axis}", 1) for axis in range(1, header.integer("ZNAXIS", 0) + 1)]
        if not all(1 <= tile <= allowed.pixels for tile in tiles) or math.prod(tiles) > allowed.pixels:
            raise SourceError(f"{path}: tiles of {' x '.join(map(str, tiles))} pixels; the header is damaged")
    if packed or (layout.tiled and not in_tiles):
        stored = offset + (data_bytes(header) if packed else 0)
        allowed.check_unpacked(path, size, max(stored, layout.planes * layout.plane_bytes))


def _whole_planes(size: int, offset: int, layout: ImageLayout, header: Header, *, packed: bool) -> int:
    if layout.tiled:
        return layout.planes if packed or size >= offset + data_bytes(header) else 0
    if packed:
        return layout.planes
    return min(layout.planes, max(0, size - offset) // layout.plane_bytes)


_Found = tuple[int, int, Header, Header | None, ImageLayout]


def _find_image(path: Path, stream: BinaryIO, hdu: int | str | None) -> _Found | None:
    position = 0
    primary: Header | None = None
    names: list[str] = []
    for number in range(_MAX_HDUS):
        data = _header_blocks(path, stream, position, first=number == 0)
        if data is None:
            break
        header = Header(data)
        position += len(data)
        if hdu is not None:
            names.append(str(header.get("EXTNAME", "")).strip())
        if hdu is None or hdu == number or (isinstance(hdu, str) and names[-1].lower() == hdu.lower()):
            layout = image_layout(header)
            if layout is not None:
                return number, position, header, primary, layout
            if hdu is not None:
                raise SourceError(f"{path}: HDU {hdu!r} holds no image; choose another with hdu")
        position += -(-data_bytes(header) // BLOCK) * BLOCK
        primary = primary or header
    if hdu is not None:
        known = ", ".join(name or str(number) for number, name in enumerate(names))
        raise SourceError(f"{path}: has no HDU {hdu!r}; it has {known}")
    return None


def other_images(image: ImageFile) -> list[str]:
    """Give name or number of the images behind the one that is read; none for packed ones."""
    if image.packed or image.layout.tiled:
        return []
    found: list[str] = []
    position = image.offset
    size = image.layout.plane_bytes * image.layout.planes
    with open(image.path, "rb", buffering=0) as stream:
        for number in range(image.hdu + 1, _MAX_HDUS):
            position += -(-size // BLOCK) * BLOCK
            data = _header_blocks(image.path, stream, position, first=False)
            if data is None:
                break
            header = Header(data)
            position += len(data)
            try:
                size = data_bytes(header)
                if image_layout(header) is not None:
                    found.append(str(header.get("EXTNAME", "")).strip() or f"HDU {number}")
            except ValueError:
                break
    return found


def _header_blocks(path: Path, stream: BinaryIO, position: int, *, first: bool) -> bytes | None:
    """Give a header with its padding, or None at the end of the file."""
    stream.seek(position)
    data = stream.read(2 * BLOCK)
    if first and not data.startswith(b"SIMPLE  ="):
        shown = "the file is empty" if not data else f"it begins with {data[:8]!r}"
        raise SourceError(f"{path}: not a FITS file: {shown}, expected SIMPLE")
    if not first and not data.startswith(b"XTENSION"):
        return None  # the end, or bytes that the standard tells readers to ignore
    start = 0
    while True:
        end = _end_card(data, start)
        if end >= 0:
            length = -(-(end + 80) // BLOCK) * BLOCK
            return data[:length]
        start = len(data) // 80 * 80
        more = stream.read(8 * BLOCK) if start < _MAX_HEADER_BLOCKS * BLOCK else b""
        if not more:
            raise SourceError(f"{path}: truncated: the header has no END card")
        data += more


def _end_card(data: bytes, start: int) -> int:
    position = data.find(b"END     ", start)
    while position >= 0 and position % 80:
        position = data.find(b"END     ", position + 1)
    return position
