"""Images from files with boxes from label files: FITS with a catalogue, YOLO text, COCO JSON."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.sources.table import Sources
from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.simulation.fields.field import SHAPE_COLUMNS
from astrodetect.training.boxes.datasets import BoxDataSet, Sample, sample_rng
from astrodetect.training.boxes.images import cutter, images_under
from astrodetect.training.boxes.labels import label_boxes, read_labels
from astrodetect.training.boxes.targets import BoxTargets
from astrodetect.training.data.splits import SPLITS, SplitName


class Region(NamedTuple):
    """Rows ``first`` to ``last`` (not included) of an image, and its number of columns."""

    path: Path
    first: int
    last: int
    columns: int


@dataclass(frozen=True)
class LabelledBoxes(BoxDataSet):
    """Images of any size from files, cut into pieces, with boxes from label files.

    Labels are a catalogue (CSV, FITS table, ECSV, VOTable) with ``path`` (of the image; not needed for a
    single one), ``label``, and boxes ``x_min, y_min, x_max, y_max``, or ``x, y`` or ``ra, dec`` with axes
    ``major, minor, theta``; COCO JSON; or a folder of YOLO text files. Training pieces lie at random, those
    of validation and test side by side. NaN is a pixel without data; boxes with their centre on one are
    left out, and what reaches beyond the image is treated like what the edge of a piece cuts.
    """

    #: A folder with images (FITS, NumPy, PNG, JPEG, TIFF), or one image.
    images: Path
    #: The catalogue or COCO file, or the folder of YOLO files.
    labels: Path
    #: Names of the classes in order; absent: those of the labels, sorted.
    names: tuple[str, ...] = ()
    #: Height and width of the pieces, pixels. Smaller images are filled up with NaN.
    size: tuple[Annotated[int, Ge(16)], Annotated[int, Ge(16)]] = (256, 256)
    #: Boxes that the edge of a piece cuts: dropped, or clipped to what is inside.
    partial: Literal["drop", "clip"] = "drop"
    #: Shortest side of what clipping leaves, pixels.
    least: Annotated[float, Gt(0)] = 2.0
    #: Side of the boxes of sources of which only the place is known, pixels.
    box_size: Annotated[float, Gt(0)] = 5.0
    #: Axes of a box in units of the full width at half maximum, where boxes follow from axes.
    box_scale: Annotated[float, Gt(0)] = 2.0
    #: Learn flux, axes and angle, too, where the labels have them.
    shapes: bool = False
    #: Flux (sum of pixels) that the parameter 0, and 1, stands for.
    flux_range: tuple[float, float] = (1.0, 1e4)
    #: Axes (full width at half maximum, px) that the parameter 0, and 1, stands for.
    size_range: tuple[float, float] = (2.0, 20.0)
    #: Pieces of a training epoch.
    train: Annotated[int, Ge(1)] = 1600
    #: Share of the images for validation; of a single image, the rows after those for training.
    validation: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Share for the test; of a single image, its last rows.
    test: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Other seeds deal images out and cut pieces otherwise.
    seed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.names or self._found

    @cached_property
    def _found(self) -> tuple[str, ...]:
        return tuple(
            sorted({str(label) for own in self._lists.values() for label in own["label"]} - {""})
        ) or ("source",)

    @property
    def shape_parameters(self) -> ShapeParameters | None:
        """Flux, axes and angle, if they are to be learned."""
        return ShapeParameters(self.flux_range, self.size_range) if self.shapes else None

    @property
    def channels(self) -> int:
        """Planes of the images."""
        return cutter(self._paths[0]).shape[0]

    def count(self, split: SplitName) -> int:
        """Give the number of pieces of an epoch."""
        if split == "train":
            return self.train
        return len(self._tiles[split])

    def sample(self, split: SplitName, number: int, epoch: int = 0) -> Sample:
        """Cut one piece."""
        if split == "train":
            region, corner = self._random(sample_rng(self.seed, split, number, epoch))
        else:
            region, corner = self._tiles[split][number]
        opened = cutter(region.path)
        if opened.shape[0] != self.channels:
            raise AstrodetectError(
                f"{region.path}: has {opened.shape[0]} planes and {self._paths[0].name} {self.channels}; "
                "expected one number"
            )
        piece = opened.cut(corner, self.size)
        targets = self._targets[region.path].shifted(-corner[1], -corner[0])
        own = targets.inside(self.size) if self.partial == "drop" else targets.clipped(self.size, self.least)
        return piece, own.take(_with_data(piece, own))

    def _random(self, rng: np.random.Generator) -> tuple[Region, tuple[int, int]]:
        """Draw a place; larger images are drawn more often."""
        regions = self._regions["train"]
        areas = np.array([(own.last - own.first) * own.columns for own in regions], float)
        region = regions[int(rng.choice(len(regions), p=areas / areas.sum()))]
        rows = max(region.last - region.first - self.size[0], 0)
        columns = max(region.columns - self.size[1], 0)
        return region, (region.first + int(rng.integers(rows + 1)), int(rng.integers(columns + 1)))

    @cached_property
    def _paths(self) -> list[Path]:
        return images_under(self.images)

    @cached_property
    def _regions(self) -> dict[SplitName, list[Region]]:
        """Deal the images out; a single one by its rows."""
        paths = self._paths
        if len(paths) == 1:
            return self._strips(paths[0])
        order = np.random.default_rng([self.seed, 6]).permutation(len(paths))
        n_test, n_validation = (round(share * len(paths)) for share in (self.test, self.validation))
        parts = np.split(order, [n_test, n_test + n_validation])
        dealt = {"test": parts[0], "validation": parts[1], "train": parts[2]}
        return {split: [_whole(paths[number]) for number in sorted(dealt[split])] for split in SPLITS}

    def _strips(self, path: Path) -> dict[SplitName, list[Region]]:
        whole = _whole(path)
        shares = (0.0, 1 - self.validation - self.test, 1 - self.test, 1.0)
        rows = [round(whole.last * share) for share in shares]
        strips = {"train": (rows[0], rows[1]), "validation": (rows[1], rows[2]), "test": (rows[2], rows[3])}
        return {
            split: [whole._replace(first=strips[split][0], last=strips[split][1])]
            if strips[split][0] < strips[split][1] else []
            for split in SPLITS
        }  # fmt: skip

    @cached_property
    def _tiles(self) -> dict[SplitName, list[tuple[Region, tuple[int, int]]]]:
        height, width = self.size
        return {
            split: [
                (own, (y, x))
                for own in regions
                for y in range(own.first, max(own.last - height, own.first) + 1, height)
                for x in range(0, max(own.columns - width, 0) + 1, width)
            ]
            for split, regions in self._regions.items()
        }

    @cached_property
    def _lists(self) -> dict[Path, Sources]:
        return read_labels(self.labels, self._paths, self.images)

    @cached_property
    def _targets(self) -> dict[Path, BoxTargets]:
        """Give the targets of every image; one without labels has none."""
        targets = {path: BoxTargets.empty(self.n_parameters) for path in self._paths}
        return targets | {path: self._checked(path, sources) for path, sources in self._lists.items()}

    def _checked(self, path: Path, sources: Sources) -> BoxTargets:
        """Turn the labels of one image into targets."""
        labels = [label or self.classes[0] for label in sources["label"]]
        unknown = sorted(set(labels) - set(self.classes))
        if unknown:
            raise AstrodetectError(
                f"{self.labels}: label {unknown[0]!r} of {path.name} is none of {', '.join(self.classes)}"
            )
        numbers = np.array([self.classes.index(label) for label in labels], np.int64)
        boxes = label_boxes(sources, self.box_scale, self.box_size)
        parameters = np.zeros((len(numbers), 0), np.float32)
        if self.shape_parameters is not None:
            parameters = self.shape_parameters.encode(*(sources[name] for name in SHAPE_COLUMNS))
        try:
            return BoxTargets(boxes, numbers, parameters, sources["difficult"])
        except AstrodetectError as error:
            raise AstrodetectError(f"{self.labels}: {path.name}: {error}") from None


def _whole(path: Path) -> Region:
    _, height, width = cutter(path).shape
    return Region(path, 0, height, width)


def _with_data(piece: NDArray[np.float32], targets: BoxTargets) -> NDArray[np.bool_]:
    """Tell which boxes have their centre on a pixel that is known."""
    _, height, width = piece.shape
    centres = np.floor((targets.boxes[:, :3] + targets.boxes[:, 3:]) / 2).astype(int)
    x, y = np.clip(centres[:, 0], 0, width - 1), np.clip(centres[:, 1], 0, height - 1)
    return np.asarray(np.isfinite(piece[:, y, x]).all(axis=0))
