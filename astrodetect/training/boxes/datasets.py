"""What gives images with boxes to training, and the batches of an epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.training.boxes.targets import BoxTargets
from astrodetect.training.boxes.vary import BoxAugmentSettings, vary
from astrodetect.training.data.splits import SPLITS, SplitName

if TYPE_CHECKING:
    import torch

#: An image (C, H, W) float32, and what is in it.
Sample: TypeAlias = tuple[NDArray[np.float32], BoxTargets]


class BoxDataSet(ABC):
    """A recipe for images with boxes: a dataclass, its fields are the keys of the table [data]."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""

    @property
    def shape_parameters(self) -> ShapeParameters | None:
        """How the parameters of a box are to be read; None: there are none."""
        return None

    @property
    def channels(self) -> int:
        """Planes of an image."""
        return 1

    @property
    def n_parameters(self) -> int:
        """Parameters of a box."""
        return 0 if self.shape_parameters is None else len(self.shape_parameters.names)

    @abstractmethod
    def count(self, split: SplitName) -> int:
        """Give the number of images of an epoch."""

    @abstractmethod
    def sample(self, split: SplitName, number: int, epoch: int = 0) -> Sample:
        """Give one image; the same arguments give the same image.

        Parameters
        ----------
        split : str
            ``"train"``, ``"validation"`` or ``"test"``.
        number : int
            From 0 to `count` less 1.
        epoch : int
            Training images may differ from epoch to epoch, those of other splits do not.
        """


def sample_rng(seed: int, split: SplitName, number: int, epoch: int) -> np.random.Generator:
    """Give the random numbers of one image; those of other splits are the same in every epoch."""
    return np.random.default_rng([seed, SPLITS.index(split), number, epoch if split == "train" else 0])


@dataclass(frozen=True)
class BoxLoader:
    """Gives the batches of an epoch; what they hold depends on seed and epoch alone.

    Attributes
    ----------
    data : BoxDataSet
        Where images come from.
    split : str
        Which of them.
    batch : int
        Images in a step.
    seed : int
        Of the augmentation.
    augment : BoxAugmentSettings or None
        How images are varied; None: not at all.
    """

    data: BoxDataSet
    split: SplitName
    batch: int
    seed: int = 0
    augment: BoxAugmentSettings | None = None

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last one may be smaller."""
        return -(-self.data.count(self.split) // self.batch)

    def batches(self, epoch: int = 0, first: int = 0) -> Iterator[tuple[torch.Tensor, list[BoxTargets]]]:
        """Give the batches of an epoch from step `first` on, made ahead by a second thread.

        Returns
        -------
        iterator of (images, targets)
            Images are a (B, C, H, W) float32 tensor on the CPU; targets a list of B `BoxTargets`.
        """
        import torch

        with ThreadPoolExecutor(1) as ahead:
            waiting = [ahead.submit(self._batch, step, epoch) for step in range(first, self.steps)[:1]]
            for step in range(first, self.steps):
                images, targets = waiting.pop().result()
                if step + 1 < self.steps:
                    waiting.append(ahead.submit(self._batch, step + 1, epoch))
                yield torch.from_numpy(images), targets

    def _batch(self, step: int, epoch: int) -> tuple[NDArray[Any], list[BoxTargets]]:
        last = min((step + 1) * self.batch, self.data.count(self.split))
        made = [self._sample(number, epoch) for number in range(step * self.batch, last)]
        images, targets = zip(*made, strict=True)
        return np.stack(images), list(targets)

    def _sample(self, number: int, epoch: int) -> Sample:
        image, targets = self.data.sample(self.split, number, epoch)
        if self.augment is None or self.split != "train":
            return image, targets
        rng = np.random.default_rng([self.seed, number, epoch, 6])
        return vary(image, targets, self.augment, rng, self.data.shape_parameters)
