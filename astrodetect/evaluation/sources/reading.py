"""Sources by image: from a truth file, from what others found, from a catalog."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.compare import locate
from astrodetect.evaluation.sources.judge import How, SourceEvaluation, evaluate_sources
from astrodetect.evaluation.sources.table import Sources
from astrodetect.evaluation.truth import TruthObject

#: Columns of text; all others that are read hold numbers.
_TEXT = ("path", "file", "label")
#: A truth file whose head has one of these is a list of sources, with a place and a shape.
_MARKS = ("x_min", "major", "flux")
#: Columns of numbers that are looked at.
_READ = (
    "x", "y", "x_first", "y_first", "x_min", "y_min", "x_max", "y_max", "flux", "major", "minor", "theta",
    "snr", "peak_snr", "beam", "ra", "dec", "difficult", "blended",
)  # fmt: skip
#: Endings of tables that astropy reads.
_TABLES = (".fits", ".fit", ".ecsv", ".vot", ".xml", ".votable")


def lists_sources(path: Path) -> bool:
    """Tell whether a truth file is a CSV that lists sources with boxes or fluxes."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = [name.strip() for name in file.readline(4096).split(",")]
    except (OSError, UnicodeDecodeError):
        return False
    return ("path" in head or "file" in head) and any(name in head for name in _MARKS)


def read_source_truth(path: Path) -> dict[str, Sources]:
    """Read the sources of images from a CSV file, or boxes from a file of a format of exchange.

    Parameters
    ----------
    path : Path
        CSV with ``path`` (or ``file``) and what it has of ``label, x, y`` (or ``x_first, y_first``),
        ``x_min, y_min, x_max, y_max, flux, major, minor, theta, snr, beam, difficult, blended``; or
        annotations of COCO, YOLO, ...

    Raises
    ------
    AstrodetectError
        It cannot be read, a column is missing, or a value is no number; file and line are named.
    """
    return {image: Sources.of(columns) for image, columns in source_columns(path).items()}


def source_columns(path: Path) -> dict[str, Mapping[str, Any]]:
    """Give the columns of a list of sources, as `read_source_truth` reads it, for each image.

    Also reads tables that astropy knows (FITS, ECSV, VOTable); one that names no images is under the
    empty name. Further columns are ``ra, dec`` (degrees).

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    AstrodetectError
        As `read_source_truth`.
    """
    if path.suffix.lower() in _TABLES:
        columns = _table(path)
    elif lists_sources(path):
        columns = _columns(path)
    else:
        return _exchanged(path)
    images = next((columns.pop(name) for name in ("path", "file") if name in columns), None)
    if images is None:
        return {"": columns}
    names = np.array([str(name).replace("\\", "/").removeprefix("./") for name in images])
    return {name: _rows(columns, names == name) for name in dict.fromkeys(names.tolist())}


