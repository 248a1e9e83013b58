"""Windows of recordings as images with labels: an archive of one's own to train on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.core.geometry import clip_box
from astrodetect.training.data.splits import SPLITS, DataSet, Split, SplitName, require_classes
from astrodetect.training.samples.build import Built, build, labels_digest
from astrodetect.training.samples.dealing import Dealing, Group, deal
from astrodetect.training.samples.review import read_verdicts, write_review
from astrodetect.training.samples.settings import OTHER, BuildSettings
from astrodetect.training.samples.store import Sample, Stored, open_store, samples_of

#: Without and with a shift, of the image as it is, mirrored in x, in y, and in both.
COPIES = 8


@dataclass(frozen=True, kw_only=True)
class MeteorWindows(BuildSettings, DataSet):
    """Windows of about two seconds of one's own recordings, or of simulated ones, as small or whole images.

    The samples are made once (``store``), with a list of all of them for a person to go through
    (``review.csv`` beside the store, and sheets of pictures in ``sheets/``): what has ``keep`` = no is left
    out, and a changed label counts.
    """

    #: What is never divided between training and judging: an `event`, from whichever stations, or all of
    #: a `station`. Cameras have noise patterns of their own: figures for cameras that the network has not
    #: seen come from `station` alone.
    group: Group = "event"
    #: Share of the groups for validation.
    validation: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Share of the groups for the test.
    test: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Stations that are for the test alone; then no other is.
    test_stations: tuple[str, ...] = ()
    #: Show every training image eight times: as it is, mirrored in x, in y and in both, and each of these
    #: shifted by chance; 1: as it is. Validation and test images are shown as they are.
    copies: Literal[1, 8] = 8
    #: The list that a person went through; absent: the `review.csv` beside the store.
    review: Path | None = None
    #: Other seeds deal groups out otherwise, and shift otherwise.
    seed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Without what is looked for, and each label that is."""
        return (OTHER, *self.wanted)

    @property
    def review_path(self) -> Path:
        """The list of all samples."""
        return self.review or self.store.parent / "review.csv"

    def prepare(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """Make the store, if it is not there yet.

        Raises
        ------
        AstrodetectError
            It cannot be made, or one is there that was made otherwise.
        """
        if self.store.exists():
            self._check()
        else:
            self.make(tell)

    def make(
        self, tell: Callable[[str], None] = lambda _: None, tick: Callable[[str], None] = lambda _: None
    ) -> Built:
        """Make the store and the list of samples, whether they are there or not.

        Parameters
        ----------
        tell, tick : callable
            As in `astrodetect.training.samples.build.build`.
        """
        done = build(self, tell, tick)
        store = open_store(self.store)
        try:
            write_review(store, done.samples, self.review_path)
        finally:
            store.close()
        return done

    def _check(self) -> None:
        """Refuse a store that was made with other settings or labels."""
        store = open_store(self.store)
        made, labels = (json.loads(store.provenance[name]) for name in ("recipe", "labels"))
        store.close()
        now = json.loads(json.dumps(self.recipe()))
        for key in sorted({*made, *now}):
            if made.get(key) != now.get(key):
                raise AstrodetectError(
                    f"{self.store}: was made with {key} = {made.get(key)!r}, [data] says {now.get(key)!r}; "
                    "make it again with `astrodetect dataset`, or name another store"
                )
        if labels != labels_digest(self):
            raise AstrodetectError(
                f"{self.store}: the labels have changed since it was made; "
                "make it again with `astrodetect dataset`"
            )

    @cached_property
    def samples(self) -> tuple[Stored, list[tuple[int, Sample]]]:
        """The store, and of each sample that is used its number in it, with the label of the review."""
        self.prepare()
        store = open_store(self.store)
        said = read_verdicts(self.review_path)
        used = []
        for number, sample in enumerate(samples_of(store)):
            verdict = said.get(sample.sample)
            if verdict is None:
                used.append((number, sample))
            elif verdict.keep:
                used.append((number, replace(sample, label=verdict.label)))
        if not used:
            raise AstrodetectError(f"{self.review_path}: keeps no sample")
        return store, used

    @cached_property
    def dealt(self) -> tuple[list[str], list[str]]:
        """The split and the group of each sample that is used."""
        how = Dealing(self.group, self.validation, self.test, self.test_stations, self.seed)
        return deal([sample for _, sample in self.samples[1]], self.wanted, how)

    def split(self, name: SplitName) -> Split:
        """Make one split; images are read when they are asked for."""
        store, used = self.samples
        splits, names = self.dealt
        own = [place for place, split in enumerate(splits) if split == name]
        targets = np.array([self._number(used[place][1].label) for place in own], np.int64)
        require_classes(targets, self.classes, f"{self.store}: the split {name!r}")
        groups = np.unique(names, return_inverse=True)[1][own].astype(np.int64)
        copies = self.copies if name == "train" else 1
        numbers = [used[place][0] for place in own]
        hours = sum(used[place][1].seconds for place in own) / 3600
        shift = self.shift // self.shrink
        points = tuple(used[place][1].points for place in own) if self.cut == "frames" else None
        images = Crops(store, tuple(numbers), copies, self.margin, shift, self.seed, points)
        return Split(images, np.tile(targets, copies), np.tile(groups, copies), hours)

    def _number(self, label: str) -> int:
        return 1 + self.wanted.index(label) if label in self.wanted else 0

    def summary(self) -> str:
        """Give the number of samples of each class and split, a line each."""
        _, used = self.samples
        splits, names = self.dealt
        lines = []
        for split in (*SPLITS, ""):
            own = [place for place, dealt in enumerate(splits) if dealt == split]
            counts = np.bincount(
                [self._number(used[place][1].label) for place in own], minlength=len(self.classes)
            )
            each = ", ".join(f"{count} {label}" for label, count in zip(self.classes, counts, strict=True))
            groups = len({names[place] for place in own})
            title = split or "left out (their event is in another split)"
            if own or split:
                lines.append(f"{title}: {each}, of {groups} {self.group}s\n")
        return "".join(lines)


@dataclass(frozen=True)
class Crops:
    """Images of a store, each shown once or eight times.

    Attributes
    ----------
    store : Stored
        Where they are.
    numbers : tuple of int
        Which.
    copies : int
        Of each; copy c of image i is number ``c n + i``.
    margin : int
        Pixels on each side that are stored and not shown.
    shift : int
        Largest shift of a copy, in pixels of the image; what comes from beyond the margin is zero.
    seed : int
        Of the shifts.
    points : tuple of str or None
        Where in each image (not a copy) the wanted objects are; None: nobody knows.
    """

    store: Stored
    numbers: tuple[int, ...]
    copies: int = 1
    margin: int = 0
    shift: int = 0
    seed: int = 0
    points: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Give the number of images, copies counted."""
        return self.copies * len(self.numbers)

    def render(self, number: int) -> NDArray[np.float32]:
        """Give image `number` as (C, H, W)."""
        copy, chosen = divmod(number, len(self.numbers))
        image = self.store.image(self.numbers[chosen])
        return eightfold(image, copy, self.margin, self._shift(copy, chosen))

    def _shift(self, copy: int, chosen: int) -> tuple[int, int]:
        if copy < COPIES // 2:
            return 0, 0
        rng = np.random.default_rng([self.seed, self.numbers[chosen], copy, 8])
        down, right = rng.integers(-self.shift, self.shift + 1, 2).tolist()
        return down, right

    def points_yx(self, number: int, shape: tuple[int, int]) -> NDArray[np.float64] | None:
        """Give where the wanted objects are (n, 2) in image `number`, of height and width `shape`."""
        if self.points is None:
            return None
        copy, chosen = divmod(number, len(self.numbers))
        values = [float(value) for value in self.points[chosen].replace(";", " ").split()]
        points = np.array(values).reshape(-1, 2) + self._shift(copy, chosen)
        for axis, bit in ((0, 2), (1, 1)):
            if copy & bit:
                points[:, axis] = shape[axis] - 1 - points[:, axis]
        return points


def eightfold(
    image: NDArray[np.float32], copy: int, margin: int = 0, shift: Sequence[int] = (0, 0)
) -> NDArray[np.float32]:
    """Give one of the eight copies of an image (Nicolini 2022, section 5.3.2).

    Parameters
    ----------
    image : (C, H, W) array
        With its margin.
    copy : int
        0 to 3: as it is, mirrored in x, in y, in both; 4 to 7: the same, shifted.
    margin : int
        Pixels cut off on every side.
    shift : (int, int)
        Down and right; what comes from outside the image is zero.

    Returns
    -------
    (C, H - 2 margin, W - 2 margin) array

    Examples
    --------
    >>> eightfold(np.array([[[1.0, 2.0]]]), 1).tolist()
    [[[2.0, 1.0]]]
    """
    size = [length - 2 * margin for length in image.shape[1:]]
    shown = np.zeros((len(image), *size), image.dtype)
    (rows, to_rows), (columns, to_columns) = (
        clip_box(margin - move, own, length)
        for move, own, length in zip(shift, size, image.shape[1:], strict=True)
    )
    shown[:, to_rows, to_columns] = image[:, rows, columns]
    flips = (slice(None, None, -1 if copy & 2 else 1), slice(None, None, -1 if copy & 1 else 1))
    return np.ascontiguousarray(shown[(slice(None), *flips)])
