"""Images that are shown for several epochs before new ones are made."""

from __future__ import annotations

from dataclasses import dataclass, field

from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.training.boxes.datasets import BoxDataSet, Sample
from astrodetect.training.data.splits import SplitName


@dataclass(frozen=True)
class Reused(BoxDataSet):
    """A data set whose images stay the same for some epochs, and are kept in memory for so long.

    Attributes
    ----------
    data : BoxDataSet
        Where images come from.
    epochs : int
        How long they stay the same.
    """

    data: BoxDataSet
    epochs: int
    _kept: dict[tuple[SplitName, int], tuple[int, Sample]] = field(default_factory=dict, compare=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.data.classes

    @property
    def shape_parameters(self) -> ShapeParameters | None:
        """How the parameters of a box are to be read."""
        return self.data.shape_parameters

    @property
    def channels(self) -> int:
        """Planes of an image."""
        return self.data.channels

    def count(self, split: SplitName) -> int:
        """Give the number of images of an epoch."""
        return self.data.count(split)

    def sample(self, split: SplitName, number: int, epoch: int = 0) -> Sample:
        """Give one image: made for the first epoch of those that show it."""
        block = epoch // self.epochs if split == "train" else 0
        made, sample = self._kept.get((split, number), (-1, None))
        if made != block or sample is None:
            sample = self.data.sample(split, number, block)
            self._kept[split, number] = (block, sample)
        return sample
