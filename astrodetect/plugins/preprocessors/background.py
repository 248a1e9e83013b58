"""Give a still image its background: smooth over the frame instead of constant over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge

from astrodetect.core import limits
from astrodetect.core.data import Stream, Window
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.lazy import is_lazy
from astrodetect.core.stages import Preprocessor
from astrodetect.methods.background import Estimator, border_edge, dark_border, spatial_background
from astrodetect.plugins.preprocessors.blind import Complaints, blind_messages
from astrodetect.plugins.preprocessors.lazy_background import MOST_AT_ONCE, lazy_planes

#: What is done outside the image circle of a fish-eye lens.
Border = Literal["separate", "mask", "keep"]


@dataclass
class Background(Preprocessor):
    """Give a window of one frame the planes of a reduced one.

    ``max`` is the frame, ``background`` and ``std`` are the smooth background and noise of photutils'
    ``Background2D``, ``image`` is their difference, ``argmax`` is 0. Windows of several frames pass
    as they are: for them there is ``max-minus-median``.

    Notes
    -----
    ``background``, ``image`` and ``std`` are float32. NaN and infinite pixels become background and
    are masked. An image that is read in tiles gets lazy planes from one grid of boxes over all of it, equal
    to those of a whole one to rounding; the border of a fish-eye lens is not looked for in it.
    """

    gives: ClassVar[tuple[str, ...]] = ("max", "background", "image", "std", "argmax")
    lazy: ClassVar[bool] = True

    #: Side of the boxes in which background and noise are estimated, in pixels; 0 takes a twelfth of
    #: the shorter side. Larger than what is looked for, smaller than the structure of the sky.
    box: Annotated[int, Ge(0)] = 0
    #: Whose code estimates it: that of photutils, or of sep (extra ``sep``), the same method some ten times
    #: as fast. Images that are read in tiles have it by photutils.
    estimator: Estimator = "photutils"
    #: Outside the dark-edged image circle of a fish-eye lens, if there is one: ``separate`` estimates
    #: a background of its own there and masks a strip along the edge, ``mask`` masks all of it,
    #: ``keep`` does not look for one.
    border: Border = "separate"

    _complaints: Complaints = field(default_factory=Complaints, init=False, repr=False, compare=False)

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Ask for sep where it is needed.

        Raises
        ------
        AstrodetectError
            It is not installed.
        """
        if self.estimator == "sep" and find_spec("sep") is None:
            raise AstrodetectError('estimator = "sep": sep is not installed: pip install "astrodetect[sep]"')

    def process(self, window: Window) -> Window:
        """Give the window with its planes."""
        if not is_unreduced_still(window):
            return window
        window = still_planes(window, box=self.box or None, border=self.border, estimator=self.estimator)
        self._complaints.add(blind_messages(window))
        return window

    def take_reports(self) -> list[str]:
        """Give what was noticed."""
        reports = self._complaints.lines()
        self._complaints = Complaints()
        return [*super().take_reports(), *reports]


def is_unreduced_still(window: Window) -> bool:
    """Say whether a window is one frame that has no background yet, in memory or lazy."""
    if window.n_frames != 1 or "background" in window.planes:
        return False
    return window.frames is not None or is_lazy(window.planes.get("max"))


def still_planes(
    window: Window,
    *,
    box: int | None = None,
    border: Border = "separate",
    estimator: Estimator = "photutils",
) -> Window:
    """Give a window of one frame its planes.

    Parameters
    ----------
    window : Window
        With one frame, or with a lazy plane ``max``; its mask is left out of the estimate.
    box : int, optional
        Side of the boxes (px); by the size of the frame if not given.
    border : {"separate", "mask", "keep"}
        What is done outside an image circle.
    estimator : {"photutils", "sep"}
        See `astrodetect.methods.background.spatial_background`.

    Returns
    -------
    Window
        With ``max``, ``background``, ``image``, ``std``, ``argmax``.
    """
    if window.frames is None and window.planes["max"].size > min(MOST_AT_ONCE, limits.current().pixels):
        return lazy_planes(window, box)
    frame = np.array(window.planes["max"][...] if window.frames is None else window.frames[0])
    unseen = ~np.isfinite(frame) if frame.dtype.kind == "f" else np.zeros(frame.shape, np.bool_)
    ignored = unseen if window.mask is None else unseen | window.mask
    outside = None if border == "keep" else dark_border(frame)
    if outside is None:
        background, rms = spatial_background(frame, ignored, box=box, estimator=estimator)
    else:
        background, rms = spatial_background(frame, ignored | outside, box=box, estimator=estimator)
        hidden = outside
        if border == "separate":
            hidden = border_edge(outside)
            dark = spatial_background(frame, ignored | ~outside | hidden, box=box, estimator=estimator)
            for plane, other in zip((background, rms), dark, strict=True):
                np.copyto(plane, other, where=outside)
        window = window.with_mask(hidden)
    if unseen.any():
        frame[unseen] = background[unseen].astype(frame.dtype)
        window = window.with_mask(unseen)
    image = (frame - background).astype(np.float32)
    return window.with_planes(
        max=frame, background=background, image=image, std=rms, argmax=np.zeros(frame.shape, np.uint8)
    )
