"""The journal of a running job: what is finished is safe, whatever happens to the process.

Beside ``night.h5`` lies the folder ``night.h5.parts``. Each run appends to a segment of its own
there, one self-checking block per recording (`astrodetect.catalogs.blocks`). At the end the catalog
is put together from the segments (and from the catalog that was there), put in place in one step,
and the folder goes.

What survives: a block is handed to the system before `Journal.append` returns, so the death of the
process (SIGKILL, out of memory) loses none. It is forced to disk at once if the last time was more
than `SYNC_SECONDS` ago, else with one of the next blocks, by `Journal.sync` or `Journal.close`: a
power cut costs at most what was finished in the last burst of recordings closer than that, and a
block that is cut off is recognised and left out.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from astrodetect.catalogs import blocks
from astrodetect.catalogs.lock import Lock
from astrodetect.catalogs.sources import (
    BlockSource,
    Segments,
    choose,
    segment_name,
    segment_number,
    segment_paths,
)
from astrodetect.catalogs.tables import block_of, check_units, stage_columns
from astrodetect.core.columns import Column
from astrodetect.core.errors import AstrodetectError, StoppedError
from astrodetect.core.results import RecordingBlock

#: Blocks that follow each other faster than this are forced to disk together.
SYNC_SECONDS = 0.01
_ADVICE = "choose another --out, or --fresh to start over"
_STOPPING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE}


def parts_of(path: Path) -> Path:
    """Give the journal folder of a catalog."""
    return path.with_name(path.name + ".parts")


def backup_of(path: Path) -> Path:
    """Give where a catalog stays while ``--fresh`` makes a new one."""
    return path.with_name(path.name + "~")


class Journal:
    """Writes the results of recordings; only one process may have it open. Use `Journal.open`.

    Attributes
    ----------
    path : Path
        The catalog that is being made.
    done : dict of int to str
        Status of every recording that is already there, by ``recording_id``.
    notes : list of str
        What was damaged or cut off in the journal; the recordings concerned are not in `done`.
    carried : list of str
        After `finish`: what became of the reviews of the catalog that was there.
    """

    def __init__(self, path: Path, lock: Lock) -> None:
        self.path = path
        self.parts = parts_of(path)
        self.done: dict[int, str] = {}
        self.notes: list[str] = []
        self.carried: list[str] = []
        self._lock = lock
        self._file: Any = None
        self._size = 0
        self._synced = 0.0
        self._unsynced = False
        self._keep = False

    @classmethod
    def open(
        cls,
        path: Path | str,
        provenance: Mapping[str, str],
        *,
        fresh: bool = False,
        columns: Sequence[Column] = (),
    ) -> Self:
        """Start or take up the journal of a catalog.

        Parameters
        ----------
        path : path
            The catalog, there or not.
        provenance : mapping of str to str
            Attributes of ``/provenance``: ``pipeline`` (TOML text), ``versions`` (JSON),
            ``command``, ``created``, and others at will (``pipeline_name`` is used in messages).
        fresh : bool
            Start over: what a journal holds is dropped, and a catalog is kept beside it as
            ``night.h5~`` until the new one is whole.
        columns : sequence of Column
            What stages add to the columns of the contract.

        Raises
        ------
        AstrodetectError
            What is there is no catalog, was made by another pipeline, is damaged, or is being
            written by another process; or the folder does not exist or may not be written.
        StoppedError
            The disk is full.
        """
        path = Path(path)
        check_folder(path)
        before = identity(path)
        done = _check_catalog(path, provenance, columns, fresh)
        parts = parts_of(path)
        with told(path, "cannot be written", 0):
            if parts.exists() and not parts.is_dir():
                raise AstrodetectError(
                    f"{parts}: is in the way of the journal; move it or choose another --out"
                )
            existed = parts.is_dir()
            parts.mkdir(exist_ok=True)
            journal = cls(path, Lock(parts / "lock", str(path)))
            try:
                if identity(path) != before:  # another process has just finished it
                    done = _check_catalog(path, provenance, columns, fresh)
                journal.done.update(done)
                journal._start(provenance, fresh, columns)
            except BaseException:
                journal._give_up(remove=not existed)
                raise
        return journal

    def _start(self, provenance: Mapping[str, str], fresh: bool, columns: Sequence[Column]) -> None:
        (self.parts / "assembled.tmp").unlink(missing_ok=True)
        replaces = False
        if fresh:
            replaces = self.path.exists() or any(h["replaces"] for h in Segments(self.parts).headers)
            self._drop_segments()
        else:
            held = Segments(self.parts)
            self.notes += held.notes
            for header in held.headers:
                _compare(f"{self.path} (unfinished)", header["provenance"], provenance)
            check_units(f"{self.path} (unfinished)", held.schema, stage_columns(columns), _ADVICE)
            for _, entry in choose([held]):
                self.done[entry.recording_id] = entry.status
        last = segment_paths(self.parts)
        number = segment_number(last[-1]) + 1 if last else 1
        self._file = (self.parts / segment_name(number)).open("xb", buffering=0)
        header = {"provenance": dict(provenance), "columns": [list(c) for c in columns], "replaces": replaces}
        text = json.dumps(header).encode("ascii")
        self._write(blocks.frame(len(text).to_bytes(8, "little") + text))
        self.sync()
        if fresh and self.path.exists():
            self.path.replace(backup_of(self.path))
        self._keep = replaces
        _sync_folder(self.parts)
        _sync_folder(self.path.parent)

    def append(self, block: RecordingBlock) -> None:
        """Store a finished recording.

        Raises
        ------
        StoppedError
            The disk is full; the block is not stored, all before it are.
        ValueError
            It holds what a catalog cannot hold, or the journal is closed.
        """
        data = blocks.frame(blocks.encode(block))
        if self._file is None:
            raise ValueError("the journal is closed")
        with told(self.path, "cannot be written", len(self.done)):
            self._write(data)
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                self.sync()
        self._keep = True
        self.done[block.recording_id] = block.status

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except BaseException:
            self._file.seek(self._size)
            self._file.truncate()
            raise
        self._size += len(data)
        self._unsynced = True

    def sync(self) -> None:
        """Force to disk what has been appended."""
        if self._unsynced:
            os.fsync(self._file.fileno())
            self._unsynced = False
        self._synced = time.monotonic()

    @contextmanager
    def _sources(self) -> Iterator[tuple[list[BlockSource], Segments]]:
        """Give the sources, the catalog that was there first, and among them the journal."""
        with ExitStack() as stack:
            sources: list[BlockSource] = []
            if self.path.exists():
                from astrodetect.catalogs.hdf5 import open_catalog
                from astrodetect.catalogs.stored import StoredCatalog

                file = stack.enter_context(closing(open_catalog(self.path)))
                sources.append(StoredCatalog(file, str(self.path)))
            held = Segments(self.parts)
            yield [*sources, held], held

    def blocks(self) -> Iterator[RecordingBlock]:
        """Give all recordings, also those of earlier runs, in the order of the catalog."""
        with self._sources() as (sources, _):
            for source, entry in choose(sources):
                yield source.block(entry) if isinstance(source, Segments) else block_of(source.rows(entry))

    def finish(self) -> Path:
        """Put the catalog in place and take the journal away.

        Returns
        -------
        Path
            The catalog.

        Raises
        ------
        StoppedError
            The disk is full. The journal stays; the next run tries again.
        """
        from astrodetect.catalogs.assembly import assemble
        from astrodetect.catalogs.hdf5 import put_in_place
        from astrodetect.catalogs.labelling import carry

        temporary = self.parts / "assembled.tmp"
        with told(self.path, "cannot be put together", len(self.done)):
            self.sync()
            with self._sources() as (sources, held):
                self.notes = held.notes
                replaces = any(header["replaces"] for header in held.headers)
                if held.entries or not self.path.exists():
                    assemble(sources, temporary, held.provenance)
            if temporary.exists():
                former = [self.path, *([backup_of(self.path)] if replaces else [])]
                self.carried = list(carry([p for p in former if p.exists()], temporary, self.path))
                put_in_place(temporary, self.path)
            self._give_up(remove=True)
            if replaces:
                backup_of(self.path).unlink(missing_ok=True)
        return self.path

    def _drop_segments(self) -> None:
        for segment in segment_paths(self.parts):
            segment.unlink()

    def _give_up(self, *, remove: bool) -> None:
        """Close; with `remove` take the journal away."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if remove:
            self._drop_segments()
        self._lock.release(remove=True)
        if remove:
            with suppress(OSError):  # something of the user's lies in it
                self.parts.rmdir()

    def close(self) -> None:
        """Force everything to disk and let other processes have it.

        The journal stays; of a run that finished nothing, nothing stays.
        """
        if self._file is not None and not self._keep:
            self._file.close()
            segment_paths(self.parts)[-1].unlink()
            self._file = None
            self._give_up(remove=not segment_paths(self.parts))
        elif self._file is not None:
            try:
                with told(self.path, "cannot be written", len(self.done)):
                    self.sync()
            finally:
                self._give_up(remove=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def identity(path: Path) -> tuple[int, int] | None:
    """Give what changes when a catalog is replaced; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def check_folder(path: Path) -> None:
    """Refuse a catalog in a folder that does not exist."""
    if not path.parent.is_dir():
        raise AstrodetectError(
            f"{path}: the folder {path.parent} does not exist; create it or choose another one"
        )


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse to write a catalog where one is being written, or is and may not be replaced, or is none.

    Raises
    ------
    AstrodetectError
        One of these, or the folder does not exist.
    """
    from astrodetect.catalogs.hdf5 import open_catalog

    check_folder(path)
    if path.exists():
        if not overwrite:
            raise AstrodetectError(f"{path}: exists; choose another name or give --overwrite")
        open_catalog(path).close()  # anything else is not replaced
    if parts_of(path).exists():
        raise AstrodetectError(
            f"{path}: a run is writing it or was broken off ({parts_of(path).name} is there)"
        )


def _check_catalog(
    path: Path, provenance: Mapping[str, str], columns: Sequence[Column], fresh: bool
) -> dict[int, str]:
    """Give the status of the recordings that a finished catalog holds; refuse what is none."""
    if not path.exists():
        return {}
    from astrodetect.catalogs.hdf5 import open_catalog
    from astrodetect.catalogs.stored import StoredCatalog

    with closing(open_catalog(path)) as file:
        if fresh:
            return {}
        stored = StoredCatalog(file, str(path))
        _compare(str(path), stored.provenance, provenance)
        check_units(str(path), stored.schema, stage_columns(columns), _ADVICE)
        return stored.statuses()


def _compare(where: str, there: Mapping[str, str], now: Mapping[str, str]) -> None:
    from astrodetect.catalogs.pipelines import differences, pipeline_name

    found = differences(there.get("pipeline", ""), now.get("pipeline", ""))
    if found:
        shown = "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
        raise AstrodetectError(
            f"{where}: made by another pipeline ({pipeline_name(there)}, now {pipeline_name(now)}: {shown}); "
            f"{_ADVICE}"
        )


@contextmanager
def told(path: Path, what: str, n_done: int) -> Iterator[None]:
    """Turn an error of the system into one line."""
    try:
        yield
    except OSError as error:
        kind = StoppedError if error.errno in _STOPPING or n_done else AstrodetectError
        reason = os.strerror(error.errno) if error.errno else str(error)
        safe = (
            f"; {n_done} finished recordings are kept, the same command goes on from there" if n_done else ""
        )
        raise kind(f"{path}: {what}: {reason}{safe}") from error


def _sync_folder(folder: Path) -> None:
    """Make new names in a folder durable, where the system can do that."""
    with suppress(OSError):  # Windows cannot open folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
