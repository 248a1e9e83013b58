"""The layout of the file: one dataset per column, with unit, description and digest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from astrodetect.core.columns import Column
from astrodetect.core.errors import AstrodetectError

FORMAT = "astrodetect-catalog"
FORMAT_VERSION = 1
#: How a file of each earlier version is read: what gives it, open, in the version that follows. A
#: change of the format adds one here, and a file of the old version to the tests; `compact` writes
#: what it gave. There is none yet: version 1 is the first.
MIGRATIONS: dict[int, Callable[[Any], Any]] = {}


def text_of(value: Any) -> str:
    """Give an attribute or a value as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def read_column(dataset: Any, rows: Any = ...) -> Any:
    """Give a column, or some rows of it; text as an object array of str."""
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return dataset.asstr(errors="surrogateescape")[rows]
    return dataset[rows]


def column_of(name: str, dataset: Any) -> Column:
    """Give the description of a stored column."""
    dtype = (
        "str" if h5py.check_string_dtype(dataset.dtype) is not None else dataset.dtype.newbyteorder("=").name
    )
    unit, description = (text_of(dataset.attrs.get(key, "")) for key in ("unit", "description"))
    return Column(name, dtype, unit, description)


def table_columns(file: Any, table: str) -> dict[str, Any]:
    """Give the datasets of a table by name of column; none if the file has no such table."""
    group = file.get(table)
    if not isinstance(group, h5py.Group):
        return {}
    return {name: dataset for name, dataset in group.items() if isinstance(dataset, h5py.Dataset)}


def write_provenance(file: Any, provenance: Mapping[str, str]) -> None:
    """Write the attributes of the root and of ``/provenance``."""
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    group = file.require_group("provenance")
    for name, value in provenance.items():
        group.attrs[name] = value


def read_provenance(file: Any) -> dict[str, str]:
    """Give the attributes of ``/provenance``."""
    group = file.get("provenance")
    return {} if group is None else {name: text_of(value) for name, value in sorted(group.attrs.items())}


def open_catalog(path: Path) -> Any:
    """Open a finished catalog for reading.

    Raises
    ------
    AstrodetectError
        It cannot be read, is no catalog, or is of a later format.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise not_a_catalog(path, error) from error
    found = text_of(file.attrs.get("format", ""))
    if found != FORMAT:
        file.close()
        raise AstrodetectError(
            f"{path}: exists and is not an astrodetect catalog (an HDF5 file with format {found!r}, "
            f"expected {FORMAT!r}); it is left as it is"
        )
    return _as_present(path, file)


def _as_present(path: Path, file: Any) -> Any:
    """Give a file of an earlier format in the present one, in memory; refuse what cannot be read."""
    try:
        version = int(file.attrs.get("format_version", 0))
    except (TypeError, ValueError, OverflowError):
        version = -1
    while version != FORMAT_VERSION:
        migrate = MIGRATIONS.get(version)
        if migrate is None:
            file.close()
            old = " (written before the format was settled)" if version == 0 else ""
            what = "run the pipeline again" if version < FORMAT_VERSION else "use a newer astrodetect"
            known = ", ".join(map(str, sorted({*MIGRATIONS, FORMAT_VERSION})))
            raise AstrodetectError(
                f"{path}: catalog of format version {version}{old}; this astrodetect reads version "
                f"{known}; {what}"
            )
        former, file = file, migrate(file)
        former.close()
        version += 1
    return file


def not_a_catalog(path: Path, error: OSError) -> AstrodetectError:
    """Give the error for a file that HDF5 cannot open."""
    if isinstance(error, FileNotFoundError):
        return AstrodetectError(f"{path}: no such file; expected a catalog")
    if path.is_dir():
        return AstrodetectError(f"{path}: is a folder; expected a catalog")
    if not os.access(path, os.R_OK):
        return AstrodetectError(f"{path}: may not be read: {os.strerror(13)}")
    if not h5py.is_hdf5(path):
        return AstrodetectError(
            f"{path}: exists and is not an astrodetect catalog (no HDF5 file); it is left as it is"
        )
    return AstrodetectError(f"{path}: damaged HDF5 file ({' '.join(str(error).split())})")


class _Guarded:
    """A file for HDF5 that remembers the first error instead of raising it.

    HDF5 cannot close a file that it cannot flush. Here every write seems to succeed, the file is
    closed in order, and the error is raised afterwards.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while done < len(view) and self.error is None:
                done += self._file.write(view[done:]) or 0
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size) or b""

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer) or 0

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._file.close()

    def finish(self) -> None:
        """Make it durable, close it, and raise what went wrong."""
        try:
            if self.error is None:
                os.fsync(self._file.fileno())
        finally:
            self._file.close()
        if self.error is not None:
            raise self.error


@contextmanager
def whole_file(path: Path) -> Iterator[Any]:
    """Write an HDF5 file that is there afterwards only if it is whole and on disk.

    Parameters
    ----------
    path : Path
        A temporary name; see `put_in_place`.

    Raises
    ------
    OSError
        It cannot be written.
    """
    guarded = _Guarded(path)
    try:
        try:
            with h5py.File(guarded, "w") as file:
                yield file
        except Exception:
            if guarded.error is None:
                raise
        guarded.finish()
    except BaseException:
        guarded.close()
        path.unlink(missing_ok=True)
        raise


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a whole file its name, in one step and durably."""
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable, where the system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
