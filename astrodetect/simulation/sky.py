"""What fills the frame: gradients, stars, moon, clouds, lightning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from astrodetect.simulation.objects import Conditions, Layer, SceneObject
from astrodetect.simulation.psf import FloatArray, FloatImage, add_points
from astrodetect.simulation.truth import TrackPoint

Generator = np.random.Generator


@dataclass
class Glow(SceneObject):
    """A map of light whose brightness changes with time.

    Parameters
    ----------
    light : (H, W) float32 array
        ADU at factor 1, above the lens.
    factors : mapping of int to float, or float
        Factor by frame (frames that are not named are dark), or the change per frame of a factor that
        starts with 1.
    label : str
        Class; empty for the sky itself.
    centre_xy : (float, float)
        Where the truth says it is.
    """

    light: FloatImage
    factors: Mapping[int, float] | float = 0.0
    label: str = ""
    centre_xy: tuple[float, float] = (math.nan, math.nan)
    layer: Layer = "air"
    diffuse: bool = True

    def factor(self, frame: int) -> float:
        """Give the brightness in one frame."""
        if isinstance(self.factors, Mapping):
            return self.factors.get(frame, 0.0)
        return max(0.0, 1.0 + self.factors * frame)

    def render(self, image: FloatImage, frame: int) -> None:
        """Add the light."""
        factor = self.factor(frame)
        if factor == 1.0:
            image += self.light
        elif factor > 0.0:
            image += self.light * np.float32(factor)

    def observe(self, frame: int, conditions: Conditions) -> TrackPoint | None:
        """Give the centre while there is light."""
        if not self.label or self.factor(frame) <= 0.0:
            return None
        return TrackPoint(frame, *self.centre_xy)


@dataclass
class Stars(SceneObject):
    """A star field that drifts slowly; each star scintillates as a whole, point-spread function and all.

    Parameters
    ----------
    x, y, flux : (n,) array
        In frame 0; flux in ADU per frame.
    spread : (n,) array
        Relative spread of each star's flux.
    drift_xy : (float, float)
        Pixels per frame.
    fwhm : float
        Pixels.
    seed : int
        Of the scintillation.
    """

    x: FloatArray
    y: FloatArray
    flux: FloatArray
    spread: FloatArray
    drift_xy: tuple[float, float]
    fwhm: float
    seed: int
    label: str = ""
    layer: Layer = "sky"

    def render(self, image: FloatImage, frame: int) -> None:
        """Add all stars, each with its brightness of this frame (correlated with the frame before)."""
        n = len(self.x)
        now, before = (
            np.random.default_rng([self.seed, number]).standard_normal(n) for number in (frame + 1, frame)
        )
        factor = np.exp(self.spread * (0.9 * now + 0.436 * before) - 0.5 * self.spread**2)
        dx, dy = self.drift_xy
        add_points(
            image, self.x + dx * (frame + 0.5), self.y + dy * (frame + 0.5), self.flux * factor, self.fwhm
        )


@dataclass
class Clouds(SceneObject):
    """Drifting cloud that dims what is above and glows by the light from below.

    The texture repeats; memory does not grow with the length of the recording.

    Parameters
    ----------
    transmission : (h, w) float32 array
        At least as large as the frame; repeated in both directions.
    glow : float
        ADU of opaque cloud.
    drift_xy : (float, float)
        Pixels per frame.
    """

    transmission: FloatImage
    glow: float
    drift_xy: tuple[float, float]
    label: str = "cloud"
    layer: Layer = "air"
    diffuse: bool = True
    _last: tuple[int, FloatImage] | None = None

    def passed(self, shape: tuple[int, int], frame: int) -> FloatImage:
        """Give the fraction of light that passes in one frame, (H, W) float32."""
        if self._last is not None and self._last[0] == frame:
            return self._last[1]
        height, width = self.transmission.shape
        x, y = (-speed * (frame + 0.5) for speed in self.drift_xy)
        column, row = math.floor(x), math.floor(y)
        rows = np.arange(row, row + shape[0] + 1) % height
        columns = np.arange(column, column + shape[1] + 1) % width
        piece = self.transmission[rows[:, None], columns]
        across = np.float32(x - column)
        piece = piece[:, :-1] + across * (piece[:, 1:] - piece[:, :-1])
        down = np.float32(y - row)
        passed: FloatImage = piece[:-1] + down * (piece[1:] - piece[:-1])
        self._last = (frame, passed)
        return passed

    def render(self, image: FloatImage, frame: int) -> None:
        """Add the glow; the scene applies `passed`."""
        shape = (image.shape[0], image.shape[1])
        image += np.float32(self.glow) * (np.float32(1) - self.passed(shape, frame))

    def observe(self, frame: int, conditions: Conditions) -> TrackPoint | None:
        """Say that it is there."""
        return TrackPoint(frame, math.nan, math.nan)


def grid(shape: tuple[int, int]) -> tuple[FloatImage, FloatImage]:
    """Give x as (1, W) and y as (H, 1), float32."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return x.astype(np.float32), y.astype(np.float32)


