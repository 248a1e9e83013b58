"""A list of all samples for a person to go through, and sheets of small pictures to do it by."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError, StoppedError
from astrodetect.training.samples.store import Sample, Stored

#: Pictures on a sheet, across and down, and the pixels of each.
_ACROSS, _DOWN, _SIDE, _CAPTION = 12, 8, 112, 12
_COLUMNS = (
    "sample", "keep", "label", "number", "sheet", "path", "station", "frame_first", "frame_last", "x", "y",
    "place", "object", "snr",
)  # fmt: skip
_YES, _NO = ("yes", "y", "1", "true"), ("no", "n", "0", "false")


@dataclass(frozen=True)
class Verdict:
    """What a person says of a sample.

    Attributes
    ----------
    keep : bool
        Use it.
    label : str
        What it shows.
    """

    keep: bool
    label: str


def read_verdicts(path: Path) -> dict[int, Verdict]:
    """Read a list of samples after a person went through it.

    Parameters
    ----------
    path : Path
        CSV with the columns ``sample``, ``keep`` (yes or no) and ``label``; others are not looked at. No such
        file: nobody has said anything.

    Raises
    ------
    AstrodetectError
        A value is none of those, with the line.
    """
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            return dict(_verdict(row, f"{path}, line {reader.line_num}") for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AstrodetectError(f"{path}: cannot be read as a CSV table: {error}") from error


def _verdict(row: Mapping[str, Any], where: str) -> tuple[int, Verdict]:
    keep, label, number = (str(row.get(name) or "").strip() for name in ("keep", "label", "sample"))
    if keep.lower() not in (*_YES, *_NO):
        raise AstrodetectError(f"{where}: keep is {keep!r}; expected yes or no")
    if not number.isdigit() or not label:
        raise AstrodetectError(f"{where}: expected the number of a sample and a label")
    return int(number), Verdict(keep.lower() in _YES, label)


def write_review(store: Stored, samples: Sequence[Sample], path: Path) -> None:
    """Write the list of samples and their pictures; what a person said before stays.

    Parameters
    ----------
    store : Stored
        Where the images are.
    samples : sequence of Sample
        In its order.
    path : Path
        The list (CSV); the sheets go to the folder ``sheets`` beside it, one after the other for each label.

    Raises
    ------
    StoppedError
        They cannot be written.
    """
    said = read_verdicts(path)
    sheets = {sample.sample: name for name, part in _pages(samples) for sample in part}
    folder = path.parent / "sheets"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = {sample.sample: number for number, sample in enumerate(samples)}
        for name, part in _pages(samples):
            _draw(store, [numbers[sample.sample] for sample in part], folder / name)
        partial = path.with_name(path.name + ".partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for number, sample in enumerate(samples):
                verdict = said.get(sample.sample, Verdict(True, sample.label))
                writer.writerow(_row(sample, verdict, number, sheets[sample.sample]))
        os.replace(partial, path)
    except OSError as error:
        raise StoppedError(f"{path}: cannot be written: {error.strerror or error}") from error


def _row(sample: Sample, verdict: Verdict, number: int, sheet: str) -> list[Any]:
    snr = f"{sample.snr:.1f}" if np.isfinite(sample.snr) else ""
    return [
        sample.sample, "yes" if verdict.keep else "no", verdict.label, number, sheet, sample.path,
        sample.station, sample.frame_first, sample.frame_last, f"{sample.x:.1f}", f"{sample.y:.1f}",
        sample.place, sample.object, snr,
    ]  # fmt: skip


def _pages(samples: Sequence[Sample]) -> list[tuple[str, list[Sample]]]:
    """Give the name of each sheet and what is on it."""
    each = _ACROSS * _DOWN
    pages = []
    for label in sorted({sample.label for sample in samples}):
        own = [sample for sample in samples if sample.label == label]
        safe = "".join(letter if letter.isalnum() else "-" for letter in label)
        pages += [
            (f"{safe}-{start // each + 1:03d}.png", own[start : start + each])
            for start in range(0, len(own), each)
        ]
    return pages


def _draw(store: Stored, numbers: Sequence[int], path: Path) -> None:
    """Draw the first planes of some images, each with its number below."""
    from PIL import Image, ImageDraw

    rows = -(-len(numbers) // _ACROSS)
    sheet = Image.new("L", (_ACROSS * _SIDE, rows * (_SIDE + _CAPTION)), 32)
    pen = ImageDraw.Draw(sheet)
    for place, number in enumerate(numbers):
        y, x = divmod(place, _ACROSS)
        picture = Image.fromarray(grey(store.image(number)[0]))
        picture.thumbnail((_SIDE - 2, _SIDE - 2))
        scale = max(1, (_SIDE - 2) // max(picture.size))
        picture = picture.resize((picture.width * scale, picture.height * scale))
        sheet.paste(picture, (x * _SIDE, y * (_SIDE + _CAPTION)))
        pen.text((x * _SIDE + 2, y * (_SIDE + _CAPTION) + _SIDE - 1), str(number), fill=255)
    partial = path.with_name(path.name + ".partial")
    sheet.save(partial, "PNG")
    os.replace(partial, path)


def grey(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Give a plane (H, W) as grey values, from its median to just below its highest.

    Examples
    --------
    >>> grey(np.array([[0.0, 0.0, 10.0]])).tolist()
    [[0, 0, 255]]
    """
    low, high = float(np.median(plane)), float(np.percentile(plane, 99.9))
    span = max(high - low, 1e-6)
    return np.clip((plane - low) * (255 / span), 0, 255).astype(np.uint8)
