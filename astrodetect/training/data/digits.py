"""The digits that synthetic data sets are made of, split so that no digit is in two splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge

from astrodetect.training.data.glyphs import drawn_digits
from astrodetect.training.data.idx import Digits, mnist_folder, read_mnist
from astrodetect.training.data.scenes import Sky
from astrodetect.training.data.splits import SPLITS, SplitName

#: Training digits of MNIST that only the validation split uses: the last ones.
HELD_BACK = 5_000
_DRAWN = {"train": 4_000, "validation": 1_000, "test": 1_000}


@dataclass(frozen=True)
class DigitSettings:
    """What all data sets made of digits share."""

    #: Where the digits come from: the idx files of MNIST, or drawn with strokes on the spot (no files
    #: needed, easier to tell apart).
    digits: Literal["mnist", "drawn"] = "mnist"
    #: Folder of MNIST's four idx files, compressed or not. Absent: the folder `mnist` in the one that
    #: the environment variable ASTRODETECT_DATA names.
    mnist: Path | None = None
    #: Images to train with.
    train: Annotated[int, Ge(1)] = 6000
    #: Images on which recipes, the best epoch and thresholds are chosen; their digits are the last
    #: 5000 of MNIST's training digits, which no training image shows.
    validation: Annotated[int, Ge(1)] = 750
    #: Images of the final figure, of MNIST's test digits.
    test: Annotated[int, Ge(1)] = 1500
    #: Other seeds give other images.
    seed: int = 0
    #: Level of a sky that is added to every pixel, ADU.
    sky_level: Annotated[float, Ge(0)] = 0.0
    #: Span of a gradient over the image, in a random direction, ADU.
    sky_gradient: Annotated[float, Ge(0)] = 0.0
    #: Deviation of Gaussian noise added to every pixel, ADU.
    sky_noise: Annotated[float, Ge(0)] = 0.0

    def digits_of(self, split: SplitName) -> Digits:
        """Give the digits that a split may show."""
        if self.digits == "drawn":
            return drawn_digits(_DRAWN[split], seed=SPLITS.index(split))
        folder = mnist_folder(self.mnist)
        if split == "test":
            return read_mnist(folder, "t10k")
        both = read_mnist(folder, "train")
        return both[-HELD_BACK:] if split == "validation" else both[:-HELD_BACK]

    def number_of(self, split: SplitName) -> int:
        """Give how many images a split has."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]

    def sky_of(self, split: SplitName) -> Sky | None:
        """Give the sky of a split's images; None where nothing is added."""
        if not (self.sky_level or self.sky_gradient or self.sky_noise):
            return None
        seed = 1000 * self.seed + 10 + SPLITS.index(split)
        return Sky(self.sky_level, self.sky_gradient, self.sky_noise, seed)

    def seeds(self, split: SplitName, data_set: int) -> list[int]:
        """Give the seed of a split's random generator."""
        return [self.seed, SPLITS.index(split), data_set]
