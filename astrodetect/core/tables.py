"""The tables of a pipeline file that belong to no plugin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from astrodetect.methods.boxes import Overlap

Probability = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True)
class WindowSettings:
    """The ``[window]`` table."""

    #: Length of a window in seconds. Longer than the events that matter; a longer one dilutes short events.
    seconds: Annotated[float, Gt(0)] | None = None
    #: Seconds that two windows share, so that an event at the border is whole in one of them.
    overlap: Annotated[float, Ge(0)] | None = None
    #: Length of a window in frames, instead of seconds.
    size: Annotated[int, Ge(1)] | None = None
    #: Frames from one window to the next, instead of overlap.
    step: Annotated[int, Ge(1)] | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and self.size is not None:
            raise ValueError("give seconds or size, not both")
        if self.overlap is not None and self.step is not None:
            raise ValueError("give overlap or step, not both")
        if self.seconds is not None and self.overlap is not None and self.overlap >= self.seconds:
            raise ValueError(f"overlap = {self.overlap} must be less than seconds = {self.seconds}")
        if self.size is not None and self.step is not None and self.step > self.size:
            raise ValueError(f"step = {self.step} must be at most size = {self.size}")

    def frames(self, frame_rate: float) -> tuple[int, int]:
        """Give size and step in frames.

        Parameters
        ----------
        frame_rate : float
            Frames per second; 30 is taken where it is NaN.

        Examples
        --------
        >>> WindowSettings(seconds=2.1, overlap=0.5).frames(30.0)
        (63, 48)
        >>> WindowSettings(size=65, step=50).frames(30.0)
        (65, 50)
        """
        rate = frame_rate if math.isfinite(frame_rate) and frame_rate > 0 else 30.0
        seconds = 2.1 if self.seconds is None else self.seconds
        size = self.size if self.size is not None else max(1, round(seconds * rate))
        if self.step is not None:
            return size, min(self.step, size)
        overlap = min(0.5, seconds / 4) if self.overlap is None else self.overlap
        return size, min(size, max(1, size - round(overlap * rate)))


@dataclass(frozen=True)
class TileSettings:
    """The ``[tile]`` table: run the detector on overlapping parts of each frame."""

    #: Side of a tile, in pixels. Memory grows with its square; small ones read and look at more twice.
    size: Annotated[int, Ge(16)] = 512
    #: Pixels that neighbouring tiles share. At least twice the extent of what is looked for: what is
    #: longer is cut where no tile holds it whole.
    overlap: Annotated[int, Ge(0)] = 32
    #: Tiles that the detector gets at a time. More are faster on a GPU, and take more memory.
    batch: Annotated[int, Ge(1)] = 4
    #: How the overlap of two boxes from different tiles is measured: IoU, or with a term for the distance
    #: of what does not overlap (GIoU, DIoU in both definitions).
    measure: Overlap = "iou"
    #: Overlap above which two boxes from different tiles are one object, seen twice at a seam. -0.15 with
    #: "diou" also takes for one what lies side by side.
    limit: Annotated[float, Ge(-1), Le(1)] = 0.5

    def __post_init__(self) -> None:
        if 2 * self.overlap > self.size:
            raise ValueError(f"overlap = {self.overlap} must be at most half of size = {self.size}")


@dataclass(frozen=True)
class AcceptSettings:
    """The ``[accept]`` table: which detections count."""

    #: Labels that are wanted.
    labels: tuple[str, ...] = ("meteor",)
    #: Least probability. Higher: fewer false alarms, more losses.
    threshold: Probability | None = None
    #: Share of true objects to keep, instead of a threshold; needs a model with a stored calibration.
    recall: Probability | None = None
    #: False alarms per night to allow, instead of a threshold; needs a model with a stored calibration.
    false_per_night: Annotated[float, Gt(0)] | None = None

    def __post_init__(self) -> None:
        given = [n for n in ("threshold", "recall", "false_per_night") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of threshold, recall, false_per_night, not {' and '.join(given)}")


@dataclass(frozen=True)
class StationSettings:
    """A ``[station.CODE]`` table: what differs for one camera."""

    #: Image of the pixels to ignore (black), joined to the recording's own mask.
    mask: Path | None = None
    #: Calibration file of this camera.
    calibration: Path | None = None
    #: Least probability for this camera.
    threshold: Probability | None = None
    #: Seconds by which the camera's clock is ahead of UTC (behind: negative); taken off all its times.
    clock_offset: float = 0.0
    #: What of the exposure the camera's frame times are, where the recording does not say or is wrong.
    frame_time: Literal["start", "middle", "end"] | None = None
    #: Seconds from the exposure of the first row of a frame to that of the last; negative: bottom first.
    rolling_shutter: float = 0.0


@dataclass(frozen=True)
class CalibrateSettings:
    """The ``[calibrate]`` table: where on the sky things are."""

    #: Calibration file for all recordings, whose station names none. Absent: what lies beside them.
    file: Path | None = None
    #: Look beside each recording, where no file is named. Switch it off to leave the positions empty.
    find: bool = True
    #: Standard error of the calibration along one axis, in pixels, where its file does not say or is wrong.
    residual: Annotated[float, Ge(0)] | None = None
    #: Standard error of a single position along one axis, in pixels, for tracks of fewer than five
    #: points; longer ones tell by their scatter.
    position_error: Annotated[float, Ge(0)] = 0.5


@dataclass(frozen=True)
class CatalogSettings:
    """The ``[catalog]`` table."""

    #: Where the catalog goes.
    path: Path | None = None
