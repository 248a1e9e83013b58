"""Grey levels of an image, and the file that holds them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Above this number of pixels a PNG of noise is several times as large as a JPEG.
_LARGE = 500_000
_JPEG_QUALITY = 85
#: Side of a thumbnail in pixels.
THUMBNAIL = 128


class Levels(NamedTuple):
    """Where black is, how far the noise reaches above it, and where white is (ADU)."""

    black: float
    noise: float
    white: float


def levels_of(image: Floats) -> Levels:
    """Give the levels of an image: black and noise by ZScale, white at the 99.95th percentile.

    Parameters
    ----------
    image : (H, W) float32 array
        Finite.
    """
    from astropy.visualization import ZScaleInterval

    sample = image[:: max(1, image.shape[0] // 1024), :: max(1, image.shape[1] // 1024)]
    low, high = map(float, ZScaleInterval().get_limits(sample))
    white = float(np.percentile(sample, 99.95))
    return Levels(low, max(high - low, 1e-6), max(white, high, low + 1e-6))


def grey(image: Floats, levels: Levels) -> NDArray[np.uint8]:
    """Give 8-bit grey levels: linear through the noise, logarithmic above it (asinh)."""
    from astropy.visualization import AsinhStretch, ManualInterval

    spread = max(levels.white - levels.black, 1e-6)
    softening = min(1.0, max(1e-4, levels.noise / spread))
    transform = AsinhStretch(softening) + ManualInterval(levels.black, levels.black + spread)
    return np.asarray(np.round(255 * transform(image)), dtype=np.uint8)


def save_picture(image: Floats, stem: Path, width: int) -> tuple[str, int, int]:
    """Write an image, at most `width` pixels wide, as PNG or, where it is large, JPEG.

    Returns
    -------
    (str, int, int)
        Name of the file, its width and height.

    Raises
    ------
    OSError
        It cannot be written.
    """
    from PIL import Image

    levels = levels_of(image)
    reduced = block_maximum(image, image.shape[1] // width)
    picture = Image.fromarray(grey(reduced, levels))
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    if picture.width * picture.height > _LARGE:
        name = f"{stem.name}.jpg"
        picture.save(stem.with_name(name), quality=_JPEG_QUALITY)
    else:
        name = f"{stem.name}.png"
        picture.save(stem.with_name(name))
    return name, picture.width, picture.height


def save_thumbnail(cutout: Floats, stem: Path) -> tuple[str, int, int]:
    """Write a cut-out as PNG, in levels of its own, white at its maximum.

    Returns
    -------
    (str, int, int)
        Name of the file, its width and height.

    Raises
    ------
    OSError
        It cannot be written.
    """
    from PIL import Image

    levels = levels_of(cutout)
    white = max(float(cutout.max()), levels.black + levels.noise)
    picture = Image.fromarray(grey(cutout, levels._replace(white=white)))
    if max(picture.size) > THUMBNAIL:
        picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    name = f"{stem.name}.png"
    picture.save(stem.with_name(name))
    return name, picture.width, picture.height


def block_maximum(image: Floats, factor: int) -> Floats:
    """Give the maximum of blocks of `factor` by `factor` pixels: thin tracks stay as bright as they are.

    Parameters
    ----------
    image : (H, W) float32 array
        Of any size; blocks at the lower and right edge may be smaller.
    factor : int
        1 gives the image itself.
    """
    if factor <= 1:
        return image
    rows = np.maximum.reduceat(image, np.arange(0, image.shape[0], factor), axis=0)
    reduced: Floats = np.maximum.reduceat(rows, np.arange(0, image.shape[1], factor), axis=1)
    return reduced
