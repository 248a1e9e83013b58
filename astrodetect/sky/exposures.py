"""From recordings to averaged frames in which stars can be found and measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core import registry
from astrodetect.core.data import Recording, Stream
from astrodetect.core.errors import AstrodetectError, SourceError
from astrodetect.core.sky_columns import time_shift
from astrodetect.core.stages import FrameSource
from astrodetect.core.windows import opened

#: Frames are averaged over so many seconds; the sky turns by 2.5 arcmin in ten.
_AVERAGED = 10.0
#: Seconds between the averages that are taken of a long recording.
_APART = 600.0


@dataclass(frozen=True)
class Exposure:
    """The mean of frames that follow each other.

    Attributes
    ----------
    name : str
        Recording, and which part of it.
    image : (H, W) float32 array
        Mean per frame (ADU).
    time : float
        Middle of the exposure, UTC Unix seconds.
    n_frames : int
        So many were averaged.
    stream : Stream
        What is known of the recording.
    source : str
        Name of the frame source.
    """

    name: str
    image: NDArray[np.float32]
    time: float
    n_frames: int
    stream: Stream
    source: str

    @property
    def linear(self) -> bool:
        """Whether pixel values can be taken as proportional to light: not those of video and pictures."""
        return self.source != "video" and str(self.stream.header.get("format", "")).upper() != "JPEG"


def choose_evenly(recordings: Iterable[Recording], most: int) -> list[Recording]:
    """Give at most so many recordings, evenly spread over their order.

    Parameters
    ----------
    recordings : iterable of Recording
        In order of names, which mostly is that of time.
    most : int
        How many.
    """
    found = sorted(recordings)
    if len(found) <= most:
        return found
    return [found[index] for index in np.linspace(0, len(found) - 1, most).round().astype(int)]


def read_exposures(
    recordings: Sequence[Recording],
    *,
    time: float | None = None,
    most: int = 16,
    warn: Callable[[str], None] = lambda _: None,
) -> Iterator[Exposure]:
    """Average the frames of recordings; of a long one ten seconds every ten minutes.

    Parameters
    ----------
    recordings : sequence of Recording
        Read by the sources that found them.
    time : float, optional
        Start of the first frame of each, UTC Unix seconds, in place of what the recording says.
    most : int
        At most so many exposures of one recording.
    warn : callable
        Gets a line about what cannot be used.

    Yields
    ------
    Exposure
    """
    for recording in recordings:
        try:
            source = registry.make_source(recording.source)
            with opened(source, recording) as stream:
                yield from _averages(source, stream, time, most)
        except AstrodetectError as error:
            warn(f"{recording.path}: left out: {error}")


def _averages(source: FrameSource, stream: Stream, time: float | None, most: int) -> Iterator[Exposure]:
    recording = source.recording
    shift = 0.0
    if time is not None:
        shift = time - (0.0 if math.isnan(stream.start) else stream.start)
    elif math.isnan(stream.start):
        raise SourceError("its time is not known; give it by --time")
    else:
        shift = time_shift(stream, 0.0, None)
    if "mean" in source.gives:
        yield _reduced(source, stream, shift)
        return
    taken: list[tuple[Any, list[float]]] = []
    due = -math.inf
    for frame in source.frames():
        if taken and frame.time < taken[-1][1][0] + _AVERAGED:
            total, times = taken[-1]
            total += frame.data
            times.append(frame.time)
        elif frame.time >= due and len(taken) < most:
            taken.append((frame.data.astype(np.float64), [frame.time]))
            due = frame.time + _APART
        elif len(taken) == most:
            break
    for number, (total, times) in enumerate(taken):
        middle = (times[0] + times[-1] + _duration(stream)) / 2 + shift
        name = recording.path + (f" ({number + 1})" if len(taken) > 1 else "")
        mean = (total / len(times)).astype(np.float32)
        yield Exposure(name, mean, middle, len(times), stream, recording.source)


def _duration(stream: Stream) -> float:
    """Give the seconds of one frame's exposure, as far as known."""
    if stream.exposure > 0:
        return stream.exposure
    return 1 / stream.frame_rate if stream.frame_rate > 0 else 0.0


def _reduced(source: FrameSource, stream: Stream, shift: float) -> Exposure:
    """Give the mean plane of a recording that arrives reduced."""
    window = next(source.windows(1, 1))
    middle = float(window.times[0] + window.times[-1]) / 2 + shift
    mean = np.asarray(window.planes["mean"], dtype=np.float32)
    return Exposure(source.recording.path, mean, middle, window.n_frames, stream, source.recording.source)
