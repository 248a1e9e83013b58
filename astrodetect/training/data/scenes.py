"""Megapixel images kept as a list of small pieces and where each lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.geometry import clip_box


@dataclass(frozen=True)
class Sky:
    """What is added to every pixel of an image: a pedestal, a gradient and noise.

    Attributes
    ----------
    pedestal, gradient, noise : float
        ADU: the level, the span of a plane that rises in a random direction, the deviation of
        Gaussian noise.
    seed : int
        With the number of the image it gives the random numbers of that image.
    """

    pedestal: float
    gradient: float
    noise: float
    seed: int

    def add_to(self, image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        """Give an image (H, W) with the sky added, rounded and cut to 0-255."""
        rng = np.random.default_rng([self.seed, number])
        angle = rng.uniform(0, 2 * np.pi)
        height, width = image.shape
        ramp_y = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.float32(np.sin(angle))
        ramp_x = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(np.cos(angle))
        sky = rng.standard_normal(image.shape, dtype=np.float32)
        sky *= self.noise
        sky += self.gradient * (ramp_y[:, None] + ramp_x) + np.float32(self.pedestal)
        sky += image
        np.rint(sky, out=sky)
        return np.clip(sky, 0, 255, out=sky).astype(np.uint8)


@dataclass(frozen=True)
class Scenes:
    """Images of one split, sparse: a megapixel image of 12 digits takes some hundred bytes.

    Attributes
    ----------
    shape : (int, int)
        Height and width of every image.
    bank : (m, s, s) uint8 array
        The pieces.
    starts : (n + 1,) int64 array
        Image i holds the pastes ``starts[i]`` to ``starts[i + 1]``.
    pieces : (p,) int32 array
        Which piece of the bank is pasted, in the order of pasting: a later one covers an earlier one.
    corners_yx : (p, 2) int32 array
        The first pixel of each.
    targets : (n,) int64 or (n, c) float32 array
        Classes, or for each class whether it is there.
    sky : Sky, optional
        Added to every pixel.
    """

    shape: tuple[int, int]
    bank: NDArray[np.uint8]
    starts: NDArray[np.int64]
    pieces: NDArray[np.int32]
    corners_yx: NDArray[np.int32]
    targets: NDArray[Any]
    sky: Sky | None = field(default=None)

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.starts) - 1

    def render(self, number: int) -> NDArray[np.uint8]:
        """Give image `number` as an (H, W) uint8 array."""
        image = np.zeros(self.shape, np.uint8)
        side = self.bank.shape[1]
        for paste in range(self.starts[number], self.starts[number + 1]):
            y, x = self.corners_yx[paste].tolist()
            rows, piece_rows = clip_box(y, side, self.shape[0])
            columns, piece_columns = clip_box(x, side, self.shape[1])
            image[rows, columns] = self.bank[self.pieces[paste]][piece_rows, piece_columns]
        return image if self.sky is None else self.sky.add_to(image, number)

    def boxes_yx(self, number: int) -> NDArray[np.int32]:
        """Give the corners (p, 2) of what was pasted into an image: the rest of it is zero."""
        return self.corners_yx[self.starts[number] : self.starts[number + 1]]


def scenes_of(
    shape: tuple[int, int],
    bank: NDArray[np.uint8],
    pastes: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    targets: NDArray[Any],
    sky: Sky | None = None,
) -> Scenes:
    """Join the pastes (pieces, corners) of each image to `Scenes`."""
    pieces, corners = zip(*pastes, strict=True)
    starts = np.concatenate([[0], np.cumsum([len(own) for own in pieces])]).astype(np.int64)
    return Scenes(
        shape,
        bank,
        starts,
        np.concatenate(pieces).astype(np.int32),
        np.concatenate(corners).astype(np.int32).reshape(-1, 2),
        targets,
        sky,
    )


def place_apart(rng: np.random.Generator, n: int, shape: tuple[int, int], side: int) -> NDArray[np.int64]:
    """Draw corners of n squares that do not overlap, uniformly.

    Squares are placed one by one; a square that would cover an earlier one is drawn again.

    Raises
    ------
    ValueError
        They do not fit, or found no place in ten thousand draws.
    """
    if min(shape) < side:
        raise ValueError(f"an image of {shape[0]} x {shape[1]} pixels is smaller than a digit ({side})")
    placed = np.empty((n, 2), np.int64)
    for number in range(n):
        for _ in range(10_000):
            corner = rng.integers(0, [shape[0] - side + 1, shape[1] - side + 1])
            apart = np.abs(placed[:number] - corner).max(axis=1, initial=0) >= side
            if apart.all():
                break
        else:
            raise ValueError(f"{n} digits of {side} pixels do not fit apart into {shape[0]} x {shape[1]}")
        placed[number] = corner
    return placed
