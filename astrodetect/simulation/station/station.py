"""A station: where it stands, its lens, its sensor, what its camera does to frames, what stands around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.meteors import log_uniform
from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.station.codec import Codec
from astrodetect.simulation.station.foreground import Foreground, draw_foreground
from astrodetect.simulation.station.lens import Lens, Psf, RectilinearLens, light_passed
from astrodetect.simulation.station.sensor import Sensor
from astrodetect.sky import frames
from astrodetect.sky.lens import AllSkyLens

#: Electrons per second and square metre of magnitude 0, unfiltered silicon behind a lens.
PHOTONS = 1.2e10
LensKind = Literal["fish-eye", "fripon", "wide", "normal"]
LENSES: tuple[LensKind, ...] = ("fish-eye", "fripon", "wide", "normal")
_ARCSEC2 = math.degrees(1.0) ** 2 * 3600.0**2


@dataclass(frozen=True)
class Station:
    """A station.

    Attributes
    ----------
    name : str
        Its code.
    kind : str
        Of its lens: one of `LENSES`.
    lens : Lens
        With the site.
    psf : Psf
        How it blurs.
    falloff : float
        Light lost at the edge, see `lens.light_passed`.
    sensor : Sensor
        Its pixels.
    aperture : float
        Diameter of the opening (mm).
    frame_rate : float
        Frames per second.
    duty : float
        Part of the frame time that is exposed.
    codec, quality
        See `codec.through_codec`.
    zenith : float
        Brightness of its darkest sky (mag per square arcsec).
    towns : tuple of (azimuth, strength, width)
        See `brightness.SkyLight`.
    surroundings : tuple of str
        See `foreground.draw_foreground`.
    clock : bool
        It writes date and time into its pictures.
    seed : int
        Of what is drawn from it.
    """

    name: str
    kind: LensKind
    lens: Lens
    psf: Psf
    falloff: float
    sensor: Sensor
    aperture: float
    frame_rate: float
    duty: float
    codec: Codec
    quality: int
    zenith: float
    towns: tuple[tuple[float, float, float], ...]
    surroundings: tuple[str, ...]
    clock: bool
    seed: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame."""
        return self.sensor.shape

    @property
    def site(self) -> Site:
        """Where it stands."""
        assert self.lens.site is not None
        return self.lens.site

    @property
    def zero_flux(self) -> float:
        """Electrons per frame of magnitude 0 on the optical axis, above the air."""
        area = math.pi / 4 * (self.aperture * 1e-3) ** 2
        return PHOTONS * area * self.duty / self.frame_rate

    @property
    def zero_point(self) -> float:
        """Magnitude of 1 electron per frame."""
        return 2.5 * math.log10(self.zero_flux)

    @cached_property
    def passed(self) -> FloatImage:
        """Part of the light that passes the lens, (H, W) float32."""
        return light_passed(self.lens, self.shape, self.falloff)

    @cached_property
    def foreground(self) -> Foreground:
        """What stands in front of the sky."""
        y, x = np.indices(self.shape, dtype=np.float64)
        points = self.lens.directions(x.ravel(), y.ravel(), np.zeros(1)).reshape(*self.shape, 3)
        azimuth, altitude = frames.angles(points)
        scale = np.full(self.shape, self.degrees_per_pixel)
        rng = np.random.default_rng([self.seed, 4])
        return draw_foreground(rng, azimuth, altitude, scale, self.surroundings, self.zero_flux * 30.0)

    @property
    def degrees_per_pixel(self) -> float:
        """Scale on the optical axis (deg/px)."""
        f = self.lens.f if isinstance(self.lens, RectilinearLens) else self.lens.coefficients[0]
        return math.degrees(1 / f)

    def pixel_area(self, x: Floats, y: Floats) -> Floats:
        """Give the solid angle of pixels (square arcsec); 0 outside of the lens."""
        when = np.zeros(1)
        middle = self.lens.directions(x, y, when)
        right, down = (self.lens.directions(x + a, y + b, when) - middle for a, b in ((1.0, 0.0), (0.0, 1.0)))
        area = np.linalg.norm(np.cross(right, down), axis=-1) * _ARCSEC2
        return np.asarray(np.nan_to_num(area), dtype=np.float64)

    def describe(self) -> dict[str, Any]:
        """Give what it is as plain values."""
        lens = {name: value for name, value in vars(self.lens).items() if _is_plain(value)}
        sensor = {name: value for name, value in vars(self.sensor).items() if _is_plain(value)}
        own = {name: value for name, value in vars(self).items() if _is_plain(value)}
        return {**own, "site": list(self.site), "lens": lens, "sensor": sensor, "psf": vars(self.psf)}


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, str, tuple)) or (isinstance(value, float) and math.isfinite(value))


