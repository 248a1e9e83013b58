"""The maximum image of a recording, and what surrounds each detection, from one pass over its frames."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from astrodetect.core import registry
from astrodetect.core.data import Recording, Window
from astrodetect.core.detections import Detections
from astrodetect.core.errors import SourceError
from astrodetect.core.stages import FrameSource, Preprocessor
from astrodetect.core.windows import opened
from astrodetect.report.clips import MARGIN, Clip
from astrodetect.report.stretch import Floats, block_maximum

#: Frames of which the median is taken: long enough that a meteor does not remain in it.
WINDOW = 65
#: Least side of a cut-out, in frame pixels, and most of one as it is kept.
_LEAST_SIDE = 48
_MOST_SIDE = 192
#: Frames shown before and after a selected detection.
_MARGIN = 2


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
    selected : (H, W) float32 array or None
        The same of the frames of the regions that were selected alone, so that lightning before or
        after a meteor does not drown it; None if that is no other image.
    cutouts : list of (h, w) float32 arrays or None
        The same around each region, of the frames of that region alone; reduced where it is large.
    first, last : int
        Frames of which `image` is made.
    selected_first, selected_last : int
        Frames of which `selected` is made.
    note : str
        What went wrong, or empty.
    clips : mapping of int to Clip
        The frames around selected regions, by row.
    frame_rate : float
        Frames per second; NaN if unknown.
    """

    image: Floats
    selected: Floats | None
    cutouts: list[Floats | None]
    first: int
    last: int
    selected_first: int = -1
    selected_last: int = -1
    note: str = ""
    clips: Mapping[int, Clip] = field(default_factory=dict)
    frame_rate: float = math.nan


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


def project(
    source: FrameSource,
    recording: Recording,
    found: Detections,
    selected: Collection[int] = (),
    most_clips: int = 24,
) -> Projection:
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
    selected : collection of int
        Rows of `found` that get an image of their own frames.
    most_clips : int
        So many of `selected` get a clip.

    Raises
    ------
    SourceError
        It cannot be read, or there is no such frame.
    """
    reducer = registry.load("max-minus-median", Preprocessor)()
    reducer.want(frozenset({"image"}))
    with opened(source, recording) as stream:
        reducer.open(stream)
        gathered = _Gathered(regions_of(found, stream.shape), selected, most_clips)
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
    whole = (gathered.first, gathered.last) == (gathered.selected_first, gathered.selected_last)
    return Projection(
        gathered.image, None if whole and len(selected) == 1 else gathered.selected, gathered.cutouts,
        gathered.first, gathered.last, gathered.selected_first, gathered.selected_last, gathered.note,
        gathered.clips, stream.frame_rate,
    )  # fmt: skip


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
    """The images and the cut-outs as the windows pass by."""

    def __init__(self, regions: Sequence[Region], selected: Collection[int], most_clips: int) -> None:
        self.regions = regions
        self.clips = {i: _clip_of(regions[i]) for i in list(selected)[:most_clips]}
        self.image: Floats | None = None
        self.selected: Floats | None = None
        self.cutouts: list[Floats | None] = [None] * len(regions)
        self.first = self.last = self.selected_first = self.selected_last = -1
        self.note = ""
        self._spans = [(regions[i].first - _MARGIN, regions[i].last + _MARGIN) for i in selected]
        ends = [region.last + _MARGIN for region in regions]
        self._end = max([*ends, *(clip.last for clip in self.clips.values())], default=-1)

    def wants(self, window: Window) -> bool:
        spans = [*((region.first, region.last) for region in self.regions), *self._spans]
        return any(_inside(span, window) is not None for span in spans)

    def complete(self, window: Window) -> bool:
        return window.start + window.n_frames > self._end

    def add(self, reduced: Window, window: Window) -> None:
        plane: Any = reduced.planes["image"]
        image = _finite(plane[...])
        if self.image is None:
            self.image, self.first = image, window.start
        else:
            np.maximum(self.image, image, out=self.image)
        self.last = window.start + window.n_frames - 1
        self._add_selected(reduced, window)
        for clip in self.clips.values():
            clip.add(window, reduced.planes)
        for i, region in enumerate(self.regions):
            inside = _inside((region.first, region.last), window)
            if inside is not None:
                place = slice(region.y0, region.y1), slice(region.x0, region.x1)
                part = _of_frames(reduced, window, inside, place)
                side = max(region.x1 - region.x0, region.y1 - region.y0)
                part = block_maximum(part, -(-side // _MOST_SIDE))
                former = self.cutouts[i]
                self.cutouts[i] = part.copy() if former is None else np.maximum(former, part)

    def _add_selected(self, reduced: Window, window: Window) -> None:
        """Add the frames of the selected regions, where single frames are there."""
        if window.frames is None or window.n_frames == 1:
            return
        whole = slice(None), slice(None)
        for span in self._spans:
            inside = _inside(span, window)
            if inside is None:
                continue
            image = _of_frames(reduced, window, inside, whole)
            if self.selected is None:
                self.selected, self.selected_first = image, window.start + inside.start
            else:
                np.maximum(self.selected, image, out=self.selected)
            self.selected_first = min(self.selected_first, window.start + inside.start)
            self.selected_last = max(self.selected_last, window.start + inside.stop - 1)


def _clip_of(region: Region) -> Clip:
    place = slice(region.y0, region.y1), slice(region.x0, region.x1)
    return Clip(place, max(0, region.first - MARGIN), region.last + MARGIN)


def _inside(span: tuple[int, int], window: Window) -> slice | None:
    """Give the frames of a window that lie in a span (inclusive), None if there are none."""
    first = max(span[0] - window.start, 0)
    last = min(span[1] - window.start, window.n_frames - 1)
    return slice(first, last + 1) if first <= last else None


def _of_frames(reduced: Window, window: Window, inside: slice, place: tuple[slice, slice]) -> Floats:
    """Give maximum minus background of some frames; of the whole window where it arrived reduced."""
    plane: Any = reduced.planes["image"]
    if window.frames is None or inside == slice(0, window.n_frames):
        return _finite(plane[place])
    background: Any = reduced.planes["background"]
    with np.errstate(invalid="ignore"):
        largest = window.frames[(inside, *place)].max(axis=0).astype(np.float32)
        return _finite(largest - np.asarray(background[place], dtype=np.float32))


def _finite(image: Any) -> Floats:
    return np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
