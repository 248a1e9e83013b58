"""Sources of any shape, fast: by SExtractor's library sep."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from astrodetect.core.columns import Column
from astrodetect.core.data import Window
from astrodetect.core.detections import Detections
from astrodetect.core.stages import Detector
from astrodetect.methods.gaussian_fit import check_beam
from astrodetect.methods.segments import Flux, find_by_sep
from astrodetect.methods.sources import EXPECTED_DENSITY, SHAPE_COLUMNS, sources_by


@dataclass
class Sep(Detector):
    """Find and measure sources of any shape as SExtractor does, by its library sep (extra ``sep``).

    The same as `segmentation` in what it gives and takes, some twenty times as fast together with
    ``estimator = "sep"`` of `background`. Labelled ``source``.
    """

    #: Least height of the smoothed image, in standard deviations of the image before. Lower finds fainter
    #: sources, more of the outskirts of bright ones, and more noise.
    threshold: Annotated[float, Gt(0)] = 1.5
    #: Full width at half maximum of the Gaussian that smooths the image before, in pixels.
    fwhm: Annotated[float, Gt(0)] = 2.0
    #: Connected pixels above the threshold that a source has at least.
    n_pixels: Annotated[int, Ge(1)] = 5
    #: Thresholds between that of a source and its peak at which it is looked at for parts.
    levels: Annotated[int, Ge(1)] = 32
    #: Share of a source's light that a part of it must have to be a source of its own. 0 splits most, 1
    #: nothing.
    contrast: Annotated[float, Ge(0), Le(1)] = 0.005
    #: Take away what would not stand out but for the wings of a brighter source beside it.
    clean: bool = True
    #: What `flux` sums: the pixels above the threshold, or an ellipse of 2.5 Kron radii.
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

    @classmethod
    def unavailable(cls) -> str:
        """Say that sep is missing, if so."""
        return "" if find_spec("sep") else 'sep is not installed: pip install "astrodetect[sep]"'

    def detect(self, window: Window) -> Detections:
        """Give the sources in a window."""
        return sources_by(
            find_by_sep, window, self.fwhm, self.density, threshold=self.threshold, n_pixels=self.n_pixels,
            levels=self.levels, contrast=self.contrast, clean=self.clean, flux=self.flux,
            fit_beam=self.fit_beam,
        )  # fmt: skip
