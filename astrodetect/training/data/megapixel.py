"""Megapixel MNIST: five digits among fifty strokes of noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.data.digits import DigitSettings
from astrodetect.training.data.idx import SIDE
from astrodetect.training.data.scenes import place_apart, scenes_of
from astrodetect.training.data.splits import DataSet, Split, SplitName, plain_split

#: Patterns of noise in a split.
PATTERNS = 50


@dataclass(frozen=True)
class MegapixelMnist(DigitSettings, DataSet):
    """Megapixel MNIST: three digits of one class, two of others, and strokes of noise.

    The digits do not cover each other; the strokes lie anywhere, under the digits or over them.

    Sources: Katharopoulos and Fleuret 2019 (noise over the digits, task majority); Bergner et al. 2023
    (noise under them, and the other tasks). Their figures are not on the same data.
    """

    #: Height and width of the images in pixels.
    shape: tuple[Annotated[int, Ge(2 * SIDE)], Annotated[int, Ge(2 * SIDE)]] = (1500, 1500)
    #: Strokes of noise in every image.
    strokes: Annotated[int, Ge(0)] = 50
    #: Whether the strokes cover digits (over, the first recipe) or digits cover strokes (under).
    noise: Literal["over", "under"] = "over"
    #: What is asked: the class that is there three times, the largest digit, the digit nearest to the
    #: upper edge, or for each digit whether it is there.
    task: Literal["majority", "max", "top", "multi"] = "majority"
    #: Images to train with.
    train: Annotated[int, Ge(1)] = 5000
    #: Images of the final figure, of MNIST's test digits.
    test: Annotated[int, Ge(1)] = 1000

    @property
    def classes(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple("0123456789")

    @property
    def several_labels(self) -> bool:
        """Only the task multi has several labels for an image."""
        return self.task == "multi"

    def split(self, name: SplitName) -> Split:
        """Make one split; the same settings give the same images."""
        digits = self.digits_of(name)
        rng = np.random.default_rng(self.seeds(name, 2))
        bank = np.concatenate([digits.images, stroke_patterns(PATTERNS, rng)])
        of_class = [np.flatnonzero(digits.labels == label) for label in range(10)]
        pastes, targets = [], []
        for _ in range(self.number_of(name)):
            labels = self._labels(rng)
            pieces = np.array([rng.choice(of_class[label]) for label in labels])
            corners = self._corners(rng)
            targets.append(self._target(labels, corners))
            pastes.append(self._with_noise(rng, pieces, corners, len(digits)))
        kind = np.float32 if self.several_labels else np.int64
        scenes = scenes_of(self.shape, bank, pastes, np.array(targets, kind), self.sky_of(name))
        return plain_split(scenes)

    @staticmethod
    def _labels(rng: np.random.Generator) -> NDArray[np.int64]:
        wanted = int(rng.integers(0, 10))
        others = np.delete(np.arange(10), wanted)
        return np.concatenate([np.full(3, wanted), rng.choice(others, 2)])

    def _corners(self, rng: np.random.Generator) -> NDArray[np.int64]:
        try:
            return place_apart(rng, 5, self.shape, SIDE)
        except ValueError as error:
            raise AstrodetectError(f"[data] {error}") from error

    def _target(self, labels: NDArray[np.int64], corners_yx: NDArray[np.int64]) -> Any:
        if self.task == "majority":
            return labels[0]
        if self.task == "max":
            return labels.max()
        if self.task == "top":
            return labels[np.argmin(corners_yx[:, 0])]
        return np.isin(np.arange(10), labels).astype(np.float32)

    def _with_noise(
        self, rng: np.random.Generator, pieces: NDArray[Any], corners_yx: NDArray[Any], first: int
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        noise = first + rng.integers(0, PATTERNS, self.strokes)
        where = rng.integers(SIDE, np.array(self.shape) - SIDE, (self.strokes, 2))
        order = (pieces, noise), (corners_yx, where)
        if self.noise == "under":
            order = order[0][::-1], order[1][::-1]
        return np.concatenate(order[0]), np.concatenate(order[1])


def stroke_patterns(n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw patterns of two strokes each.

    A stroke is a line of 56 points from a corner with slope tan(u pi / 2.5), u uniform in 0-1; it is
    joined with the stroke of another pattern, mirrored in x or in y with probability 1/3 each, and
    multiplied pixel by pixel with uniform numbers in 0.8-1.

    Returns
    -------
    (n, 28, 28) uint8 array
        255 is full light.
    """
    lines = np.zeros((n, SIDE, SIDE), bool)
    along = np.linspace(0, SIDE - 1, 2 * SIDE)
    for line, slope in zip(lines, np.tan(rng.uniform(0, 1, n) * np.pi / 2.5), strict=True):
        across = slope * along
        inside = across <= SIDE - 1
        line[across[inside].astype(int), along[inside].astype(int)] = True
    seconds = lines[rng.permutation(n)]
    flip_x, flip_y = rng.random((2, n)) < 0.33
    seconds[flip_x] = seconds[flip_x][:, :, ::-1]
    seconds[flip_y] = seconds[flip_y][:, ::-1]
    light = rng.uniform(0.8, 1.0, lines.shape)
    patterns: NDArray[np.uint8] = np.round(255 * light * (lines | seconds)).astype(np.uint8)
    return patterns
