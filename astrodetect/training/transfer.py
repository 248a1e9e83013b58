"""Where weights come from and go to: new models, checkpoints, frozen parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import load
from astrodetect.training.config import TrainingPlan
from astrodetect.training.settings import TransferSettings

if TYPE_CHECKING:
    from astrodetect.plugins.models.fcn import FcnMil
    from astrodetect.plugins.models.model import PatchModel


def start(plan: TrainingPlan) -> PatchModel | FcnMil:
    """Give the model of a plan, with new weights or those of another model where they fit.

    Raises
    ------
    AstrodetectError
        Nothing of the other model fits, or [transfer] names parts that the model does not have.
    """
    model = build_model(plan.model)
    how = plan.transfer
    for part in how.freeze:
        if not any(name.startswith(part) for name, _ in model.named_parameters()):
            parts = sorted({name.partition(".")[0] for name, _ in model.named_parameters()})
            raise AstrodetectError(
                f"{plan.name}: [transfer] freeze: the model has no part {part!r}; "
                f"there are {', '.join(parts)}"
            )
    if how.weights is not None:
        _take(model, load(how.weights).model.state_dict(), how.weights)
    return model


def _take(model: nn.Module, other: Mapping[str, torch.Tensor], path: Path) -> None:
    """Take the weights whose names and shapes agree."""
    own = model.state_dict()
    fitting = {name: value for name, value in other.items() if name in own and own[name].shape == value.shape}
    if not any(name in dict(model.named_parameters()) for name in fitting):
        raise AstrodetectError(f"{path}: [transfer] weights: nothing in it fits the model")
    model.load_state_dict({**own, **fitting})


def freeze(model: nn.Module, how: TransferSettings, epoch: int) -> None:
    """Put the model into training mode, and hold what is frozen in this epoch (counted from 0)."""
    model.train()
    if not how.freeze:
        return
    held = not how.unfreeze_epoch or epoch + 1 < how.unfreeze_epoch
    for name, parameter in model.named_parameters():
        if name.startswith(how.freeze):
            parameter.requires_grad_(not held)
    for name, module in model.named_modules():
        if held and name.startswith(how.freeze):
            module.eval()  # running statistics are held, too


def facts_of(plan: TrainingPlan, row: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is kept in a checkpoint beside the weights: how and on what it was trained."""
    return {"training": plan.fingerprint(), "validation": dict(row)}
