"""Labelled images in one HDF5 file: written one by one, read one by one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from astrodetect.catalogs.hdf5 import read_column, text_of
from astrodetect.core.errors import AstrodetectError

#: What stands in the attributes of a file.
FORMAT, VERSION = "astrodetect-samples", 1


class Hdf5Samples:
    """Writes images as they come; the file has its name once it is whole.

    The file holds ``/images/HxW`` (n, C, H, W) float32, one data set for each size, ``/samples/COLUMN``, one
    row for each image, among them ``size`` and ``row`` that say where its pixels are, and the attributes
    of ``/provenance``.

    Parameters
    ----------
    path : Path
        The file; replaced in one step.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._file = h5py.File(self.part, "w")
        self._places: list[tuple[str, int]] = []

    def __enter__(self) -> Hdf5Samples:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.part.unlink(missing_ok=True)

    def add(self, image: NDArray[Any]) -> None:
        """Write an image (C, H, W)."""
        planes, height, width = image.shape
        size = f"{height}x{width}"
        name = f"images/{size}"
        if name not in self._file:
            self._file.create_dataset(
                name, (0, planes, height, width), np.float32, maxshape=(None, planes, height, width),
                chunks=(1, planes, height, width), compression="gzip", compression_opts=4, shuffle=True,
            )  # fmt: skip
        images = self._file[name]
        row = len(images)
        images.resize(row + 1, axis=0)
        images[row] = image
        self._places.append((size, row))

    def finish(self, columns: Mapping[str, Sequence[Any]], provenance: Mapping[str, str]) -> None:
        """Write the table, and put the file into place.

        Parameters
        ----------
        columns : mapping of str to sequence
            Text or numbers, one row for each image in the order of `add`.
        provenance : mapping of str to str
            How the file was made.
        """
        sizes, rows = [size for size, _ in self._places], [row for _, row in self._places]
        for name, values in {**columns, "size": sizes, "row": rows}.items():
            array = np.asarray(values)
            text = array.dtype.kind == "U" or (not len(array) and name == "size")
            self._file.create_dataset(
                f"samples/{name}", data=array.astype(object) if text else array,
                dtype=h5py.string_dtype() if text else None,
            )  # fmt: skip
        self._file.attrs["format"], self._file.attrs["format_version"] = FORMAT, VERSION
        self._file.create_group("provenance").attrs.update(provenance)
        self._file.close()
        os.replace(self.part, self.path)


class StoredSamples:
    """Reads what `Hdf5Samples` wrote.

    Attributes
    ----------
    columns : dict of str to (n,) array
        The table.
    provenance : dict of str to str
        How the file was made.

    Raises
    ------
    AstrodetectError
        It cannot be read, or is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = h5py.File(path, "r", locking=False)
            known = text_of(self._file.attrs.get("format", ""))
            version = int(self._file.attrs.get("format_version", 0))
            if (known, version) != (FORMAT, VERSION):
                raise AstrodetectError(
                    f"{path}: format {known!r} version {version}; expected {FORMAT!r} version {VERSION}"
                )
            self.columns: dict[str, Any] = {
                name: read_column(dataset) for name, dataset in self._file["samples"].items()
            }
            self.provenance = {name: text_of(value) for name, value in self._file["provenance"].attrs.items()}
        except (OSError, KeyError) as error:
            raise AstrodetectError(f"{path}: cannot be read as a file of samples: {error}") from error

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.columns["row"])

    def image(self, number: int) -> NDArray[np.float32]:
        """Read one image (C, H, W)."""
        size, row = self.columns["size"][number], int(self.columns["row"][number])
        pixels: NDArray[np.float32] = self._file[f"images/{size}"][row]
        return pixels

    def close(self) -> None:
        """Close the file."""
        self._file.close()
