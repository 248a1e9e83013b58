"""Ignore parts of the frame: horizon, trees, a burnt-in clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Stream, Window
from astrodetect.core.stages import Preprocessor
from astrodetect.plugins.preprocessors.pictures import read_picture

#: Share of the frame from which a mask is told to blind.
_NEARLY_ALL = 0.95


@dataclass
class Mask(Preprocessor):
    """Join a mask from an image file to that of the window.

    Notes
    -----
    The picture has the size of the frames. With ``ignore = "black"`` (as in the ``mask.bmp`` of RMS)
    pixels of value 0 are ignored, with ``"white"`` those of the largest value that the picture's type
    holds. In a mask of a window, True means ignore.
    """

    gives: ClassVar[tuple[str, ...]] = ()
    lazy: ClassVar[bool] = True

    #: Image (BMP, PNG, TIFF, JPEG), FITS or .npy file, as large as the frames.
    file: Path
    #: Which pixels of the picture are left out: black ones, as RMS has it, or white ones.
    ignore: Literal["black", "white"] = "black"

    _mask: NDArray[np.bool_] | None = field(default=None, init=False, repr=False, compare=False)

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the file.

        Raises
        ------
        AstrodetectError
            It cannot be read, or is not as large as the frames.
        """
        self._mask = ignored_pixels(read_picture(self.file, "mask", stream.shape), self.ignore)
        covered = float(self._mask.mean())
        if covered > _NEARLY_ALL:
            self.report(f'{self.file.name} ignores {covered:.1%} of the frame (ignore = "{self.ignore}")')

    def process(self, window: Window) -> Window:
        """Give the window with the mask."""
        return window.with_mask(self._mask)

    def close(self) -> None:
        """Forget the mask."""
        self._mask = None


def ignored_pixels(picture: NDArray[Any], ignore: str) -> NDArray[np.bool_]:
    """Give the mask, True = ignore, that a picture stands for.

    Parameters
    ----------
    picture : (H, W) array
        Zero is black; white is the largest value of an integer type, or of the picture if its type
        is floating point or it holds nothing but 0 and 1.
    ignore : {"black", "white"}
        What to ignore.

    Examples
    --------
    >>> ignored_pixels(np.array([[0, 255]], dtype=np.uint8), "black").tolist()
    [[True, False]]
    """
    if ignore == "black":
        return np.asarray(picture == 0)
    whole = picture.dtype.kind in "ui" and picture.max(initial=0) > 1
    white = np.iinfo(picture.dtype).max if whole else max(1, picture.max(initial=1))
    return np.asarray(picture == white)
