"""Rectangles of FITS images, read without the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any

import numpy as np

from astrodetect.core import limits
from astrodetect.core.data import Array
from astrodetect.core.errors import SourceError
from astrodetect.plugins.sources._fits_files import ImageFile
from astrodetect.plugins.sources._fits_planes import decode_pixels, located, missing_bytes
from astrodetect.plugins.sources._fits_tiles import check_tiles, quietly


class Sections(ABC):
    """An open file with one image, of which parts are read.

    Parameters
    ----------
    image : ImageFile
        One plane, not packed as a whole.
    """

    def __init__(self, image: ImageFile) -> None:
        self._image = image
        self._file: Any = image.path.open("rb", buffering=0)

    def read(self, rows: slice, columns: slice) -> Array:
        """Give the pixels of some rows and columns in native byte order.

        Raises
        ------
        SourceError
            They cannot be read.
        """
        layout = self._image.layout
        out = np.empty((rows.stop - rows.start, columns.stop - columns.start), layout.pixels.dtype)
        if out.size:
            with located(self._image):
                decode_pixels(layout, self._stored(rows, columns), out)
        return out

    @abstractmethod
    def _stored(self, rows: slice, columns: slice) -> Array:
        """Give the pixels as they are stored."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Plain(Sections):
    """Reads the rows of a rectangle one by one, straight into its memory: nothing else is touched."""

    def _stored(self, rows: slice, columns: slice) -> Array:
        layout = self._image.layout
        stored: Array = np.empty((rows.stop - rows.start, columns.stop - columns.start), layout.pixels.stored)
        if stored.shape[1] == layout.shape[1]:
            self._fill(stored.reshape(-1).view(np.uint8).data, rows.start, 0)
            return stored
        for row, line in enumerate(stored.view(np.uint8), rows.start):
            self._fill(line.data, row, columns.start)
        return stored

    def _fill(self, view: memoryview, row: int, column: int) -> None:
        layout = self._image.layout
        pixel = row * layout.shape[1] + column
        self._file.seek(self._image.offset + pixel * layout.pixels.stored.itemsize)
        done = 0
        while done < len(view):
            count = self._file.readinto(view[done:])
            if not count:
                raise SourceError(f"{self._image.path}: {missing_bytes(len(view) - done, len(view))}")
            done += count


class _Compressed(Sections):
    """Unpacks the tiles of a compressed image that a band of rows needs, and keeps the last band."""

    def __init__(self, image: ImageFile) -> None:
        from astropy.io import fits

        super().__init__(image)
        with located(image), limits.open_unpacked(image.path) as stream:
            check_tiles(image, stream)
        opened = partial(fits.open, image.path, memmap=False, do_not_scale_image_data=True)
        self._hdus = quietly(opened)
        self._band: tuple[slice, Array] | None = None

    def _stored(self, rows: slice, columns: slice) -> Array:
        if self._band is None or self._band[0] != rows:
            hdu = self._hdus[self._image.hdu]
            leading = (0,) * (len(hdu.shape) - 2)
            self._band = rows, np.asarray(quietly(lambda: hdu.section[(*leading, rows)]))
        return self._band[1][:, columns]

    def close(self) -> None:
        """Close the file, and forget the band."""
        self._band = None
        self._hdus.close()
        super().close()


def open_sections(image: ImageFile) -> Sections:
    """Open an image of which parts are to be read.

    Raises
    ------
    SourceError
        It cannot be opened, or its tiles are not what its header says.
    """
    return (_Compressed if image.layout.tiled else _Plain)(image)