def _rows(columns: Mapping[str, Any], rows: NDArray[Any]) -> dict[str, Any]:
    return {name: np.asarray(values)[rows] for name, values in columns.items()}


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    """Read the columns of a CSV file that are looked at."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            head = [name.strip() for name in next(reader)]
            rows = [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error, StopIteration) as error:
        raise AstrodetectError(f"{path}: cannot be read as a CSV file: {error}") from None
    short = next((number for number, row in enumerate(rows, 2) if len(row) != len(head)), None)
    if short is not None:
        raise AstrodetectError(f"{path}, row {short}: {len(rows[short - 2])} values; expected {len(head)}")
    wanted = [name for name in (*_TEXT, *_READ) if name in head]
    return {name: _column(path, name, [row[head.index(name)].strip() for row in rows]) for name in wanted}


def _column(path: Path, name: str, texts: Sequence[str]) -> NDArray[Any]:
    if name in _TEXT:
        return np.array(texts, object)
    values = np.full(len(texts), np.nan)
    for number, text in enumerate(texts):
        if text:
            try:
                values[number] = float(text)
            except ValueError:
                raise AstrodetectError(
                    f"{path}, row {number + 2}: {name} is {text!r}; expected a number"
                ) from None
    return values > 0 if name in ("difficult", "blended") else values


def _table(path: Path) -> dict[str, NDArray[Any]]:
    """Read the columns of a table of astropy that are looked at, whatever the case of their names."""
    from astropy.table import Table

    try:
        table = Table.read(path)
        table.convert_bytestring_to_unicode()
    except Exception as error:  # readers of tables raise what they like
        text = " ".join(str(error).split())[:100]
        raise AstrodetectError(f"{path}: cannot be read as a table: {text}") from None
    given = {str(name).lower(): name for name in table.colnames}
    columns: dict[str, NDArray[Any]] = {}
    for name in (*_TEXT, *_READ):
        if name in given:
            values = table[given[name]]
            filled = values.filled(np.nan) if hasattr(values, "filled") and name not in _TEXT else values
            columns[name] = np.asarray(filled).astype(object if name in _TEXT else np.float64)
    flags = ("difficult", "blended")
    return {name: values > 0 if name in flags else values for name, values in columns.items()}


def _exchanged(path: Path) -> dict[str, Mapping[str, Any]]:
    """Read what a format of exchange holds."""
    from astrodetect.exchange.joining import read_together

    contents = [read.content for read in read_together([path]) if read.observes]
    if not contents:
        raise AstrodetectError(
            f"{path}: lists no sources; expected a CSV file with path, label, x_min, y_min, x_max, y_max, "
            "... or annotations (COCO, YOLO)"
        )
    return {
        recording.path: recording.detections.columns
        for content in contents
        for recording in content.recordings
    }


def sources_of_catalog(detections: Any, recordings: Any) -> dict[str, Sources]:
    """Give the detections of a catalog by the path of their recording, also of those without any.

    Parameters
    ----------
    detections, recordings : table or mapping of str to array
        As in the catalog.
    """
    names = set(detections.keys())
    own = np.asarray(detections["recording_id"])
    plain = {name: np.asarray(detections[name]) for name in names}
    whole = Sources.of(plain)
    return {
        str(path): whole.take(own == number)
        for path, number in zip(recordings["path"], np.asarray(recordings["recording_id"]), strict=True)
    }


def compare_sources(
    detections: Any, recordings: Any, truth: Path, how: How, *, ignore_unlisted: bool = False
) -> SourceEvaluation:
    """Compare a catalog with a file of sources.

    Parameters
    ----------
    detections, recordings : table or mapping of str to array
        As in the catalog.
    truth : Path
        See `read_source_truth`.
    how : How
        How they are compared. Where no label of the catalog is one of the truth, labels are left out of
        account, and the result says so.
    ignore_unlisted : bool
        Leave out images of which the truth names nothing; otherwise they are taken as empty.

    Raises
    ------
    AstrodetectError
        The truth cannot be read, or it is of none of the images.
    """
    found = sources_of_catalog(detections, recordings)
    listed = read_source_truth(truth)
    located, absent = locate([TruthObject(path) for path in listed], found)
    if listed and not located:
        raise AstrodetectError(
            f"{truth}: is of {next(iter(listed))} ..., and the catalog of {', '.join(sorted(found)[:2])} "
            "...: no image in common"
        )
    true = {path: listed[items[0].path] for path, items in located.items()}
    unlisted = tuple(sorted(set(found) - set(true)))
    if ignore_unlisted:
        found = {path: found[path] for path in true}
    how, note = _agree(found, true, how)
    failed = [
        str(path) for path, status in zip(recordings["path"], recordings["status"], strict=True)
        if str(status) == "failed" and str(path) in found
    ]  # fmt: skip
    made = evaluate_sources(found, true, how)
    missing = tuple(sorted(item.path for item in absent))
    return replace(
        made, not_in_catalog=missing, not_in_truth=unlisted, failed=tuple(sorted(failed)), note=note
    )


def _agree(found: Mapping[str, Sources], true: Mapping[str, Sources], how: How) -> tuple[How, str]:
    """Leave labels out of account where none is in both."""
    sets = [{str(label) for own in side.values() for label in own["label"]} for side in (found, true)]
    if how.any_label or not all(sets) or sets[0] & sets[1]:
        return how, ""
    ours, theirs = (", ".join(sorted(names)) or "none" for names in sets)
    note = f"the catalog's labels ({ours}) and those of the truth ({theirs}) differ: compared without labels"
    return replace(how, any_label=True), note
