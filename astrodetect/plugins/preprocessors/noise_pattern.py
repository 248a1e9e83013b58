"""Subtract the pattern that a camera's noise leaves in every difference of maximum and median."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from astrodetect.core import registry
from astrodetect.core.data import Recording, Window
from astrodetect.core.discovery import Found, discover, recordings_before
from astrodetect.core.errors import AstrodetectError, SourceError
from astrodetect.core.stages import FrameSource, Preprocessor
from astrodetect.core.windows import opened
from astrodetect.methods.reduction import reduce_window
from astrodetect.plugins.preprocessors.max_minus_median import MaxMinusMedian

#: Fewer images than this do not tell a pattern from an event, and nothing is subtracted.
_LEAST = 3
#: So many times the wanted number of recordings are looked at for those of the same camera.
_REACH = 4
#: A single recording that holds its own sequence of images is asked for windows of this many frames.
_WINDOW = 65

Image = NDArray[np.float32]


@dataclass
class NoisePattern(Preprocessor):
    """Subtract from ``image`` the median of the images of other recordings of the same camera.

    The image of a recording is that of its first window (maximum minus median). What a camera does in
    every window - amplifier glow, hot and blinking pixels, lines - is in all of them and goes; an
    event is in one of them, and a median does not see it. A recording is never among its own
    references, and fewer than three of them subtract nothing. Put it right after the reduction: the
    references are reduced, and not masked or flat-fielded.

    The references depend on the archive alone, not on the order of the work.

    Notes
    -----
    ``image`` stays float32 and may become negative. Of an even number of references the lower middle
    value is taken, so that doubt subtracts less.
    """

    needs: ClassVar[tuple[str, ...]] = ("image",)
    gives: ClassVar[tuple[str, ...]] = ("image",)

    #: How many recordings make the pattern: the nearest ones before this one in the order of their
    #: paths, of the same camera, looked for among four times as many. More are slower and smoother;
    #: 7 to 15 do.
    recordings: Annotated[int, Ge(_LEAST), Le(101)] = 9
    #: Recordings to take the pattern from instead: a file, or a folder of them; the first `recordings`
    #: windows found there.
    reference: Path | None = None

    _pattern: Image | None = field(default=None, init=False, repr=False, compare=False)
    _ready: bool = field(default=False, init=False, repr=False, compare=False)
    _known: dict[str, Found] = field(default_factory=dict, init=False, repr=False, compare=False)
    _images: OrderedDict[tuple[int, int], tuple[str, Image] | None] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
    )

    def process(self, window: Window) -> Window:
        """Give the window with the pattern subtracted.

        Raises
        ------
        AstrodetectError
            `reference` holds no recording, or one of another shape.
        """
        if not self._ready:
            images = self._referenced(window) if self.reference else self._before(window)
            if len(images) >= _LEAST:
                self._pattern = noise_pattern(images)
            else:
                self.report(
                    f"noise-pattern: {len(images)} reference images, at least {_LEAST} are needed: "
                    "nothing subtracted"
                )
            self._ready = True
        if self._pattern is None:
            return window
        return window.with_planes(image=window.planes["image"].astype(np.float32) - self._pattern)

    def close(self) -> None:
        """Forget the pattern; images of other recordings are kept for the next one."""
        self._pattern, self._ready = None, False

    def _before(self, window: Window) -> list[Image]:
        """Give the first images of the nearest recordings before this one."""
        this = window.recording
        images: list[Image] = []
        for recording in self._nearest(this):
            if len(images) < self.recordings:
                found = self._first_image(recording, window.n_frames)
                if found is not None and found[0] == window.stream.camera and found[1].shape == window.shape:
                    images.append(found[1])
        return images

    def references(self, recording: Recording) -> list[Recording]:
        """Give the recordings from which the pattern is taken."""
        if self.reference is None:
            return self._nearest(recording)
        return [other for other in self._at_reference() if other.location != recording.location]

    def _nearest(self, this: Recording) -> list[Recording]:
        """Give the recordings of the same source before this one in the order of paths, the nearest first."""
        if not this.root:
            return []
        found = recordings_before(this, registry.sources_in_use(), self._known.setdefault(this.root, {}))
        same = (recording for recording in found if recording.source == this.source)
        return list(islice(same, _REACH * self.recordings))

    def _at_reference(self) -> list[Recording]:
        assert self.reference is not None
        found = sorted(discover([self.reference], registry.sources_in_use()))
        return found or sorted(discover([self.reference], registry.load_sources()[0]))

    def _first_image(self, recording: Recording, size: int) -> tuple[str, Image] | None:
        """Give camera and first image of a recording; None if it cannot be read. The last few are kept."""
        key = (recording.recording_id, size)
        if key not in self._images:
            try:
                with _opened_source(recording) as source, closing(images_of(source, size)) as images:
                    made = next(images, None)
                    self._images[key] = None if made is None else (source.stream.camera, made)
            except SourceError:
                self._images[key] = None
        self._images.move_to_end(key)
        while len(self._images) > 2 * self.recordings:
            self._images.popitem(last=False)
        return self._images[key]

    def _referenced(self, window: Window) -> list[Image]:
        assert self.reference is not None
        others = [r for r in self._at_reference() if r.location != window.recording.location]
        if not others:
            raise AstrodetectError(f"{self.reference}: no recording to take a noise pattern from")
        size = window.n_frames if window.frames is not None else _WINDOW
        images: list[Image] = []
        for recording in others:
            try:
                with _opened_source(recording) as source, closing(images_of(source, size)) as found:
                    if source.stream.shape != window.shape:
                        raise AstrodetectError(
                            f"{recording.location}: frames are {source.stream.shape}; a noise pattern "
                            f"for {window.recording.path} must be {window.shape}"
                        )
                    images.extend(islice(found, self.recordings - len(images)))
            except SourceError as error:
                self.report(f"noise-pattern: a reference was left out: {error}")
            if len(images) == self.recordings:
                break
        return images


def noise_pattern(images: Sequence[Image]) -> Image:
    """Give the (lower) median of images.

    Parameters
    ----------
    images : sequence of (H, W) float32 array
        Maximum minus median, of windows of different times.

    Returns
    -------
    (H, W) float32 array

    Examples
    --------
    >>> noise_pattern([np.float32([[1]]), np.float32([[9]]), np.float32([[2]]), np.float32([[3]])])
    array([[2.]], dtype=float32)
    """
    if len(images) % 2 == 0:  # once more the lowest value: the middle is then the lower of the two
        images = [*images, np.minimum.reduce(list(images))]
    return np.asarray(reduce_window(list(images), planes=["median"])["median"], dtype=np.float32)


def images_of(source: FrameSource, size: int) -> Generator[Image, None, None]:
    """Give the image (maximum minus median) of each window of an open source.

    Parameters
    ----------
    source : FrameSource
        Open.
    size : int
        Frames per window; windows do not overlap.
    """
    reduction = MaxMinusMedian()
    reduction.want(frozenset({"image"}))
    for window in source.windows(size, size):
        yield np.array(reduction.process(window).planes["image"])


@contextmanager
def _opened_source(recording: Recording) -> Iterator[FrameSource]:
    source = registry.make_source(recording.source)
    with opened(source, recording):
        yield source
