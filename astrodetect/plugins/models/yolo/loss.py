"""What units are told: every term of the loss with its gate and its weight."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from astrodetect.plugins.models.yolo.association import EMPTY, Association, Associator
from astrodetect.plugins.models.yolo.encoding import (
    OBJECTNESS,
    PROBABILITY,
    Units,
    activate,
    all_boxes,
    sigmoid_of,
    units_of,
)
from astrodetect.plugins.models.yolo.settings import (
    AssociationSettings,
    Fit,
    Limits,
    LossSettings,
    YoloConfig,
    check_weights,
    limits,
)
from astrodetect.plugins.models.yolo.targets import Targets

#: Targets of what is there and of what is not: a sigmoid reaches neither 1 nor 0.
THERE, NOT_THERE = 0.98, 0.02
#: Neutral value of what lies in 0-1.
_MIDDLE = 0.5


@dataclass(frozen=True)
class Terms:
    """The parts of a loss, scalars each; their sum is what is minimised.

    Summed over units and averaged over the images of the batch.
    """

    position: Tensor
    size: Tensor
    probability: Tensor
    objectness: Tensor
    classes: Tensor
    parameters: Tensor
    void: Tensor

    def by_name(self) -> dict[str, Tensor]:
        """Give the parts by name."""
        return dict(vars(self))

    @property
    def total(self) -> Tensor:
        """The sum."""
        return torch.stack(list(vars(self).values())).sum()


@dataclass(frozen=True)
class YoloLoss:
    """The loss of a model.

    Attributes
    ----------
    config : YoloConfig
    association : AssociationSettings
    settings : LossSettings

    Raises
    ------
    ValueError
        A list of weights fits neither the priors nor the parameters.
    """

    config: YoloConfig
    association: AssociationSettings = field(default_factory=AssociationSettings)
    settings: LossSettings = field(default_factory=LossSettings)

    def __post_init__(self) -> None:
        check_weights(self.config, self.settings)

    @property
    def limits(self) -> Limits:
        """The limits of overlap, each as given or as the overlap has it."""
        return limits(self.association, self.settings)

    def __call__(
        self, output: Tensor, targets: Targets, stride: Tensor, images_seen: int
    ) -> tuple[Terms, Association]:
        """Associate, and compare.

        Parameters
        ----------
        output : (B, P U, h, w) or (B, P U, d, h, w) tensor
            As the network gives it; computed on in float32 at least.
        targets : Targets
            The objects of the batch.
        stride : (3,) tensor
            Pixels of a cell in x, y and z.
        images_seen : int
            See `association.Associator`.

        Returns
        -------
        Terms, Association
        """
        raw = units_of(output, self.config)
        with torch.no_grad():
            every = activate(raw.detach(), self.config)
            boxes = all_boxes(every, self.config, stride)
        found = Associator(self.config, self.association, self.limits)(
            boxes, every.objectness, targets, stride, images_seen
        )
        matched = activate(raw[found.units], self.config)
        terms = self._matched(matched, found, targets, stride)
        void = self._void(raw, found, targets)
        share = 1 / len(output)
        return Terms(*(term * share for term in (*terms, void))), found

    def _matched(
        self, units: Units, found: Association, targets: Targets, stride: Tensor
    ) -> tuple[Tensor, ...]:
        """Give the six terms of the units that answer for an object."""
        how, limit, known = self.settings, self.limits, found.overlap
        boxed = ~targets.class_only[targets.image[found.target]]
        goal = self._goals(found, targets, stride)
        axes = slice(0, self.config.axes)
        position = half_squares(
            units.position[:, axes], goal.position[:, axes], boxed, how.fit_position, _MIDDLE
        )
        size = half_squares(units.size[:, axes], goal.size[:, axes], boxed, how.fit_size, 0.0)
        gate = boxed & (known > limit.probability)
        probability = half_squares(units.probability, goal.probability, gate, how.fit_probability, _MIDDLE)
        gate = boxed & (known > limit.objectness)
        objectness = half_squares(units.objectness, goal.objectness, gate, how.fit_objectness, _MIDDLE)
        classes = self._classes(units.classes, targets.classes[found.target], known > limit.classes)
        gate = boxed & (known > limit.parameters)
        parameters = half_squares(units.parameters, goal.parameters, gate, how.fit_parameters, _MIDDLE)
        return (
            how.position * position.sum(),
            how.size * size.sum(),
            how.probability * probability.sum(),
            how.objectness * objectness.sum(),
            how.classes * classes.sum(),
            how.parameters * (parameters * parameters.new_tensor(how.parameter_weights)).sum(),
        )

    def _goals(self, found: Association, targets: Targets, stride: Tensor) -> Units:
        """Give what the matched units should say."""
        boxes = targets.boxes[found.target]
        _, plane, row, column, prior = found.units
        cells = torch.stack([column, row, plane], dim=-1)
        priors = torch.tensor(self.config.sizes, device=boxes.device, dtype=boxes.dtype)[prior]
        _, least, most = self.config.size
        return Units(
            position=(boxes[:, :3] + boxes[:, 3:]) / 2 / stride - cells,
            size=torch.log((boxes[:, 3:] - boxes[:, :3]) / priors).clamp(least, most),
            probability=torch.full_like(found.overlap, THERE),
            objectness=(1 + found.overlap.clamp_max(THERE)) / 2,
            classes=boxes[:, :0],
            parameters=targets.parameters[found.target],
        )

    def _classes(self, values: Tensor, classes: Tensor, gate: Tensor) -> Tensor:
        """Give the terms of the classes: squared differences, or cross-entropy."""
        n, fit = self.config.n_classes, self.settings.fit_classes
        if not n:
            return values
        if self.config.class_activation == "sigmoid":
            wanted = functional.one_hot(classes, n) * (THERE - NOT_THERE) + NOT_THERE
            return half_squares(values, wanted.to(values.dtype), gate, fit, _MIDDLE)
        if fit != "fit":
            return values.new_zeros(len(values))
        return torch.where(gate, functional.cross_entropy(values, classes, reduction="none"), 0)

    def _void(self, raw: Tensor, found: Association, targets: Targets) -> Tensor:
        """Give the term of the units that answer for nothing."""
        how, config = self.settings, self.config
        empty = (found.lock == EMPTY) & ~targets.class_only[:, None, None, None, None]
        weights = torch.tensor(how.void, device=raw.device)  # one number holds for all priors
        wanted = torch.tensor(NOT_THERE, device=raw.device)
        total = wanted.new_zeros(())
        for channel, slope, weight, fit in (
            (PROBABILITY, config.probability, how.probability, how.fit_probability),
            (OBJECTNESS, config.objectness, how.objectness, how.fit_objectness),
        ):
            value = sigmoid_of(raw[..., channel], slope)
            squares = half_squares(value, wanted.expand_as(value).to(value.dtype), empty, fit, _MIDDLE)
            total = total + weight * (weights * squares).sum()
        return total


def half_squares(value: Tensor, wanted: Tensor, gate: Tensor, fit: Fit, neutral: float) -> Tensor:
    """Give half the squares of differences, 0 where there is nothing to learn.

    Parameters
    ----------
    value, wanted : (n, ...) tensor
        What units say and what they should say; NaN: not known.
    gate : (n) bool tensor
        Units that learn what they should say. What is drawn to its neutral value knows no gate.
    fit : {"fit", "neutral", "off"}
        See `settings.LossSettings`.
    neutral : float
        The neutral value.
    """
    if fit == "off":
        return torch.zeros_like(value)
    if fit == "neutral":
        return 0.5 * (value - neutral) ** 2
    gate = gate.reshape(*gate.shape, *[1] * (value.ndim - gate.ndim)) & torch.isfinite(wanted)
    return torch.where(gate, 0.5 * (value - torch.where(gate, wanted, 0)) ** 2, 0)
