"""Putting the files of an export in place: all of them, or none."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from astrodetect.core.errors import AstrodetectError, StoppedError


def save(files: Iterable[tuple[str, bytes]], out: Path, *, overwrite: bool = False) -> list[Path]:
    """Write files: a single one as `out`; several, or where `out` is a folder, as `out`/name.

    Everything is written beside its place first; nothing appears before all is there.

    Parameters
    ----------
    files : iterable of (str, bytes)
        Name and content of each, as `Format.write` gives them.
    out : Path
        Where.
    overwrite : bool
        Replace files that are there.

    Returns
    -------
    list of Path
        What was written, in order.

    Raises
    ------
    AstrodetectError
        A file exists, or cannot be written.
    StoppedError
        The disk is full.
    """
    if not out.parent.is_dir():
        raise AstrodetectError(f"{out}: the folder {out.parent} does not exist")
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        names = []
        for name, data in files:
            target = temporary / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            names.append(name)
        places = [out] if len(names) == 1 and not out.is_dir() else [out / name for name in names]
        there = [place for place in places if place.exists()]
        if there and not overwrite:
            raise AstrodetectError(f"{there[0]}: exists; choose another name or give --overwrite")
        for name, place in zip(names, places, strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(temporary / name, place)
        return places
    except OSError as error:
        kind = StoppedError if error.errno in (errno.ENOSPC, errno.EDQUOT) else AstrodetectError
        raise kind(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
