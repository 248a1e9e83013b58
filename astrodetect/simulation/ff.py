"""FF files as RMS writes them: maximum, frame of the maximum, mean and spread of up to 256 frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.writers import Array, Job

#: Highest values of a pixel that mean and spread leave out, so that a meteor does not change them.
_LEFT_OUT = 4
_Bytes = NDArray[np.uint8]


def reduce_frames(frames: Iterator[Array]) -> dict[str, _Bytes]:
    """Reduce frames one by one, in constant memory.

    Parameters
    ----------
    frames : iterator of (H, W) uint8 arrays
        At most 256.

    Returns
    -------
    dict of str to (H, W) uint8 array
        ``MAXPIXEL``; ``MAXFRAME``, of equal maxima one at random; ``AVEPIXEL`` and ``STDPIXEL`` without the
        four highest values (of five frames or fewer: with all), spread at least 1.
    """
    rng = np.random.default_rng(0)
    first = next(frames)
    if first.dtype != np.uint8:
        raise AstrodetectError(f"FF files hold 8 bits per pixel, the frames are {first.dtype}")
    highest = first.copy()
    at = np.zeros(first.shape, dtype=np.uint8)
    ties = np.zeros(first.shape, dtype=np.uint16)
    top = np.zeros((_LEFT_OUT, *first.shape), dtype=np.uint8)
    total = np.zeros(first.shape, dtype=np.uint32)
    squares = np.zeros(first.shape, dtype=np.uint32)
    n = 0
    for frame in _with(first, frames):
        ties[frame == highest] += 1
        above = frame > highest
        ties[above] = 1
        # Of k equal values the last is taken with probability 1/k: each is equally likely in the end.
        chosen = above | ((frame == highest) & (rng.random(frame.shape, dtype=np.float32) * ties < 1))
        at[chosen] = n
        np.maximum(highest, frame, out=highest)
        _keep_highest(top, frame)
        wide = frame.astype(np.uint32)
        total += wide
        squares += wide * wide
        n += 1
    if n > _LEFT_OUT + 1:
        total -= top.sum(axis=0, dtype=np.uint32)
        squares -= np.square(top, dtype=np.uint32).sum(axis=0, dtype=np.uint32)
        n -= _LEFT_OUT
    mean = total / n
    spread = np.sqrt(np.maximum(squares / n - mean**2, 0))
    planes = {"MAXPIXEL": highest, "MAXFRAME": at, "AVEPIXEL": mean, "STDPIXEL": np.maximum(spread, 1)}
    return {name: np.asarray(plane, dtype=np.uint8) for name, plane in planes.items()}


def _with(first: Array, rest: Iterator[Array]) -> Iterator[Array]:
    yield first
    yield from rest


def _keep_highest(top: _Bytes, frame: Array) -> None:
    value = frame
    for place in top:
        higher = np.maximum(place, value)
        value = np.minimum(place, value)
        place[...] = higher


def write_ff_file(frames: Iterator[Array], job: Job) -> Path:
    """Write an FF file named by station and time of the first frame."""
    from astropy.io import fits

    planes = reduce_frames(frames)
    height, width = planes["MAXPIXEL"].shape
    begin = job.when(0)
    number = int(job.start % 86400 * job.frame_rate) % 10_000_000
    name = f"FF_{job.name}_{begin:%Y%m%d_%H%M%S}_{begin.microsecond // 1000:03d}_{number:07d}.fits"
    primary = fits.PrimaryHDU()
    cards = [
        ("NROWS", height), ("NCOLS", width), ("NBITS", 8), ("NFRAMES", job.n_frames),
        ("FIRST", number + FF_OFFSET), ("CAMNO", job.name), ("FPS", float(job.frame_rate)),
    ]  # fmt: skip
    for keyword, value in cards:
        primary.header[keyword] = value
    images = [fits.ImageHDU(plane, name=extension) for extension, plane in planes.items()]
    path = job.out / name
    fits.HDUList([primary, *images]).writeto(path, overwrite=True)
    return path


#: Real files count FIRST from the end of the block.
FF_OFFSET = 256
