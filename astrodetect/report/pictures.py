"""The maximum image of a recording, and what surrounds each detection, from one pass over its frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core import registry
from astrodetect.core.data import Recording, Window
from astrodetect.core.detections import Detections
from astrodetect.core.errors import SourceError
from astrodetect.core.stages import FrameSource, Preprocessor
from astrodetect.core.windows import opened

#: Frames of which the median is taken: long enough that a meteor does not remain in it.
WINDOW = 65
#: Least side of a cut-out, in frame pixels, and most of one as it is kept.
_LEAST_SIDE = 48
_MOST_SIDE = 192

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """A square (or what the frame leaves of it) around a detection, and the frames to look at.

    Attributes
    ----------
    x0, y0, x1, y1 : int
        Pixels, half open, inside the frame.
    first, last : int
        Frames, inclusive.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    first: int
    last: int


@dataclass(frozen=True)
class Projection:
    """What was made of a recording.

    Attributes
    ----------
    image : (H, W) float32 array
        Largest of "maximum minus median" over the windows that hold a detection.
    cutouts : list of (h, w) float32 arrays or None
        The same around each region, of the frames of that region alone; reduced where it is large.
    first, last : int
        Frames of which the image is made.
    note : str
        What went wrong, or empty.
    """

    image: Floats
    cutouts: list[Floats | None]
    first: int
    last: int
    note: str = ""


def regions_of(found: Detections, shape: tuple[int, int]) -> list[Region]:
    """Give the region of each detection.

    Parameters
    ----------
    found : Detections
        With boxes; with ``frame_start`` and ``frame_end`` where known.
    shape : (int, int)
        Height and width of a frame.
    """
    height, width = shape
    regions = []
    for i in range(len(found)):
        box = [float(found[name][i]) for name in ("x_min", "y_min", "x_max", "y_max")]
        x0, y0, x1, y1 = np.nan_to_num(np.clip(box, 0, [width, height, width, height])).tolist()
        side = max(_LEAST_SIDE, math.ceil(1.3 * max(x1 - x0, y1 - y0)))
        left, right = _span((x0 + x1) / 2, side, width)
        top, bottom = _span((y0 + y1) / 2, side, height)
        first = int(found["frame_start"][i]) if "frame_start" in found else -1
        last = int(found["frame_end"][i]) if "frame_end" in found else -1
        if first < 0 or last < first:  # not known: anywhere
            first, last = 0, np.iinfo(np.int64).max
        regions.append(Region(left, top, right, bottom, first, last))
    return regions


def _span(centre: float, side: int, size: int) -> tuple[int, int]:
    side = min(side, size)
    start = min(max(0, round(centre - side / 2)), size - side)
    return start, start + side


def project(source: FrameSource, recording: Recording, found: Detections) -> tuple[Projection, list[Region]]:
    """Read the frames in which something was found and reduce them.

    Windows without a detection are passed over; reading ends after the last one. In memory are one
    window, the image and the (reduced) cut-outs, whatever the length of the recording.

    Parameters
    ----------
    source : FrameSource
        Not opened.
    recording : Recording
        What to read.
    found : Detections
        What to show.

    Returns
    -------
    Projection
    list of Region
        Of each detection.

    Raises
    ------
    SourceError
        It cannot be read, or there is no such frame.
    """
    reducer = registry.load("max-minus-median", Preprocessor)()
    reducer.want(frozenset({"image"}))
    with opened(source, recording) as stream:
        reducer.open(stream)
        regions = regions_of(found, stream.shape)
        gathered = _Gathered(regions)
        try:
            with _windows(source) as windows:
                for window in windows:
                    if gathered.wants(window):
                        gathered.add(reducer.process(window), window)
                    if gathered.complete(window):
                        break
        except SourceError as error:
            if gathered.image is None:
                raise
            gathered.note = str(error)
        finally:
            reducer.close()
    if gathered.image is None:
        raise SourceError(f"{recording.location}: holds none of the frames in which something was found")
    first, last = gathered.first, gathered.last
    return Projection(gathered.image, gathered.cutouts, first, last, gathered.note), regions


@contextmanager
def _windows(source: FrameSource) -> Iterator[Iterator[Window]]:
    """Give the windows, and end the reading of them before the source is closed."""
    windows = source.windows(WINDOW, WINDOW)
    try:
        yield windows
    finally:
        close = getattr(windows, "close", None)
        if close is not None:
            close()


class _Gathered:
    """The image and the cut-outs as the windows pass by."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self.regions = regions
        self.image: Floats | None = None
        self.cutouts: list[Floats | None] = [None] * len(regions)
        self.first, self.last = -1, -1
        self.note = ""
        self._end = max((region.last for region in regions), default=-1)

    def wants(self, window: Window) -> bool:
        return any(_overlap(region, window) for region in self.regions)

    def complete(self, window: Window) -> bool:
        return window.start + window.n_frames > self._end

    def add(self, reduced: Window, window: Window) -> None:
        plane: Any = reduced.planes["image"]
        image = np.nan_to_num(np.asarray(plane[...], dtype=np.float32), posinf=0, neginf=0)
        if self.image is None:
            self.image, self.first = image.copy(), window.start
        else:
            np.maximum(self.image, image, out=self.image)
        self.last = window.start + window.n_frames - 1
        for i, region in enumerate(self.regions):
            if not _overlap(region, window):
                continue
            part = block_maximum(
                image[region.y0 : region.y1, region.x0 : region.x1],
                -(-max(region.x1 - region.x0, region.y1 - region.y0) // _MOST_SIDE),
            )
            former = self.cutouts[i]
            self.cutouts[i] = part.copy() if former is None else np.maximum(former, part)


def _overlap(region: Region, window: Window) -> bool:
    return region.first < window.start + window.n_frames and region.last >= window.start


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
