"""Reduce a window over time: maximum, exact median and their difference."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le

from astrodetect.core.data import Array, Window
from astrodetect.core.stages import Preprocessor
from astrodetect.methods import fast_tier
from astrodetect.methods.reduction import reduce_window
from astrodetect.methods.sky_light import evened
from astrodetect.plugins.preprocessors.background import is_unreduced_still, still_planes
from astrodetect.plugins.preprocessors.blind import Complaints, blind_messages

#: Planes that are always there after reduction.
_ALWAYS = frozenset({"max", "background", "image"})


@dataclass
class MaxMinusMedian(Preprocessor):
    """Give the planes of a window: max, background (the exact median over time), image (their difference).

    ``argmax``, ``median``, ``mean`` and ``std`` are made when a later stage needs them. A window that
    arrives reduced, or a still that has its background, keeps its planes; only what is missing is
    added. A single frame without a background gets a smooth spatial one.

    Notes
    -----
    Frames (T, H, W) of any integer or floating-point type. ``max`` keeps their type, ``background``
    too for an odd number of frames (see `astrodetect.methods.reduction.reduce_window`); ``image``,
    ``mean`` and ``std`` are float32. Values that are NaN or infinite count as not observed; a pixel
    without any is 0 in all planes and masked.
    """

    gives: ClassVar[tuple[str, ...]] = ("max", "background", "image", "argmax", "median", "mean", "std")
    lazy: ClassVar[bool] = True

    #: Threads that share the reduction; the result is the same. 0: as many as the process may use where
    #: machine code is there (extra ``fast``), else one. Set it to 1 where other programs need the cores.
    threads: Annotated[int, Ge(0), Le(64)] = 0

    #: Take off the light that fills much of a frame for a moment (lightning, headlights on haze)
    #: before the maximum is taken, so that it does not hide what moved there at another time.
    even_light: bool = True

    _wanted: frozenset[str] = field(default=frozenset(gives), init=False, repr=False, compare=False)
    _complaints: Complaints = field(default_factory=Complaints, init=False, repr=False, compare=False)

    def want(self, planes: frozenset[str]) -> None:
        """Make only `planes`, and those that are always made."""
        self._wanted = (planes & frozenset(self.gives)) | _ALWAYS

    def process(self, window: Window) -> Window:
        """Give the window with its planes."""
        if is_unreduced_still(window):
            window = still_planes(window)
        elif window.frames is not None and "background" not in window.planes:
            window = self._reduced(window)
        window = _completed(window, self._wanted)
        self._complaints.add(blind_messages(window))
        return window

    def take_reports(self) -> list[str]:
        """Give what was noticed, with the number of windows."""
        reports = self._complaints.lines()
        self._complaints = Complaints()
        return [*super().take_reports(), *reports]

    def _reduced(self, window: Window) -> Window:
        assert window.frames is not None
        if window.start == 0:
            fast_tier.expect(window.frames, float(window.stream.n_frames) * window.frames[0].size)
        frames = evened(window.frames, window.stream.saturation) if self.even_light else window.frames
        planes = reduce_window(frames, planes=self._wanted, threads=self.threads)
        return _without_unobserved(window, planes)


def _without_unobserved(window: Window, planes: dict[str, Array]) -> Window:
    """Mask pixels without any finite value and set them to 0."""
    if planes["max"].dtype.kind == "f":
        unseen = np.isnan(planes["max"])
        if unseen.any():
            for plane in planes.values():
                plane[unseen] = 0
            window = window.with_mask(unseen)
    return window.with_planes(**planes)


def _completed(window: Window, wanted: frozenset[str]) -> Window:
    """Add the planes that follow from others: image, and the names of the background."""
    planes: dict[str, Any] = dict(window.planes)
    if "image" not in planes and {"max", "background"} <= planes.keys():
        planes["image"] = planes["max"].astype(np.float32) - planes["background"].astype(np.float32)
    for alias in ("median", "mean"):
        if alias in wanted and alias not in planes and "background" in planes:
            planes[alias] = planes["background"]
    if len(planes) == len(window.planes):
        return window
    return replace(window, planes=MappingProxyType(planes))
