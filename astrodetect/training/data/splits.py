"""What a data set gives to training and evaluation: splits of images with labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.data.scenes import Scenes

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


class Images(Protocol):
    """Where the pixels of a split come from."""

    def __len__(self) -> int:
        """Give the number of images."""

    def render(self, number: int) -> NDArray[Any]:
        """Give image `number` as (H, W) or (C, H, W)."""


@dataclass(frozen=True)
class Split:
    """Some labelled images.

    Attributes
    ----------
    images : Images
        Rendered one by one, when asked for.
    targets : (n,) int64 or (n, c) float32 array
        Class of each image, or for each class whether it is there.
    groups : (n,) int64 array
        Images of one group (of one event, say) never come to both sides of a fold.
    hours : float
        How long a camera looked at what the images were taken from; NaN if nobody knows. False alarms per
        night follow from it.
    """

    images: Images
    targets: NDArray[Any]
    groups: NDArray[np.int64]
    hours: float = float("nan")

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.targets)

    def image(self, number: int) -> NDArray[Any]:
        """Give image `number` as a (C, H, W) array of its own type."""
        image = self.images.render(number)
        return image[None] if image.ndim == 2 else image

    def boxes_yx(self, number: int) -> NDArray[np.int32] | None:
        """Give the corners (p, 2) of the squares outside which an image is zero; None: not known."""
        sparse = isinstance(self.images, Scenes) and self.images.sky is None
        return self.images.boxes_yx(number) if sparse and isinstance(self.images, Scenes) else None

    def points_yx(self, number: int, shape: tuple[int, int]) -> NDArray[np.float64] | None:
        """Give where in an image of this shape the wanted objects are (n, 2); None: nobody knows."""
        given = getattr(self.images, "points_yx", None)
        return None if given is None else given(number, shape)

    def subset(self, numbers: NDArray[np.int64]) -> Split:
        """Give the split of some of the images."""
        return Split(_Chosen(self.images, numbers), self.targets[numbers], self.groups[numbers])


@dataclass(frozen=True)
class _Chosen:
    """Some of the images of a split."""

    images: Images
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def render(self, number: int) -> NDArray[Any]:
        return self.images.render(int(self.numbers[number]))

    def points_yx(self, number: int, shape: tuple[int, int]) -> NDArray[np.float64] | None:
        given = getattr(self.images, "points_yx", None)
        return None if given is None else given(int(self.numbers[number]), shape)


class DataSet(ABC):
    """A recipe for images with labels: a dataclass, its fields are the keys of the table [data]."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def several_labels(self) -> bool:
        """Whether an image may have several of the labels at once."""
        return False

    def prepare(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """Make what the splits are read from, if it is not there yet. Given: nothing.

        Parameters
        ----------
        tell : callable
            Gets lines for the user.
        """
        del tell

    @abstractmethod
    def split(self, name: SplitName) -> Split:
        """Make one split."""


def plain_split(scenes: Scenes) -> Split:
    """Give a split in which each image is a group of its own."""
    return Split(scenes, scenes.targets, np.arange(len(scenes), dtype=np.int64))


def require_classes(targets: NDArray[Any], classes: Sequence[str], where: str) -> None:
    """Refuse labels of which only one class is there.

    Raises
    ------
    AstrodetectError
        Naming the class.
    """
    present = np.unique(targets)
    if targets.ndim == 1 and len(present) < 2:
        held = f"only images of the class {classes[int(present[0])]!r}" if len(present) else "no images"
        raise AstrodetectError(f"{where} holds {held}; expected two classes or more")
