"""Read digits: the idx files of MNIST, and digits drawn on the spot where there are none."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError

#: Environment variable of the folder with real data; MNIST lies in its subfolder ``mnist``.
VARIABLE = "ASTRODETECT_DATA"
SIDE = 28

Part = Literal["train", "t10k"]


@dataclass(frozen=True)
class Digits:
    """Grey images of single digits.

    Attributes
    ----------
    images : (n, 28, 28) uint8 array
        0 is the background.
    labels : (n,) uint8 array
        The digits, 0 to 9.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __getitem__(self, part: slice) -> Digits:
        """Give some of the digits."""
        return Digits(self.images[part], self.labels[part])

    def __len__(self) -> int:
        """Give the number of digits."""
        return len(self.labels)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one idx file of bytes, compressed or not.

    Parameters
    ----------
    path : Path
        A file in LeCun's idx form: two zero bytes, the type (8: unsigned byte), the number of axes,
        their lengths as big-endian 32-bit integers, the values.

    Returns
    -------
    uint8 array
        In the shape that the file states.

    Raises
    ------
    AstrodetectError
        The file cannot be read, is of another form or is cut short.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError) as error:
        raise AstrodetectError(f"{path}: cannot be read: {error}") from error
    n_axes = raw[3] if len(raw) >= 4 else 0
    if raw[:3] != b"\x00\x00\x08" or len(raw) < 4 + 4 * n_axes:
        raise AstrodetectError(f"{path}: is no idx file of bytes")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", n_axes, 4))
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * n_axes)
    if values.size != np.prod(shape):
        raise AstrodetectError(
            f"{path}: holds {values.size} values; its header tells of {int(np.prod(shape))}"
        )
    return values.reshape(shape)


def mnist_folder(given: Path | None) -> Path:
    """Find the folder with the idx files of MNIST.

    Raises
    ------
    AstrodetectError
        Neither a folder was given nor is ``ASTRODETECT_DATA`` set.
    """
    if given is not None:
        return given
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]) / "mnist"
    raise AstrodetectError(
        f"MNIST is not here: set [data] mnist to the folder of its four idx files, or {VARIABLE} to the "
        'folder above it; digits = "drawn" needs no files'
    )


def read_mnist(folder: Path, part: Part) -> Digits:
    """Read one part of MNIST.

    Parameters
    ----------
    folder : Path
        Holds ``train-images-idx3-ubyte`` and the others, with or without ``.gz``.
    part : {"train", "t10k"}
        Training (60,000) or test digits (10,000).

    Returns
    -------
    Digits
        In the order of the file.

    Raises
    ------
    AstrodetectError
        A file is missing or damaged.
    """
    arrays = []
    for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
        found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
        if not found:
            raise AstrodetectError(f"{folder}: {name} is missing (also .gz); expected MNIST's files")
        arrays.append(read_idx(found[0]))
    images, labels = arrays
    if images.shape != (len(labels), SIDE, SIDE) or labels.ndim != 1 or labels.max(initial=0) > 9:
        raise AstrodetectError(f"{folder}: {part} is not MNIST: shapes {images.shape} and {labels.shape}")
    return Digits(images, labels)
