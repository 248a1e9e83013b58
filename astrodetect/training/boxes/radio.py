"""Radio fields made on the fly: every image of every epoch is a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.simulation.fields.field import BOX_COLUMNS, SHAPE_COLUMNS, Field
from astrodetect.simulation.fields.radio import RadioScene
from astrodetect.training.boxes.datasets import BoxDataSet, Sample, sample_rng
from astrodetect.training.boxes.targets import BoxTargets
from astrodetect.training.data.splits import SplitName


@dataclass(frozen=True)
class RadioFields(RadioScene, BoxDataSet):
    """Simulated radio continuum, a new field for each image; all settings of `RadioScene` hold.

    Noise and density are drawn for each image from `noises` and `densities`, so that one model serves deep
    and shallow, thin and crowded fields. Only boxes that lie fully inside are targets. The parameters of a
    box are those of `ShapeParameters`.
    """

    #: Height and width of the images in pixels.
    shape: tuple[Annotated[int, Ge(16)], Annotated[int, Ge(16)]] = (256, 256)
    #: Lowest and highest noise, Jy per beam; drawn log-uniformly.
    noises: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (2.3e-7, 1.2e-6)
    #: Lowest and highest density, as `density`; drawn log-uniformly.
    densities: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (25.0, 350.0)
    #: Part of the images that holds noise alone.
    empty: Annotated[float, Ge(0), Le(1)] = 0.05
    #: Flux (sum of pixels) that the parameter 0, and 1, stands for.
    flux_range: tuple[float, float] = (3e-6, 3e-3)
    #: Axes (full width at half maximum, px) that the parameter 0, and 1, stands for.
    size_range: tuple[float, float] = (2.0, 20.0)
    #: Images of a training epoch.
    train: Annotated[int, Ge(1)] = 1600
    #: Images for validation.
    validation: Annotated[int, Ge(1)] = 64
    #: Images for the test.
    test: Annotated[int, Ge(1)] = 64
    #: Other seeds give other fields.
    seed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """One class."""
        return ("galaxy",)

    @property
    def shape_parameters(self) -> ShapeParameters:
        """Flux, axes and angle."""
        return ShapeParameters(self.flux_range, self.size_range)

    def count(self, split: SplitName) -> int:
        """Give the number of images of an epoch."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]

    def sample(self, split: SplitName, number: int, epoch: int = 0) -> Sample:
        """Make one image."""
        rng = sample_rng(self.seed, split, number, epoch)
        noise, density = (
            float(np.exp(rng.uniform(*np.log(limits)))) for limits in (self.noises, self.densities)
        )
        if rng.random() < self.empty:
            density = 0.0
        field = replace(self, noise=noise, density=density).make(rng)
        return field.image[None], targets_of(field, self.classes, self.shape_parameters).inside(self.shape)


def targets_of(field: Field, classes: tuple[str, ...], shape: ShapeParameters | None = None) -> BoxTargets:
    """Give the sources of a field as targets.

    Parameters
    ----------
    field : Field
        With its truth.
    classes : tuple of str
        Names of the classes, in the order of their numbers.
    shape : ShapeParameters, optional
        How flux, axes and angle become parameters; without it there are none.
    """
    sources = field.sources
    boxes = np.stack([sources[name] for name in BOX_COLUMNS], axis=-1)
    numbers = np.array([classes.index(label) for label in sources["label"]], np.int64)
    parameters = np.zeros((len(numbers), 0), np.float32)
    if shape is not None:
        parameters = shape.encode(*(sources[name] for name in SHAPE_COLUMNS))
    return BoxTargets(boxes.astype(np.float32), numbers, parameters, sources["difficult"])
