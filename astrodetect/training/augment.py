"""Vary training images, the same way for the same random generator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.geometry import clip_box
from astrodetect.training.settings import AugmentSettings


def augment(image: NDArray[Any], how: AugmentSettings, rng: np.random.Generator) -> NDArray[np.float32]:
    """Vary one image.

    Parameters
    ----------
    image : (C, H, W) array
        Of any type.
    how : AugmentSettings
        What may change, and by how much.
    rng : numpy.random.Generator
        Decides; the same state gives the same image.

    Returns
    -------
    (C, H, W) float32 array
        A copy; what comes from outside the image is zero.
    """
    varied = image.astype(np.float32)
    if how.mirror_x and rng.random() < 0.5:
        varied = varied[:, :, ::-1]
    if how.mirror_y and rng.random() < 0.5:
        varied = varied[:, ::-1]
    if how.rotate or how.zoom:
        angle = np.radians(rng.uniform(-how.rotate, how.rotate))
        varied = _turned(varied, angle, 1 + rng.uniform(-how.zoom, how.zoom))
    if how.shift:
        varied = _shifted(varied, *rng.integers(-how.shift, how.shift + 1, 2).tolist())
    if how.contrast:
        varied = varied * np.float32(1 + rng.uniform(-how.contrast, how.contrast))
    if how.brightness:
        varied = varied + np.float32(rng.uniform(-how.brightness, how.brightness))
    if how.noise:
        varied = varied + rng.standard_normal(varied.shape, dtype=np.float32) * np.float32(how.noise)
    return np.ascontiguousarray(varied, dtype=np.float32)


def _turned(image: NDArray[np.float32], angle: float, zoom: float) -> NDArray[np.float32]:
    """Turn by `angle` radians and enlarge by `zoom` about the middle, between pixels linearly."""
    from scipy import ndimage

    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    middle = (np.array(image.shape[1:]) - 1) / 2
    offset = middle - matrix @ middle
    return np.stack([ndimage.affine_transform(plane, matrix, offset, order=1) for plane in image])


def _shifted(image: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    moved = np.zeros_like(image)
    height, width = image.shape[1:]
    to_y, from_y = clip_box(down, height, height)
    to_x, from_x = clip_box(right, width, width)
    moved[:, to_y, to_x] = image[:, from_y, from_x]
    return moved
