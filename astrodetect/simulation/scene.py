"""A scene: its objects, the camera that looks at them, and the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from astrodetect.simulation.camera import Camera
from astrodetect.simulation.objects import Conditions, SceneObject
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.sky import Clouds
from astrodetect.simulation.truth import TrackPoint, TruthRow, make_row, visible_points


class Recorded(Protocol):
    """What is known of a recording that was made."""

    truth: tuple[TruthRow, ...]
    tracks: Mapping[str, tuple[TrackPoint, ...]]

    def time(self, frame: int) -> float:
        """Give the start of exposure of a frame, UTC Unix seconds."""


class Scene:
    """Objects in front of a camera.

    Frames are made one by one, in any order, and each is the same however often it is made. Memory
    does not depend on the number of frames, but for a point of truth per object and frame.

    Parameters
    ----------
    settings : Settings
        Shape, number and rate of frames, noise.
    objects : sequence of SceneObject
        What is there. Sources that have a signal-to-noise are scaled to it.
    seed : int
        Of the camera.
    start : float
        UTC Unix seconds of the first exposure.

    Attributes
    ----------
    truth : tuple of TruthRow
        A row per object that has a label and is visible.
    tracks : mapping of str to tuple of TrackPoint
        The visible points of each, by object name.
    """

    def __init__(
        self, settings: Settings, objects: Sequence[SceneObject], seed: int, start: float = 0.0
    ) -> None:
        self.settings = settings
        self.objects = tuple(objects)
        self.start = start
        self.camera = Camera(settings, seed)
        self._clouds = [item for item in objects if isinstance(item, Clouds)]
        self._overlays = [item for item in objects if item.layer == "overlay"]
        # What is painted over is not seen; an overlay keeps to its place.
        self._lens = np.where(self._paint(0) >= 0, np.float32(0), self.camera.vignetting)
        self.truth: tuple[TruthRow, ...] = ()
        self.tracks: Mapping[str, tuple[TrackPoint, ...]] = {}
        self._settle()

    def time(self, frame: int) -> float:
        """Give the start of exposure of a frame, UTC Unix seconds."""
        return self.start + frame / self.settings.frame_rate

    def light(self, frame: int, *, diffuse_only: bool = False) -> FloatImage:
        """Give the expected light of a frame as it reaches the sensor, (H, W) float32, ADU without offset."""
        image = np.zeros(self.settings.shape, dtype=np.float32)
        shown = [item for item in self.objects if item.diffuse or not diffuse_only]
        for item in shown:
            if item.layer == "sky":
                item.render(image, frame)
        for cloud in self._clouds:
            image *= cloud.passed(self.settings.shape, frame)
        for item in shown:
            if item.layer == "air":
                item.render(image, frame)
        image *= self.camera.vignetting
        for item in shown:
            if item.layer == "sensor":
                item.render(image, frame)
        return image

    def frame(self, index: int) -> NDArray[Any]:
        """Give the pixels of one frame, (H, W) uint16 or uint8."""
        pixels = self.camera.expose(self.light(index), index)
        if self._overlays:
            painted = self._paint(index)
            chosen = painted >= 0
            pixels[chosen] = np.clip(painted[chosen] / self.settings.adu_step, 0, self.settings.saturation)
        return pixels

    def _paint(self, index: int) -> FloatImage:
        """Give what overlays paint over a frame, in ADU; negative where they do not."""
        painted = np.full(self.settings.shape, -1, dtype=np.float32)
        for item in self._overlays:
            item.render(painted, index)
        return painted

    def frames(self) -> Iterator[NDArray[Any]]:
        """Give the pixels of all frames, one after the other."""
        return (self.frame(index) for index in range(self.settings.frames))

    def conditions(self, frame: int) -> Conditions:
        """Give what surrounds the sources in one frame."""
        throughput = self._lens
        for cloud in self._clouds:
            throughput = throughput * cloud.passed(self.settings.shape, frame)
        return Conditions(
            self.light(frame, diffuse_only=True),
            throughput,
            self._lens,
            self.camera.read_variance,
            self.settings.gain,
        )

    def _settle(self) -> None:
        settings = self.settings
        self.truth, self.tracks = settle(
            self.objects, range(settings.frames), self.conditions, self.time,
            visible=(settings.visible_fraction, settings.visible_snr), zero_point=settings.zero_point,
        )  # fmt: skip


def settle(
    objects: Iterable[SceneObject],
    shown: Sequence[int],
    conditions: Callable[[int], Conditions],
    time: Callable[[int], float],
    *,
    visible: tuple[float, float],
    zero_point: float,
) -> tuple[tuple[TruthRow, ...], dict[str, tuple[TrackPoint, ...]]]:
    """Let all objects take their brightness, and tell where they are.

    Parameters
    ----------
    objects : iterable of SceneObject
        Those that have a label are told of.
    shown : sequence of int
        The moment (in frames of the scene) that each frame of the recording shows.
    conditions : callable
        Gives what surrounds the objects at a moment.
    time : callable
        Gives the start of exposure of a frame of the recording, UTC Unix seconds.
    visible : (float, float)
        As `truth.visible_points` takes them.
    zero_point : float
        Magnitude of 1 unit of light per frame.

    Returns
    -------
    truth : tuple of TruthRow
        A row per object that is visible; it is named by its `kind`, else its label.
    tracks : dict of str to tuple of TrackPoint
        The visible points of each.
    """
    labelled = [item for item in objects if item.label]
    seen: list[list[TrackPoint]] = [[] for _ in labelled]
    for frame, moment in enumerate(shown):
        around = conditions(moment)
        for item, points in zip(labelled, seen, strict=True):
            point = item.observe(moment, around)
            if point is not None:
                points.append(point if frame == moment else point._replace(frame=frame))
    counts: Counter[str] = Counter()
    truth, tracks = [], {}
    for item, points in zip(labelled, seen, strict=True):
        settled = visible_points(item.settle(points), *visible)
        if not settled:
            continue
        called = item.kind or item.label
        counts[called] += 1
        name = f"{called}-{counts[called]}"
        magnitude = item.magnitude(zero_point)
        truth.append(make_row(name, item.label, settled, time(settled[0].frame), magnitude))
        tracks[name] = tuple(settled)
    return tuple(truth), tracks
