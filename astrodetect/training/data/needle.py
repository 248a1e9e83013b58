"""Needle MNIST: is there a 3 among the digits of a large, empty image?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.data.digits import DigitSettings
from astrodetect.training.data.idx import SIDE
from astrodetect.training.data.scenes import place_apart, scenes_of
from astrodetect.training.data.splits import DataSet, Split, SplitName, plain_split


@dataclass(frozen=True)
class NeedleMnist(DigitSettings, DataSet):
    """Needle MNIST: digits on an empty image, none covering another; positive where one is a 3.

    An image is positive with probability 1/2 and then shows one target, or two with probability 1/2,
    and `distractors` other digits. With `count_matched` a negative image shows as many digits as a
    positive one; without, as the thesis describes it, the number of digits gives the label away.

    Sources: Pawlowski et al. 2019, *Needles in haystacks*; Nicolini 2022, section 5.2.
    """

    #: Height and width of the images in pixels.
    shape: tuple[Annotated[int, Ge(SIDE)], Annotated[int, Ge(SIDE)]] = (966, 1296)
    #: Digits of other classes in every image.
    distractors: Annotated[int, Ge(0)] = 10
    #: Give negative images as many digits as positive ones. Without it a model need only count.
    count_matched: bool = True
    #: The digit that is looked for.
    target: Annotated[int, Ge(0), Le(9)] = 3

    @property
    def classes(self) -> tuple[str, ...]:
        """Without and with the target."""
        return ("without", "with")

    def split(self, name: SplitName) -> Split:
        """Make one split; the same settings give the same images."""
        digits = self.digits_of(name)
        rng = np.random.default_rng(self.seeds(name, 1))
        targets = np.flatnonzero(digits.labels == self.target)
        others = np.flatnonzero(digits.labels != self.target)
        labels = rng.integers(0, 2, self.number_of(name))
        pastes = [self._paste(rng, bool(label), targets, others) for label in labels]
        return plain_split(scenes_of(self.shape, digits.images, pastes, labels, self.sky_of(name)))

    def _paste(
        self, rng: np.random.Generator, positive: bool, targets: NDArray[np.int64], others: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        extra = 1 + int(rng.integers(0, 2))
        n_targets = extra if positive else 0
        n_others = self.distractors + (extra if self.count_matched and not positive else 0)
        chosen = np.concatenate([rng.choice(targets, n_targets), rng.choice(others, n_others)])
        try:
            return chosen, place_apart(rng, len(chosen), self.shape, SIDE)
        except ValueError as error:
            raise AstrodetectError(f"[data] {error}") from error
