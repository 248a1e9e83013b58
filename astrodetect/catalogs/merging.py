"""Join catalogs into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from astrodetect.catalogs.assembly import assemble
from astrodetect.catalogs.hdf5 import open_catalog, put_in_place
from astrodetect.catalogs.journal import Journal, check_free, parts_of, told
from astrodetect.catalogs.labelling import carry
from astrodetect.catalogs.pipelines import differences, pipeline_name
from astrodetect.catalogs.sources import BlockSource, Segments, choose
from astrodetect.catalogs.stored import StoredCatalog
from astrodetect.catalogs.tables import check_units, join_schemas
from astrodetect.core.errors import AstrodetectError


def merge(
    out: Path,
    paths: Sequence[Path],
    *,
    force: bool = False,
    overwrite: bool = False,
    tell: Callable[[str], object] = lambda _: None,
) -> int:
    """Write one catalog of all recordings of several, finished or not; each recording once.

    Where several have a recording the last one counts, but a failure never replaces what was read.
    A column that only some have is filled with missing values. ``/provenance`` keeps every run in
    ``history``.

    Parameters
    ----------
    out : Path
        The new catalog.
    paths : sequence of Path
        The catalogs.
    force : bool
        Also if they were made by different pipelines: their probabilities and ``accepted`` then
        mean different things.
    overwrite : bool
        Replace a catalog that is there.
    tell : callable
        Gets a line about what became of reviews, and about a catalog that is not finished.

    Returns
    -------
    int
        How many recordings `out` holds.

    Raises
    ------
    AstrodetectError
        `out` exists or may not be written, a catalog cannot be read, the pipelines differ, or the units
        of a column.
    StoppedError
        The disk is full.
    """
    check_free(out, overwrite)
    with ExitStack() as stack:
        sources: list[BlockSource] = []
        for path in paths:
            sources += _sources_of(path, stack)
            if parts_of(path).is_dir():
                tell(f"warning: {path}: its run did not come to its end; what it has finished is taken")
        if not force:
            _same_pipeline(paths, sources)
        _same_units(paths, sources)
        temporary = out.with_name(f".{out.name}.tmp")
        with told(out, "cannot be written", 0):
            assemble(sources, temporary, sources[-1].provenance)
            for line in carry([path for path in paths if path.exists()], temporary, out):
                tell(line)
        number = len(choose(sources))
    with told(out, "cannot be written", 0):
        put_in_place(temporary, out)
    return number


def compact(path: Path) -> tuple[int, int]:
    """Write a catalog anew, with the same rows in the present format.

    A journal beside it is taken up. The space of what was replaced is freed, the index is made where
    it is missing, and text that somebody has damaged by changing it in place comes back from the index.

    Returns
    -------
    (int, int)
        Size of the file before and after, in bytes; 0 before if there was only a journal.

    Raises
    ------
    AstrodetectError
        There is no catalog, it is damaged, another process writes it, or its folder may not be written.
    StoppedError
        The disk is full.
    """
    before = path.stat().st_size if path.exists() else 0
    with ExitStack() as stack:
        provenance = _sources_of(path, stack)[-1].provenance
    with Journal.open(path, provenance) as journal:  # keeps other processes out
        if (journal.done and not path.exists()) or Segments(journal.parts).entries:
            journal.finish()
            return before, path.stat().st_size
        temporary = journal.parts / "assembled.tmp"
        with told(path, "cannot be written", 0), closing(open_catalog(path)) as file:
            assemble([StoredCatalog(file, str(path))], temporary, provenance)
        with told(path, "cannot be written", 0):
            put_in_place(temporary, path)
    return before, path.stat().st_size


def _same_units(paths: Sequence[Path], sources: Sequence[BlockSource]) -> None:
    joined = sources[0].schema
    for source in sources[1:]:
        now = {table: columns.values() for table, columns in source.schema.items()}
        check_units(", ".join(map(str, paths)), joined, now, "they cannot be joined")
        joined = join_schemas([joined, source.schema])


def _sources_of(path: Path, stack: ExitStack) -> list[BlockSource]:
    sources: list[BlockSource] = []
    parts = parts_of(path)
    if path.exists() or not parts.is_dir():
        file = open_catalog(path)
        stack.callback(file.close)
        sources.append(StoredCatalog(file, str(path)))
    if parts.is_dir():
        sources.append(Segments(parts))
    return sources


def _same_pipeline(paths: Sequence[Path], sources: Sequence[BlockSource]) -> None:
    first = sources[0].provenance
    for source in sources[1:]:
        found = differences(first.get("pipeline", ""), source.provenance.get("pipeline", ""))
        if found:
            names = f"{pipeline_name(first)} and {pipeline_name(source.provenance)}"
            catalogs = ", ".join(map(str, paths))
            raise AstrodetectError(
                f"{catalogs}: made by different pipelines ({names}: {'; '.join(found[:3])}); "
                "their probabilities do not compare; --force joins them all the same"
            )
