"""Read a catalog, finished or not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from astrodetect.catalogs import hdf5, index
from astrodetect.catalogs.assembly import in_memory
from astrodetect.catalogs.journal import parts_of
from astrodetect.catalogs.notebook import ShowsItself
from astrodetect.catalogs.sources import BlockSource, Segments
from astrodetect.catalogs.stored import StoredCatalog
from astrodetect.catalogs.tables import block_of
from astrodetect.core.columns import Column
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.results import RecordingBlock

if TYPE_CHECKING:
    from astropy.table import QTable

#: How often a job may finish or go on while its journal is being read.
_ATTEMPTS = 10


class Catalog(ShowsItself):
    """A catalog, open for reading: a finished one, or what a running or killed job has finished.

    Parameters
    ----------
    path : path
        ``night.h5``; if a journal ``night.h5.parts`` lies beside it, what is in both.

    Attributes
    ----------
    path : Path
        The same.
    unfinished : bool
        There was a journal: a job is running, or did not get to its end.
    notes : list of str
        What was damaged or cut off in the journal and is left out.
    provenance : dict of str to str
        ``pipeline`` (TOML text), ``versions`` and ``history`` (JSON), ``command``, ``created``.

    Raises
    ------
    AstrodetectError
        There is neither, or it is no catalog, or damaged.

    Notes
    -----
    The tables are read when first asked for, kept, and usable after closing.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.unfinished = False
        self.notes: list[str] = []
        self._tables: dict[str, QTable] = {}
        self._selector: tuple[Any, Any] | None = None
        self._file: Any = None
        self._file = self._open()
        self.provenance: dict[str, str] = hdf5.read_provenance(self._file)

    def _open(self) -> Any:
        """Open the catalog, or join it with the journal, whatever a job does meanwhile.

        The journal is read first: what is gone from it is in the catalog by then.
        """
        parts = parts_of(self.path)
        for attempt in range(_ATTEMPTS):
            time.sleep(0.01 * attempt)
            if parts.is_dir():
                try:
                    file = self._join(parts)
                except FileNotFoundError:
                    continue  # the job has just finished
            else:
                file = hdf5.open_catalog(self.path) if self.path.exists() or not parts.is_dir() else None
                self.unfinished = False
            if file is not None:
                return file
        raise AstrodetectError(f"{self.path}: no such file, and nothing in the journal beside it")

    def _join(self, parts: Path) -> Any:
        """Give what the catalog, if there is one, and the journal hold; None if there is neither."""
        held = Segments(parts)
        self.notes, self.unfinished = held.notes, True
        if not self.path.exists():
            return in_memory([held], held.provenance) if held.headers or held.entries else None
        with closing(hdf5.open_catalog(self.path)) as file:
            sources: list[BlockSource] = [StoredCatalog(file, str(self.path)), held]
            return in_memory(sources, held.provenance or sources[0].provenance)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Catalog({str(self.path)!r})"

    @property
    def detections(self) -> QTable:
        """All detections, rejected ones too."""
        return self.table("detections")

    @property
    def recordings(self) -> QTable:
        """One row per recording looked at."""
        return self.table("recordings")

    @property
    def tracks(self) -> QTable:
        """One row per detection and frame."""
        return self.table("tracks")

    @property
    def camera(self) -> QTable:
        """What the cameras' own software had found, in the columns of `detections`."""
        return self.table("camera/detections")

    @property
    def camera_tracks(self) -> QTable:
        """The tracks of `camera`."""
        return self.table("camera/tracks")

    def table(self, name: str) -> QTable:
        """Give a table in memory, with units.

        Parameters
        ----------
        name : str
            ``detections``, ``recordings``, ``tracks``, ``camera/detections`` or ``camera/tracks``.
        """
        if name not in self._tables:
            self._tables[name] = self._read(name, ...)
        return self._tables[name]

    def columns(self, name: str = "detections") -> dict[str, Column]:
        """Give the columns of a table with their units and descriptions."""
        found = hdf5.table_columns(self._opened(), name)
        return {column: hdf5.column_of(column, dataset) for column, dataset in _ordered(found, name)}

    def read_columns(
        self, names: Sequence[str], table: str = "detections", rows: Any = ...
    ) -> dict[str, Any]:
        """Give some columns of a table as plain arrays, nothing else being read; `rows` rising, or all.

        Of detections also columns of their recordings (``path``, ``camera`` ...).

        Raises
        ------
        AstrodetectError
            There is no such column, or it is damaged.
        """
        found = self._columns_for(table)
        for name in names:
            if name not in found:
                raise AstrodetectError(
                    f"{self.path}: no column {name!r} in /{table}; there are {', '.join(found)}"
                )
        return {name: self._values(found[name], table, rows) for name in names}

    def _columns_for(self, table: str) -> dict[str, Any]:
        """Give the columns of a table in order; detections have those of their recordings, too."""
        found = dict(_ordered(hdf5.table_columns(self._opened(), table), table))
        if table != "detections":
            return found
        return found | {
            name: dataset
            for name, dataset in _ordered(hdf5.table_columns(self._opened(), "recordings"), "recordings")
            if name not in found
        }

    def _values(self, dataset: Any, table: str, rows: Any) -> Any:
        if dataset.parent.name == f"/{table}":
            return self._column(dataset, rows)
        with self._told():
            owners, which = np.unique(self._select().owners(rows), return_inverse=True)
        return self._column(dataset, owners)[which]

    def query(
        self,
        where: str | None = None,
        *,
        label: str | Sequence[str] | None = None,
        probability: float | None = None,
        accepted: bool | None = None,
        after: Any = None,
        before: Any = None,
        camera: str | Sequence[str] | None = None,
        recording: str | Sequence[str] | None = None,
        box: Sequence[float] | None = None,
        cone: Sequence[float] | None = None,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> QTable:
        """Give the detections that meet all conditions; only what is needed is read.

        Parameters
        ----------
        where : str
            A condition, for example ``"label = meteor and probability > 0.9"``, on columns of
            ``/detections`` and of their recordings; see `astrodetect.catalogs.expressions`.
        label : str or sequence of str
            One of these labels.
        probability : float
            At least this.
        accepted : bool
            Accepted, or rejected.
        after, before : float, str, datetime or astropy.time.Time
            ``time_start`` in this half-open interval; numbers are UTC Unix seconds, text is ISO UTC.
            A detection without a time is in none.
        camera, recording : str or sequence of str
            Of these cameras, in recordings with these paths.
        box : (x_min, y_min, x_max, y_max)
            The boxes of the detection and this one overlap (pixels).
        cone : (ra, dec, radius)
            It begins or ends within `radius` of this place (degrees, ICRS). A detection without a
            calibration is in none.
        columns : sequence of str
            Which columns, also of their recordings (``path``); all of ``/detections`` if not given.
        limit : int
            The first so many.

        Raises
        ------
        AstrodetectError
            A condition cannot be read, there is no such column, or the catalog is damaged.
        """
        given = {"label": label, "probability": probability, "accepted": accepted, "camera": camera,
                 "recording": recording, "box": box, "cone": cone}  # fmt: skip
        rows = self.select(where, **given, after=after, before=before, limit=limit)
        return self._read("detections", rows, columns)

    def select(self, where: str | None = None, *, limit: int | None = None, **given: Any) -> Any:
        """Give the rows (n,) int64 of ``/detections`` that meet the conditions of `query`, rising."""
        from astrodetect.catalogs.expressions import Every, parse
        from astrodetect.catalogs.selection import conditions

        for name in ("after", "before"):
            if given.get(name) is not None:
                given[name] = unix_seconds(given[name])
        with self._told():
            selector = self._select()
            found = [] if where is None else [parse(where, selector.columns)]
            return selector.rows(Every((*conditions(given), *found)), limit)

    def _select(self) -> Any:
        from astrodetect.catalogs.selection import Selector

        file = self._opened()
        if self._selector is None or self._selector[0] is not file:
            self._selector = (file, Selector(file))
        return self._selector[1]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise AstrodetectError(
                f"{self.path}: damaged ({' '.join(str(error).split())}); "
                "`astrodetect catalog verify` says more"
            ) from error

    def coded(self, name: str, table: str = "detections") -> tuple[Any, Any]:
        """Give a column of text as the numbers (n,) of its texts, and the texts."""
        dataset = hdf5.table_columns(self._opened(), table)[name]
        found = index.codes_of(dataset)
        if found is not None:
            return found[0][...], found[1]
        texts, codes = np.unique(self._column(dataset, ...).astype(str), return_inverse=True)
        return codes, texts

    def label_counts(self) -> dict[str, tuple[int, int]]:
        """Give by label how many detections were rejected, and how many accepted."""
        labels = hdf5.table_columns(self._opened(), "detections")["label"]
        known = index.tally_of(labels)
        if known is not None:
            return known
        codes, texts = self.coded("label")
        pairs = 2 * codes.astype(np.int64) + self.read_columns(["accepted"])["accepted"]
        counts = np.bincount(pairs, minlength=2 * len(texts)).reshape(-1, 2).tolist()
        return {str(text): (no, yes) for text, (no, yes) in zip(texts, counts, strict=True)}

    def blocks(self) -> Iterator[RecordingBlock]:
        """Give the results recording by recording, in the order of the catalog."""
        stored = StoredCatalog(self._opened(), str(self.path))
        for entry in stored.entries:
            yield block_of(stored.rows(entry), stored.cutouts(entry))

    def cutouts(self, detection_id: int) -> Any:
        """Give the cutout (C, h, w) of a detection, or None."""
        for group in self._opened().get("patches", {}).values():
            rows = np.flatnonzero(group["detection_id"][...] == detection_id)
            if len(rows):
                return group["data"][rows[0]]
        return None

    def _opened(self) -> Any:
        if self._file is None:
            raise AstrodetectError(
                f"{self.path}: the catalog is closed; ask for the table before, or open it again"
            )
        return self._file

    def _column(self, dataset: Any, rows: Any) -> Any:
        try:
            return index.read_column(dataset) if rows is ... else index.read_rows(dataset, rows)
        except (OSError, RuntimeError, ValueError) as error:
            raise AstrodetectError(
                f"{self.path}: {dataset.name} is damaged; `astrodetect catalog verify` says more"
            ) from error

    def _read(self, name: str, rows: Any, columns: Sequence[str] | None = None) -> QTable:
        if self._file is None:  # closed; what has not been read yet is read now
            self._file = self._open()
            try:
                return self._read(name, rows, columns)
            finally:
                self.close()
        from astropy.table import QTable

        own, found = hdf5.table_columns(self._file, name), self._columns_for(name)
        for column in columns or ():
            if column not in found:
                raise AstrodetectError(
                    f"{self.path}: no column {column!r} in /{name}; there are {', '.join(found)}"
                )
        table = QTable()
        for column in columns or [column for column in found if column in own]:
            description = hdf5.column_of(column, found[column])
            table[column] = _with_unit(self._values(found[column], name, rows), description)
            table[column].info.description = description.description
        return table


def _ordered(found: Mapping[str, Any], table: str) -> list[tuple[str, Any]]:
    """Give columns in the order of the contract, then the others by name."""
    from astrodetect.catalogs.tables import DECLARED

    declared = [column.name for column in DECLARED.get(table, ())]
    names = [name for name in declared if name in found] + sorted(set(found) - set(declared))
    return [(name, found[name]) for name in names]


def _with_unit(values: Any, column: Column) -> Any:
    if values.dtype == object:
        return values.astype(str)
    if not column.unit:
        return values
    from astropy.units import Quantity

    return Quantity(values, column.unit, dtype=values.dtype, copy=False)


def unix_seconds(value: Any) -> float:
    """Give UTC Unix seconds for a number, ISO text (UTC), a datetime or an astropy Time.

    Raises
    ------
    AstrodetectError
        It is no time.

    Examples
    --------
    >>> unix_seconds("1970-01-02T00:00:00")
    86400.0
    """
    from datetime import UTC, datetime

    if hasattr(value, "unix"):
        return float(value.unix)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise AstrodetectError(
                f"{value!r} is no time; expected for example 2026-08-12T22:30:00 (UTC)"
            ) from error
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value).timestamp()
    return float(value)
