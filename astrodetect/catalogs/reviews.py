"""What people say about detections: read from CSV, found again in a catalog, applied to its columns."""

from __future__ import annotations

import csv
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.catalogs.tables import Table, length_of
from astrodetect.core.columns import Column
from astrodetect.core.errors import AstrodetectError

#: What a review adds to ``/detections``. Of a detection that nobody has looked at they are empty.
REVIEW_COLUMNS = (
    Column("verdict", "str", "", "what a person said: accept, reject, or empty if nobody has looked"),
    Column("reviewer", "str", "", "who said it"),
    Column("reviewed_at", "float64", "s", "when, UTC Unix seconds; NaN if nobody has looked"),
    Column("label_automatic", "str", "", "label before the review"),
    Column("probability_automatic", "float32", "", "probability before the review"),
    Column("accepted_automatic", "bool", "", "accepted before the review"),
    Column("reason_automatic", "str", "", "reason before the review"),
)
VERDICTS = ("accept", "reject", "clear")
#: Columns of a review file beside those of a truth file: `detection_id` or `path` with frames must be there.
FILE_COLUMNS = (
    "detection_id", "path", "verdict", "label", "label_automatic", "reviewer", "reviewed_at",
    "frame_first", "frame_last", "x_first", "y_first", "x_last", "y_last",
)  # fmt: skip
_ENDS = (("x_first", "x_start"), ("y_first", "y_start"), ("x_last", "x_end"), ("y_last", "y_end"))


@dataclass(frozen=True)
class Review:
    """What one person said about one detection.

    Attributes
    ----------
    verdict : str
        ``accept``, ``reject``, ``clear`` (back to what the pipeline said), or empty: the label decides.
    label : str
        The right label, or empty: as it is.
    reviewer : str
        Who; empty if not stated.
    reviewed_at : float
        UTC Unix seconds; NaN if not stated.
    detection_id : int or None
        Which detection.
    path : str
        Recording, relative to its root.
    place : mapping of str to float
        ``frame_first``, ``frame_last``, ``x_first``, ``y_first``, ``x_last``, ``y_last``, as far as known.
    where : str
        Line of the file, for messages.
    """

    verdict: str
    label: str
    reviewer: str = ""
    reviewed_at: float = math.nan
    detection_id: int | None = None
    path: str = ""
    place: Mapping[str, float] = field(default_factory=dict)
    where: str = ""


