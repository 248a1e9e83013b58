"""Images of any size that are cut into pieces: FITS from the disk, others in memory."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.core.geometry import clip_box
from astrodetect.training.data.files import read_image

#: What FITS files are called, compressed or not.
_FITS = (".fits", ".fit", ".fts", ".fz")
#: What other images are called.
IMAGES = (*_FITS, ".npy", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


class Cutter:
    """An image from which pieces are cut.

    Parameters
    ----------
    path : Path
        FITS (its first image, with axes (H, W) or (C, H, W) after axes of length 1 in front), NumPy, or
        what Pillow reads.

    Raises
    ------
    AstrodetectError
        It cannot be read, or has other axes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: Any = None
        self._pixels: Any = None
        if path.suffix.lower() in _FITS:
            self._look_at_fits()
        else:
            image = read_image(path, finite=False)
            self._pixels = image[None] if image.ndim == 2 else image
            self.shape: tuple[int, int, int] = self._pixels.shape

    def _look_at_fits(self) -> None:
        from astropy.io import fits

        try:
            with fits.open(self.path) as opened:
                found = ((n, own) for n, own in enumerate(opened) if own.is_image and own.shape)
                self._number, hdu = next(found, (0, opened[0]))
                shape, self.header = hdu.shape, hdu.header.copy()
        except (OSError, ValueError, TypeError) as error:
            raise AstrodetectError(f"{self.path}: cannot be read as FITS: {error}") from error
        extra, rest = shape[:-3], shape[-3:]
        if len(shape) < 2 or set(extra) - {1}:
            raise AstrodetectError(
                f"{self.path}: has axes {shape}; expected (rows, columns), or (planes, rows, columns)"
            )
        self.shape = rest if len(rest) == 3 else (1, *rest)
        self._front = (0,) * len(extra) + (slice(None),) * (len(rest) - 2)

    def _section(self, rows: slice, columns: slice) -> Any:
        """Read a part of a FITS image, and nothing else of it."""
        from astropy.io import fits

        with fits.open(self.path) as opened:
            return opened[self._number].section[(*self._front, rows, columns)]

    def cut(self, corner_yx: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float32]:
        """Give a piece (C, h, w); what lies outside is NaN.

        Parameters
        ----------
        corner_yx : (int, int)
            First row and column.
        size : (int, int)
            Height and width.
        """
        planes, height, width = self.shape
        rows, to_rows = clip_box(corner_yx[0], size[0], height)
        columns, to_columns = clip_box(corner_yx[1], size[1], width)
        piece = np.full((planes, *size), np.nan, np.float32)
        if rows.stop > rows.start and columns.stop > columns.start:
            known = self._pixels[:, rows, columns] if self.header is None else self._section(rows, columns)
            piece[:, to_rows, to_columns] = known
        return piece


@lru_cache(maxsize=8)
def cutter(path: Path) -> Cutter:
    """Open an image, or give the one that is open."""
    return Cutter(path)


def images_under(path: Path) -> list[Path]:
    """Give the images of a folder and those below it, sorted; or the one image.

    Raises
    ------
    AstrodetectError
        There is none.
    """
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGES)
    if not found:
        raise AstrodetectError(f"{path}: no images; expected a folder with {', '.join(IMAGES)}, or one image")
    return found
