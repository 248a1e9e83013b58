"""What the makers of objects are given: the station, the time, and the way from space to pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.objects import Layer
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.station.brightness import SkyLight
from astrodetect.simulation.station.sources import StationSource
from astrodetect.simulation.station.station import Station
from astrodetect.sky import frames

Generator = np.random.Generator
#: Places (n, 3), north, east, up of the station in any unit of length, at seconds (n,).
Places = Callable[[Floats], Floats]
#: Magnitudes (n,) above the air, or relative light, at seconds (n,).
Curve = Callable[[Floats], Floats]
#: Radius of the Earth (km).
EARTH = 6371.0
#: Paths are worked out this often in a frame, and followed this far outside of the picture (px).
_PER_FRAME, _OUTSIDE = 4, 60.0
#: Magnitude of 1 lux.
_LUX = -13.99


@dataclass(frozen=True)
class View:
    """A recording in the making.

    Attributes
    ----------
    station : Station
        The camera.
    sky : SkyLight
        What lights the sky.
    frames : int
        Of the recording.
    start : float
        UTC Unix seconds.
    clear : (H, W) float32 array
        Part of the light that passes foreground and lens.
    """

    station: Station
    sky: SkyLight
    frames: int
    start: float
    clear: FloatImage

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.station.frame_rate

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.frames / self.rate

    @cached_property
    def _open(self) -> tuple[Floats, Floats]:
        """Pixels that see the sky, x and y, and see it well."""
        rows, columns = np.nonzero(self.clear[::8, ::8] > 0.25 * float(self.clear.max()))
        return columns.astype(np.float64) * 8, rows.astype(np.float64) * 8

    def direction(self, rng: Generator, lowest: float = 5.0) -> Floats:
        """Draw a direction in which the camera sees the sky, (3,), north, east, up.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        lowest : float
            Altitude (deg); a field that lies lower is taken as it is.
        """
        x, y = self._open
        if not len(x):
            return self.axis
        for _ in range(100):
            at = int(rng.integers(len(x)))
            point = self.station.lens.directions(x[at : at + 1], y[at : at + 1], np.zeros(1))[0]
            if np.isfinite(point[0]) and point[2] >= np.sin(np.radians(lowest)):
                return np.asarray(point, dtype=np.float64)
        return self.axis

    @property
    def axis(self) -> Floats:
        """The middle of the picture, (3,), north, east, up."""
        x, y = self.station.psf.centre_xy
        point: Floats = self.station.lens.directions(np.array([x]), np.array([y]), np.zeros(1))[0]
        return point

    def horizon(self, rng: Generator, altitude: float = 3.0) -> tuple[float, float]:
        """Draw an azimuth that the camera sees, and the lowest altitude there (deg), at least `altitude`."""
        point = self.direction(rng, -90.0)
        azimuth, _ = frames.angles(point[None])
        alt = np.arange(altitude, 89.0, 1.0)
        x, y = self.station.lens.horizon_to_pixel(np.full(len(alt), azimuth[0]), alt)
        height, width = self.station.shape
        with np.errstate(invalid="ignore"):
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return float(azimuth[0]), float(alt[inside][0]) if inside.any() else altitude

    def pixels(self, places: Floats) -> tuple[Floats, Floats]:
        """Give the pixels of places (n, 3) in any unit; NaN where the lens does not see them."""
        length = np.linalg.norm(places, axis=-1, keepdims=True)
        x, y = self.station.lens.pixels(places / length, np.zeros(1))
        return x, y

    def magnitude_of_lamp(self, candela: float, kilometres: Floats) -> Floats:
        """Give the magnitude of a lamp at a distance."""
        return np.asarray(_LUX - 2.5 * np.log10(candela / (kilometres * 1000.0) ** 2), dtype=np.float64)

    def light(self, magnitude: Floats | float) -> Floats:
        """Give electrons per frame of magnitudes."""
        flux: Floats = self.station.zero_flux * 10 ** (-0.4 * np.asarray(magnitude, dtype=np.float64))
        return flux

    def source(
        self,
        kind: str,
        label: str,
        places: Places,
        curve: Curve,
        span: tuple[float, float] | None = None,
        *,
        layer: Layer = "sky",
        blur: float = 0.0,
        snr: float = 0.0,
    ) -> list[StationSource]:
        """Make a source that moves.

        Parameters
        ----------
        kind, label : str
            What it is, and its class in the catalog.
        places : callable
            Where it is.
        curve : callable
            Its magnitude above the air; with `snr`, its relative light.
        span : (float, float), optional
            Seconds in which it is there; the whole recording if not given.
        layer : str
            See `astrodetect.simulation.objects.Layer`.
        blur : float
            Width (px), joined with that of the lens.
        snr : float
            Highest signal-to-noise that its light is scaled to.

        Returns
        -------
        list of StationSource
            One, or none if the camera does not see it.
        """
        first, last = (value * self.rate for value in (span or (0.0, self.seconds)))
        first, last = max(first, 0.0), min(last, float(self.frames))
        times = np.linspace(first, last, max(2, int((last - first) * _PER_FRAME)))
        x, y = self.pixels(places(times / self.rate))
        part = self._seen(x, y)
        if part is None or last <= first:
            return []
        times, x, y = times[part], x[part], y[part]
        duty, psf = self.station.duty, self.station.psf
        fwhm = float(np.hypot(psf.fwhm, blur))

        def path(at: Floats) -> tuple[Floats, Floats]:
            return np.interp(at, times, x), np.interp(at, times, y)

        def light(at: Floats) -> Floats:
            values = curve(at / self.rate)
            return values if snr else self.light(values)

        ends = float(times[0]), float(times[-1])
        return [
            StationSource(label, path, light, *ends, snr, fwhm, duty, layer, psf=psf, blur=blur, kind=kind)
        ]

    def _seen(self, x: Floats, y: Floats) -> slice | None:
        """Give the part of a path from the first to the last point near the picture, without gaps."""
        height, width = self.station.shape
        with np.errstate(invalid="ignore"):
            near = (x > -_OUTSIDE) & (x < width + _OUTSIDE) & (y > -_OUTSIDE) & (y < height + _OUTSIDE)
        seen = np.flatnonzero(near)
        if len(seen) < 2:
            return None
        known = np.isfinite(x[seen[0] : seen[-1] + 1])
        end = seen[0] + (int(np.argmin(known)) if not known.all() else len(known))
        return slice(int(seen[0]), int(end)) if end - seen[0] > 1 else None


def at_height(direction: Floats, height: float) -> Floats:
    """Give the place in a direction at a height above the (spherical) Earth.

    Parameters
    ----------
    direction : (3,) float64 array
        North, east, up.
    height : float
        Kilometres.

    Returns
    -------
    (3,) float64 array
        Kilometres from the station.
    """
    along = EARTH * direction[2]
    distance = -along + np.sqrt(along**2 + 2 * EARTH * height + height**2)
    return np.asarray(distance * direction, dtype=np.float64)


def height_of(places: Floats) -> Floats:
    """Give the height (km) above the Earth of places (n, 3), kilometres from the station."""
    centre = np.array([0.0, 0.0, -EARTH])
    return np.asarray(np.linalg.norm(places - centre, axis=-1) - EARTH, dtype=np.float64)


def vertical_at(place: Floats) -> Floats:
    """Give the direction that is up at a place, (3,)."""
    up = place + np.array([0.0, 0.0, EARTH])
    return np.asarray(up / np.linalg.norm(up), dtype=np.float64)