def draw_station(
    seed: int,
    number: int = 0,
    *,
    shape: tuple[int, int] = (480, 640),
    frame_rate: float | None = None,
    bits: int | None = None,
    lens: LensKind | None = None,
) -> Station:
    """Draw a station.

    Parameters
    ----------
    seed, number : int
        The same pair gives the same station.
    shape : (int, int)
        Height and width of its frames, even numbers.
    frame_rate : float, optional
        Frames per second; drawn if not given.
    bits : {8, 12}, optional
        Of its pixels; drawn if not given.
    lens : str, optional
        One of `LENSES`; drawn if not given.

    Raises
    ------
    AstrodetectError
        The shape, the rate or the bits cannot be simulated.
    """
    _check(shape, frame_rate, bits)
    rng = np.random.default_rng([seed, 7, number])
    kind: LensKind = LENSES[int(rng.choice(4, p=(0.25, 0.25, 0.35, 0.15)))]
    kind = lens or kind
    site = Site(float(rng.uniform(-50, 65)), float(rng.uniform(-180, 180)), float(rng.uniform(0, 1500)))
    made = _draw_lens(rng, kind, shape, site)
    rate = float(rng.choice([25.0, 30.0]))
    eight = bool(rng.random() < 0.6)
    deep = (8 if eight else 12) if bits is None else bits
    aperture = {
        "fish-eye": (0.8, 1.8), "fripon": (0.6, 1.0), "wide": (3.5, 8.0), "normal": (8.0, 15.0)
    }[kind]  # fmt: skip
    width = log_uniform(rng, aperture)
    station_seed = int(rng.integers(2**31))
    zenith = float(rng.uniform(17.8, 21.7))
    towns = tuple(
        (float(rng.uniform(0, 360)), log_uniform(rng, (0.3, 8.0)), float(rng.uniform(15, 60)))
        for _ in range(int(rng.integers(1, 4)))
    )
    codec, quality = _draw_codec(rng, deep)
    psf = _draw_psf(rng, made, shape, kind)
    kinds = ("trees", "trees", "roof", "wires", "lamps")
    around = tuple(name for name in kinds if rng.random() < 0.5)
    return Station(
        f"XX{number + 1:04d}", kind, made, psf, float(rng.uniform(0.2, 0.7)),
        _draw_sensor(rng, shape, deep, station_seed), width, frame_rate or rate, float(rng.uniform(0.7, 1.0)),
        codec, quality, zenith, towns, around, bool(rng.random() < 0.35), station_seed,
    )  # fmt: skip


def _check(shape: tuple[int, int], frame_rate: float | None, bits: int | None) -> None:
    if min(shape) < 64 or shape[0] % 2 or shape[1] % 2:
        raise AstrodetectError(
            f"shape is {shape[0]}x{shape[1]}; a station needs even numbers, at least 64x64"
        )
    if frame_rate is not None and not (math.isfinite(frame_rate) and frame_rate > 0):
        raise AstrodetectError(f"frame rate is {frame_rate}; a number above 0 is needed")
    if bits not in {None, 8, 12}:
        raise AstrodetectError(f"bits is {bits}; 8 and 12 can be simulated")


