"""Small pictures with a streak of light or with something else: what a feature network has to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import NDArray

from astrodetect.training.data.splits import SPLITS, DataSet, Split, SplitName


@dataclass(frozen=True)
class StreakPatches(DataSet):
    """Patches that show a meteor-like streak, or stars, a blob of cloud, an edge or mere noise.

    Made in groups, as in cut-outs of events: the patches of a group show the same object with other
    noise, turned and shifted. A fair cross-validation keeps groups together.
    """

    #: Height and width of the patches in pixels.
    size: Annotated[int, Ge(16)] = 56
    #: Groups to train with.
    train: Annotated[int, Ge(1)] = 100
    #: Groups for validation.
    validation: Annotated[int, Ge(1)] = 30
    #: Groups for the test.
    test: Annotated[int, Ge(1)] = 60
    #: Patches of a group.
    variants: Annotated[int, Ge(1)] = 8
    #: Share of the groups that show a streak.
    positive: Annotated[float, Gt(0), Lt(1)] = 0.3
    #: Deviation of the noise, ADU; streaks peak at two to twelve times as much.
    noise: Annotated[float, Gt(0)] = 8.0
    #: Other seeds give other patches.
    seed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Without and with a streak."""
        return ("other", "streak")

    def split(self, name: SplitName) -> Split:
        """Make one split; the same settings give the same patches."""
        n_groups = {"train": self.train, "validation": self.validation, "test": self.test}[name]
        rng = np.random.default_rng([self.seed, SPLITS.index(name), 7])
        positive = np.zeros(n_groups, bool)
        positive[: max(1, round(self.positive * n_groups))] = True
        patches = np.concatenate([self._group(rng, bool(own)) for own in positive])
        groups = np.repeat(np.arange(n_groups), self.variants)
        return Split(_Patches(patches), positive.astype(np.int64)[groups], groups)

    def _group(self, rng: np.random.Generator, positive: bool) -> NDArray[np.uint8]:
        kind = "streak" if positive else str(rng.choice(["stars", "cloud", "edge", "nothing"]))
        light = rng.uniform(2, 12) * self.noise
        width, length = rng.uniform(0.8, 2.0), rng.uniform(0.3, 0.9) * self.size
        stars = rng.uniform(-0.5, 0.5, (rng.integers(1, 5), 2)) * self.size
        made = []
        for _ in range(self.variants):
            angle = rng.uniform(0, 2 * np.pi)
            middle = (self.size - 1) / 2 + rng.uniform(-0.15, 0.15, 2) * self.size
            along, across = self._turned(angle, middle)
            shape = _shape(kind, along, across, width, length, stars)
            noisy = 30 + light * shape + rng.normal(0, self.noise, shape.shape)
            made.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
        return np.stack(made)

    def _turned(self, angle: float, middle: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give coordinates along and across a direction through a point, for every pixel."""
        y, x = np.mgrid[: self.size, : self.size]
        dy, dx = y - middle[0], x - middle[1]
        return dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)


def _shape(
    kind: str, along: NDArray[Any], across: NDArray[Any], width: float, length: float, stars: NDArray[Any]
) -> NDArray[Any]:
    """Give the light of an object, 1 at its peak."""
    if kind == "streak":
        beyond = np.maximum(np.abs(along) - length / 2, 0)
        taper = np.clip(0.6 + 0.4 * along / length, 0, 1)
        return np.asarray(taper * np.exp(-(across**2 + beyond**2) / (2 * width**2)))
    if kind == "stars":
        spots = [np.exp(-((along - a) ** 2 + (across - b) ** 2) / (2 * width**2)) for a, b in stars]
        return np.asarray(np.clip(sum(spots), 0, 1))
    if kind == "cloud":
        return np.asarray(np.exp(-(along**2 + (across / 0.6) ** 2) / (2 * (length / 3) ** 2)))
    if kind == "edge":
        return np.asarray(1 / (1 + np.exp(-across / (2 * width))))
    return np.zeros_like(along)


@dataclass(frozen=True)
class _Patches:
    """Patches in memory."""

    patches: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.patches)

    def render(self, number: int) -> NDArray[np.uint8]:
        return np.asarray(self.patches[number])
