"""The objects of a batch, as association and loss take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor


class Labels(Protocol):
    """The objects of one image, such as `astrodetect.training.boxes.targets.BoxTargets`."""

    @property
    def boxes(self) -> Any:
        """Corners (N, 6) in pixels."""

    @property
    def classes(self) -> Any:
        """Numbers (N,)."""

    @property
    def parameters(self) -> Any:
        """Values (N, P)."""

    @property
    def difficult(self) -> Any:
        """Which (N,) need not be found."""

    @property
    def class_only(self) -> bool:
        """Whether the class is known and no box."""


@dataclass(frozen=True)
class Targets:
    """All T objects of a batch of B images.

    Attributes
    ----------
    image : (T,) int64 tensor
        Image of each.
    boxes : (T, 6) float32 tensor
        ``x_min, y_min, z_min, x_max, y_max, z_max``, half open, in pixels.
    classes : (T,) int64 tensor
        From 0 on.
    parameters : (T, n_parameters) float32 tensor
        Each about 0-1; NaN: not known.
    difficult : (T,) bool tensor
        Counts only where it has been found already.
    class_only : (B,) bool tensor
        Images of which the class is known and no box.
    """

    image: Tensor
    boxes: Tensor
    classes: Tensor
    parameters: Tensor
    difficult: Tensor
    class_only: Tensor

    @classmethod
    def of(cls, labels: Sequence[Labels], device: torch.device | str = "cpu") -> Targets:
        """Join the objects of several images.

        Parameters
        ----------
        labels : sequence of B labels
            One at least.
        device : torch device
            Where the tensors go.
        """
        counts = torch.tensor([len(own.boxes) for own in labels])

        def joined(name: str, dtype: torch.dtype) -> Tensor:
            values = [np.asarray(getattr(own, name)) for own in labels]
            return torch.from_numpy(np.concatenate(values)).to(dtype)

        parts = (
            torch.repeat_interleave(torch.arange(len(labels)), counts),
            joined("boxes", torch.float32),
            joined("classes", torch.int64),
            joined("parameters", torch.float32),
            joined("difficult", torch.bool),
            torch.tensor([bool(own.class_only) for own in labels]),
        )
        return cls(*(part.to(device) for part in parts))

    def __len__(self) -> int:
        """Give the number of objects."""
        return len(self.image)
