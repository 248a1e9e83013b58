"""Short moving pictures of detections: the frames around each, background taken off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.data import Window
from astrodetect.report.stretch import Floats, block_maximum, grey, levels_of

#: Most frames and largest side of a clip.
MOST_FRAMES = 48
MOST_SIDE = 160
#: Frames shown before and after the detection.
MARGIN = 4
#: Slower than life where life is too fast for the eye, and a rest before it starts again (ms).
_LEAST_MS, _REST_MS = 60, 700


@dataclass
class Clip:
    """The frames around one detection, as they are gathered.

    Attributes
    ----------
    place : (slice, slice)
        Rows and columns of the frame.
    first, last : int
        Frames of the recording, inclusive.
    """

    place: tuple[slice, slice]
    first: int
    last: int
    _frames: dict[int, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows, columns = self.place
        side = max(rows.stop - rows.start, columns.stop - columns.start)
        self._factor = -(-side // MOST_SIDE)
        self.step = -(-(self.last - self.first + 1) // MOST_FRAMES)

    def add(self, window: Window, planes: Mapping[str, Any]) -> None:
        """Take the frames of a window; where it arrived reduced they are rebuilt from its planes."""
        first = max(self.first, window.start)
        last = min(self.last, window.start + window.n_frames - 1)
        if window.n_frames == 1 or first > last:
            return
        if window.frames is None and "argmax" not in planes:
            return
        background = np.asarray(planes["background"][self.place], dtype=np.float32)
        for frame in range(first, last + 1):
            if (frame - self.first) % self.step == 0:
                shown = _frame(window, planes, frame - window.start, self.place, background) - background
                self._frames[frame] = block_maximum(np.nan_to_num(shown, posinf=0, neginf=0), self._factor)

    @property
    def frames(self) -> list[Floats]:
        """What has been gathered, in order."""
        return [self._frames[frame] for frame in sorted(self._frames)]


def _frame(
    window: Window, planes: Mapping[str, Any], index: int, place: tuple[slice, slice], background: Floats
) -> Floats:
    if window.frames is not None:
        return np.asarray(window.frames[(index, *place)], dtype=np.float32)
    here = np.asarray(planes["argmax"][place]) == index
    return np.where(here, np.asarray(planes["max"][place], dtype=np.float32), background)


def save_clip(clip: Clip, stem: Path, frame_rate: float) -> str:
    """Write a clip as animated WebP, or GIF where Pillow knows no WebP.

    Returns
    -------
    str
        Name of the file; empty if there are fewer than two frames.

    Raises
    ------
    OSError
        It cannot be written.
    """
    from PIL import Image, features

    frames = clip.frames
    if len(frames) < 2:
        return ""
    largest = np.max(frames, axis=0)
    levels = levels_of(largest)
    levels = levels._replace(white=max(float(largest.max()), levels.black + levels.noise))
    pictures = [Image.fromarray(grey(frame, levels)) for frame in frames]
    rate = frame_rate if math.isfinite(frame_rate) and frame_rate > 0 else 25.0
    pause = min(1000, max(_LEAST_MS, round(1000 * clip.step / rate)))
    durations = [pause] * (len(frames) - 1) + [_REST_MS]
    webp = bool(features.check("webp"))
    name = f"{stem.name}.{'webp' if webp else 'gif'}"
    more: dict[str, Any] = {"quality": 70, "method": 2} if webp else {}
    pictures[0].save(
        stem.with_name(name), save_all=True, append_images=pictures[1:], duration=durations, loop=0, **more
    )
    return name
