"""Fields as files: FITS images, and their truth as CSV."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.simulation.fields.field import Field

#: Truth of all fields of a folder.
TRUTH_FILE = "truth.csv"
#: Columns that every truth has, before those of `Field.sources`.
_COMMON = (
    "path", "object", "label", "frame_first", "frame_last", "x_first", "y_first", "x_last", "y_last",
    "peak_snr",
)  # fmt: skip


def write_fits(path: Path, field: Field) -> None:
    """Write the image of a field; the file appears when it is whole."""
    from astropy.io import fits

    image = fits.PrimaryHDU(field.image)
    for name, value in field.header.items():
        image.header[name] = value
    part = path.with_name(f".{path.name}.part")
    image.writeto(part, overwrite=True)
    os.replace(part, path)


def write_truth(path: Path, name: str, field: Field, *, append: bool = False) -> None:
    """Write the sources of a field, a row each.

    Parameters
    ----------
    path : Path
        CSV file.
    name : str
        Of the image, for the column ``path``.
    field : Field
        With the cards of a projection in its header, for ``ra`` and ``dec``.
    append : bool
        Add to the file.
    """
    columns = truth_columns(name, field)
    with path.open("a" if append else "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not append:
            writer.writerow(columns)
        writer.writerows(zip(*(map(_text, values.tolist()) for values in columns.values()), strict=True))


def truth_columns(name: str, field: Field) -> dict[str, NDArray[Any]]:
    """Give the columns of a field's truth in the order of the file."""
    sources, n = dict(field.sources), len(field)
    sources.setdefault("x_first", sources["x"])
    sources.setdefault("y_first", sources["y"])
    sources.setdefault("x_last", sources["x"])
    sources.setdefault("y_last", sources["y"])
    ra, dec = _sky(field)
    zero = np.zeros(n, int)
    common = {
        **sources,
        "path": np.full(n, name),
        "object": np.array([f"{label}{number:06d}" for number, label in enumerate(sources["label"])], str),
        "frame_first": zero, "frame_last": zero, "peak_snr": sources["snr"],
    }  # fmt: skip
    rest = {key: values for key, values in sources.items() if key not in (*_COMMON, "snr")}
    return {**{key: common[key] for key in _COMMON}, **rest, "ra": ra, "dec": dec}


def _sky(field: Field) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    wcs = WCS(Header(field.header), fix=False)
    ra, dec = wcs.all_pix2world(field.sources["x"], field.sources["y"], 0)
    return ra, dec


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.12g}"
    return str(int(value)) if isinstance(value, bool) else str(value)
