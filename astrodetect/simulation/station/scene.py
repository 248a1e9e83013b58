"""A recording of a station: its objects, its frames, its truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.simulation.objects import Conditions, SceneObject
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.scene import settle
from astrodetect.simulation.station.backdrop import Backdrop
from astrodetect.simulation.station.codec import through_codec
from astrodetect.simulation.station.sensor import Sensor
from astrodetect.simulation.station.station import Station
from astrodetect.simulation.truth import TrackPoint, TruthRow

#: Frames belong to an object while it has this part of its highest flux, and this signal-to-noise.
VISIBLE = (0.1, 1.0)
#: The camera chooses its gain so that a bright part of the sky lies at this part of the range at most.
_HIGHEST_LEVEL = 0.35


@dataclass(frozen=True)
class Faults:
    """What goes wrong between the sensor and the disk.

    Attributes
    ----------
    shown : tuple of int
        The moment (in frames) that each frame of the recording shows: it jumps where frames were dropped
        and stays where they are repeated.
    gain_from : int
        Frame from which the automatic gain has changed.
    gain : float
        By which factor.
    """

    shown: tuple[int, ...]
    gain_from: int = 0
    gain: float = 1.0


class StationScene:
    """A recording of a station.

    Frames are made one by one; memory does not depend on their number.

    Parameters
    ----------
    station : Station
        The camera.
    backdrop : Backdrop
        All diffuse light.
    objects : sequence of SceneObject
        What is there besides.
    seed : int
        Of the noise.
    faults : Faults
        Also says how many frames there are.

    Attributes
    ----------
    truth : tuple of TruthRow
        A row per object that has a label and is visible.
    tracks : mapping of str to tuple of TrackPoint
        The visible points of each, by object name. Fluxes are electrons on the sensor; the signal-to-noise
        is that of the sensor, before gamma and compression.
    """

    def __init__(
        self, station: Station, backdrop: Backdrop, objects: Sequence[SceneObject], seed: int, faults: Faults
    ) -> None:
        self.station, self.backdrop, self.seed, self.faults = station, backdrop, seed, faults
        self.objects = tuple(objects)
        self.sensor = _exposed_for(station.sensor, backdrop.brightest)
        self._text = [item for item in objects if item.layer == "overlay"]
        self._uncovered = np.where(self._paint(0) >= 0, np.float32(0), np.float32(1))
        self.truth: tuple[TruthRow, ...]
        self.tracks: Mapping[str, tuple[TrackPoint, ...]]
        self.truth, self.tracks = settle(
            self.objects, faults.shown, self.conditions, self.time,
            visible=VISIBLE, zero_point=station.zero_point,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.faults.shown)

    @property
    def start(self) -> float:
        """UTC Unix seconds of the first frame."""
        return self.backdrop.start

    def time(self, frame: int) -> float:
        """Give the start of exposure of a frame, UTC Unix seconds, as the recording states it."""
        return self.start + frame / self.station.frame_rate

    def light(self, moment: int, *, diffuse_only: bool = False) -> FloatImage:
        """Give the expected electrons on the sensor at a moment (in frames), (H, W) float32."""
        image = self.backdrop.light(moment)
        shown = [item for item in self.objects if item.diffuse or not diffuse_only]
        sky = self._layer("sky", shown, moment)
        if sky is not None:
            sky *= self.backdrop.throughput(moment)
            image += sky
        air = self._layer("air", shown, moment)
        if air is not None:
            air *= self.backdrop.clear
            image += air
        for item in shown:
            if item.layer == "sensor":
                item.render(image, moment)
        return image

    def _layer(self, name: str, shown: Sequence[SceneObject], moment: int) -> FloatImage | None:
        """Give the light of one layer before the lens, None where there is none."""
        there = [item for item in shown if item.layer == name and _is_there(item, moment)]
        if not there:
            return None
        image = np.zeros(self.station.shape, dtype=np.float32)
        for item in there:
            item.render(image, moment)
        return image

    def conditions(self, moment: int) -> Conditions:
        """Give what surrounds the sources at a moment; electrons, so that the gain is 1."""
        return Conditions(
            self.light(moment, diffuse_only=True),
            self.backdrop.throughput(moment) * self._uncovered,
            self.backdrop.clear * self._uncovered,
            self.sensor.read_variance,
            1.0,
        )

    def frame(self, index: int) -> NDArray[Any]:
        """Give the pixels of one frame before compression, (H, W) uint16 or uint8."""
        moment = self.faults.shown[index]
        gain = self.faults.gain if moment >= self.faults.gain_from else 1.0
        pixels = self.sensor.expose(self.light(moment), moment, self.seed, gain)
        if self._text:
            painted = self._paint(moment)
            chosen = painted >= 0
            pixels[chosen] = painted[chosen] * self.sensor.saturation
        return pixels

    def _paint(self, moment: int) -> FloatImage:
        painted = np.full(self.station.shape, -1, dtype=np.float32)
        for item in self._text:
            item.render(painted, moment)
        return painted

    def frames(self) -> Iterator[NDArray[Any]]:
        """Give the pixels of all frames, as a reader of the camera's stream sees them."""
        station = self.station
        made = (self.frame(index) for index in range(len(self)))
        return through_codec(made, station.codec, station.quality, station.frame_rate)


def _is_there(item: SceneObject, moment: int) -> bool:
    first, last = getattr(item, "first", moment), getattr(item, "last", moment)
    return bool(first < moment + 1 and last >= moment)


def _exposed_for(sensor: Sensor, brightest: float) -> Sensor:
    """Lower the gain of a sensor so that the sky does not saturate it."""
    from dataclasses import replace

    least = brightest / (_HIGHEST_LEVEL * 4095)
    if least <= sensor.gain:
        return sensor
    # Patterns of the converter do not grow with the light; those of the pixels stay as they are.
    return replace(sensor, gain=least)
