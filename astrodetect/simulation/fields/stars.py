"""Crowded fields of stars as a CCD sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from astrodetect.methods.ellipses import FWHM_IN_SIGMA, boxes_of, moments_of
from astrodetect.simulation.fields.field import BOX_COLUMNS, PATCH_AREA, Field, blended, inside, tangent_plane
from astrodetect.simulation.fields.powers import more, power_law
from astrodetect.simulation.fields.stamps import add_gaussians

Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]

#: Highest value of a pixel.
SATURATION = 65535


@dataclass(frozen=True)
class StarScene:
    """What an exposure of a star field holds. Fluxes are in ADU, lengths in pixels.

    Stars are round Gaussians, with as many per magnitude as a power law gives, on an even sky with a slope;
    photons and the reading of the camera make the noise. Pixels are 16-bit numbers.

    Raises
    ------
    ValueError
        Fluxes are not in order.

    Examples
    --------
    >>> field = StarScene(shape=(128, 128), density=100).make(np.random.default_rng(0))
    >>> field.image.dtype, len(field) > 10
    (dtype('uint16'), True)
    """

    #: Height and width in pixels.
    shape: tuple[Annotated[int, Ge(16)], Annotated[int, Ge(16)]] = (1024, 1024)
    #: Stars per 256 x 256 pixels brighter than `anchor`.
    density: NotNegative = 150.0
    #: Flux for `density`.
    anchor: Positive = 400.0
    #: Flux of the faintest stars that are drawn; those that cannot be seen make the sky uneven.
    faintest: Positive = 60.0
    #: Flux of the brightest stars.
    brightest: Positive = 4e5
    #: Stars become 10 to the power of this more numerous with every magnitude.
    growth: Annotated[float, Gt(0), Le(0.6)] = 0.3
    #: Full width at half maximum of a star, the pixel included.
    fwhm: Annotated[float, Ge(1.9)] = 2.5
    #: Axis ratio of a star: below 1 for guiding errors or aberrations, along `angle`.
    roundness: Annotated[float, Gt(0), Le(1)] = 1.0
    #: Angle of the major axis of all stars, degrees from +x towards +y.
    angle: float = 0.0
    #: Level of the sky in the middle of the field, ADU per pixel.
    sky: NotNegative = 120.0
    #: Difference of the sky between opposite edges in x, as a part of its level.
    gradient: Annotated[float, Ge(0), Le(1)] = 0.1
    #: Constant offset of the camera, ADU.
    bias: NotNegative = 1000.0
    #: Electrons per ADU.
    gain: Positive = 1.5
    #: Noise of reading a pixel, ADU.
    read_noise: NotNegative = 4.0
    #: Stars with a signal-to-noise below this are in the image and not in the list.
    listed_snr: NotNegative = 3.0
    #: Listed stars below this are marked as difficult: they need not be found.
    sure_snr: NotNegative = 5.0
    #: Side of a box in units of the full width at half maximum.
    box_scale: Positive = 2.0
    #: Side of a pixel, arcseconds.
    pixel: Positive = 1.0
    #: Right ascension and declination of the middle of the field, degrees.
    centre: tuple[float, Annotated[float, Ge(-90), Le(90)]] = (270.0, -30.0)

    def __post_init__(self) -> None:
        if not self.faintest <= self.anchor < self.brightest:
            raise ValueError(
                f"faintest is {self.faintest:g}, anchor {self.anchor:g}, brightest {self.brightest:g} ADU; "
                "expected faintest <= anchor < brightest"
            )

    @property
    def star_moments(self) -> NDArray[np.float64]:
        """Second moments of a star, square pixels."""
        return moments_of(self.fwhm, self.fwhm * self.roundness, self.angle)

    @property
    def spread(self) -> float:
        """Flux of a star whose peak is 1, in pixels."""
        return 2 * math.pi * (self.fwhm / FWHM_IN_SIGMA) ** 2 * self.roundness

    @property
    def level(self) -> float:
        """Noise of a pixel without stars, ADU."""
        return math.sqrt(self.sky / self.gain + self.read_noise**2)

    def make(self, rng: np.random.Generator) -> Field:
        """Make a field; the same state of `rng` gives the same one."""
        light = self.background()
        x, y, flux = self.add_stars(light, rng)
        sources = self._listed(x, y, flux)
        return Field(self.expose(light, rng), sources, self.header(), len(x) - len(sources["x"]))

    def add_stars(
        self, light: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Add stars to the light of a field, in place; give their x, y and flux."""
        x, y, flux = self._draw(rng)
        moments = np.broadcast_to(self.star_moments, (len(x), 3))
        add_gaussians(light, x, y, flux / self.spread, moments, self.level)
        return x, y, flux

    def background(self) -> NDArray[np.float32]:
        """Give the light of the sky, ADU."""
        height, width = self.shape
        slope = 1 + self.gradient * (np.arange(width) / max(width - 1, 1) - 0.5)
        return np.tile(np.float32(self.sky) * slope.astype(np.float32), (height, 1))

    def expose(self, light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint16]:
        """Turn light into pixels: photons, reading, offset, saturation."""
        counted = rng.poisson(np.maximum(light, 0) * self.gain) / self.gain
        read = counted + self.bias + self.read_noise * rng.standard_normal(light.shape)
        return np.clip(np.rint(read), 0, SATURATION).astype(np.uint16)

    def _draw(self, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        margin = 4 * self.fwhm
        height, width = self.shape
        slope = 1 + 2.5 * self.growth
        patches = (height + 2 * margin) * (width + 2 * margin) / PATCH_AREA
        mean = self.density * patches * more(slope, self.faintest, self.anchor, self.brightest)
        n = rng.poisson(mean)
        x = rng.uniform(-margin, width + margin, n) - 0.5
        y = rng.uniform(-margin, height + margin, n) - 0.5
        return x, y, power_law(rng.random(n), slope, self.faintest, self.brightest)

    def _listed(self, x: NDArray[Any], y: NDArray[Any], flux: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Give the truth: what is bright enough, and has its centre in the image."""
        snr = flux / np.sqrt(flux / self.gain + 2 * self.spread * self.level**2)
        kept = np.flatnonzero(inside(x, y, self.shape) & (snr >= self.listed_snr))
        kept = kept[np.argsort(-flux[kept], kind="stable")]
        n = len(kept)
        moments = np.broadcast_to(self.star_moments, (n, 3))
        boxes = boxes_of(x[kept], y[kept], moments, self.box_scale)
        reach = self.fwhm * math.sqrt(self.roundness)
        return {
            "label": np.full(n, "star"),
            "x": x[kept], "y": y[kept], "flux": flux[kept], "major": np.full(n, self.fwhm),
            "minor": np.full(n, self.fwhm * self.roundness),
            "theta": np.full(n, self.angle % 180 if self.roundness < 1 else np.nan),
            **dict(zip(BOX_COLUMNS, boxes.T, strict=True)),
            "peak": flux[kept] / self.spread, "snr": snr[kept], "difficult": snr[kept] < self.sure_snr,
            "blended": blended(x[kept], y[kept], np.full(n, reach)),
        }  # fmt: skip

    def header(self) -> dict[str, Any]:
        """Give the cards of the file."""
        return {
            "BUNIT": "adu", "GAIN": self.gain, "RDNOISE": self.read_noise, "SATURATE": SATURATION,
            **tangent_plane(self.shape, self.pixel, self.centre),
        }  # fmt: skip
