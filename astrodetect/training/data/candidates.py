"""Detections of nights with truth, with their pictures and numbers: for the network of ``verify``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from astrodetect.core.data import stable_id
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.compare import locate
from astrodetect.methods.along_track import CHANNELS, COLUMNS, ROWS
from astrodetect.methods.features import View
from astrodetect.methods.verifying import PARTS, samples
from astrodetect.training.data.splits import DataSet, Split, SplitName, require_classes
from astrodetect.training.data.tracks import Series, followed
from astrodetect.training.samples.labels import read_labels

#: Class of what a truth file or a reviewer calls an object; anything else is noise.
CLASSES: Mapping[str, str] = {
    "meteor": "meteor", "aircraft": "slow", "satellite": "slow", "slow": "slow", "insect": "insect",
    "bird": "insect", "flash": "flash", "lightning": "flash",
}  # fmt: skip
#: What a sample consists of, by name.
Part = Literal["trail", "when", "along", "aside", "numbers"]


@dataclass(frozen=True, kw_only=True)
class Candidates(DataSet):
    """Detections of catalogs that keep pictures of tracks, and their truth.

    Pipelines with ``pictures = true`` for `streak` and without `verify` make such catalogs. A detection has
    the class of the object that at least half of its points follow, and is noise without one.
    What lies in one folder of `nights` is a group: none is divided between training, validation and test.
    """

    #: Folders that hold catalogs (``night.h5``), at any depth, each with its ``truth.csv`` beside it.
    nights: tuple[Path, ...]
    #: Fewest points of a track that is learned from.
    least: Annotated[int, Ge(2)] = 3
    #: Share of the groups for validation.
    validation: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Share of the groups for the test.
    test: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Parts of a sample that are left out (zero), to see what they are worth.
    leave_out: tuple[Part, ...] = ()
    #: Other seeds deal groups out otherwise.
    seed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """What a detection may be; the first is none of the others."""
        return ("noise", *dict.fromkeys(CLASSES.values()))

    @cached_property
    def groups(self) -> list[list[Path]]:
        """All catalogs by group, in the order in which groups are dealt out."""
        found: dict[str, list[Path]] = {}
        for folder in self.nights:
            for path in sorted(folder.rglob("night.h5")):
                found.setdefault(path.relative_to(folder).parts[0], []).append(path)
        if not found:
            raise AstrodetectError(
                f"{self.nights[0]}: holds no night.h5; expected a catalog and its truth.csv"
            )
        return [found[name] for name in sorted(found, key=lambda name: stable_id(self.seed, name))]

    def split(self, name: SplitName) -> Split:
        """Make one split."""
        n = len(self.groups)
        first = round(self.test * n)
        second = first + round(self.validation * n)
        own = {"test": (0, first), "validation": (first, second), "train": (second, n)}[name]
        images = [np.zeros((0, len(CHANNELS) + 1, ROWS, COLUMNS), np.float16)]
        targets, groups = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for group in range(*own):
            for path in self.groups[group]:
                for pictures, classes in self._read(path):
                    images.append(pictures)
                    targets.append(classes)
                    groups.append(np.full(len(classes), group, np.int64))
        known = np.concatenate(targets)
        require_classes(known, self.classes, f"{self.nights[0]}: the split {name!r}")
        hours = sum(_hours(path) for group in self.groups[slice(*own)] for path in group)
        return Split(Series(np.concatenate(images)), known, np.concatenate(groups), hours)

    def _read(self, path: Path) -> Iterator[tuple[NDArray[np.float16], NDArray[np.int64]]]:
        """Give the samples of a catalog and their classes, recording by recording."""
        from astrodetect.catalogs.reader import Catalog

        truth = read_labels(path.with_name("truth.csv"))
        with Catalog(path) as catalog:
            blocks = list(catalog.blocks())
        located = locate(truth, [block.path for block in blocks])[0]
        for block in blocks:
            found = block.detections
            rows = [row for row in range(len(found)) if len(found.track(row).get("frame", ())) >= self.least]
            if not rows:
                continue
            if found.cutouts is None:
                raise AstrodetectError(
                    f"{path}: {block.path}: no pictures of tracks; expected a catalog of a pipeline with "
                    "pictures = true in [classify], and without verify"
                )
            objects = located.get(block.path, ())
            labels = [followed(found.track(row), objects) for row in rows]
            numbers = [self.classes.index(CLASSES.get(label, "noise")) for label in labels]
            yield self._samples(found, rows, block.recording), np.array(numbers, np.int64)

    def _samples(
        self, found: Detections, rows: list[int], recording: Mapping[str, Any]
    ) -> NDArray[np.float16]:
        made = samples(found, rows, view_of(recording)).astype(np.float16)
        made[:, [number for number, part in enumerate(PARTS) if part in self.leave_out]] = 0
        return made


def view_of(recording: Mapping[str, Any]) -> View:
    """Give where and when objects could be seen in a recording of a catalog."""
    shape = int(recording["height"]), int(recording["width"])
    return View(float(recording["frame_rate"]), shape, int(recording["n_frames"]) - 1)


def _hours(path: Path) -> float:
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.evaluation.rates import hours_of

    with Catalog(path) as catalog:
        recordings = catalog.recordings
    return hours_of(recordings, [str(one) for one in recordings["path"]])
