"""From a file, or from what lies beside a recording, to a calibration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from astrodetect.core import registry
from astrodetect.core.calibration import FORMAT, FORMAT_VERSION, Calibration
from astrodetect.core.data import Recording, Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import CalibrationSource

#: Named so, or so ending (``UK0006.calibration.json``), a file of ours is found beside a recording.
OUR_NAME = "calibration.json"
#: A calibration is read up to here: one file may hold those of every recording of a long night.
CALIBRATION_BYTES = 1 << 27


def beside(recording: Recording, names: Iterable[str]) -> Path | None:
    """Give the first file of some names in a recording's folder, or in one above it within the input.

    Parameters
    ----------
    recording : Recording
        What is to be calibrated.
    names : iterable of str
        File names, or patterns as `Path.glob` knows them; the first that matches wins, the nearest
        folder before all others.
    """
    names = tuple(names)
    root = Path(recording.root)
    for folder in [recording.location, *recording.location.parents]:
        if folder.is_dir():
            for name in names:
                found = sorted(path for path in folder.glob(name) if path.is_file())
                if found:
                    return found[0]
        if folder == root or root not in folder.parents:
            break
    return None


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
    source = make_source(use) if use else _who_reads(path)
    return source.load(path, recording, stream)


def _who_reads(path: Path) -> CalibrationSource:
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
    loaded: Any = registry.load(str(values.get("model")), CalibrationSource)
    model: type[Calibration] = loaded.model
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
