"""The planes of the windows of a recording, as a pipeline makes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from astrodetect.core import registry
from astrodetect.core.data import Recording, Window
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import FrameSource, Preprocessor
from astrodetect.core.windows import opened
from astrodetect.plugins.preprocessors.max_minus_median import MaxMinusMedian
from astrodetect.plugins.preprocessors.noise_pattern import NoisePattern
from astrodetect.plugins.preprocessors.scale import Scale

#: What the scorer that chooses other places needs, whatever planes are stored.
_SCORED = frozenset({"image", "background", "max", "argmax"})
#: Maximum minus median, minus the pattern of the camera's noise: MP-M-MMP.
CLEAN = "clean"


@contextmanager
def open_recording(recording: Recording) -> Iterator[FrameSource]:
    """Open a recording with the source that found it.

    Raises
    ------
    SourceError
        It cannot be read.
    """
    source = registry.make_source(recording.source)
    with opened(source, recording):
        yield source


class Reduction:
    """Makes the planes of windows, one recording after the other.

    Parameters
    ----------
    planes : tuple of str
        Which are wanted: those of a reduced window, and `CLEAN`.
    scale : bool
        Bring the brightest pixel of every frame to 255 before.
    """

    def __init__(self, planes: tuple[str, ...], *, scale: bool) -> None:
        reduce = MaxMinusMedian()
        reduce.want(frozenset(planes) | _SCORED)
        self.planes = planes
        self.first: list[Preprocessor] = [Scale(), reduce] if scale else [reduce]
        self.pattern = NoisePattern() if CLEAN in planes else None

    def windows(self, source: FrameSource, size: int, step: int) -> Iterator[Window]:
        """Give the windows of an open recording, with their planes.

        Raises
        ------
        AstrodetectError
            A plane cannot be had from this recording.
        """
        stages = [*self.first, *([self.pattern] if self.pattern else [])]
        for stage in stages:
            stage.open(source.stream)
        try:
            for window in source.windows(size, step):
                yield self._reduced(window)
        finally:
            for stage in stages:
                stage.close()

    def reports(self) -> list[str]:
        """Give what was noticed of the recording."""
        return self.pattern.take_reports() if self.pattern else []

    def _reduced(self, window: Window) -> Window:
        for stage in self.first:
            window = stage.process(window)
        if self.pattern is not None:
            window = window.with_planes(clean=self.pattern.process(window).planes["image"])
        for plane in self.planes:
            if plane not in window.planes:
                raise AstrodetectError(
                    f"{window.recording.path}: has no plane {plane!r}; there are "
                    f"{', '.join(sorted(window.planes))}"
                )
        return window


def stacked(window: Window, planes: tuple[str, ...]) -> NDArray[np.float32]:
    """Give planes of a window as (C, H, W) float32; what is masked or no number is 0."""
    image = np.stack([np.asarray(window.planes[name][:, :], np.float32) for name in planes])
    image[~np.isfinite(image)] = 0
    if window.mask is not None:
        image[:, window.mask] = 0
    return image


def shrunk(image: NDArray[np.float32], planes: tuple[str, ...], by: int) -> NDArray[np.float32]:
    """Join `by` x `by` pixels to one: their mean, for ``argmax`` the time of the brightest of them.

    Parameters
    ----------
    image : (C, H, W) float32 array
        Rows and columns that are left over are cut off.
    planes : tuple of str
        The names of the C planes.
    by : int
        How many.

    Examples
    --------
    >>> shrunk(np.arange(4, dtype=np.float32).reshape(1, 2, 2), ("image",), 2).tolist()
    [[[1.5]]]
    """
    if by == 1:
        return image
    height, width = image.shape[1] // by, image.shape[2] // by
    cells = image[:, : height * by, : width * by].reshape(len(planes), height, by, width, by)
    cells = cells.transpose(0, 1, 3, 2, 4).reshape(len(planes), height, width, by * by)
    small: NDArray[np.float32] = cells.mean(axis=-1, dtype=np.float32)
    if "argmax" in planes:
        times = planes.index("argmax")
        light = cells[0 if times else min(1, len(planes) - 1)]
        brightest = light.argmax(axis=-1)[..., None]
        small[times] = np.take_along_axis(cells[times], brightest, axis=-1)[..., 0]
    return small
