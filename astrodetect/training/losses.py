"""What is minimised: cross-entropy or focal loss, for one label or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """A loss from logits and targets.

    Attributes
    ----------
    several : bool
        Targets are (B, c), each class there or not; else (B,) class numbers.
    gamma : float or None
        Exponent of the focal loss; None: cross-entropy.
    alpha : float
        Factor of the focal loss.
    smoothing : float
        Part of the target spread over the classes.
    weights : tuple of float or None
        Weight of each class.
    """

    several: bool = False
    gamma: float | None = None
    alpha: float = 1.0
    smoothing: float = 0.0
    weights: tuple[float, ...] | None = None

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Give the mean loss of a batch.

        Parameters
        ----------
        logits : (B, c) tensor
            With c = 1: the log odds of class 1 against class 0.
        targets : (B,) int64 or (B, c) float tensor
            See `several`.

        Returns
        -------
        () float32 tensor

        Notes
        -----
        Focal loss: ``-alpha (1 - p)^gamma log p``, p the probability of the true class (Lin et al.
        2017). Class weights divide by their sum over the batch.
        """
        import torch
        from torch.nn import functional

        logits = logits.float()
        if self.several:
            soft = targets * (1 - self.smoothing) + self.smoothing / 2
            log_p = soft * functional.logsigmoid(logits) + (1 - soft) * functional.logsigmoid(-logits)
            return (self._focus(log_p) * -log_p).mean()
        log_all = log_probabilities(logits)
        n = log_all.shape[1]
        soft = functional.one_hot(targets, n) * (1 - self.smoothing) + self.smoothing / n
        log_p = (soft * log_all).sum(1)
        terms = -self._focus(log_all.gather(1, targets[:, None])[:, 0]) * log_p
        if self.weights is None:
            return terms.mean()
        weights = torch.tensor(self.weights, device=logits.device)[targets]
        return (weights * terms).sum() / weights.sum()

    def _focus(self, log_p: Tensor) -> Tensor | float:
        if self.gamma is None:
            return 1.0
        return self.alpha * (1 - log_p.exp()).clamp(min=0) ** self.gamma


def log_probabilities(logits: Tensor) -> Tensor:
    """Give log probabilities (B, c) of exclusive classes; (B, 1) logits are log odds of two."""
    import torch
    from torch.nn import functional

    if logits.shape[1] == 1:
        return torch.cat([functional.logsigmoid(-logits), functional.logsigmoid(logits)], dim=1)
    return functional.log_softmax(logits, dim=1)


def balanced_weights(targets: NDArray[Any], n_classes: int) -> tuple[float, ...]:
    """Give ``n / (classes n_c)`` for each class: rare classes weigh as much as frequent ones.

    Examples
    --------
    >>> [round(weight, 3) for weight in balanced_weights(np.array([0, 0, 0, 1]), 2)]
    [0.667, 2.0]
    """
    counts = np.bincount(targets, minlength=n_classes)
    return tuple((len(targets) / (n_classes * np.maximum(counts, 1))).tolist())
