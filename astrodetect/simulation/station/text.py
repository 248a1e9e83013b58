"""The line of text that cameras write into their pictures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from astrodetect.simulation.objects import Conditions, Layer, SceneObject
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.truth import TrackPoint

#: How the time is written.
STYLES = ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S.%f UTC", "%b %d %Y  %H:%M:%S")


@dataclass
class BurntText(SceneObject):
    """Station and time, white on black, changing with every second or every frame.

    Parameters
    ----------
    shape : (int, int)
        Of the frame.
    name : str
        Of the station.
    start, frame_rate : float
        UTC Unix seconds of the first frame, frames per second.
    style : str
        One of `STYLES`.
    bottom : bool
        In the lowest rows, or the highest.
    """

    shape: tuple[int, int]
    name: str
    start: float
    frame_rate: float
    style: str = STYLES[0]
    bottom: bool = True
    label: str = "static"
    kind: str = "clock"
    layer: Layer = "overlay"
    _last: tuple[str, FloatImage] | None = None

    @property
    def size(self) -> int:
        """Height of the line (px)."""
        return max(8, round(self.shape[0] / 40))

    @cached_property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the line."""
        top = self.shape[0] - self.size if self.bottom else 0
        width = min(self.shape[1], int(self._font.getlength(self._text(0))) + 4)
        return slice(top, top + self.size), slice(0, width)

    @cached_property
    def _font(self):  # type: ignore[no-untyped-def]
        from PIL import ImageFont

        return ImageFont.load_default(size=0.8 * self.size)

    def _text(self, frame: int) -> str:
        moment = datetime.fromtimestamp(self.start + frame / self.frame_rate, tz=UTC)
        return f"{self.name} " + moment.strftime(
            self.style.replace("%f", f"{moment.microsecond // 1000:03d}")
        )

    def render(self, image: FloatImage, frame: int) -> None:
        """Paint the line: parts of the highest pixel value."""
        text = self._text(frame)
        if self._last is None or self._last[0] != text:
            self._last = text, self._painted(text)
        rows, columns = self.box
        image[rows, columns] = self._last[1]

    def _painted(self, text: str) -> FloatImage:
        from PIL import Image, ImageDraw

        rows, columns = self.box
        picture = Image.new("L", (columns.stop, rows.stop - rows.start))
        ImageDraw.Draw(picture).text((2, 0), text, fill=255, font=self._font)
        return np.asarray(picture, dtype=np.float32) / np.float32(255)

    def observe(self, frame: int, conditions: Conditions) -> TrackPoint | None:
        """Give the middle of the text."""
        rows, columns = self.box
        return TrackPoint(frame, 0.5 * (columns.stop - 1), 0.5 * (rows.start + rows.stop - 1))