def texture(rng: Generator, shape: tuple[int, int], slope: float = 1.9, smallest: float = 6.0) -> FloatImage:
    """Give a random texture with a power-law spectrum, mean 0 and spread 1, repeating at its edges.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : (int, int)
        Height and width.
    slope : float
        Amplitude falls with frequency to this power.
    smallest : float
        Details under this size (pixels) are smoothed away.
    """
    noise = np.fft.rfft2(rng.standard_normal(shape))
    fy = np.fft.fftfreq(shape[0])[:, None]
    fx = np.fft.rfftfreq(shape[1])[None, :]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = np.inf
    noise *= frequency**-slope * np.exp(-((frequency * smallest) ** 2))
    values = np.fft.irfft2(noise, shape)
    result: FloatImage = (values / values.std()).astype(np.float32)
    return result


def sky_gradient(rng: Generator, shape: tuple[int, int], level: float) -> FloatImage:
    """Give the light of the sky: brighter towards one side and towards a town, (H, W) float32."""
    x, y = grid(shape)
    angle = rng.uniform(0, 2 * np.pi)
    along = (np.cos(angle) * (x / shape[1] - 0.5) + np.sin(angle) * (y / shape[0] - 0.5)).astype(np.float32)
    town_x, strength = rng.uniform(0, shape[1]), rng.uniform(0.1, 0.8)
    distance = ((x - town_x) / shape[1]) ** 2 + ((y - shape[0]) / (0.5 * shape[0])) ** 2
    light = level * (1 + rng.uniform(0.1, 0.5) * along + strength * np.exp(-2 * distance))
    return np.asarray(light, dtype=np.float32)


def star_field(rng: Generator, shape: tuple[int, int], settings: StarSettings) -> Stars:
    """Give stars with a cumulative count that grows like 10^(0.5 magnitude)."""
    height, width = shape
    margin = 8
    area = (height + 2 * margin) * (width + 2 * margin)
    # Three times as many stars again lie below the noise: they make the sky uneven.
    n = int(rng.poisson(4 * settings.per_million * area / 1e6))
    faintest = settings.faintest_flux / 4 ** (1 / 1.25)
    flux = np.minimum(faintest * rng.random(n) ** (-1 / 1.25), faintest * 2000)
    spread = settings.scintillation * np.exp(0.4 * rng.standard_normal(n))
    angle = rng.uniform(0, 2 * np.pi)
    speed = settings.drift * rng.uniform(0.1, 1)
    return Stars(
        rng.uniform(-margin, width + margin, n),
        rng.uniform(-margin, height + margin, n),
        flux,
        spread,
        (speed * math.cos(angle), speed * math.sin(angle)),
        settings.fwhm,
        int(rng.integers(2**62)),
    )


@dataclass(frozen=True)
class StarSettings:
    """What `star_field` needs: stars per million pixels above `faintest_flux` (ADU), and the rest."""

    per_million: float
    faintest_flux: float
    scintillation: float
    drift: float
    fwhm: float
