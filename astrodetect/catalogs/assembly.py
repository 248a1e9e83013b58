"""Put a catalog together from a journal and finished catalogs, recording by recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from astrodetect.catalogs.hdf5 import whole_file, write_provenance
from astrodetect.catalogs.sources import BlockSource, Entry, choose, history_of, total_lengths
from astrodetect.catalogs.stored import StoredCatalog, iterate_rows
from astrodetect.catalogs.table_writer import TableWriter
from astrodetect.catalogs.tables import Table, join_schemas
from astrodetect.core.columns import Column

#: What `fill` writes; anything else in a finished catalog is copied.
_OWN = frozenset({"recordings", "detections", "tracks", "camera", "patches", "provenance", "index"})


class Edits(Protocol):
    """Changes rows on their way into a catalog."""

    @property
    def columns(self) -> Mapping[str, Sequence[Column]]:
        """Columns that it adds to tables."""

    def apply(self, rows: dict[str, Table]) -> dict[str, Table]:
        """Give the rows as they shall be; the same number in the same order."""


def assemble(
    sources: Sequence[BlockSource],
    temporary: Path,
    provenance: Mapping[str, str],
    edits: Edits | None = None,
) -> None:
    """Write the catalog of all recordings of some sources.

    The same rows in the same order whatever the order in which recordings were finished. In memory
    are the index of recordings and a few thousand rows.

    Parameters
    ----------
    sources : sequence of BlockSource
        The oldest first.
    temporary : Path
        Where it is written; `hdf5.put_in_place` gives it its name.
    provenance : mapping of str to str
        Attributes of ``/provenance``.
    edits : Edits, optional
        What changes on the way.

    Raises
    ------
    OSError
        It cannot be written; nothing is left of it.
    """
    with whole_file(temporary) as file:
        fill(file, sources, provenance, edits)


def fill(
    file: Any, sources: Sequence[BlockSource], provenance: Mapping[str, str], edits: Edits | None = None
) -> None:
    """Write all recordings of some sources into an empty HDF5 file."""
    chosen = choose(sources)
    schema = join_schemas([source.schema for source in sources])
    for table, columns in {} if edits is None else edits.columns.items():
        schema[table].update({column.name: column for column in columns})
    lengths = total_lengths(chosen)
    runs = history_of(
        [source.provenance for source in sources] + [provenance], provenance.get("pipeline", "")
    )
    write_provenance(file, {**provenance, "history": json.dumps(runs)})
    writers = {table: TableWriter(file, table, columns, lengths[table]) for table, columns in schema.items()}
    for rows in iterate_rows(chosen):
        for table, values in (rows if edits is None else edits.apply(rows)).items():
            writers[table].append(values)
    for writer in writers.values():
        writer.close()
    _write_cutouts(file, chosen)
    for source in sources:
        if isinstance(source, StoredCatalog):
            for name in source.file:
                if name not in _OWN and name not in file:
                    source.file.copy(name, file)


def _write_cutouts(file: Any, chosen: Sequence[tuple[BlockSource, Entry]]) -> None:
    """Write cutouts, one group per size and type: ``detection_id`` and ``data`` (n, C, h, w)."""
    for source, entry in chosen:
        found = source.cutouts(entry)
        if found is None or not len(found[0]):
            continue
        ids, data = found
        name = "x".join(map(str, data.shape[1:])) + f"_{data.dtype.newbyteorder('=').name}"
        group = file.require_group("patches").require_group(name)
        if "data" not in group:
            group.create_dataset("detection_id", (0,), "int64", maxshape=(None,), chunks=(1024,))
            shape = data.shape[1:]
            group.create_dataset(
                "data", (0, *shape), data.dtype, maxshape=(None, *shape), chunks=(1, *shape),
                compression="gzip", compression_opts=1, shuffle=True,
            )  # fmt: skip
        start = len(group["detection_id"])
        for key, values in (("detection_id", ids), ("data", data)):
            group[key].resize(start + len(ids), axis=0)
            group[key][start:] = np.asarray(values)


def in_memory(sources: Sequence[BlockSource], provenance: Mapping[str, str]) -> Any:
    """Give the catalog of some sources as an HDF5 file that is nowhere on disk."""
    file = h5py.File("in-memory", "w", driver="core", backing_store=False)
    try:
        fill(file, sources, provenance)
    except BaseException:
        file.close()
        raise
    return file
