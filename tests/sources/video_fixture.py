"""Writes and reads small videos for the tests of the source `video`."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from astrodetect.core.data import Stream
from astrodetect.core.windows import opened
from astrodetect.plugins.sources.video import Video

SHAPE = (45, 61)  # odd, so that lines are padded


def noise(count: int = 12, dtype: type = np.uint8, shape: tuple[int, ...] = SHAPE) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True) for _ in range(count)]


def ramps(count: int = 12, shape: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Smooth frames of different levels, which lossy codecs keep."""
    y, x = np.indices(shape)
    return [(16 + 2 * x + y + 4 * k).clip(0, 250).astype(np.uint8) for k in range(count)]


def write(
    path,
    frames,
    codec="rawvideo",
    pixel_format="gray",
    given="gray",
    rate=25,
    pts=None,
    metadata=None,
    **options,
):
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, data in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(data, format=given)
            if pixel_format != given:
                frame = frame.reformat(format=pixel_format)
            if pts is not None:
                frame.pts, frame.time_base = pts[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(path: Path, **settings) -> tuple[Stream, list[np.ndarray], list[float], list[str]]:
    """Read through the slots of a ring, as a run does."""
    source = Video(**settings)
    (recording,) = Video.find(path)
    with opened(source, recording) as stream:
        data, times = [], []
        slots = np.zeros((3, *stream.shape), stream.dtype)
        for number, frame in enumerate(source.frames_into(itertools.cycle(slots))):
            assert frame.index == number
            assert np.shares_memory(frame.data, slots)
            data.append(frame.data.copy())
            times.append(frame.time)
        return stream, data, times, source.take_reports()