def read_reviews(path: Path) -> list[Review]:
    """Read a CSV file of reviews, as the report's page saves it or as a person writes it.

    Parameters
    ----------
    path : Path
        Columns: ``detection_id``, or ``path`` with ``frame_first`` and ``frame_last``; ``verdict``
        (accept, reject, clear), ``label``, or both; optionally ``reviewer``, ``reviewed_at`` (ISO, UTC)
        and the others of a truth file. Rows with neither verdict nor label are passed over.

    Raises
    ------
    AstrodetectError
        With the line: what it says, and what was expected.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            _check_head(path, rows.fieldnames or ())
            found = [_review(row, f"{path}, line {rows.line_num}") for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AstrodetectError(f"{path}: cannot be read as CSV: {reason}") from error
    return [review for review in found if review.verdict or review.label]


def _check_head(path: Path, names: Sequence[str]) -> None:
    if "detection_id" not in names and not {"path", "frame_first", "frame_last"} <= set(names):
        raise AstrodetectError(
            f"{path}: has the columns {', '.join(names) or 'none'}; expected detection_id, "
            "or path, frame_first and frame_last"
        )
    if "verdict" not in names and "label" not in names:
        raise AstrodetectError(f"{path}: has neither a column verdict nor a column label; nothing to write")


def _review(row: Mapping[str | None, Any], where: str) -> Review:
    cells = {name: str(value).strip() for name, value in row.items() if name and value is not None}
    verdict = cells.get("verdict", "").lower()
    if verdict and verdict not in VERDICTS:
        raise AstrodetectError(f"{where}: verdict is {verdict!r}; expected {', '.join(VERDICTS)} or nothing")
    identity = cells.get("detection_id", "")
    try:
        number = int(identity) if identity else None
        names = ("frame_first", "frame_last", *(name for name, _ in _ENDS))
        place = {name: float(cells[name]) for name in names if cells.get(name)}
    except ValueError as error:
        raise AstrodetectError(f"{where}: {error}; expected a number") from error
    if number is None and not (cells.get("path") and {"frame_first", "frame_last"} <= set(place)):
        raise AstrodetectError(f"{where}: names no detection; expected detection_id, or path and frames")
    return Review(
        verdict, cells.get("label", ""), cells.get("reviewer", ""), _moment(cells, where), number,
        cells.get("path", ""), place, where,
    )  # fmt: skip


def _moment(cells: Mapping[str, str], where: str) -> float:
    from astrodetect.catalogs.reader import unix_seconds

    given = cells.get("reviewed_at", "")
    if not given:
        return math.nan
    try:
        return unix_seconds(given)
    except AstrodetectError as error:
        raise AstrodetectError(f"{where}: reviewed_at: {error}") from error


def write_reviews(path: Path, reviews: Iterable[Review]) -> None:
    """Write reviews as `read_reviews` reads them, in one step."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FILE_COLUMNS)
        for review in reviews:
            at = review.reviewed_at
            moment = datetime.fromtimestamp(at, UTC).isoformat() if math.isfinite(at) else ""
            places = [review.place.get(name, "") for name in FILE_COLUMNS[7:]]
            number = "" if review.detection_id is None else review.detection_id
            row = (number, review.path, review.verdict, review.label, "", review.reviewer, moment, *places)
            writer.writerow(row)
    temporary.replace(path)


def wanted_labels(pipeline: str) -> tuple[str, ...]:
    """Give the labels that a pipeline (TOML text) accepts.

    Examples
    --------
    >>> wanted_labels('[accept]' + chr(10) + 'labels = ["meteor", "slow"]'), wanted_labels("")
    (('meteor', 'slow'), ('meteor',))
    """
    from astrodetect.core.tables import AcceptSettings

    try:
        labels = tomllib.loads(pipeline).get("accept", {}).get("labels")
    except (tomllib.TOMLDecodeError, AttributeError):
        labels = None
    return tuple(labels) if isinstance(labels, list) else AcceptSettings().labels


class Finder:
    """Finds the detection that a review speaks of: by its id, else by recording, frames and ends.

    Parameters
    ----------
    detections : mapping of str to array
        ``detection_id``, ``recording_id``, ``frame_start``, ``frame_end`` and the four ends.
    recordings : mapping of str to array
        ``recording_id``, ``path``.
    """

    def __init__(self, detections: Mapping[str, Any], recordings: Mapping[str, Any]) -> None:
        self._table = detections
        self._row = {number: row for row, number in enumerate(detections["detection_id"].tolist())}
        self._ids: dict[str, list[int]] = {}
        for number, path in zip(recordings["recording_id"].tolist(), recordings["path"], strict=True):
            self._ids.setdefault(str(path), []).append(number)

    def row(self, review: Review) -> int | None:
        """Give the row of a review, or None: an id counts only if its frames agree, where they are given."""
        row = None if review.detection_id is None else self._row.get(review.detection_id)
        if row is not None and self._overlaps(row, review):
            return row
        if not review.path or not {"frame_first", "frame_last"} <= set(review.place):
            return None
        owners = np.isin(self._table["recording_id"], self._ids.get(review.path, []))
        near = [row for row in np.flatnonzero(owners).tolist() if self._overlaps(row, review)]
        near = [row for row in near if self._distance(row, review) <= self._tolerance(row)]
        return min(near, key=lambda row: self._distance(row, review), default=None)

    def _overlaps(self, row: int, review: Review) -> bool:
        first, last = int(self._table["frame_start"][row]), int(self._table["frame_end"][row])
        if first < 0 or last < 0:
            return True
        return (
            review.place.get("frame_first", first) <= last and review.place.get("frame_last", last) >= first
        )

    def _tolerance(self, row: int) -> float:
        x0, y0, x1, y1 = (float(self._table[column][row]) for _, column in _ENDS)
        length = math.hypot(x1 - x0, y1 - y0)
        return max(10.0, length / 4 if math.isfinite(length) else 0.0)

    def _distance(self, row: int, review: Review) -> float:
        """Give the largest distance of an end; 0 where no ends are known."""
        gaps = [review.place.get(name, math.nan) - float(self._table[column][row]) for name, column in _ENDS]
        known = [math.hypot(*gaps[:2]), math.hypot(*gaps[2:])]
        return max((gap for gap in known if math.isfinite(gap)), default=0.0)


