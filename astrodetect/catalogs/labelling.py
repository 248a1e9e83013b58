"""Write reviews into a catalog, and keep them when a run makes it anew."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.catalogs import hdf5, index
from astrodetect.catalogs.assembly import assemble
from astrodetect.catalogs.journal import Journal, parts_of
from astrodetect.catalogs.reviews import (
    REVIEW_COLUMNS,
    Finder,
    Review,
    judged,
    reviews_of,
    wanted_labels,
    write_reviews,
)
from astrodetect.catalogs.stored import StoredCatalog
from astrodetect.catalogs.tables import Table
from astrodetect.core.columns import Column
from astrodetect.core.detections import full_column
from astrodetect.core.errors import AstrodetectError, StoppedError

_NEEDED = (
    "detection_id", "recording_id", "frame_start", "frame_end", "x_start", "y_start", "x_end", "y_end",
    "label", "probability", "accepted", "reason",
)  # fmt: skip
_NAMES = tuple(column.name for column in REVIEW_COLUMNS)


@dataclass
class Labelled:
    """What became of reviews.

    Attributes
    ----------
    n_changed, n_unchanged, n_older : int
        Detections whose review is new or another; that had it already; that have a later one.
    unknown : list of Review
        Those that speak of no detection of the catalog.
    """

    n_changed: int = 0
    n_unchanged: int = 0
    n_older: int = 0
    unknown: list[Review] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {
            "changed": self.n_changed, "unchanged": self.n_unchanged, "older": self.n_older,
            "unknown": [review.where for review in self.unknown],
        }  # fmt: skip


def label_catalog(path: Path, reviews: Sequence[Review], *, reviewer: str = "") -> Labelled:
    """Write reviews into a catalog. It is replaced in one step, and not touched if nothing changes.

    Parameters
    ----------
    path : Path
        A finished catalog.
    reviews : sequence of Review
        What was said. Of two about one detection, and of one that the catalog has, the later counts.
    reviewer : str
        Who, where a review does not say.

    Raises
    ------
    AstrodetectError
        There is no catalog, it is damaged, or a run is writing it.
    StoppedError
        It cannot be written.
    """
    if parts_of(path).exists():
        raise AstrodetectError(
            f"{path}: a run is writing it or was broken off ({parts_of(path).name} is there); let it end, "
            f"or take it up with `astrodetect catalog compact {path}`"
        )
    with closing(hdf5.open_catalog(path)) as file:
        provenance = hdf5.read_provenance(file)
    named = [review if review.reviewer else replace(review, reviewer=reviewer) for review in reviews]
    with Journal.open(path, provenance) as journal:  # keeps other processes out
        temporary = journal.parts / "assembled.tmp"
        try:
            done = rewrite(path, temporary, named)
            if temporary.exists():
                hdf5.put_in_place(temporary, path)
        except OSError as error:
            raise StoppedError(f"{path}: cannot be written: {error.strerror or error}") from error
    return done


def rewrite(path: Path, temporary: Path, reviews: Sequence[Review]) -> Labelled:
    """Write a copy of a catalog with reviews applied; none if they change nothing."""
    done = Labelled()
    with closing(hdf5.open_catalog(path)) as file:
        stored = StoredCatalog(file, str(path))
        edits = _edits(file, reviews, wanted_labels(stored.provenance.get("pipeline", "")), done)
        done.n_changed = len(edits.rows)
        if edits.rows:
            assemble([stored], temporary, stored.provenance, edits)
    return done


class _Edits:
    """New values of some detections, put in where rows pass by."""

    columns: Mapping[str, Sequence[Column]] = {"detections": REVIEW_COLUMNS}

    def __init__(self, rows: Mapping[int, Mapping[str, Any]], accepted: Mapping[int, int]) -> None:
        self.rows, self._accepted = rows, accepted
        self._ids = np.array(sorted(rows), dtype=np.int64)

    def apply(self, rows: dict[str, Table]) -> dict[str, Table]:
        """Give rows of any tables with the new values."""
        if (table := rows.get("recordings")) and self._accepted:
            ids = table["recording_id"].tolist()
            more = np.array([self._accepted.get(number, 0) for number in ids], dtype=np.int64)
            rows = {**rows, "recordings": {**table, "n_accepted": table["n_accepted"] + more}}
        table = rows.get("detections")
        if not table:
            return rows
        changed = np.flatnonzero(np.isin(table["detection_id"], self._ids)).tolist()
        if not changed:
            return rows
        edited = {name: values.copy() for name, values in _with_review_columns(table).items()}
        for row in changed:
            for name, value in self.rows[int(table["detection_id"][row])].items():
                edited[name][row] = value
        return {**rows, "detections": edited}


def _with_review_columns(table: Table) -> Table:
    n = len(table["detection_id"])
    return {**{column.name: full_column(column, n) for column in REVIEW_COLUMNS}, **table}


def _edits(file: Any, reviews: Sequence[Review], wanted: Sequence[str], done: Labelled) -> _Edits:
    table, recordings = _read(file)
    finder = Finder(table, recordings)
    now = datetime.now(UTC).timestamp()
    latest: dict[int, Review] = {}
    for review in sorted(reviews, key=lambda review: np.nan_to_num(review.reviewed_at, nan=now)):
        row = finder.row(review)
        if row is None:
            done.unknown.append(review)
        else:
            latest[row] = review
    rows: dict[int, dict[str, Any]] = {}
    accepted: Counter[int] = Counter()
    for row, review in latest.items():
        former = {name: values[row] for name, values in table.items()}
        at = former["reviewed_at"]
        if math.isfinite(at) and review.reviewed_at < at:
            done.n_older += 1
            continue
        stamped = review if math.isfinite(review.reviewed_at) else replace(review, reviewed_at=now)
        edit = judged(former, stamped, wanted)
        if _says_the_same(former, edit, dated=math.isfinite(review.reviewed_at)):
            done.n_unchanged += 1
            continue
        rows[int(former["detection_id"])] = edit
        accepted[int(former["recording_id"])] += int(edit["accepted"]) - int(former["accepted"])
    return _Edits(rows, {number: more for number, more in accepted.items() if more})


def _says_the_same(former: Mapping[str, Any], edit: Mapping[str, Any], *, dated: bool) -> bool:
    names = {"verdict", "label", "accepted", "reason", "reviewer"}
    same = all(former[name] == edit[name] for name in names)
    at, now = former["reviewed_at"], edit["reviewed_at"]
    return same and (not dated or at == now or (math.isnan(at) and math.isnan(now)))


def _read(file: Any) -> tuple[Table, Table]:
    """Read what reviews need to know of every detection, and of every recording."""
    found = hdf5.table_columns(file, "detections")
    names = [name for name in (*_NEEDED, *_NAMES) if name in found]
    table = _with_review_columns({name: index.read_column(found[name]) for name in names})
    recordings = hdf5.table_columns(file, "recordings")
    return table, {name: index.read_column(recordings[name]) for name in ("recording_id", "path")}


def stored_reviews(path: Path) -> list[Review]:
    """Give the reviews that a catalog holds; none if nobody has looked at it."""
    with closing(hdf5.open_catalog(path)) as file:
        if "verdict" not in hdf5.table_columns(file, "detections"):
            return []
        table, recordings = _read(file)
    paths = zip(recordings["recording_id"].tolist(), map(str, recordings["path"]), strict=True)
    return reviews_of(table, dict(paths))


def carry(former: Sequence[Path], assembled: Path, target: Path) -> Iterator[str]:
    """Bring the reviews of former catalogs into a new one that is not in place yet.

    Reviews of detections that are not found again are kept in a file beside it, which
    `read_reviews` reads.

    Parameters
    ----------
    former : sequence of Path
        The catalogs that it replaces.
    assembled : Path
        The new one.
    target : Path
        The name that it will get.

    Yields
    ------
    str
        What became of them, one line each; none if there were no reviews.
    """
    reviews: list[Review] = []
    for path in former:
        try:
            reviews += stored_reviews(path)
        except (AstrodetectError, OSError, RuntimeError, KeyError, ValueError) as error:
            yield f"{path}: its reviews, if it has any, cannot be read: {' '.join(str(error).split())}"
    if not reviews:
        return
    temporary = assembled.with_name(f"{assembled.name}.reviewed")
    done = rewrite(assembled, temporary, reviews)
    if temporary.exists():
        temporary.replace(assembled)
    if done.n_changed:
        yield f"{target}: {done.n_changed} reviews of the former catalog are carried over"
    if done.unknown:
        lost = target.with_name(f"{target.stem}-lost-reviews.csv")
        write_reviews(lost, done.unknown)
        yield (
            f"{target}: {len(done.unknown)} reviewed detections of the former catalog were not found again; "
            f"their reviews are in {lost}"
        )
