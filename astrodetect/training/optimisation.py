"""Learning rates, clipping and the moving average of weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


def rate(step: int, steps: int, warmup: float, final: float) -> float:
    """Give the learning rate of a step as a part of the highest.

    It rises in a line over the first ``warmup * steps`` steps and falls as half a cosine to `final`.

    Examples
    --------
    >>> [round(rate(step, 11, 0.1, 0.0), 2) for step in (0, 1, 6, 10)]
    [1.0, 1.0, 0.5, 0.02]
    """
    rising = int(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def parameter_groups(
    model: nn.Module, scorer: str, decay: float, tuned: Sequence[str] = (), tune_rate: float = 1.0
) -> list[dict[str, Any]]:
    """Sort the parameters of a model: the scorer's and the others', with and without weight decay.

    Parameters
    ----------
    model : nn.Module
        Any.
    scorer : str
        Beginning of the names of the scorer's parameters.
    decay : float
        For matrices and kernels; vectors (biases, scales) have none.
    tuned : sequence of str
        Beginnings of the names of parameters whose learning rate is multiplied by `tune_rate`.
    tune_rate : float
        See `tuned`.

    Returns
    -------
    list of dict
        For an optimizer, each with the keys ``part`` ("scorer" or "rest"), ``names`` and ``factor``.
    """
    groups: dict[tuple[str, bool, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        part = "scorer" if name.startswith(scorer) else "rest"
        heavy, slow = parameter.ndim > 1, name.startswith(tuple(tuned))
        group = groups.setdefault((part, heavy, slow), {"params": [], "names": [], "part": part})
        group["weight_decay"] = decay if heavy else 0.0
        group["factor"] = tune_rate if slow else 1.0
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def clip_parts(optimizer: Optimizer, norm: float, value: float) -> dict[str, float]:
    """Clip the gradients of each part of a model apart.

    Parameters
    ----------
    optimizer : Optimizer
        With groups from `parameter_groups`.
    norm, value : float
        Largest norm of a part's gradient, and largest element; 0: no clipping.

    Returns
    -------
    dict of str to float
        Norm of each part's gradient before clipping.
    """
    from torch.nn import utils

    norms = {}
    for part in dict.fromkeys(group["part"] for group in optimizer.param_groups):
        own = [p for g in optimizer.param_groups if g["part"] == part for p in g["params"]]
        if value:
            utils.clip_grad_value_(own, value)
        norms[part] = float(utils.clip_grad_norm_(own, norm or math.inf))
    return norms


class MovingAverage:
    """Exponential moving average of the floating-point state of a model.

    Parameters
    ----------
    model : nn.Module
        Its present state is the start.
    decay : float
        In 0-1; over the first steps ``(1 + t) / (10 + t)`` where that is less, so that the random
        start is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        """Take in the present state."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in model.state_dict().items():
            mean = self.state[name]
            if mean.is_floating_point():
                mean.lerp_(value.detach(), 1 - decay)
            else:
                mean.copy_(value)

    def load(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Take up a saved average."""
        self.steps = steps
        for name, value in state.items():
            self.state[name].copy_(value)


def set_rates(groups: Iterable[dict[str, Any]], base: float, scorer: float) -> None:
    """Set the learning rate of each group; the scorer has a multiple of its own."""
    for group in groups:
        group["lr"] = base * (scorer if group["part"] == "scorer" else 1.0) * group["factor"]
