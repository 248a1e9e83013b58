"""Tiles of compressed FITS images, looked at before astropy's decoders trust what they say."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from astrodetect.core.errors import SourceError
from astrodetect.plugins.sources._fits_files import ImageFile

#: Head of a tile of HCOMPRESS_1: magic number, rows, columns, scale, sum of pixels, bit planes.
_HCOMPRESS = struct.Struct(">2siiiq3B")
_MOST_BIT_PLANES = 62
_COMPRESSED = ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA")


def quietly(read: Callable[[], Any]) -> Any:
    """Read by astropy; what is odd in a header is told by ourselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read()


def check_tiles(image: ImageFile, stream: Any) -> None:
    """Refuse tiles that expand to more than a tile, or whose decoder would write beyond one.

    Parameters
    ----------
    image : ImageFile
        Of a tiled layout.
    stream : binary file
        The file, unpacked.

    Raises
    ------
    SourceError
        A tile is not what the header says.
    """
    from astropy.io import fits

    hdus = quietly(lambda: fits.open(stream, memmap=False, disable_image_compression=True))
    table = hdus[image.hdu]
    kind = str(table.header.get("ZCMPTYPE", "")).strip()
    shapes = _tile_shapes(table.header)
    most = 8 * math.prod(next(shapes))
    for name in _COMPRESSED:
        packed = kind.startswith("GZIP") or name == "GZIP_COMPRESSED_DATA"
        if name not in table.columns.names or not (packed or kind.startswith("HCOMPRESS")):
            continue
        rows = quietly(lambda name=name: table.data[name])  # type: ignore[misc]
        for row, shape in zip(rows, _tile_shapes(table.header), strict=False):
            data = np.asarray(row).tobytes()
            if packed and len(data) and len(zlib.decompressobj(31).decompress(data, most + 1)) > most:
                raise SourceError(f"{image.path}: a tile expands to more than its {most} bytes")
            if not packed and len(data) and not _is_hcompress(data, shape):
                raise SourceError(f"{image.path}: a tile is damaged: it is not one of {shape} pixels")


def _tile_shapes(header: Any) -> Any:
    """Give the shape (rows, columns) of each tile; those at the edges may be smaller."""
    height, width = int(header["ZNAXIS2"]), int(header["ZNAXIS1"])
    rows, columns = int(header.get("ZTILE2", 1)), int(header.get("ZTILE1", width))
    while True:  # one plane after the other
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                yield min(rows, height - top), min(columns, width - left)


def _is_hcompress(data: bytes, shape: tuple[int, int]) -> bool:
    if len(data) < _HCOMPRESS.size:
        return False
    magic, rows, columns, _, _, *planes = _HCOMPRESS.unpack_from(data)
    fits = sorted((rows, columns)) == sorted(shape)
    return magic == b"\xdd\x99" and fits and max(planes) <= _MOST_BIT_PLANES
