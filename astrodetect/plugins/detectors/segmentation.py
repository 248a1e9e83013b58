"""Sources of any shape: connected pixels above a threshold, by photutils."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from astrodetect.core.columns import Column
from astrodetect.core.data import Window
from astrodetect.core.detections import Detections
from astrodetect.core.stages import Detector
from astrodetect.methods.gaussian_fit import check_beam
from astrodetect.methods.segments import Flux, find_segments
from astrodetect.methods.sources import EXPECTED_DENSITY, SHAPE_COLUMNS, sources_by


@dataclass
class Segmentation(Detector):
    """Find sources of any shape by photutils' ``SourceFinder`` and measure them by its ``SourceCatalog``.

    Needs the planes ``image`` and ``std`` that `background` makes of a still. What is found is labelled
    ``source``; its box is that of its pixels above the threshold; `snr` is the height in the smoothed
    image over its noise, and `probability` that it is no peak of Gaussian noise.
    """

    #: Least height of the smoothed image, in standard deviations of the image before. Lower finds fainter
    #: sources, more of the outskirts of bright ones, and more noise.
    threshold: Annotated[float, Gt(0)] = 1.5
    #: Full width at half maximum of the Gaussian that smooths the image before, in pixels: near that of a
    #: star it shows the faintest stars, wider the faintest galaxies.
    fwhm: Annotated[float, Gt(0)] = 3.0
    #: Connected pixels above the threshold that a source has at least.
    n_pixels: Annotated[int, Ge(1)] = 5
    #: Split sources that touch. Takes most of the time.
    deblend: bool = True
    #: Thresholds between that of a source and its peak at which it is looked at for parts.
    levels: Annotated[int, Ge(1)] = 32
    #: Share of a source's light that a part of it must have to be a source of its own. 0 splits most, 1
    #: nothing.
    contrast: Annotated[float, Ge(0), Le(1)] = 0.001
    #: What `flux` sums: the pixels above the threshold, or an ellipse of 2.5 Kron radii, nearer to all of
    #: the light and slower.
    flux: Flux = "isophotal"
    #: Sources per pixel with a signal-to-noise above 5 that are expected, for the probability.
    density: Annotated[float, Gt(0)] = EXPECTED_DENSITY
    #: Beam of a radio map: major and minor full width at half maximum (pixels), and angle (degrees from +x
    #: towards +y). Given, flux, axes, angle and place of all sources are fitted together at the end, as
    #: Gaussians in noise that is as smooth as the beam, and `snr` is that of the fit. Empty: no fit.
    fit_beam: tuple[float, ...] = ()

    needs: ClassVar[tuple[str, ...]] = ("image", "std")
    columns: ClassVar[tuple[Column, ...]] = SHAPE_COLUMNS

    def __post_init__(self) -> None:
        check_beam(self.fit_beam)

    def detect(self, window: Window) -> Detections:
        """Give the sources in a window."""
        return sources_by(
            find_segments, window, self.fwhm, self.density, threshold=self.threshold, n_pixels=self.n_pixels,
            deblend=self.deblend, levels=self.levels, contrast=self.contrast, flux=self.flux,
            fit_beam=self.fit_beam,
        )  # fmt: skip
