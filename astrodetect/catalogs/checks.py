"""Verify a catalog: read all of it, and hold it against the contract."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.catalogs import hdf5, index
from astrodetect.catalogs.journal import parts_of
from astrodetect.catalogs.sources import Segments
from astrodetect.catalogs.table_writer import extremes, update_digest
from astrodetect.catalogs.tables import DECLARED, Table
from astrodetect.core.columns import Column
from astrodetect.core.errors import AstrodetectError

_STATUSES = ("done", "partial", "failed")


def verify(path: Path | str) -> list[str]:
    """Give everything that is wrong with a catalog, one line each; none if it is sound.

    Every value is read and compared with the digest taken when it was written, so damage to a
    single byte of a column is found, whatever error HDF5 makes of it. A journal is checked block by
    block.

    Parameters
    ----------
    path : path
        ``night.h5``; a journal beside it is checked too, or alone.

    Raises
    ------
    AstrodetectError
        There is neither.
    """
    path = Path(path)
    parts = parts_of(path)
    findings: list[str] = []
    if parts.is_dir():
        findings += Segments(parts).notes
        if not path.exists():
            return findings
    elif not path.exists():
        raise AstrodetectError(f"{path}: no such file; expected a catalog")
    try:
        file = hdf5.open_catalog(path)
    except AstrodetectError as error:
        return [*findings, str(error)]
    except Exception as error:
        return [*findings, f"{path}: damaged ({_line(error)})"]
    with closing(file):
        return [*findings, *_verify_file(file)]


def _verify_file(file: Any) -> list[str]:
    findings: list[str] = []
    tables: dict[str, Table] = {}
    for name, declared in DECLARED.items():
        try:
            tables[name] = _read_table(file, name, declared, findings)
        except Exception as error:
            findings.append(f"/{name}: cannot be read ({_line(error)})")
            tables[name] = {}
    for check in (_provenance, _patches, _tally):
        try:
            findings += check(file)
        except Exception as error:
            findings.append(f"{check.__name__[1:]}: cannot be read ({_line(error)})")
    findings += _check_recordings(tables["recordings"], tables["detections"])
    for prefix in ("", "camera/"):
        findings += _check_detections(f"{prefix}detections", tables)
        findings += _check_tracks(prefix, tables)
    return findings


def _read_table(file: Any, name: str, declared: tuple[Column, ...], findings: list[str]) -> Table:
    group = file.get(name)
    if group is None:
        findings.append(f"/{name}: missing")
        return {}
    known = {column.name: column for column in declared}
    findings += [f"/{name}/{column}: missing" for column in known if column not in group]
    table: Table = {}
    for column in group:
        if f"{name}/{column}" in DECLARED:
            continue
        try:
            dataset = group[column]
            if not hasattr(dataset, "dtype"):
                findings.append(f"/{name}/{column}: is a group, expected a column")
                continue
            findings += _check_description(dataset, known.get(column))
            table[column] = hdf5.read_column(dataset)
            findings += _check_digest(dataset, table[column])
            findings += _check_index(dataset, table[column])
        except Exception as error:
            findings.append(f"/{name}/{column}: damaged ({_line(error)})")
    lengths = {len(values) for values in table.values()}
    if len(lengths) > 1:
        shown = ", ".join(f"{column} {len(values)}" for column, values in table.items())
        findings.append(f"/{name}: columns of different lengths ({shown})")
        return {}
    return table


def _check_description(dataset: Any, known: Column | None) -> Iterator[str]:
    found = hdf5.column_of(dataset.name, dataset)
    if dataset.ndim != 1:
        yield f"{dataset.name}: has {dataset.ndim} dimensions, expected 1"
    for attribute in ("unit", "description"):
        if attribute not in dataset.attrs:
            yield f"{dataset.name}: attribute {attribute!r} is missing"
    if known is None:
        return
    if "unit" in dataset.attrs and found.unit != known.unit:
        yield f"{dataset.name}: unit is {found.unit!r}, expected {known.unit!r}"
    if found.dtype != known.dtype:
        yield f"{dataset.name}: is {found.dtype}, expected {known.dtype}"


def _check_digest(dataset: Any, values: Any) -> Iterator[str]:
    expected = dataset.attrs.get("digest")
    if expected is None:
        yield f"{dataset.name}: attribute 'digest' is missing"
        return
    digest = hashlib.blake2b(digest_size=16)
    update_digest(digest, values)
    if digest.hexdigest() != hdf5.text_of(expected):
        yield f"{dataset.name}: the values are not those that were written (digest differs)"


def _check_index(dataset: Any, values: Any) -> Iterator[str]:
    """Hold the index, if there is one, against the values."""
    if index.is_text(dataset):
        coded = index.codes_of(dataset)
        agrees = coded is None or not len(values) or np.array_equal(coded[1][coded[0][...]], values)
    else:
        found = index.extremes_of(dataset)
        size = index.chunk_rows(dataset)
        parts = [extremes(values[start : start + size]) for start in range(0, len(values), size)]
        agrees = found is None or np.array_equal(
            found, np.array(parts, found.dtype).reshape(-1, 2), equal_nan=True
        )
    if not agrees:
        yield f"{dataset.name}: the index is not that of the values; `astrodetect catalog compact` renews it"


def _provenance(file: Any) -> Iterator[str]:
    found = hdf5.read_provenance(file)
    for name in ("pipeline", "versions", "command", "created"):
        if name not in found:
            yield f"/provenance: attribute {name!r} is missing"


def _patches(file: Any) -> Iterator[str]:
    known = file["detections/detection_id"][...]
    for name, group in file.get("patches", {}).items():
        ids, data = group["detection_id"][...], group["data"]
        if len(ids) != len(data):
            yield f"/patches/{name}: {len(data)} cutouts for {len(ids)} ids"
        if not np.isin(ids, known).all():
            yield f"/patches/{name}: cutouts of no detection"
        for row in range(len(data)):
            data[row]


def _tally(file: Any) -> Iterator[str]:
    labels, counts = file["detections/label"], Counter[tuple[str, bool]]()
    known = index.tally_of(labels)
    if known is None:
        return
    counts.update(zip(index.read_column(labels), file["detections/accepted"][...].tolist(), strict=True))
    if known != {label: (counts[label, False], counts[label, True]) for label in known}:
        yield "/index/detections/label/tally: wrong; `astrodetect catalog compact` renews it"


def _has(table: Mapping[str, Any], *names: str) -> bool:
    return all(name in table for name in names)


def _check_recordings(recordings: Table, detections: Table) -> Iterator[str]:
    if not _has(recordings, "recording_id", "path"):
        return
    ids, paths = recordings["recording_id"], recordings["path"]
    yield from _repeated("/recordings/recording_id", ids)
    if _first_unsorted([paths.tolist(), ids.tolist()]) is not None:
        yield "/recordings: rows are not sorted by path"
    if "status" in recordings:
        yield from _several(
            f"/recordings: {path}: status {status!r}, expected {', '.join(_STATUSES)}"
            for path, status in zip(paths, recordings["status"], strict=True)
            if status not in _STATUSES
        )
    if not _has(detections, "recording_id", "accepted"):
        return
    rows = {
        "n_detections": np.ones(len(detections["accepted"]), dtype=bool),
        "n_accepted": detections["accepted"],
    }
    for name, counted in rows.items():
        owners, counts = np.unique(detections["recording_id"][counted], return_counts=True)
        there = dict(zip(owners.tolist(), counts.tolist(), strict=True))
        yield from _several(
            f"/recordings: {paths[row]}: {name} is {stated}, but there are {there.get(int(ids[row]), 0)}"
            for row, stated in enumerate(recordings.get(name, ()))
            if stated != there.get(int(ids[row]), 0)
        )


def _check_detections(name: str, tables: Mapping[str, Table]) -> Iterator[str]:
    table, recordings = tables[name], tables["recordings"]
    if "detection_id" in table:
        yield from _repeated(f"/{name}/detection_id", table["detection_id"])
    if _has(table, "x_min", "x_max", "y_min", "y_max"):
        good = (table["x_max"] > table["x_min"]) & (table["y_max"] > table["y_min"])
        if not good.all():
            bad = np.count_nonzero(~good)
            yield f"/{name}: {bad} boxes are empty or NaN (first in row {np.argmin(good)})"
    if "probability" in table:
        good = (table["probability"] >= 0) & (table["probability"] <= 1)
        if not good.all():
            bad = np.count_nonzero(~good)
            yield f"/{name}: {bad} probabilities are not in [0, 1] (first in row {np.argmin(good)})"
    if "label" in table and not all(table["label"]):
        yield f"/{name}: {sum(not label for label in table['label'])} labels are empty"
    if not (
        _has(table, "recording_id", "frame_start", "x_start") and _has(recordings, "recording_id", "path")
    ):
        return
    path_of = dict(zip(recordings["recording_id"].tolist(), recordings["path"], strict=True))
    lost = [owner not in path_of for owner in table["recording_id"].tolist()]
    if any(lost):
        yield f"/{name}: {sum(lost)} detections of no recording (first in row {lost.index(True)})"
        return
    owners = table["recording_id"].tolist()
    starts = np.where(np.isnan(table["x_start"]), np.inf, table["x_start"]).tolist()
    row = _first_unsorted(
        [[path_of[owner] for owner in owners], owners, table["frame_start"].tolist(), starts]
    )
    if row is not None:
        yield f"/{name}: rows are not sorted by recording path, frame_start, x_start (first at row {row})"


def _check_tracks(prefix: str, tables: Mapping[str, Table]) -> Iterator[str]:
    tracks, detections = tables[f"{prefix}tracks"], tables[f"{prefix}detections"]
    if not (_has(tracks, "detection_id", "frame") and _has(detections, "detection_id")):
        return
    row_of = {number: row for row, number in enumerate(detections["detection_id"].tolist())}
    rows = [row_of.get(number, -1) for number in tracks["detection_id"].tolist()]
    if -1 in rows:
        yield f"/{prefix}tracks: {rows.count(-1)} points of no detection (first in row {rows.index(-1)})"
        return
    row = _first_unsorted([rows, tracks["frame"].tolist()])
    if row is not None:
        yield f"/{prefix}tracks: rows are not in the order of detections and frames (first at row {row})"


def _repeated(name: str, ids: Any) -> Iterator[str]:
    values, counts = np.unique(ids, return_counts=True)
    twice = values[counts > 1]
    if len(twice):
        yield f"{name}: {len(twice)} ids are not unique (first {twice[0]})"


def _first_unsorted(keys: list[list[Any]]) -> int | None:
    """Give the first row that comes before the one above it, by several keys; None if in order."""
    former: tuple[Any, ...] | None = None
    for row, key in enumerate(zip(*keys, strict=True)):
        if former is not None and key < former:
            return row
        former = key
    return None


def _several(findings: Iterable[str], shown: int = 5) -> Iterator[str]:
    """Give the first findings of a kind, and how many more there are."""
    more = 0
    for number, finding in enumerate(findings):
        if number < shown:
            yield finding
        else:
            more += 1
    if more:
        yield f"... and {more} more like that"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
