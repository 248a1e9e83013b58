"""What the software of an RMS or CAMS camera found itself: FTPdetectinfo in the folder of the night."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from astrodetect.core.columns import DETECTION_COLUMNS
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError

_NAME = re.compile(r"FTPdetectinfo_\w+?(_manual|_(?:unfiltered|original|pre)\w*)?\.txt", re.IGNORECASE)


def camera_detections(ff: Path, report: Callable[[str], None]) -> Detections | None:
    """Give what the camera's software found in one FF file.

    What was added by hand (``..._manual.txt``) counts as found; lists from before the filter of the
    camera (``..._unfiltered.txt``) are read only where there is no other.

    Parameters
    ----------
    ff : Path
        The FF file.
    report : callable
        Told about a file that cannot be read.

    Returns
    -------
    Detections or None
        With tracks; frames and times count from the first frame of the file. None if it found nothing.
    """
    parts = []
    for place in _lists(ff.parent):
        try:
            night = _night(place, place.stat().st_mtime)
        except (OSError, AstrodetectError) as error:
            report(f"{place.name} cannot be read, what the camera found is not shown: {error}")
            continue
        if (found := night.get(_stem(ff.name))) is not None:
            parts.append(found)
    return Detections.concatenate(parts) if parts else None


def _lists(folder: Path) -> list[Path]:
    named = {name: match[1] or "" for name in os.listdir(folder) if (match := _NAME.fullmatch(name))}
    final = [name for name, ending in named.items() if ending.lower() in {"", "_manual"}]
    return [folder / name for name in sorted(final or named)]


def _stem(name: str) -> str:
    """Give a name without its ending: ``FF_..._0115712`` of ``.fits``, ``.fits.bz2``, ``.bin``."""
    return name.partition(".")[0].upper()


@lru_cache(maxsize=4)
def _night(path: Path, _stamp: float) -> dict[str, Detections]:
    from astrodetect.exchange.ftpdetectinfo import FtpDetectInfo

    content = FtpDetectInfo().read(path)
    return {_stem(recording.path): _plain(recording.detections) for recording in content.recordings}


def _plain(found: Detections) -> Detections:
    """Leave out the columns that no other detection has."""
    known = {column.name for column in DETECTION_COLUMNS}
    return Detections({name: values for name, values in found.columns.items() if name in known}, found.tracks)
