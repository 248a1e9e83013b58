"""Give a still image its background: smooth over the frame instead of constant over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge

from astrodetect.core.data import Window
from astrodetect.core.stages import Preprocessor
from astrodetect.methods.background import border_edge, dark_border, spatial_background
from astrodetect.plugins.preprocessors.blind import Complaints, blind_messages

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
    are masked.
    """

    gives: ClassVar[tuple[str, ...]] = ("max", "background", "image", "std", "argmax")

    #: Side of the boxes in which background and noise are estimated, in pixels; 0 takes a twelfth of
    #: the shorter side. Larger than what is looked for, smaller than the structure of the sky.
    box: Annotated[int, Ge(0)] = 0
    #: Outside the dark-edged image circle of a fish-eye lens, if there is one: ``separate`` estimates
    #: a background of its own there and masks a strip along the edge, ``mask`` masks all of it,
    #: ``keep`` does not look for one.
    border: Border = "separate"

    _complaints: Complaints = field(default_factory=Complaints, init=False, repr=False, compare=False)

    def process(self, window: Window) -> Window:
        """Give the window with its planes."""
        if window.frames is None or window.n_frames != 1:
            return window
        window = still_planes(window, box=self.box or None, border=self.border)
        self._complaints.add(blind_messages(window))
        return window

    def take_reports(self) -> list[str]:
        """Give what was noticed."""
        reports = self._complaints.lines()
        self._complaints = Complaints()
        return [*super().take_reports(), *reports]


def still_planes(window: Window, *, box: int | None = None, border: Border = "separate") -> Window:
    """Give a window of one frame its planes.

    Parameters
    ----------
    window : Window
        With one frame; its mask is left out of the estimate.
    box : int, optional
        Side of the boxes (px); by the size of the frame if not given.
    border : {"separate", "mask", "keep"}
        What is done outside an image circle.

    Returns
    -------
    Window
        With ``max``, ``background``, ``image``, ``std``, ``argmax``.
    """
    assert window.frames is not None
    frame = np.array(window.frames[0])
    unseen = ~np.isfinite(frame) if frame.dtype.kind == "f" else np.zeros(frame.shape, np.bool_)
    ignored = unseen if window.mask is None else unseen | window.mask
    outside = None if border == "keep" else dark_border(frame)
    if outside is None:
        background, rms = spatial_background(frame, ignored, box=box)
    else:
        background, rms = spatial_background(frame, ignored | outside, box=box)
        hidden = outside
        if border == "separate":
            hidden = border_edge(outside)
            dark = spatial_background(frame, ignored | ~outside | hidden, box=box)
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
