"""Where weights come from and go to: new models, checkpoints, frozen parts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.settings import TransferSettings


def start(
    model: nn.Module, how: TransferSettings, other: Mapping[str, torch.Tensor] | None, name: str
) -> nn.Module:
    """Give a new model the weights of another where they fit.

    Parameters
    ----------
    model : nn.Module
        The new one; changed.
    how : TransferSettings
        Where the weights come from, and which parts are frozen.
    other : mapping, optional
        The weights of the other model.
    name : str
        The training file, for messages.

    Raises
    ------
    AstrodetectError
        Nothing of the other model fits, or [transfer] names parts that the model does not have.
    """
    for part in how.freeze:
        if not any(own.startswith(part) for own, _ in model.named_parameters()):
            parts = sorted({own.partition(".")[0] for own, _ in model.named_parameters()})
            raise AstrodetectError(
                f"{name}: [transfer] freeze: the model has no part {part!r}; there are {', '.join(parts)}"
            )
    if other is not None:
        own_state = model.state_dict()
        fitting = {
            name: value
            for name, value in other.items()
            if name in own_state and own_state[name].shape == value.shape
        }
        if not any(name in dict(model.named_parameters()) for name in fitting):
            raise AstrodetectError(f"{how.weights}: [transfer] weights: nothing in it fits the model")
        model.load_state_dict({**own_state, **fitting})
    return model


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
