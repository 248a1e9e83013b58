"""Images from files, with a table of their labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.data.splits import SPLITS, DataSet, Split, SplitName, require_classes

_FITS = (".fits", ".fit", ".fts", ".fz")


@dataclass(frozen=True)
class LabelledImages(DataSet):
    """Images from files (FITS, NumPy, or what Pillow reads) with labels from a CSV table.

    The table has the columns ``path`` (relative to it) and ``label``; also, where they are there,
    ``group`` (images of one event, camera or night stay on one side of every split) and ``split``
    (train, validation or test). Without the latter groups are dealt out by chance.
    """

    #: The CSV table.
    table: Path
    #: Names of the classes in order; absent: the labels in the table, sorted.
    labels: tuple[str, ...] = ()
    #: Share of the groups for validation, where the table has no column `split`.
    validation: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Share of the groups for the test.
    test: Annotated[float, Ge(0), Lt(1)] = 0.15
    #: Other seeds deal the groups out otherwise.
    seed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.labels or tuple(sorted({row["label"] for row in self._rows()}))

    def split(self, name: SplitName) -> Split:
        """Make one split; files are read when their images are asked for."""
        rows = self._rows()
        names, groups = np.unique([row["group"] for row in rows], return_inverse=True)
        splits = self._splits(rows, groups, len(names))
        own = [number for number, split in enumerate(splits) if split == name]
        if not own:
            raise AstrodetectError(f"{self.table}: no image is left for the split {name!r}")
        targets = np.array([self._number(rows[number]["label"]) for number in own], np.int64)
        require_classes(targets, self.classes, f"{self.table}: split {name!r}")
        paths = [self.table.parent / rows[number]["path"] for number in own]
        return Split(_Files(tuple(paths)), targets, groups[own].astype(np.int64))

    def _number(self, label: str) -> int:
        if label not in self.classes:
            raise AstrodetectError(f"{self.table}: label {label!r} is none of {', '.join(self.classes)}")
        return self.classes.index(label)

    def _rows(self) -> list[dict[str, str]]:
        try:
            with self.table.open(newline="", encoding="utf-8") as opened:
                rows = list(csv.DictReader(opened))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise AstrodetectError(f"{self.table}: cannot be read as a CSV table: {error}") from error
        if not rows:
            raise AstrodetectError(f"{self.table}: has no rows")
        for column in ("path", "label"):
            if any(not row.get(column) for row in rows):
                raise AstrodetectError(f"{self.table}: expected the column {column!r}, filled in every row")
        return [{**row, "group": row.get("group") or row["path"]} for row in rows]

    def _splits(self, rows: list[dict[str, str]], groups: NDArray[Any], n_groups: int) -> Sequence[str]:
        told = [row.get("split") or "" for row in rows]
        if any(told):
            wrong = sorted({split for split in told if split not in SPLITS})
            if wrong:
                raise AstrodetectError(
                    f"{self.table}: split = {wrong[0]!r}: expected one of {', '.join(SPLITS)}"
                )
            return told
        order = np.random.default_rng([self.seed, 6]).permutation(n_groups)
        n_test, n_validation = (round(share * n_groups) for share in (self.test, self.validation))
        dealt = np.full(n_groups, "train", dtype=object)
        dealt[order[:n_test]] = "test"
        dealt[order[n_test : n_test + n_validation]] = "validation"
        return [str(split) for split in dealt[groups]]


@dataclass(frozen=True)
class _Files:
    """Images that are read one by one."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def render(self, number: int) -> NDArray[Any]:
        return read_image(self.paths[number])


def read_image(path: Path, *, finite: bool = True) -> NDArray[Any]:
    """Read one image as (H, W), or (C, H, W) where it has colours or planes.

    Parameters
    ----------
    path : Path
        FITS, NumPy, or what Pillow reads.
    finite : bool
        Refuse values that are not finite.

    Raises
    ------
    AstrodetectError
        It cannot be read, has other axes, or holds values that are not finite and must be.
    """
    try:
        image = _read(path)
    except (OSError, ValueError, TypeError) as error:
        raise AstrodetectError(f"{path}: cannot be read as an image: {error}") from error
    if image.ndim not in (2, 3):
        raise AstrodetectError(f"{path}: has {image.ndim} axes; expected 2, or 3 with the planes first")
    if finite and image.dtype.kind == "f" and not np.isfinite(image).all():
        raise AstrodetectError(f"{path}: holds values that are not finite (NaN or infinite)")
    return image


def _read(path: Path) -> NDArray[Any]:
    if path.name.lower().removesuffix(".gz").endswith(_FITS):
        from astropy.io import fits

        with fits.open(path) as opened:
            data = next((hdu.data for hdu in opened if hdu.is_image and hdu.data is not None), None)
        if data is None:
            raise ValueError("no image in the file")
        return np.ascontiguousarray(data, data.dtype.newbyteorder("="))
    if path.suffix.lower() == ".npy":
        loaded: NDArray[Any] = np.load(path, allow_pickle=False)
        return loaded
    from PIL import Image

    with Image.open(path) as opened:
        image = np.asarray(opened)
    return image.transpose(2, 0, 1) if image.ndim == 3 else image