def _draw_lens(rng: np.random.Generator, kind: LensKind, shape: tuple[int, int], site: Site) -> Lens:
    height, width = shape
    x = (width - 1) / 2 + rng.normal(0, 0.02) * height
    y = (height - 1) / 2 + rng.normal(0, 0.02) * height
    if kind in {"fish-eye", "fripon"}:
        field = float(rng.uniform(85, 95))
        circle = 0.5 * height * float(rng.uniform(0.92, 1.12))
        lean = rng.normal(0, 2, 2)
        projection: Literal["equidistant", "fripon"] = "equidistant"
        coefficients: tuple[float, ...] = (circle / math.radians(field),)
        if kind == "fripon":
            projection, k2 = "fripon", float(rng.uniform(1.7, 2.2))
            k1 = float(rng.uniform(0.95, 1.05)) * k2
            coefficients = (circle / (k1 * math.sin(math.radians(field) / k2)), k1, k2)
        return AllSkyLens(
            projection, coefficients, float(x), float(y), float(rng.uniform(0, 360)),
            float(lean[0]), float(lean[1]), field=field, shape=shape, site=site, camera="simulated",
        )  # fmt: skip
    across = float(rng.uniform(45, 92) if kind == "wide" else rng.uniform(18, 35))
    k1 = -float(rng.uniform(0.02, 0.12)) if kind == "wide" else -float(rng.uniform(0.0, 0.05))
    edge = math.tan(math.radians(across / 2))
    f = 0.5 * width / (edge * (1 + k1 * edge**2))
    half = math.degrees(math.atan(0.5 * height / f))
    altitude = float(rng.uniform(max(25.0, half - 6), 65))
    return RectilinearLens(
        f, float(x), float(y), float(rng.uniform(0, 360)), altitude, float(rng.normal(0, 3)), k1,
        shape=shape, site=site, camera="simulated",
    )  # fmt: skip


def _draw_psf(rng: np.random.Generator, lens: Lens, shape: tuple[int, int], kind: LensKind) -> Psf:
    # Small sensors behind fish-eyes are sharp; of any lens one half is a little out of focus.
    fwhm = log_uniform(rng, (1.5, 2.4) if kind in {"fish-eye", "fripon"} else (1.6, 2.8))
    coma = float(rng.uniform(0.05, 0.35))
    growth = float(rng.uniform(0.1, 0.6))
    wings = log_uniform(rng, (0.01, 0.06))
    radius = math.hypot(*shape) / 2
    return Psf(fwhm, growth, coma, wings, (lens.x_centre, lens.y_centre), radius)


def _draw_codec(rng: np.random.Generator, bits: int) -> tuple[Codec, int]:
    choice = int(rng.choice(3, p=(0.3, 0.3, 0.4)))
    quality = (0, int(rng.integers(2, 6)), int(rng.integers(14, 23)))[choice]
    codecs: tuple[Codec, ...] = ("none", "mjpeg", "h264")
    return (codecs[choice], quality) if bits == 8 else ("none", 0)


def _draw_sensor(rng: np.random.Generator, shape: tuple[int, int], bits: int, seed: int) -> Sensor:
    read = log_uniform(rng, (1.2, 8.0))
    black, gamma = float(rng.uniform(60, 250)), float(rng.uniform(0.45, 1.0)) if bits == 8 else 1.0
    # Cameras of meteors run at high gain: reading alone makes several steps of noise.
    noise = log_uniform(rng, (4.0, 25.0))
    if bits == 8:
        noise = log_uniform(rng, (1.3, 6.0)) / Sensor(shape, seed, 8, black=black, gamma=gamma).slope
    banded = bool(rng.random() < 0.35)
    blooming = log_uniform(rng, (0.002, 0.2)) if rng.random() < 0.5 else 0.0
    return Sensor(
        shape, seed, bits, gain=read / noise, black=black, read_noise=read,
        uneven=float(rng.uniform(0.003, 0.015)), pattern=noise * float(rng.uniform(0.1, 0.7)),
        columns=noise * float(rng.uniform(0.0, 0.3)), rows=noise * float(rng.uniform(0.0, 0.25)),
        bands=(
            noise * float(rng.uniform(0.1, 0.6)) if banded else 0.0,
            float(rng.uniform(8, 300)), float(rng.uniform(-20, 20)),
        ),
        hot=log_uniform(rng, (3.0, 150.0)), warm=log_uniform(rng, (100.0, 6000.0)),
        flickering=log_uniform(rng, (2.0, 60.0)), blooming=blooming,
        gamma=gamma,
    )  # fmt: skip
