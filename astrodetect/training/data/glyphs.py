"""Digits drawn with strokes: a data set that needs no files."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from astrodetect.training.data.idx import SIDE, Digits

#: Corners of the strokes of each digit, x to the right and y down, in a box of 1 x 1.
_STROKES: tuple[tuple[tuple[float, float], ...], ...] = (
    ((0.5, 0.0), (0.15, 0.2), (0.1, 0.6), (0.3, 1.0), (0.65, 1.0), (0.9, 0.7), (0.85, 0.2), (0.5, 0.0)),
    ((0.25, 0.25), (0.55, 0.0), (0.55, 1.0)),
    ((0.1, 0.25), (0.4, 0.0), (0.8, 0.1), (0.85, 0.4), (0.1, 1.0), (0.9, 1.0)),
    ((0.15, 0.05), (0.8, 0.05), (0.45, 0.42), (0.85, 0.6), (0.7, 0.95), (0.35, 1.0), (0.1, 0.85)),
    ((0.65, 1.0), (0.65, 0.0), (0.05, 0.65), (0.95, 0.65)),
    ((0.85, 0.0), (0.25, 0.0), (0.2, 0.45), (0.65, 0.4), (0.9, 0.7), (0.6, 1.0), (0.1, 0.95)),
    ((0.75, 0.0), (0.3, 0.35), (0.12, 0.75), (0.45, 1.0), (0.85, 0.8), (0.7, 0.5), (0.2, 0.6)),
    ((0.1, 0.0), (0.9, 0.0), (0.4, 1.0)),
    (
        (0.5, 0.45), (0.15, 0.25), (0.5, 0.0), (0.85, 0.25), (0.5, 0.45),
        (0.1, 0.75), (0.5, 1.0), (0.9, 0.75), (0.5, 0.45),
    ),
    ((0.8, 0.4), (0.4, 0.5), (0.15, 0.25), (0.5, 0.0), (0.82, 0.15), (0.8, 0.5), (0.6, 1.0)),
)  # fmt: skip


@cache
def drawn_digits(n: int, seed: int) -> Digits:
    """Draw digits with strokes of varied shape, slant, size and width.

    Parameters
    ----------
    n : int
        How many; the classes take turns.
    seed : int
        The same seed gives the same digits.

    Returns
    -------
    Digits
        ``images`` (n, 28, 28), the digits about 20 pixels high in the middle, as in MNIST.

    Examples
    --------
    >>> digits = drawn_digits(20, seed=0)
    >>> digits.images.shape, digits.labels[:3].tolist()
    ((20, 28, 28), [0, 1, 2])
    """
    rng = np.random.default_rng([seed, 28])
    labels = (np.arange(n) % 10).astype(np.uint8)
    images = np.stack([_draw(np.array(_STROKES[label]), rng) for label in labels]) if n else _nothing()
    return Digits(images, labels)


def _nothing() -> NDArray[np.uint8]:
    return np.empty((0, SIDE, SIDE), np.uint8)


def _draw(corners: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    points = (corners - 0.5 + rng.normal(0, 0.03, corners.shape)) * (rng.uniform(10, 14), rng.uniform(17, 21))
    slant, turn = rng.normal(0, 0.15), rng.normal(0, 0.1)
    matrix = np.array([[np.cos(turn), np.sin(turn) + slant], [-np.sin(turn), np.cos(turn)]])
    points = points @ matrix.T + (SIDE - 1) / 2 + rng.uniform(-1, 1, 2)
    pixels = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 1, 2)
    first, step = points[:-1], np.diff(points, axis=0)
    along = ((pixels - first) * step).sum(-1) / np.maximum((step**2).sum(-1), 1e-9)
    nearest = first + np.clip(along, 0, 1)[..., None] * step
    distance = np.sqrt(((pixels - nearest) ** 2).sum(-1)).min(axis=1)
    light = np.clip(rng.uniform(1.1, 1.9) + 0.5 - distance, 0, 1)
    drawn: NDArray[np.uint8] = np.round(255 * light).astype(np.uint8).reshape(SIDE, SIDE)
    return drawn
