"""The time that some cameras write into their pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from astrodetect.simulation.objects import Conditions, Layer, SceneObject
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.truth import TrackPoint

#: Glyphs of 3 x 5 dots, a row of three bits after the other.
_GLYPHS = {
    "0": 0b111_101_101_101_111, "1": 0b010_110_010_010_111, "2": 0b111_001_111_100_111,
    "3": 0b111_001_111_001_111, "4": 0b101_101_111_001_001, "5": 0b111_100_111_001_111,
    "6": 0b111_100_111_101_111, "7": 0b111_001_010_010_010, "8": 0b111_101_111_101_111,
    "9": 0b111_101_111_001_111, ":": 0b000_010_000_010_000, "-": 0b000_000_111_000_000,
}  # fmt: skip


def draw_text(text: str, scale: int) -> NDArray[np.bool_]:
    """Give digits, colons, dashes and blanks as an image of (5 scale, 4 scale n) dots."""
    dots = np.zeros((5, 4 * len(text)), dtype=bool)
    for number, character in enumerate(text):
        bits = _GLYPHS.get(character, 0)
        for place in range(15):
            dots[place // 3, 4 * number + place % 3] = bool(bits >> (14 - place) & 1)
    return np.kron(dots, np.ones((scale, scale), dtype=bool))


@dataclass
class Clock(SceneObject):
    """Date and time, changing each second, white on black in a corner.

    Parameters
    ----------
    settings : Settings
        Size of the frame and frame rate.
    start : float
        UTC Unix seconds of the first frame.
    bottom : bool
        At the bottom of the frame, or at the top.
    """

    settings: Settings
    start: float
    bottom: bool = True
    label: str = "static"
    layer: Layer = "overlay"

    def _box(self) -> tuple[int, int, int]:
        scale = max(1, round(min(self.settings.shape[1] / 320, self.settings.shape[0] / 120)))
        top = self.settings.shape[0] - 6 * scale if self.bottom else scale
        return scale, top, 2 * scale

    def render(self, image: FloatImage, frame: int) -> None:
        """Paint the time of a frame; the pixels around the digits are black."""
        scale, top, left = self._box()
        second = math.floor(self.start + frame / self.settings.frame_rate)
        text = datetime.fromtimestamp(second, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
        dots = draw_text(text, scale)[:, : image.shape[1] - left]
        image[top : top + dots.shape[0], left : left + dots.shape[1]] = dots * np.float32(3600)

    def observe(self, frame: int, conditions: Conditions) -> TrackPoint | None:
        """Give the middle of the text."""
        scale, top, left = self._box()
        return TrackPoint(frame, left + 38.0 * scale, top + 2.5 * scale)
