"""Batches of images: which images in which order, rendered ahead by a second thread."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.augment import augment
from astrodetect.training.data.splits import Split
from astrodetect.training.settings import AugmentSettings


@dataclass(frozen=True)
class Batch:
    """Images of a step.

    Attributes
    ----------
    images : (B, C, H, W) array
        In the type of the data set, or float32 where they are augmented.
    targets : (B,) or (B, c) array
        See `Split`.
    boxes_yx : list of (p, 2) array, or None
        For each image the corners of the squares outside which it is zero.
    numbers : (B,) int64 array
        Which images of the split these are.
    """

    images: NDArray[Any]
    targets: NDArray[Any]
    boxes_yx: list[NDArray[np.int32]] | None
    numbers: NDArray[np.int64]


@dataclass(frozen=True)
class Loader:
    """Gives the batches of an epoch; what they hold depends on seed and epoch alone."""

    split: Split
    batch: int
    seed: int
    augment: AugmentSettings
    oversample: bool = False

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last one may be smaller."""
        return -(-len(self.order(0)) // self.batch)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Give the numbers of the images of an epoch; number ``c n + i`` is copy c of image i."""
        rng = np.random.default_rng([self.seed, epoch, 3])
        n = len(self.split)
        numbers = np.arange(n * (1 + self.augment.copies))
        if self.oversample:
            numbers = np.concatenate([numbers, self._again(numbers, rng)])
        return rng.permutation(numbers)

    def _again(self, numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw images of rarer classes again, with replacement, until all classes are as large."""
        targets = self.split.targets[numbers % len(self.split)]
        if targets.ndim != 1:
            raise AstrodetectError("[train] oversample: images have several labels; expected one label each")
        of_class = [numbers[targets == label] for label in np.unique(targets)]
        most = max(len(own) for own in of_class)
        return np.concatenate([rng.choice(own, most - len(own)) for own in of_class])

    def batches(self, epoch: int, first: int = 0, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """Give the batches of an epoch from step `first` on; with several ranks each gets a part."""
        order = self.order(epoch)
        edges = [*range(0, len(order), self.batch), len(order)]
        parts = [order[a:b] for a, b in pairwise(edges)][first:]
        own = [part[rank::ranks] if len(part) >= ranks else part for part in parts]
        with ThreadPoolExecutor(1) as ahead:
            waiting = [ahead.submit(self._batch, part, epoch) for part in own[:1]]
            for following in [*own[1:], None]:
                done = waiting.pop()
                if following is not None:
                    waiting.append(ahead.submit(self._batch, following, epoch))
                yield done.result()

    def _batch(self, numbers: NDArray[np.int64], epoch: int) -> Batch:
        n = len(self.split)
        images = [self._image(int(number), epoch) for number in numbers]
        chosen = [int(number) % n for number in numbers]
        boxes = [] if self.augment.changes else [self.split.boxes_yx(number) for number in chosen]
        known = [own for own in boxes if own is not None]
        whole = len(known) == len(chosen)
        own = np.array(chosen, np.int64)
        return Batch(_stacked(images), self.split.targets[chosen], known if whole else None, own)

    def _image(self, number: int, epoch: int) -> NDArray[Any]:
        copy, chosen = divmod(number, len(self.split))
        image = self.split.image(chosen)
        if not self.augment.changes:
            return image
        varied = image.astype(np.float32)
        if copy:  # a fixed variant: the same in every epoch
            varied = augment(varied, self.augment, np.random.default_rng([self.seed, chosen, copy, 4]))
        if self.augment.online:
            varied = augment(varied, self.augment, np.random.default_rng([self.seed, number, epoch, 5]))
        return varied


def in_order(split: Split, batch: int) -> Iterator[Batch]:
    """Give images as they are, in order, for evaluation; where shapes change, in smaller batches."""
    for start in range(0, len(split), batch):
        part = range(start, min(start + batch, len(split)))
        for _, same in groupby(((number, split.image(number)) for number in part), lambda own: own[1].shape):
            numbers, images = zip(*same, strict=True)
            boxes = [split.boxes_yx(number) for number in numbers]
            known = [own for own in boxes if own is not None]
            chosen = split.targets[numbers[0] : numbers[-1] + 1]
            own = np.array(numbers, np.int64)
            yield Batch(np.stack(images), chosen, known if len(known) == len(boxes) else None, own)


def _stacked(images: list[NDArray[Any]]) -> NDArray[Any]:
    """Join the images of a batch.

    Raises
    ------
    AstrodetectError
        They differ in shape.
    """
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise AstrodetectError(
            f"images of a batch have the shapes {shapes[0]} and {shapes[1]} (planes, height, width); "
            "expected one; with [train] batch = 1 they may differ in height and width"
        )
    return np.stack(images)
