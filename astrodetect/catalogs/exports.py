"""Catalog tables in the formats of other programs, through astropy."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astrodetect.catalogs.reader import Catalog
from astrodetect.core.errors import AstrodetectError

if TYPE_CHECKING:
    from astropy.table import QTable

#: Names of astropy's writers by the word of the command line.
FORMATS: Mapping[str, str] = {
    "ecsv": "ascii.ecsv",
    "csv": "ascii.csv",
    "votable": "votable",
    "parquet": "parquet",
}
_SUFFIXES = {
    ".ecsv": "ecsv", ".csv": "csv", ".vot": "votable", ".votable": "votable", ".xml": "votable",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
TABLES = ("detections", "tracks", "recordings", "camera")


def export_table(catalog: Catalog, table: str = "detections", *, accepted: bool = False) -> QTable:
    """Give the table that is exported.

    Parameters
    ----------
    catalog : Catalog
        Open.
    table : str
        ``detections``, ``tracks``, ``recordings`` or ``camera``.
    accepted : bool
        Only accepted detections, their tracks, or the recordings that have some.
    """
    rows = catalog.camera if table == "camera" else catalog.table(table)
    if not accepted:
        return rows
    if table == "recordings":
        return rows[rows["n_accepted"] > 0]
    if table == "tracks":
        columns = catalog.read_columns(["detection_id", "accepted"])
        return rows[np.isin(rows["detection_id"], columns["detection_id"][columns["accepted"]])]
    return rows[rows["accepted"]]


def format_of(path: Path | None, given: str | None) -> str:
    """Give the format by what was asked for, or by the ending of the name.

    Raises
    ------
    AstrodetectError
        Neither says it.
    """
    if given is not None:
        return given
    if path is None:
        return "ecsv"
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise AstrodetectError(
            f"{path}: the ending says no format; expected {', '.join(_SUFFIXES)}, or give --format"
        )
    return found


def export(
    catalog: Catalog,
    path: Path | None,
    *,
    table: str = "detections",
    accepted: bool = False,
    format: str | None = None,  # noqa: A002
    overwrite: bool = False,
) -> bytes:
    """Write a table in another format.

    Parameters
    ----------
    catalog : Catalog
        Open.
    path : Path or None
        Where; None only gives the bytes.
    table, accepted
        See `export_table`.
    format : str or None
        A key of `FORMATS`; by the ending of `path` if not given.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    bytes
        What was written.

    Raises
    ------
    AstrodetectError
        The file exists, the format is not known, pyarrow is missing, or it cannot be written.

    Notes
    -----
    ECSV and Parquet keep units, descriptions and provenance, VOTable units and descriptions; CSV
    is bare. Readers of ECSV give empty text as masked.
    """
    kind = format_of(path, format)
    if path is not None and path.exists() and not overwrite:
        raise AstrodetectError(f"{path}: exists; choose another name or give --overwrite")
    data = _serialise(_with_meta(export_table(catalog, table, accepted=accepted), catalog, kind, table), kind)
    if path is not None:
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise AstrodetectError(f"{path}: cannot be written: {error.strerror or error}") from error
    return data


def _with_meta(rows: QTable, catalog: Catalog, kind: str, table: str) -> QTable:
    rows = rows.copy(copy_data=False)
    if kind == "votable":
        rows.meta["description"] = f"/{table} of {catalog.path.name}, made by astrodetect"
    elif kind != "csv":
        kept = {name: value for name, value in catalog.provenance.items() if name != "history"}
        rows.meta["astrodetect"] = {"table": table, **kept}
    return rows


def _serialise(rows: Any, kind: str) -> bytes:
    if kind == "parquet":
        if importlib.util.find_spec("pyarrow") is None:
            raise AstrodetectError("Parquet needs pyarrow: pip install 'astrodetect[parquet]'")
        return _parquet(rows)
    if kind == "votable":
        stream = io.BytesIO()
        rows.write(stream, format=FORMATS[kind])
        return stream.getvalue()
    text = io.StringIO(newline="")
    rows.write(text, format=FORMATS[kind])
    return text.getvalue().encode("utf-8")


def _parquet(rows: Any) -> bytes:
    """astropy writes Parquet to named files alone."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        rows.write(path, format="parquet")
        return path.read_bytes()
