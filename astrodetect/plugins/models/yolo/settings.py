"""What a YOLO model is made of and how it learns, as plain values; imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le

from astrodetect.core import settings
from astrodetect.methods.boxes import Overlap
from astrodetect.methods.shape_parameters import ShapeParameters

Count = Annotated[int, Ge(1)]
Amount = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
#: Slope, least and greatest value of an activation, as in `encoding.clip_through`.
Slope = tuple[float, float, float]
#: Channels of a detection unit before its classes: x, y, z, w, h, d, probability, objectness.
FIXED_CHANNELS = 8


@dataclass(frozen=True)
class YoloConfig:
    """One model: network, detection units, their activations, and what its images look like.

    Raises
    ------
    ValueError
        Settings that do not go together.
    """

    method: Literal["yolo"] = "yolo"
    #: What turns an image into a grid of cells: `tiny` (cells of 8 pixels, for processors), `sdc1` (16
    #: pixels, 12.6 million parameters), `darknet` (32 pixels, for larger objects), or ``module:callable``:
    #: called with the number of channels it gives any torch module from images to feature maps.
    network: str = "tiny"
    #: Axes of an image: 2, or 3 for spectral cubes.
    axes: Literal[2, 3] = 2
    #: Planes of an image.
    channels: Count = 1
    #: Names of the classes. One alone needs no channel in the output.
    labels: tuple[str, ...] = ("source",)
    #: Sizes in pixels that the boxes of a cell start from: width, height (and depth), one detection unit
    #: each. Equal ones give room for crowded places; association makes them differ.
    priors: tuple[tuple[float, ...], ...] = ((6.0, 6.0), (6.0, 6.0), (12.0, 12.0))

    #: Names of the quantities measured with each box, each about 0-1 as the data set encodes it.
    parameters: tuple[str, ...] = ()
    #: Flux that 0 and 1 stand for, where the parameters are those of
    #: `astrodetect.methods.shape_parameters.ShapeParameters`; empty: they are given out as they are.
    flux_range: tuple[float, ...] = ()
    #: Axes in pixels that 0 and 1 stand for.
    size_range: tuple[float, ...] = ()

    #: Pixel value that becomes 0 for the network; one for all channels, or one for each.
    black: tuple[float, ...] = (0.0,)
    #: Pixel value that becomes 1.
    white: tuple[float, ...] = (1.0,)
    #: What `white` counts: the unit of the images (`pixels`), or the noise of each image (`noise`), measured
    #: on its first channel, sharpened if there is a `beam`. Then deep and shallow images look alike, in
    #: whatever unit; a flux is learned in units of the noise and given out in that of the image.
    white_unit: Literal["pixels", "noise"] = "pixels"
    #: Cut pixels below `black` and above `white` off. Else they become less than 0 and more than 1.
    clip: bool = False
    #: What is done then: nothing, ``tanh(stretch_factor * v)``, which spares faint light, or
    #: ``asinh(stretch_factor * v) / asinh(stretch_factor)``, which keeps bright light apart as well.
    stretch: Literal["linear", "tanh", "asinh"] = "linear"
    #: See `stretch`; 3 is what was published.
    stretch_factor: Annotated[float, Gt(0)] = 3.0
    #: Full width at half maximum, in pixels along x, y (and z), of the Gaussian that the noise is as smooth
    #: as: the beam of an interferometer. The network then sees every channel twice, as it is and sharpened,
    #: that is, divided by the beam in the Fourier plane. Empty: as it is alone.
    beam: tuple[Annotated[float, Gt(0)], ...] = ()

    #: Slope, least and greatest value of what goes into the sigmoid of a box's position in its cell. A
    #: smaller slope learns more evenly.
    position: Slope = (1.0, -6.0, 6.0)
    #: The same of the logarithm of size over prior.
    size: Slope = (1.0, -1.6, 1.6)
    #: The same of the sigmoid of the probability.
    probability: Slope = (1.0, -6.0, 6.0)
    #: The same of the sigmoid of the objectness.
    objectness: Slope = (1.0, -6.0, 6.0)
    #: The same of the classes.
    classes: Slope = (1.0, -6.0, 6.0)
    #: Classes by a sigmoid each, trained on squared differences, or by a softmax with cross-entropy.
    class_activation: Literal["sigmoid", "softmax"] = "sigmoid"
    #: The same of the parameters.
    parameter: Slope = (1.0, -0.2, 1.2)

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ValueError(problem)

    @property
    def planes(self) -> int:
        """Channels that the network sees: with a beam each one twice."""
        return self.channels * (2 if self.beam else 1)

    @property
    def flux_in_noise(self) -> bool:
        """Whether the first parameter is a flux that is learned in units of the noise."""
        return self.white_unit == "noise" and bool(self.flux_range)

    @property
    def n_classes(self) -> int:
        """Class channels of a detection unit."""
        return len(self.labels) if len(self.labels) > 1 else 0

    @property
    def n_parameters(self) -> int:
        """Parameter channels of a detection unit."""
        return len(self.parameters)

    @property
    def levels(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Black and white of each channel."""
        n = self.channels
        black, white = (own if len(own) == n else own * n for own in (self.black, self.white))
        return black, white

    @property
    def shape_parameters(self) -> ShapeParameters | None:
        """How the parameters become flux, axes and angle; None: they are something else."""
        if not self.flux_range:
            return None
        return ShapeParameters(
            (self.flux_range[0], self.flux_range[1]), (self.size_range[0], self.size_range[1])
        )

    @property
    def unit_channels(self) -> int:
        """Channels of a detection unit: eight fixed ones, classes, parameters."""
        return FIXED_CHANNELS + self.n_classes + self.n_parameters

    @property
    def output_channels(self) -> int:
        """Channels of a cell."""
        return len(self.priors) * self.unit_channels

    @property
    def sizes(self) -> tuple[tuple[float, float, float], ...]:
        """Width, height and depth of the priors; an image is one pixel deep."""
        return tuple((prior[0], prior[1], prior[2] if self.axes == 3 else 1.0) for prior in self.priors)

    def to_json(self) -> str:
        """Give the settings as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str = "[model]") -> YoloConfig:
        """Make a configuration from a TOML or JSON table.

        Raises
        ------
        ConfigurationError
            All mistakes, one line each, beginning with `where`.
        """
        return settings.build_alone(cls, table, where)


def _problems(config: YoloConfig) -> list[str]:
    found = []
    numbers = {2: "width and height", 3: "width, height and depth"}[config.axes]
    if not config.priors or any(len(prior) != config.axes for prior in config.priors):
        found.append(f"priors: {numbers} each are needed for axes = {config.axes}, and one prior at least")
    elif any(not (isfinite(side) and side > 0) for prior in config.priors for side in prior):
        found.append("priors: sides must be above 0 pixels")
    if not config.labels or len(set(config.labels)) != len(config.labels) or not all(config.labels):
        found.append("labels: names are needed, each once")
    if len(config.beam) not in {0, config.axes}:
        found.append(f"beam: {config.axes} numbers, one for each axis, or none")
    found += _range_problems(config)
    for name in ("black", "white"):
        if len(getattr(config, name)) not in {1, config.channels}:
            found.append(f"{name}: one number, or one for each of {config.channels} channels")
    if not found and any(w == b or not isfinite(w - b) for b, w in zip(*config.levels, strict=True)):
        found.append("black and white must be numbers that differ")
    for name in ("position", "size", "probability", "objectness", "classes", "parameter"):
        slope, least, most = getattr(config, name)
        if not (slope > 0 and least < most):
            found.append(f"{name}: slope above 0, then the least value, then a greater one")
    return found


def _range_problems(config: YoloConfig) -> list[str]:
    ranges = config.flux_range, config.size_range
    if not any(ranges):
        return []
    if config.parameters != ShapeParameters.names:
        return [f"flux_range and size_range belong to the parameters {', '.join(ShapeParameters.names)}"]
    if not all(len(limits) == 2 and 0 < limits[0] < limits[1] for limits in ranges):
        return ["flux_range and size_range: two numbers each, above 0, the lower first"]
    return []


@dataclass(frozen=True)
class AssociationSettings:
    """Which detection unit answers for which object: the table [association] of a training file.

    A limit that is absent is that of the overlap: see `LIMITS`.
    """

    #: How far a box and an object are the same: `iou`, `giou`, `diou` (less the distance of their centres
    #: in diagonals) or `diou2` (less its square).
    overlap: Overlap = "diou"
    #: A unit that overlaps any object by more is "good but not best": it is not told that it is empty.
    good: float | None = None
    #: Where the best unit of a cell overlaps its object by less, the unit of the nearest prior takes it.
    low: float | None = None
    #: Images at the start for which objects of a cell take random units: all units see all kinds.
    random_startup: Annotated[int, Ge(0)] = 64_000
    #: Chance that an object takes a random unit later on.
    random_share: Share = 0.0
    #: Chance that an object takes the unit of the nearest prior though another overlaps it more.
    nearest_share: Share = 0.05
    #: What is near for a prior: `iou` of boxes about one centre, difference of `size` in pixels, or of
    #: logarithms of sizes (`offset`).
    prior_distance: Literal["iou", "size", "offset"] = "offset"
    #: An object may take only its so many nearest kinds of prior; 0: any.
    strict: Annotated[int, Ge(0)] = 0
    #: An object smaller in every axis than so many times the smallest prior takes the smallest prior; 0: no
    #: such rule.
    smallest_scale: Amount = 0.0
    #: A difficult object counts only where its box overlaps it by this ...
    difficult_overlap: float | None = None
    #: ... and is of this objectness already.
    difficult_objectness: float | None = None


#: For each overlap: good, low, and the overlaps above which probability, objectness, classes and
#: parameters learn; then those of difficult objects.
LIMITS: Mapping[str, tuple[float, float, float, float, float, float, float, float]] = {
    "iou": (0.5, 0.1, 0.0, 0.0, 0.2, 0.2, 0.5, 0.3),
    "giou": (0.4, -0.5, -1.0, -1.0, -0.3, -0.3, 0.4, 0.2),
    "diou": (0.3, -0.6, -1.0, -1.0, -0.5, -0.5, 0.3, 0.1),
    "diou2": (0.3, -0.5, -1.0, -1.0, -0.4, -0.4, 0.3, 0.1),
}

Fit = Literal["fit", "neutral", "off"]


@dataclass(frozen=True)
class LossSettings:
    """What a unit is told: the table [loss] of a training file.

    Every term is half the weight times a squared difference; a group may be fitted (`fit`), drawn to its
    neutral value (`neutral`: middle of the cell, size of the prior, 0.5) or left alone (`off`).
    """

    #: Weight of the position in the cell.
    position: Amount = 2.0
    #: Weight of the logarithm of size over prior.
    size: Amount = 2.0
    #: Weight of the probability.
    probability: Amount = 1.0
    #: Weight of the objectness.
    objectness: Amount = 2.0
    #: Weight of the classes.
    classes: Amount = 1.0
    #: Weight of all parameters.
    parameters: Amount = 1.0
    #: Weight of each parameter among them; one for all, or one for each.
    parameter_weights: tuple[Amount, ...] = (1.0,)
    #: Weight of units that answer for nothing, in units of the weights of probability and objectness; one
    #: for all, or one for each prior. Most units are empty; large priors are rarely needed.
    void: tuple[Amount, ...] = (0.2,)
    #: Overlap above which a unit learns its probability; absent: see `LIMITS`.
    probability_above: float | None = None
    #: The same of the objectness.
    objectness_above: float | None = None
    #: The same of the classes.
    classes_above: float | None = None
    #: The same of the parameters.
    parameters_above: float | None = None
    #: Whether the position is fitted.
    fit_position: Fit = "fit"
    #: Whether the size is fitted.
    fit_size: Fit = "fit"
    #: Whether the probability is fitted.
    fit_probability: Fit = "fit"
    #: Whether the objectness is fitted.
    fit_objectness: Fit = "fit"
    #: Whether the classes are fitted.
    fit_classes: Fit = "fit"
    #: Whether the parameters are fitted.
    fit_parameters: Fit = "fit"


def check_weights(config: YoloConfig, loss: LossSettings) -> None:
    """Refuse lists of weights that fit neither the priors nor the parameters.

    Raises
    ------
    ValueError
        Naming the list.
    """
    for name, values, n, what in (
        ("void", loss.void, len(config.priors), "prior"),
        ("parameter_weights", loss.parameter_weights, config.n_parameters, "parameter"),
    ):
        if len(values) not in {1, n}:
            raise ValueError(
                f"[loss] {name}: {len(values)} numbers; expected one, or one for each {what}, that is {n}"
            )


@dataclass(frozen=True)
class Limits:
    """The limits of a training, each as given or as its overlap has it."""

    good: float
    low: float
    probability: float
    objectness: float
    classes: float
    parameters: float
    difficult_overlap: float
    difficult_objectness: float


def limits(association: AssociationSettings, loss: LossSettings) -> Limits:
    """Give all limits that depend on the overlap.

    Examples
    --------
    >>> limits(AssociationSettings(good=0.5), LossSettings()).good
    0.5
    >>> limits(AssociationSettings(overlap="iou"), LossSettings()).classes
    0.2
    """
    given = (
        association.good,
        association.low,
        loss.probability_above,
        loss.objectness_above,
        loss.classes_above,
        loss.parameters_above,
        association.difficult_overlap,
        association.difficult_objectness,
    )
    usual = LIMITS[association.overlap]
    return Limits(*(default if value is None else value for value, default in zip(given, usual, strict=True)))
