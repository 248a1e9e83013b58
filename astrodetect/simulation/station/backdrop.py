"""All that is no source: sky, clouds, Moon, foreground; and what of the light above reaches the sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.psf import FloatImage, add_points
from astrodetect.simulation.station.brightness import SkyLight, transmission
from astrodetect.simulation.station.clouds import CloudSheet
from astrodetect.simulation.station.moon import moon_light
from astrodetect.simulation.station.stars import galactic_latitude
from astrodetect.simulation.station.station import Station
from astrodetect.sky import frames

#: Diffuse light is worked out at every so many pixels and this often (s), and interpolated between.
_COARSE, _KEY = 4, 0.5


@dataclass
class Backdrop:
    """The diffuse light in front of a camera.

    Parameters
    ----------
    station : Station
        The camera and what stands around it.
    sky : SkyLight
        What lights the sky when the recording begins.
    clouds : tuple of CloudSheet
        From the highest to the lowest.
    start : float
        UTC Unix seconds.
    brightening : float
        Relative change of the sky's light in a second: dawn, dusk.
    """

    station: Station
    sky: SkyLight
    clouds: tuple[CloudSheet, ...]
    start: float
    brightening: float = 0.0
    _keys: dict[int, tuple[FloatImage, FloatImage]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        station = self.station
        y, x = (_nodes(size) for size in station.shape)
        self._grid = len(y), len(x)
        xs, ys = (values.ravel() for values in np.meshgrid(x, y))
        points = station.lens.directions(xs, ys, np.zeros(1))
        self._points = np.where(np.isfinite(points), points, np.array([0.0, 0.0, -1.0]))
        azimuth, altitude = frames.angles(self._points)
        icrs = frames.to_icrs(self._points, np.full(len(altitude), self.start), station.site, "mean")
        latitude = galactic_latitude(*frames.angles(icrs))
        area = station.pixel_area(xs, ys) * station.zero_flux
        self._air = transmission(altitude)
        self._sky = area * self.sky.surface(azimuth, altitude, latitude)
        dark = 10 ** (-0.4 * self.sky.zenith) * area
        lights = self.sky.town_light(azimuth, np.maximum(altitude, 0.0))
        # Clouds over towns are lit from below; Moon and twilight light them from above.
        self._lit = dark * (1 + 2 * lights), 0.8 * np.maximum(self._sky - dark * (1 + lights), 0)
        foreground = station.foreground
        self.clear: FloatImage = station.passed * (1 - foreground.cover)
        self._ground = self._lit_ground(dark)
        self._moon = moon_light(station, self.sky, bool(self.clouds))

    def _lit_ground(self, dark: Floats) -> FloatImage:
        """Give the light of foreground and lamps on the sensor (electrons per frame)."""
        foreground, station = self.station.foreground, self.station
        level = self._full(dark) + np.float32(0.03) * self._full(self._sky - dark)
        ground = level * foreground.shade * foreground.cover * station.passed
        if len(foreground.lamps):
            x, y, flux = foreground.lamps.T
            flux = flux * station.duty / station.frame_rate
            for chosen, at_x, at_y, part, fwhm in station.psf.parts(x, y):
                add_points(ground, at_x, at_y, flux[chosen] * part, fwhm)
        return ground

    @property
    def brightest(self) -> float:
        """Electrons per frame of a bright part of the sky: what automatic exposure goes by."""
        return float(np.percentile(self._sky, 90)) * float(self.station.passed.max())

    def light(self, frame: int) -> FloatImage:
        """Give the diffuse light on the sensor, (H, W) float32, electrons per frame."""
        return self._between(frame, 0)

    def throughput(self, frame: int) -> FloatImage:
        """Give the part of starlight that reaches the sensor, by pixel, (H, W) float32."""
        return self._between(frame, 1)

    def _between(self, frame: int, what: int) -> FloatImage:
        if not self.clouds and not self.brightening:
            return self._key(0)[what].copy()
        place = frame / (self.station.frame_rate * _KEY)
        number = math.floor(place)
        first, second = self._key(number)[what], self._key(number + 1)[what]
        between = second - first
        between *= np.float32(place - number)
        between += first
        return between

    def _key(self, number: int) -> tuple[FloatImage, FloatImage]:
        if number not in self._keys:
            for old in [key for key in self._keys if abs(key - number) > 1]:
                del self._keys[old]
            self._keys[number] = self._make_key(number * _KEY)
        return self._keys[number]

    def _make_key(self, seconds: float) -> tuple[FloatImage, FloatImage]:
        light, passed = self._sky.copy(), np.ones(len(self._sky))
        below, above = self._lit
        for sheet in self.clouds:
            through, shade = sheet.seen(self._points, seconds)
            light = light * through + (sheet.lit * below + above) * shade * (1 - through)
            passed = passed * through
        light = light * max(0.0, 1 + self.brightening * seconds)
        sky, clouds = self._full(light), self._full(passed)
        if self._moon is not None:
            sky += self._moon * clouds
        sky *= self.clear
        sky += self._ground
        clouds *= self._full(self._air)
        clouds *= self.clear
        return sky, clouds

    def _full(self, coarse: Floats) -> FloatImage:
        """Interpolate from the coarse grid to all pixels."""
        values = coarse.reshape(self._grid).astype(np.float32)
        height, width = self.station.shape
        return _stretched(_stretched(values, height).T, width).T


def _nodes(size: int) -> Floats:
    return np.arange(0, size - 1 + _COARSE, _COARSE, dtype=np.float64)


def _stretched(values: FloatImage, size: int) -> FloatImage:
    """Interpolate linearly along the first axis (a product of matrices would wait for other threads)."""
    full = np.empty((_COARSE * (len(values) - 1) + 1, *values.shape[1:]), dtype=np.float32)
    rise = values[1:] - values[:-1]
    for step in range(_COARSE):
        full[step::_COARSE][: len(rise)] = values[:-1] + np.float32(step / _COARSE) * rise
    full[-1] = values[-1]
    return full[:size]
