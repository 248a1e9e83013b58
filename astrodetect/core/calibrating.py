"""From a file, or from what lies beside a recording, to a calibration."""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from astrodetect.core import registry
from astrodetect.core.calibration import FORMAT, FORMAT_VERSION, Calibration
from astrodetect.core.data import Recording, Stream
from astrodetect.core.errors import AstrodetectError, PluginError
from astrodetect.core.stages import CalibrationSource

#: Named so, or so ending (``UK0006.calibration.json``), a file of ours is found beside a recording.
OUR_NAME = "calibration.json"
#: How files end that may hold one.
_ENDINGS = (".json", ".cal", ".head", ".wcs", "wcs.fits")
#: A calibration is read up to here: one file may hold those of every recording of a long night.
CALIBRATION_BYTES = 1 << 27


def beside(recording: Recording, names: Iterable[str]) -> Path | None:
    """Give the first file of some names in a recording's folder, or in one above it within the input.

    Parameters
    ----------
    recording : Recording
        What is to be calibrated.
    names : iterable of str
        File names, or patterns with ``*``; the first that matches wins, the nearest folder before all
        others.
    """
    names = tuple(names)
    root = Path(recording.root)
    for folder in [recording.location, *recording.location.parents]:
        if root != folder and root not in folder.parents:
            break
        listed = _listed(folder)
        for name in names:
            if name in listed:
                return folder / name
            if "*" in name and (found := fnmatch.filter(sorted(listed), name)):
                return folder / found[0]
    return None


def _listed(folder: Path) -> frozenset[str]:
    try:
        return _names_in(folder, folder.stat().st_mtime_ns)
    except OSError:  # a file, or one that may not be looked into
        return frozenset()


@lru_cache(maxsize=64)
def _names_in(folder: Path, _changed: int) -> frozenset[str]:
    """List the files of a folder that may be calibrations: small names of a night of thousands."""
    with os.scandir(folder) as entries:
        return frozenset(e.name for e in entries if e.name.lower().endswith(_ENDINGS) and e.is_file())


def load_calibration(
    path: Path | str, recording: Recording | None = None, stream: Stream | None = None, use: str = ""
) -> Calibration:
    """Read a calibration from a file of any form that an installed plugin knows.

    Parameters
    ----------
    path : Path or str
        The file.
    recording, stream : optional
        What is to be calibrated (`CalibrationSource.load`).
    use : str
        Name of the plugin; empty: the first that recognises the file.

    Raises
    ------
    AstrodetectError
        No plugin knows the file, or what is in it is no calibration.
    """
    path = Path(path)
    if not path.is_file():
        raise AstrodetectError(f"{path}: there is no such calibration file")
    found = (make_source(use) if use else who_reads(path)).load(path, recording, stream)
    if found is None:
        raise AstrodetectError(f"{path}: holds no calibration")
    return found


def who_reads(path: Path) -> CalibrationSource:
    """Give the plugin that recognises a file, those with a high priority first.

    Raises
    ------
    AstrodetectError
        None does.
    """
    sources = calibration_sources()
    for source in sources.values():
        if source.recognizes(path):
            return source
    raise AstrodetectError(f"{path}: no calibration in a known form; expected one of {', '.join(sources)}")


def make_source(use: str) -> CalibrationSource:
    """Give the plugin of a name, with its default settings."""
    loaded: Any = registry.load(use, CalibrationSource)
    made: CalibrationSource = loaded()
    return made


def calibration_sources() -> dict[str, CalibrationSource]:
    """Give every installed plugin for calibrations by name, those to be asked first in front."""
    loaded: Any = registry.load_kind(CalibrationSource)[0]
    made: dict[str, CalibrationSource] = {name: cls() for name, cls in loaded.items()}
    return dict(sorted(made.items(), key=lambda item: (-item[1].priority, item[0])))


def read_json(path: Path) -> Calibration:
    """Read a calibration that `write_json` wrote.

    Raises
    ------
    AstrodetectError
        It is none, is of a newer version, lacks something, or its model is not installed.
    """
    values = read_object(path)
    if values.get("format") != FORMAT:
        raise AstrodetectError(f"{path}: not a calibration of astrodetect; expected format = {FORMAT!r}")
    if values.get("format_version") != FORMAT_VERSION:
        raise AstrodetectError(
            f"{path}: format_version = {values.get('format_version')!r}; this version reads {FORMAT_VERSION}"
        )
    try:
        loaded: Any = registry.load(str(values.get("model")), CalibrationSource)
    except PluginError as error:
        raise AstrodetectError(f"{path}: model = {values.get('model')!r}: {error}") from error
    model: type[Calibration] | None = loaded.model
    if model is None:
        raise AstrodetectError(f"{path}: the plugin {values['model']!r} cannot read what it once gave")
    try:
        return model.from_json(values)
    except (ValueError, KeyError, TypeError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else error
        raise AstrodetectError(f"{path}: not a whole calibration of model {model.model}: {told}") from error


def read_calibration_file(path: Path) -> bytes:
    """Read a file whole, up to `CALIBRATION_BYTES`.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is larger.
    """
    with path.open("rb") as file:
        data = file.read(CALIBRATION_BYTES + 1)
    if len(data) > CALIBRATION_BYTES:
        raise ValueError(f"more than {CALIBRATION_BYTES} bytes")
    return data


def read_object(path: Path) -> Mapping[str, Any]:
    """Read a JSON object from a file.

    Raises
    ------
    AstrodetectError
        It cannot be read, is too large, or holds no JSON object.
    """
    try:
        values = json.loads(read_calibration_file(path))
    except OSError as error:
        raise AstrodetectError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise AstrodetectError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise AstrodetectError(f"{path}: expected a JSON object, found {type(values).__name__}")
    return values