def judged(row: Mapping[str, Any], review: Review, wanted: Sequence[str]) -> dict[str, Any]:
    """Give the columns of a detection after a review; what the pipeline had said is kept in them.

    A label that a person gives, or lets stand by accepting, has probability 1. A detection that is
    rejected without another label keeps its label, unless that is one that the pipeline accepts: then
    the label is what was wrong, and it becomes ``unknown``.

    Parameters
    ----------
    row : mapping of str to value
        ``label, probability, accepted, reason`` and, after a former review, `REVIEW_COLUMNS`.
    review : Review
        What was said.
    wanted : sequence of str
        Labels that the pipeline accepts.
    """
    names = ("label", "probability", "accepted", "reason")
    former = bool(row.get("verdict"))
    automatic = {name: row[f"{name}_automatic"] if former else row[name] for name in names}
    if review.verdict == "clear":
        empty = {"verdict": "", "reviewer": "", "reviewed_at": math.nan}
        blank: dict[str, Any] = {"label": "", "probability": math.nan, "accepted": False, "reason": ""}
        return {**automatic, **empty, **{f"{name}_automatic": value for name, value in blank.items()}}
    label = review.label or str(automatic["label"])
    accepted = review.verdict == "accept" or (not review.verdict and label in wanted)
    probability, reason = 1.0, ""
    if not accepted:
        reason = "rejected in review" if review.verdict else f"label {label}"
        if not review.label and label in wanted:
            label = "unknown"
        elif not review.label:
            probability = float(automatic["probability"])
    return {
        "label": label, "probability": probability, "accepted": accepted, "reason": reason,
        "verdict": "accept" if accepted else "reject", "reviewer": review.reviewer,
        "reviewed_at": review.reviewed_at, **{f"{name}_automatic": automatic[name] for name in names},
    }  # fmt: skip


def reviews_of(detections: Table, paths: Mapping[int, str]) -> list[Review]:
    """Give the reviews that the rows of a catalog hold.

    Parameters
    ----------
    detections : mapping of str to array
        Columns of ``/detections``, with `REVIEW_COLUMNS`.
    paths : mapping of int to str
        Path of a recording by its id.
    """
    reviews = []
    for row in np.flatnonzero(detections["verdict"] != "").tolist() if length_of(detections) else []:
        value = {name: values[row] for name, values in detections.items()}
        place = {name: float(value[column]) for name, column in _ENDS if math.isfinite(value[column])}
        frames = {"frame_first": float(value["frame_start"]), "frame_last": float(value["frame_end"])}
        relabelled = value["label"] != value["label_automatic"]
        reviews.append(
            Review(
                str(value["verdict"]), str(value["label"]) if relabelled else "", str(value["reviewer"]),
                float(value["reviewed_at"]), int(value["detection_id"]),
                paths.get(int(value["recording_id"]), ""), {**frames, **place},
            )
        )  # fmt: skip
    return reviews
