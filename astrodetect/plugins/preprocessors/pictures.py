"""Calibration pictures: masks, flats, darks, from image or FITS files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError

_FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.fz")


def read_picture(path: Path, what: str, shape: tuple[int, int]) -> NDArray[Any]:
    """Read a picture of one value per pixel.

    Parameters
    ----------
    path : Path
        FITS (first image), NumPy ``.npy``, or any format that Pillow reads; colour becomes luminance.
    what : str
        What it is to the user, for messages.
    shape : (int, int)
        Height and width that it must have.

    Returns
    -------
    (H, W) array
        Native type; booleans as uint8.

    Raises
    ------
    AstrodetectError
        It cannot be read or has another shape.
    """
    try:
        data = _read(path)
    except FileNotFoundError:
        raise AstrodetectError(f"{path}: no such file; expected the {what}") from None
    except Exception as error:  # Pillow and astropy raise whatever they like
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise AstrodetectError(f"{path}: cannot read the {what}: {reason}") from error
    if data.shape != tuple(shape):
        given = "x".join(map(str, data.shape))
        raise AstrodetectError(
            f"{path}: the {what} is {given} (height x width); expected {shape[0]}x{shape[1]}, as the frames"
        )
    return data


def _read(path: Path) -> NDArray[Any]:
    name = path.name.lower()
    data: NDArray[Any]
    if name.endswith(_FITS):
        from astropy.io import fits

        data = np.squeeze(np.asarray(fits.getdata(path)))
        return data.astype(data.dtype.newbyteorder("="))
    if name.endswith(".npy"):
        data = np.load(path, allow_pickle=False)
    else:
        from PIL import Image

        with Image.open(path, formats=("BMP", "PNG", "JPEG", "TIFF")) as picture:
            one_value = picture.mode in {"L", "I", "F", "1"} or picture.mode.startswith("I;")
            data = np.asarray(picture if one_value else picture.convert("L"))
    return data.astype(np.uint8) if data.dtype == bool else data
