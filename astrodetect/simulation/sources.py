"""Sources that move, or blink, or do both: a path and a light curve, smeared over each exposure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from astrodetect.simulation.objects import Conditions, Layer, SceneObject
from astrodetect.simulation.psf import FloatArray, FloatImage, add_points, aperture_fraction
from astrodetect.simulation.truth import TrackPoint

#: Positions (x, y) at times in frames.
Path = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
#: Relative brightness at times in frames; 0 where it is not there.
Light = Callable[[FloatArray], FloatArray]


@dataclass
class MovingSource(SceneObject):
    """A source with a path and a light curve.

    Frame k is exposed while time runs from k to k + duty. Its light in a frame is that of many
    instants, no more than a third of a pixel and an eighth of the exposure apart.

    Parameters
    ----------
    label : str
        Class.
    path : callable
        Times in frames, (n,), to x and y in pixels.
    light : callable
        Times in frames, (n,), to relative brightness.
    first, last : float
        Times between which it gives light.
    snr : float
        Highest signal-to-noise in one frame that the brightness is scaled to by `settle`; 0: `scale` stays.
    fwhm : float
        Full width at half maximum, in pixels.
    duty : float
        Fraction of the frame time that is exposed.
    layer : str
        See `objects.Layer`.
    scale : float
        ADU per frame for relative brightness 1.
    """

    label: str
    path: Path
    light: Light
    first: float
    last: float
    snr: float
    fwhm: float
    duty: float = 1.0
    layer: Layer = "sky"
    scale: float = 1.0
    _brightest: float = field(default=0.0, repr=False)

    def samples(self, frame: int) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """Give x, y and flux of the instants in one exposure, or None without light."""
        start, end = max(frame, self.first), min(frame + self.duty, self.last)
        if end <= start:
            return None
        x, y = self.path(np.linspace(start, end, 5, dtype=np.float64))
        length = float(np.hypot(np.diff(x), np.diff(y)).sum())
        n = max(8, math.ceil(3 * length))
        times: FloatArray = np.asarray(start + (np.arange(n) + 0.5) * ((end - start) / n), dtype=np.float64)
        flux = np.maximum(self.light(times), 0.0) * (self.scale * (end - start) / (self.duty * n))
        x, y = self.path(times)
        return x, y, flux

    def render(self, image: FloatImage, frame: int) -> None:
        """Add its trail in one exposure."""
        samples = self.samples(frame)
        if samples is not None:
            add_points(image, *samples, self.fwhm)

    def observe(self, frame: int, conditions: Conditions) -> TrackPoint | None:
        """Give mean position, flux and signal-to-noise of what falls inside the frame."""
        samples = self.samples(frame)
        if samples is None:
            return None
        x, y, flux = samples
        self._brightest = max(self._brightest, float(flux.sum()))
        height, width = conditions.level.shape
        columns, rows = np.floor(x + 0.5).astype(int), np.floor(y + 0.5).astype(int)
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        if not inside.any():
            return None
        x, y, flux, rows, columns = (values[inside] for values in (x, y, flux, rows, columns))
        passed = conditions.throughput if self.layer == "sky" else conditions.vignetting
        flux = flux * passed[rows, columns]
        total = float(flux.sum())
        if total <= 0:
            return TrackPoint(frame, float(x.mean()), float(y.mean()), 0.0, 0.0)
        at_x, at_y = float(flux @ x) / total, float(flux @ y) / total
        caught = float(flux @ aperture_fraction(np.hypot(x - at_x, y - at_y), self.fwhm))
        level = float(conditions.level[rows, columns].mean())
        noise = math.sqrt(math.pi * self.fwhm**2 * (conditions.variance + level / conditions.gain))
        return TrackPoint(frame, at_x, at_y, total, caught / noise)

    def settle(self, points: list[TrackPoint]) -> list[TrackPoint]:
        """Scale the brightness so that the highest signal-to-noise is `snr`."""
        highest = max((point.snr for point in points), default=0.0)
        if self.snr <= 0 or highest <= 0:
            return points
        factor = self.snr / highest
        self.scale *= factor
        self._brightest *= factor
        return [point.scaled(factor) for point in points]

    def magnitude(self, zero_point: float) -> float:
        """Give the magnitude of its brightest frame, above clouds and lens."""
        return zero_point - 2.5 * math.log10(self._brightest) if self._brightest > 0 else float("nan")


@dataclass
class CosmicRay(SceneObject):
    """A particle in the sensor: a few pixels in one frame, without the lens' blur.

    Parameters
    ----------
    frame : int
        When.
    pixels : (n, 2) int array
        Rows and columns.
    values : (n,) array
        ADU.
    """

    frame: int
    pixels: FloatArray
    values: FloatArray
    label: str = "noise"
    layer: Layer = "sensor"

    def render(self, image: FloatImage, frame: int) -> None:
        """Add the charge."""
        if frame == self.frame:
            rows, columns = self.pixels.astype(int).T
            image[rows, columns] += self.values.astype(np.float32)

    def observe(self, frame: int, conditions: Conditions) -> TrackPoint | None:
        """Give the centre of the charge."""
        if frame != self.frame:
            return None
        y, x = (self.pixels * self.values[:, None]).sum(axis=0) / self.values.sum()
        return TrackPoint(frame, float(x), float(y))
