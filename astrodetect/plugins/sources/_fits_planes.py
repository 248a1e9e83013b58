"""Pixels of FITS files, straight into the memory that a frame is wanted in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core import limits
from astrodetect.core.data import Array
from astrodetect.core.errors import SourceError, TruncatedError
from astrodetect.methods.fits_headers import ImageLayout
from astrodetect.plugins.sources._fits_files import ImageFile
from astrodetect.plugins.sources._fits_tiles import check_tiles, quietly

#: Rows are read and converted in parts of at most about so many bytes.
_CHUNK_BYTES = 1 << 22


class PlaneReader:
    """Reads planes into given memory, in native byte order, over one scratch buffer.

    Parameters
    ----------
    flip_rows : bool
        Give the rows in reverse order, for writers that begin at the bottom.
    """

    def __init__(self, *, flip_rows: bool = False) -> None:
        self._flip_rows = flip_rows
        self._scratch: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)

    def planes(self, image: ImageFile, slots: Iterator[Array]) -> Iterator[Array]:
        """Give the whole planes of a file, each in the next of `slots`.

        Raises
        ------
        SourceError
            The file cannot be read. What came before is good; a slot may have been taken in vain.
        """
        if not (image.layout.tiled or image.packed):
            with located(image):
                yield from self._plain(image, slots)
            return
        for stored in self._stored(image):
            slot = next(slots)
            self._convert(image.layout, stored, slot)
            yield slot

    def _stored(self, image: ImageFile) -> Iterator[Array]:
        read = self._tiled if image.layout.tiled else self._packed
        with located(image):
            yield from read(image)

    def _plain(self, image: ImageFile, slots: Iterator[Array]) -> Iterator[Array]:
        """Read and convert some rows at a time: what was read is still in the cache then."""
        layout = image.layout
        height, row_bytes = layout.shape[0], layout.plane_bytes // layout.shape[0]
        step = max(1, _CHUNK_BYTES // row_bytes)
        stored, buffer = self._buffer(layout, min(step, height))
        descriptor = os.open(image.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            os.lseek(descriptor, image.offset, os.SEEK_SET)
            for _ in range(image.n_planes):
                slot = next(slots)
                out = slot[::-1] if self._flip_rows else slot
                for top in range(0, height, step):
                    n_rows = min(step, height - top)
                    missing = n_rows * row_bytes - _fill(descriptor, buffer[: n_rows * row_bytes])
                    if missing:
                        raise EOFError(missing_bytes(missing, layout.plane_bytes))
                    decode_pixels(layout, stored[:n_rows], out[top : top + n_rows])
                yield slot
        finally:
            os.close(descriptor)

    def _packed(self, image: ImageFile) -> Iterator[Array]:
        stored, buffer = self._buffer(image.layout, image.layout.shape[0])
        with limits.open_unpacked(image.path) as stream:
            stream.seek(image.offset)
            for _ in range(image.n_planes):
                done = 0
                while done < len(buffer):
                    count = stream.readinto(buffer[done:])
                    if not count:
                        raise EOFError(missing_bytes(len(buffer) - done, len(buffer)))
                    done += count
                yield stored

    def _tiled(self, image: ImageFile) -> Iterator[Array]:
        from astropy.io import fits

        with limits.open_unpacked(image.path) as stream:
            check_tiles(image, stream)
            stream.seek(0)
            hdus = quietly(lambda: fits.open(stream, memmap=False, do_not_scale_image_data=True))
            hdu = hdus[image.hdu]
            leading = hdu.shape[:-2]
            for plane in range(image.n_planes):
                where = np.unravel_index(plane, leading) if leading else ()
                stored = quietly(partial(_plane_of, hdu, where))
                yield np.asarray(stored).reshape(image.layout.shape)

    def _buffer(self, layout: ImageLayout, n_rows: int) -> tuple[Array, memoryview]:
        size = layout.plane_bytes // layout.shape[0] * n_rows
        if len(self._scratch) != size:
            self._scratch = np.empty(size, dtype=np.uint8)
        return self._scratch.view(layout.pixels.stored).reshape(n_rows, layout.shape[1]), self._scratch.data

    def _convert(self, layout: ImageLayout, stored: Array, out: Array) -> None:
        decode_pixels(layout, stored[::-1] if self._flip_rows else stored, out)


def decode_pixels(layout: ImageLayout, stored: Array, out: Array) -> None:
    """Turn pixels as a file stores them into true values, of the layout's type and in native byte order."""
    pixels = layout.pixels
    if pixels.scaled:
        _scale(layout, stored, out)
    elif pixels.flip:
        # The sign bit is all that differs between stored and true values: copy bits, invert one.
        if stored.dtype.kind != "u":
            stored = stored.view(stored.dtype.str.replace("i", "u"))
        bits = out.view(f"u{pixels.dtype.itemsize}")
        flip = bits.dtype.type(pixels.flip)
        step = max(1, _CHUNK_BYTES // bits[:1].nbytes)
        for top in range(0, len(bits), step):  # both passes while the rows are in the cache
            rows = bits[top : top + step]
            np.copyto(rows, stored[top : top + step])
            np.bitwise_xor(rows, flip, out=rows)
    else:
        np.copyto(out, stored, casting="same_kind")


def _scale(layout: ImageLayout, stored: Array, out: Array) -> None:
    values = stored.astype(np.float64)
    values *= layout.scale
    values += layout.zero
    np.copyto(out, values, casting="same_kind")
    if layout.blank is not None:
        out[stored == layout.blank] = np.nan


def missing_bytes(missing: int, size: int) -> str:
    return f"truncated: {missing} of {size} bytes of a frame are missing"


def _plane_of(hdu: Any, where: tuple[Any, ...]) -> Any:
    return hdu.section[where] if where else hdu.data


if hasattr(os, "readv"):

    def _read_some(descriptor: int, buffer: memoryview) -> int:
        return os.readv(descriptor, [buffer])

else:  # Windows

    def _read_some(descriptor: int, buffer: memoryview) -> int:
        data = os.read(descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _fill(descriptor: int, buffer: memoryview) -> int:
    """Read until a buffer is full or the file ends, and give the number of bytes."""
    done = _read_some(descriptor, buffer)
    while 0 < done < len(buffer):
        count = _read_some(descriptor, buffer[done:])
        if count == 0:
            break
        done += count
    return done


@contextmanager
def located(image: ImageFile) -> Iterator[None]:
    """Turn the errors of reading into one line that names the file."""
    try:
        yield
    except SourceError:
        raise
    except EOFError as error:
        text = str(error)
        raise TruncatedError(
            f"{image.path}: {text if text.startswith('trunc') else 'truncated: ' + text}"
        ) from error
    except Exception as error:  # astropy raises many kinds on damaged tiles
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SourceError(f"{image.path}: cannot be read: {text}") from error
