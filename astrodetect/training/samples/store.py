"""Samples and where they are kept: one HDF5 file, or a folder of FITS files with a table."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError

#: Endings of HDF5 files; any other name is that of a folder.
HDF5 = (".h5", ".hdf5")
_TABLE, _PROVENANCE = "samples.csv", "provenance.json"
NAN = float("nan")


@dataclass(frozen=True)
class Sample:
    """What is known of one image.

    Attributes
    ----------
    sample : int
        Its number: a hash of recording, window and place, the same whenever it is made again.
    path, station : str
        Recording, relative to its root, and camera.
    frame_first, frame_last : int
        The window, inclusive.
    time : float
        Start of the window, UTC Unix seconds; NaN if the recording has no clock.
    seconds : float
        How much of the recording this image stands for: its window without the overlap; 0 for all images of
        a window but the first.
    label : str
        Class of what is to be seen: of an object of the truth, or ``noise``.
    object : str
        Its name in the truth, or empty.
    place : str
        How the place was found: ``truth``, ``camera`` (its own track), ``score`` (the brightest place),
        ``chance``, or ``frame`` (the whole frame).
    x, y : float
        Centre of the image in the frame, pixels.
    snr : float
        Peak signal-to-noise of the object, where the truth has it.
    points : str
        Of a whole frame: where what is looked for was, as ``y x;y x``, in pixels of the image.
    """

    sample: int
    path: str
    station: str
    frame_first: int
    frame_last: int
    time: float
    seconds: float
    label: str
    object: str = ""
    place: str = "frame"
    x: float = NAN
    y: float = NAN
    snr: float = NAN
    points: str = ""


_NAMES = tuple(field.name for field in fields(Sample))
_TYPES: dict[str, Any] = {field.name: field.type for field in fields(Sample)}
_READ = {"int": int, "float": float, "str": str}


class Writer(Protocol):
    """Takes images one by one, and puts them into place at the end."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw away what was not finished."""

    def add(self, image: NDArray[Any]) -> None:
        """Write an image (C, H, W)."""

    def finish(self, columns: Mapping[str, Sequence[Any]], provenance: Mapping[str, str]) -> None:
        """Write the table, and put everything into place."""


class Stored(Protocol):
    """Gives images one by one."""

    columns: dict[str, Any]
    provenance: dict[str, str]

    def image(self, number: int) -> NDArray[np.float32]:
        """Read one image (C, H, W)."""

    def close(self) -> None:
        """Close what is open."""


def new_store(path: Path) -> Writer:
    """Begin a store: one HDF5 file, or by any other name a folder of FITS files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in HDF5:
        from astrodetect.catalogs.samples import Hdf5Samples

        return Hdf5Samples(path)
    return FitsFolder(path)


def open_store(path: Path) -> Stored:
    """Open a store for reading.

    Raises
    ------
    AstrodetectError
        It cannot be read.
    """
    if path.suffix in HDF5:
        from astrodetect.catalogs.samples import StoredSamples

        return StoredSamples(path)
    return StoredFits(path)


def columns_of(samples: Sequence[Sample]) -> dict[str, list[Any]]:
    """Give samples as columns."""
    return {name: [getattr(sample, name) for sample in samples] for name in _NAMES}


def samples_of(store: Stored) -> list[Sample]:
    """Give the samples of a store."""
    columns = [[_READ[_TYPES[name]](value) for value in store.columns[name]] for name in _NAMES]
    return [Sample(*values) for values in zip(*columns, strict=True)]


class FitsFolder:
    """Writes every image as a FITS file of its own, and a table beside them.

    Parameters
    ----------
    path : Path
        The folder; has its name once it is whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.n_images = 0
        self.part.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.part, ignore_errors=True)

    def add(self, image: NDArray[Any]) -> None:
        """Write an image (C, H, W)."""
        from astropy.io import fits

        pixels = np.ascontiguousarray(image, np.float32)
        fits.PrimaryHDU(pixels).writeto(self.part / file_name(self.n_images))
        self.n_images += 1

    def finish(self, columns: Mapping[str, Sequence[Any]], provenance: Mapping[str, str]) -> None:
        """Write the table, and put the folder into place."""
        files = [file_name(number) for number in range(self.n_images)]
        with (self.part / _TABLE).open("w", newline="", encoding="utf-8") as table:
            writer = csv.writer(table, lineterminator="\n")
            writer.writerow(["file", *columns])
            writer.writerows(zip(files, *columns.values(), strict=True))
        (self.part / _PROVENANCE).write_text(json.dumps(dict(provenance), indent=1), encoding="utf-8")
        if self.path.exists():
            shutil.rmtree(self.path)
        os.replace(self.part, self.path)


def file_name(number: int) -> str:
    """Give the name of the file of an image."""
    return f"{number:07d}.fits"


class StoredFits:
    """Reads what `FitsFolder` wrote.

    Raises
    ------
    AstrodetectError
        There is no such folder, or its table cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.provenance: dict[str, str] = json.loads((path / _PROVENANCE).read_text(encoding="utf-8"))
            with (path / _TABLE).open(newline="", encoding="utf-8") as table:
                rows = list(csv.DictReader(table))
            self.columns: dict[str, Any] = {name: [row[name] for row in rows] for name in ("file", *_NAMES)}
        except (OSError, ValueError, KeyError) as error:
            raise AstrodetectError(f"{path}: cannot be read as a folder of samples: {error}") from error

    def image(self, number: int) -> NDArray[np.float32]:
        """Read one image (C, H, W)."""
        from astrodetect.training.data.files import read_image

        return read_image(self.path / self.columns["file"][number]).astype(np.float32)

    def close(self) -> None:
        """Nothing is open."""
