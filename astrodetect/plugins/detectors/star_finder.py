"""Stars: small round peaks of one known width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from astrodetect.core.columns import Column
from astrodetect.core.data import Window
from astrodetect.core.detections import Detections
from astrodetect.core.stages import Detector
from astrodetect.methods.sources import EXPECTED_DENSITY, seen_in, source_probability, source_table
from astrodetect.methods.star_finding import find_stars


@dataclass
class StarFinder(Detector):
    """Find stars by DAOFIND (Stetson 1987, PASP 99, 191), as photutils' ``DAOStarFinder`` has it.

    Needs the planes ``image`` and ``std`` that `background` makes of a still. What is found is labelled
    ``star``; its box has the sides of 2 FWHM; `flux` is the sum over the square of the kernel, `snr` that
    over its noise, `score` the height in the convolved image over its noise, and `probability` that it is
    no peak of Gaussian noise.
    """

    #: Least height of a star in the convolved image, in standard deviations. Lower finds fainter stars and
    #: more noise: at 5 one false peak is expected in some 3 million pixels, at 4 one in 40,000.
    threshold: Annotated[float, Gt(0)] = 5.0
    #: Full width at half maximum of a star, in pixels. Measure it on an unsaturated one.
    fwhm: Annotated[float, Gt(0)] = 3.0
    #: Least and largest sharpness of a star: hot pixels have more than 1, galaxies little.
    sharpness: tuple[float, float] = (0.2, 1.0)
    #: Least and largest roundness: 0 is round, bleeding columns and trails lie beyond 1.
    roundness: tuple[float, float] = (-1.0, 1.0)
    #: Least distance of two stars, in pixels: of nearer ones the brighter is kept. 0 splits all that can be
    #: split, as crowded fields need it; 2.5 FWHM leaves out bumps on the wings of bright stars.
    separation: Annotated[float, Ge(0)] = 0.0
    #: Sources per pixel with a signal-to-noise above 5 that are expected, for the probability: 1e-3 is
    #: usual; near the galactic plane up to 1e-2.
    density: Annotated[float, Gt(0)] = EXPECTED_DENSITY

    needs: ClassVar[tuple[str, ...]] = ("image", "std")
    columns: ClassVar[tuple[Column, ...]] = (
        Column("sharpness", "float64", "", "DAOFIND sharpness: how much the central pixel stands out"),
        Column("roundness", "float64", "", "DAOFIND roundness from the marginal fits: 0 is round"),
    )

    def __post_init__(self) -> None:
        for name in ("sharpness", "roundness"):
            low, high = getattr(self, name)
            if not low < high:
                raise ValueError(f"{name} = [{low}, {high}]: expected the least and the largest")

    def detect(self, window: Window) -> Detections:
        """Give the stars in a window."""
        seen = seen_in(window)
        if seen is None:
            return Detections.empty()
        found = find_stars(
            seen.image, seen.noise, seen.mask, threshold=self.threshold, fwhm=self.fwhm,
            sharpness=self.sharpness, roundness=self.roundness, separation=self.separation,
        )  # fmt: skip
        if found is None:
            return Detections.empty()
        x, y = np.asarray(found["x_centroid"]), np.asarray(found["y_centroid"])
        height, flux = np.asarray(found["height"]), np.asarray(found["flux"])
        place = tuple(
            np.clip(np.rint(at).astype(np.int64), 0, length - 1)
            for at, length in zip((y, x), window.shape, strict=True)
        )
        boxes = np.stack([x - self.fwhm, y - self.fwhm, x + self.fwhm, y + self.fwhm], axis=1) + 0.5
        return source_table(
            window, "star", x, y, boxes,
            probability=source_probability(height, self.fwhm, self.density), score=height,
            snr=flux / (seen.noise[place] * np.sqrt(np.asarray(found["n_pixels"]))),
            peak=np.asarray(found["peak"]), flux=flux,
            sharpness=np.asarray(found["sharpness"]), roundness=np.asarray(found["roundness2"]),
        )  # fmt: skip
