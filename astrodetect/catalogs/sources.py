"""What a catalog is put together from: segments of a journal, and finished catalogs."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from astrodetect.catalogs import blocks
from astrodetect.catalogs.tables import (
    Schema,
    Table,
    described,
    join_schemas,
    lengths_of_header,
    rows_of,
    schema_of_header,
)
from astrodetect.core.columns import Column
from astrodetect.core.results import RecordingBlock


class Entry(NamedTuple):
    """One recording of a source."""

    recording_id: int
    path: str
    root: str
    status: str
    lengths: Mapping[str, int]
    place: Any


class BlockSource(Protocol):
    """Gives recordings one by one."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Its recordings, in the order in which they were written."""

    @property
    def schema(self) -> Schema:
        """The columns of its tables."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """How it was made."""

    def rows(self, entry: Entry) -> dict[str, Table]:
        """Give the rows of a recording."""

    def cutouts(self, entry: Entry) -> tuple[Any, Any] | None:
        """Give detection ids and cutouts of a recording, or None."""


class Segments:
    """The journal folder, one segment per run that wrote to it.

    Parameters
    ----------
    folder : Path
        ``night.h5.parts``.

    Attributes
    ----------
    headers : list of dict
        What each run wrote first: ``provenance``, ``columns``, ``replaces``.
    notes : list of str
        One line about each stretch that is no whole block.
    """

    def __init__(self, folder: Path) -> None:
        self.entries: list[Entry] = []
        self.headers: list[dict[str, Any]] = []
        self.notes: list[str] = []
        types: dict[str, dict[str, dict[str, str]]] = {}
        for segment in segment_paths(folder):
            self._read(segment, types)
        declared = [Column(*column) for header in self.headers for column in header.get("columns", ())]
        self.schema = join_schemas([described(found, declared) for found in types.values()])
        self.provenance: Mapping[str, str] = self.headers[-1]["provenance"] if self.headers else {}

    def _read(self, segment: Path, types: dict[str, dict[str, dict[str, str]]]) -> None:
        with segment.open("rb") as stream:
            for found in blocks.scan(stream):
                if isinstance(found, str):
                    self.notes.append(f"{segment.parent.name}/{segment.name}: {found}")
                    continue
                stream.seek(found.offset)
                header = blocks.header_of(stream.read(found.length))
                if "provenance" in header:
                    self.headers.append(header)
                    continue
                row = header["recording"]
                kinds = schema_of_header(header)
                types.setdefault(json.dumps(kinds, sort_keys=True), kinds)
                self.entries.append(
                    Entry(
                        int(row["recording_id"]),
                        str(row["path"]),
                        str(row.get("root", "")),
                        str(row.get("status", "done")),
                        lengths_of_header(header),
                        (segment, found),
                    )
                )

    def _payload(self, entry: Entry) -> bytes:
        segment, located = entry.place
        with segment.open("rb") as stream:
            stream.seek(located.offset)
            return bytes(stream.read(located.length))

    def block(self, entry: Entry) -> RecordingBlock:
        """Give a recording as it was appended."""
        return blocks.decode(self._payload(entry))

    def rows(self, entry: Entry) -> dict[str, Table]:
        """Give the rows of a recording."""
        return rows_of(*blocks.decode_parts(self._payload(entry)))

    def cutouts(self, entry: Entry) -> tuple[Any, Any] | None:
        """Give detection ids and cutouts of a recording, or None."""
        if not entry.lengths.get("patches"):
            return None
        part = blocks.decode_parts(self._payload(entry))[1]["detections"]
        return part.columns["detection_id"], part.cutouts


def segment_paths(folder: Path) -> list[Path]:
    """Give the segments of a journal in the order in which they were written."""
    found = [path for path in folder.glob("*.journal") if segment_number(path) > 0]
    return sorted(found, key=lambda path: (segment_number(path), path.name))


def segment_name(number: int) -> str:
    """Give a name that was never used: a reader never takes one segment for another."""
    return f"{number:04d}-{secrets.token_hex(4)}.journal"


def segment_number(path: Path) -> int:
    """Give the number of a segment by its name; 0 if it is none."""
    number = path.stem.partition("-")[0]
    return int(number) if number.isdecimal() else 0


def choose(sources: Sequence[BlockSource]) -> list[tuple[BlockSource, Entry]]:
    """Give each recording once, in the order of the catalog.

    What comes later replaces what came before: the same recording, and the same file whose content
    has changed since; but a failure does not replace what had been read.
    """
    chosen: dict[int, tuple[BlockSource, Entry]] = {}
    at: dict[tuple[str, str], int] = {}
    for source in sources:
        for entry in source.entries:
            place = (entry.root, entry.path)
            former = (
                entry.recording_id if entry.recording_id in chosen else at.get(place) if entry.root else None
            )
            if former in chosen:
                if entry.status == "failed" and chosen[former][1].status != "failed":
                    continue
                del chosen[former]
            chosen[entry.recording_id] = (source, entry)
            at[place] = entry.recording_id
    return sorted(chosen.values(), key=lambda item: (item[1].path, item[1].recording_id))


def total_lengths(chosen: Sequence[tuple[BlockSource, Entry]]) -> Counter[str]:
    """Give the number of rows of each table."""
    total: Counter[str] = Counter()
    for _, entry in chosen:
        total.update(entry.lengths)
    return total


def history_of(provenances: Sequence[Mapping[str, str]], pipeline: str) -> list[dict[str, Any]]:
    """Give the runs that made something, each once, in order.

    A run names its ``pipeline`` only where that is not the given one.
    """
    runs: list[dict[str, Any]] = []
    for provenance in provenances:
        earlier: list[dict[str, Any]] = []
        with suppress(ValueError):
            earlier = json.loads(provenance.get("history", "[]"))
        own = {name: value for name, value in provenance.items() if name != "history"}
        used = provenance.get("pipeline", "")
        for run in ({"pipeline": used, **run} for run in [*earlier, own]):
            if run["pipeline"] == pipeline:
                del run["pipeline"]
            if run and run not in runs:
                runs.append(run)
    return runs
