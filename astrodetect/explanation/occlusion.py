"""Occlusion: hide a part of an image behind noise, and see how much less sure the decision is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.data import Window

#: Rows and columns of a part of an image.
Box = tuple[slice, slice]


def boxes_of(shape: tuple[int, int], size: int, step: int) -> Iterator[Box]:
    """Give boxes of `size` pixels, `step` apart, that cover an image to its edges.

    Examples
    --------
    >>> [(rows.start, columns.start) for rows, columns in boxes_of((4, 7), 4, 2)]
    [(0, 0), (0, 2), (0, 3)]
    """
    starts = [sorted({*range(0, max(1, n - size), step), max(0, n - size)}) for n in shape]
    for y in starts[0]:
        for x in starts[1]:
            yield slice(y, min(y + size, shape[0])), slice(x, min(x + size, shape[1]))


def occlusion_map(
    decide: Callable[[Box], float], whole: float, shape: tuple[int, int], size: int = 12, step: int = 4
) -> NDArray[np.float32]:
    """Give how much of a probability each pixel carries.

    Parameters
    ----------
    decide : callable
        Gives the probability when a box is hidden.
    whole : float
        The probability when nothing is.
    shape : (int, int)
        Height and width of the image.
    size, step : int
        Side of the boxes, and pixels from one to the next.

    Returns
    -------
    (H, W) float32 array
        The loss of probability, mean over the boxes that cover a pixel. Positive: speaks for the decision;
        negative: against it.

    Notes
    -----
    Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks".

    Examples
    --------
    >>> lit = np.zeros((8, 8)); lit[2, 5] = 1
    >>> lost = occlusion_map(lambda box: 1.0 - lit[box].max(), 1.0, (8, 8), size=2, step=1)
    >>> np.unravel_index(lost.argmax(), lost.shape) == (2, 5)
    True
    """
    lost, covered = np.zeros(shape), np.zeros(shape)
    for box in boxes_of(shape, size, step):
        lost[box] += whole - decide(box)
        covered[box] += 1
    return (lost / covered).astype(np.float32)


def noise_like(values: NDArray[Any], shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Give Gaussian noise with the median and the robust deviation of some values."""
    middle = float(np.median(values))
    deviation = 1.4826 * float(np.median(np.abs(values - middle)))
    return rng.normal(middle, deviation, shape)


def occlusion_of_image(
    predict: Callable[[NDArray[np.float32]], NDArray[Any]],
    image: NDArray[Any],
    size: int = 12,
    step: int = 4,
    *,
    seed: int = 0,
    batch: int = 64,
) -> NDArray[np.float32]:
    """Give the occlusion map of one image, of any function that gives probabilities of images.

    Parameters
    ----------
    predict : callable
        From (B, C, H, W) float32 to (B,) probabilities.
    image : (C, H, W) array
        What is looked at. A hidden box becomes noise of the median and the deviation of its plane.
    size, step : int
        As in `occlusion_map`.
    seed : int
        Of the noise.
    batch : int
        Images at a time.

    Returns
    -------
    (H, W) float32 array
    """
    rng = np.random.default_rng([seed, 11])
    pixels = np.asarray(image, np.float32)
    hidden = np.stack([noise_like(plane, plane.shape, rng) for plane in pixels]).astype(np.float32)
    shape = (int(pixels.shape[1]), int(pixels.shape[2]))
    boxes = list(boxes_of(shape, size, step))
    said: dict[tuple[int, int], float] = {}
    for start in range(0, len(boxes), batch):
        part = boxes[start : start + batch]
        images = np.repeat(pixels[None], len(part), axis=0)
        for one, box in zip(images, part, strict=True):
            one[:, *box] = hidden[:, *box]
        said |= {_key(box): float(p) for box, p in zip(part, predict(images), strict=True)}
    whole = float(predict(pixels[None])[0])
    return occlusion_map(lambda box: said[_key(box)], whole, shape, size, step)


def _key(box: Box) -> tuple[int, int]:
    return box[0].start, box[1].start


def occluded(window: Window, box: Box, seed: int = 0) -> Window:
    """Give a window in which nothing happens in a box: background and noise, in frames and planes.

    Parameters
    ----------
    window : Window
        With its planes; copied where it is changed.
    box : (slice, slice)
        Rows and columns.
    seed : int
        Of the noise.

    Returns
    -------
    Window
    """
    rng = window.rng(seed)
    planes = {name: np.array(to_numpy(plane[:, :])) for name, plane in window.planes.items()}
    background = planes.get("background", planes.get("median"))
    frames = None
    if window.frames is not None and background is not None:
        frames = np.array(window.frames)
        quiet = noise_like(frames[:1] - background[None].astype(np.float64), frames[:, *box].shape, rng)
        frames[:, *box] = _fitting(background[box] + quiet - np.median(quiet), frames.dtype)
    for name, plane in planes.items():
        if name == "argmax":
            plane[box] = rng.integers(0, max(1, window.n_frames), plane[box].shape)
        elif name == "max" and frames is not None:
            plane[box] = frames[:, *box].max(axis=0)
        elif name == "max" and background is not None:
            risen = noise_like(plane.astype(np.float64) - background, plane[box].shape, rng)
            plane[box] = _fitting(background[box] + risen, plane.dtype)
        elif name not in ("background", "median", "mean", "std"):
            plane[box] = _fitting(noise_like(plane.astype(np.float64), plane[box].shape, rng), plane.dtype)
    return replace(window, frames=frames, planes=MappingProxyType(planes))


def _fitting(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give values in a type, cut to what it holds."""
    if dtype.kind == "f":
        return values.astype(dtype)
    span = np.iinfo(dtype)
    return np.clip(np.rint(values), span.min, span.max).astype(dtype)


def part_of(window: Window, box: Box) -> Window:
    """Give a part of a window as a window of its own, for as long as the window is valid."""
    shape = (box[0].stop - box[0].start, box[1].stop - box[1].start)
    planes = {name: to_numpy(plane[box]) for name, plane in window.planes.items()}
    return replace(
        window,
        stream=replace(window.stream, shape=shape, mask=None),
        frames=None if window.frames is None else window.frames[:, *box],
        planes=MappingProxyType(planes),
        mask=None if window.mask is None else window.mask[box],
    )
