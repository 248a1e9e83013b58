"""Radio continuum as in the first data challenge of the SKA: counts, sizes, beam, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from astrodetect.methods.ellipses import axes_of, boxes_of, moments_of
from astrodetect.simulation.fields.field import BOX_COLUMNS, PATCH_AREA, Field, blended, inside, tangent_plane
from astrodetect.simulation.fields.noise import beam_noise
from astrodetect.simulation.fields.powers import more, power_law
from astrodetect.simulation.fields.stamps import add_gaussians

Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]

#: Names of the populations: active nuclei (compact), galaxies that form stars (extended).
POPULATIONS = ("compact", "extended")


@dataclass(frozen=True)
class RadioScene:
    """What a radio field holds. Fluxes are in Jy, angles in arcseconds unless they say else.

    Sources are elliptical Gaussians of two populations, each with counts dN/dS that are a power law:
    compact ones (active nuclei) and extended ones (discs that form stars, seen at random inclinations).
    They are weakened by the primary beam and convolved with the beam; the noise is white noise convolved
    with the beam. Pixels are Jy per beam. The defaults are near to the 560 MHz image of 1000 h of the first
    data challenge (Bonaldi et al. 2021).

    Raises
    ------
    ValueError
        Fluxes or axes are not in order.

    Examples
    --------
    >>> scene = RadioScene(shape=(128, 128))
    >>> field = scene.make(np.random.default_rng(0))
    >>> field.image.shape, sorted(set(field.sources["label"].tolist()))
    ((128, 128), ['galaxy'])
    """

    #: Height and width in pixels.
    shape: tuple[Annotated[int, Ge(16)], Annotated[int, Ge(16)]] = (1024, 1024)
    #: Side of a pixel, arcseconds.
    pixel: Positive = 0.6
    #: Beam: major and minor full width at half maximum (arcseconds), and its angle in degrees from +x
    #: towards +y. At least 1.9 pixels wide, below which the sum over pixels is no longer the flux.
    beam: tuple[Positive, Positive, float] = (1.5, 1.5, 0.0)
    #: Noise of a pixel, Jy per beam. That of 1000 h at 560 MHz is 2.55e-7.
    noise: NotNegative = 2.55e-7
    #: Sources per 256 x 256 pixels brighter than `anchor`, before the primary beam.
    density: NotNegative = 70.0
    #: Flux for `density`: that of the faintest labels of the data challenge.
    anchor: Positive = 1.65e-6
    #: Flux of the faintest sources that are drawn; those below the noise make it uneven (confusion).
    faintest: Positive = 4e-7
    #: Flux of the brightest sources.
    brightest: Positive = 5e-3
    #: Part of the sources brighter than `anchor` that is compact.
    compact: Fraction = 0.2
    #: Exponents g of the counts dN/dS ~ S^-g, compact and extended.
    slopes: tuple[Positive, Positive] = (1.8, 2.3)
    #: Median major axis before convolution of a source of 10 microjansky, compact and extended;
    #: it grows with the power 0.3 and 0.15 of the flux.
    sizes: tuple[Positive, Positive] = (0.2, 1.0)
    #: Deviation of the sizes, in powers of ten.
    size_scatter: NotNegative = 0.25
    #: Longest major axis before convolution.
    longest: Positive = 20.0
    #: Full width at half maximum of the primary beam, degrees, centred on the field; 0: none.
    #: A dish of 15 m has 2.1 degrees at 560 MHz.
    primary_beam: NotNegative = 0.0
    #: Sources with a signal-to-noise below this are in the image and not in the list.
    listed_snr: NotNegative = 3.0
    #: Listed sources below this are marked as difficult: they need not be found.
    sure_snr: NotNegative = 5.0
    #: Axes of a box in units of the full width at half maximum of its source as seen.
    box_scale: Positive = 2.0
    #: Right ascension and declination of the middle of the field, degrees.
    centre: tuple[float, Annotated[float, Ge(-90), Le(90)]] = (0.0, -30.0)

    def __post_init__(self) -> None:
        if not self.faintest <= self.anchor < self.brightest:
            raise ValueError(
                f"faintest is {self.faintest:g}, anchor {self.anchor:g}, brightest {self.brightest:g} Jy; "
                "expected faintest <= anchor < brightest"
            )
        if not 1.9 * self.pixel <= self.beam[1] <= self.beam[0]:
            raise ValueError(
                f"beam is {self.beam[0]:g} x {self.beam[1]:g} arcsec; expected the longer axis first, and "
                f"the shorter at least 1.9 pixels ({1.9 * self.pixel:g} arcsec)"
            )

    @property
    def beam_moments(self) -> NDArray[np.float64]:
        """Second moments of the beam, square pixels."""
        return moments_of(self.beam[0] / self.pixel, self.beam[1] / self.pixel, self.beam[2])

    @property
    def beam_area(self) -> float:
        """Solid angle of the beam in pixels: the sum over pixels of a source of 1 Jy."""
        xx, yy, xy = self.beam_moments
        return 2 * math.pi * math.sqrt(float(xx * yy - xy**2))

    def make(self, rng: np.random.Generator) -> Field:
        """Make a field; the same state of `rng` gives the same one."""
        drawn = self._draw(rng)
        image = beam_noise(self.shape, self.noise, self.beam_moments, rng)
        add_gaussians(image, drawn["x"], drawn["y"], drawn["peak"], drawn["moments"], self.noise)
        listed = self._listed(drawn)
        return Field(image, listed, self._header(), len(drawn["x"]) - len(listed["x"]))

    def _draw(self, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Draw all sources whose light falls on the image."""
        margin = 3 * self.longest / self.pixel if self.longest else 0.0
        height, width = self.shape
        area = (height + 2 * margin) * (width + 2 * margin)
        flux, size, ratio, kind = self._populations(area / PATCH_AREA, rng)
        n = len(flux)
        x = rng.uniform(-margin, width + margin, n) - 0.5
        y = rng.uniform(-margin, height + margin, n) - 0.5
        angle = rng.uniform(0, 180, n)
        own = moments_of(size / self.pixel, size * ratio / self.pixel, angle)
        moments = own + self.beam_moments
        weakened = self._weakening(x, y)
        spread = 2 * math.pi * np.sqrt(moments[:, 0] * moments[:, 1] - moments[:, 2] ** 2)
        return {
            "x": x, "y": y, "flux_jy": flux * weakened, "attenuation": weakened, "moments": moments,
            "bmaj": size, "bmin": size * ratio, "angle": angle, "kind": kind,
            "peak": flux * weakened * self.beam_area / spread, "spread": spread,
        }  # fmt: skip

    def _populations(self, patches: float, rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
        """Draw fluxes, major axes, axis ratios and populations."""
        parts = []
        for kind, share in enumerate((self.compact, 1 - self.compact)):
            slope = self.slopes[kind]
            mean = self.density * share * patches * more(slope, self.faintest, self.anchor, self.brightest)
            flux = power_law(rng.random(rng.poisson(mean)), slope, self.faintest, self.brightest)
            n = len(flux)
            grown = self.sizes[kind] * (flux / 1e-5) ** (0.3, 0.15)[kind]
            size = np.minimum(grown * 10 ** (self.size_scatter * rng.standard_normal(n)), self.longest)
            cosine = rng.uniform(0, 1, n)
            ratio = np.sqrt(0.04 + 0.96 * cosine**2) if kind else rng.uniform(0.3, 1, n)
            parts.append((flux, size, ratio, np.full(n, kind)))
        return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

    def _weakening(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
        """Give the primary beam, a Gaussian, at positions."""
        if not self.primary_beam:
            return np.ones(len(x))
        height, width = self.shape
        radius = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2) * self.pixel / 3600
        return np.asarray(np.exp(-4 * math.log(2) * (radius / self.primary_beam) ** 2))

    def _listed(self, drawn: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Give the truth: what is bright enough, and has its centre in the image."""
        flux = drawn["flux_jy"] * self.beam_area
        noise = self.noise or np.finfo(float).tiny
        snr = np.sqrt(drawn["peak"] * drawn["flux_jy"]) / noise
        x, y = drawn["x"], drawn["y"]
        kept = np.flatnonzero(inside(x, y, self.shape) & (snr >= self.listed_snr))
        kept = kept[np.argsort(-flux[kept], kind="stable")]
        major, minor, theta = axes_of(drawn["moments"][kept])
        boxes = boxes_of(x[kept], y[kept], drawn["moments"][kept], self.box_scale)
        return {
            "label": np.full(len(kept), "galaxy"),
            "x": x[kept], "y": y[kept], "flux": flux[kept], "major": major, "minor": minor, "theta": theta,
            "beam": np.full(len(kept), math.sqrt(self.beam[0] * self.beam[1]) / self.pixel),
            **dict(zip(BOX_COLUMNS, boxes.T, strict=True)),
            "peak": drawn["peak"][kept], "snr": snr[kept], "difficult": snr[kept] < self.sure_snr,
            "blended": blended(x[kept], y[kept], np.sqrt(major * minor)),
            "population": np.array(POPULATIONS)[drawn["kind"][kept]],
            "flux_jy": drawn["flux_jy"][kept], "attenuation": drawn["attenuation"][kept],
            "bmaj": drawn["bmaj"][kept], "bmin": drawn["bmin"][kept],
            "pa": (drawn["angle"][kept] - 90.0) % 180.0,
        }  # fmt: skip

    def _header(self) -> dict[str, Any]:
        return {
            "BUNIT": "JY/BEAM", "BMAJ": self.beam[0] / 3600, "BMIN": self.beam[1] / 3600,
            "BPA": (self.beam[2] - 90.0) % 180.0, **tangent_plane(self.shape, self.pixel, self.centre, "SIN"),
        }  # fmt: skip
