"""Plate solutions of the Global Meteor Network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from astrodetect.core.calibrating import beside, read_calibration_file
from astrodetect.core.calibration import Calibration
from astrodetect.core.data import Recording, Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import CalibrationSource
from astrodetect.sky import platepar_files
from astrodetect.sky.platepar import Platepar

_NAMES = ("platepars_all_recalibrated.json", "platepar_cmn2010.cal", "platepar*.cal", "platepar*.json")
#: Residual of its own stars beyond which a user should know (px).
_LARGE = 2.0


@dataclass
class PlateparFile(CalibrationSource):
    """Read platepars of RMS: one, or those of a whole night by FF file.

    All types of distortion, with refraction. Found by itself in the folder of the recording or above
    it: ``platepars_all_recalibrated.json`` (the entry of the FF file; where it has none, the one
    nearest in time), then ``platepar_cmn2010.cal``.

    Nothing in the file tells which of two meanings its pointing has; the residual of its star list
    decides.
    """

    priority: ClassVar[int] = 10
    model: ClassVar[type[Calibration] | None] = Platepar

    #: What the pointing means: ``plain`` as RMS before June 2024, ``precessed`` since. ``auto`` lets the
    #: star list decide, or the date where that does not tell; set it where you know better.
    pointing: Literal["auto", "plain", "precessed"] = "auto"

    def find(self, recording: Recording) -> Path | None:
        """Find a platepar by its usual names."""
        return beside(recording, _NAMES)

    def recognizes(self, path: Path) -> bool:
        """Say whether it is a JSON file that holds the keys of a platepar."""
        try:
            values = _read(path)
            platepar_files.pick_entry(values, "", math.nan)
        except (AstrodetectError, ValueError):
            return False
        return True

    def load(
        self, path: Path, recording: Recording | None = None, stream: Stream | None = None
    ) -> Calibration:
        """Read the platepar of a recording.

        Raises
        ------
        AstrodetectError
            It is no platepar, or one with keys that are missing or wrong.
        """
        values = _read(path)
        time = math.nan if stream is None else stream.start
        name = "" if recording is None else Path(recording.path).name
        key = ""
        try:
            entry, key = platepar_files.pick_entry(values, name, time)
            made, doubt = platepar_files.decided(entry, time, self.pointing)
        except ValueError as error:
            told = f"{path}, {key}" if key else path
            raise AstrodetectError(f"{told}: no platepar of RMS: {error}") from error
        where = f"{path.name}, {key}" if key else path.name
        if doubt:
            self.report(f"{where}: {doubt}")
        elif made.residual > _LARGE:
            self.report(f"{where}: its own stars lie {made.residual:.1f} px off; the camera may have moved")
        stars = len(platepar_files.stars_of(entry))
        return replace(made, made_by=f"platepar {where}: {stars} stars, pointing {made.pointing}")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        status = path.stat()
        return _parsed(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise AstrodetectError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise AstrodetectError(f"{path}: not a platepar: no valid JSON: {error}") from error


@lru_cache(maxsize=4)
def _parsed(path: Path, _changed: int, _size: int) -> Mapping[str, Any]:
    """Parse a file once: that of a night is read for every recording of it."""
    values = json.loads(read_calibration_file(path))
    if not isinstance(values, dict):
        raise ValueError(f"expected an object, found {type(values).__name__}")
    return values
