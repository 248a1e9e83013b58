"""Calibrations that astrodetect keeps in files of its own: all-sky lenses above all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from astrodetect.core.calibrating import OUR_NAME, beside, read_json, read_object
from astrodetect.core.calibration import FORMAT, Calibration
from astrodetect.core.data import Recording, Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import CalibrationSource
from astrodetect.sky.lens import AllSkyLens


@dataclass
class AllSky(CalibrationSource):
    """Read ``calibration.json``, which astrodetect writes.

    An all-sky lens (equidistant, the K1-K2 model of FRIPON, an odd polynomial of the radius; turned,
    tilted, mirrored), or any other model of an installed plugin. Found by itself as
    ``calibration.json`` or ``NAME.calibration.json`` in the folder of the recording or above it.

    A file written by hand needs ``projection``, ``coefficients``, ``x_centre``, ``y_centre`` and, for
    RA and Dec, ``site``.
    """

    priority: ClassVar[int] = 20
    model: ClassVar[type[Calibration] | None] = AllSkyLens

    def find(self, recording: Recording) -> Path | None:
        """Find ``calibration.json``."""
        return beside(recording, (OUR_NAME, f"*.{OUR_NAME}"))

    def recognizes(self, path: Path) -> bool:
        """Say whether it is a JSON object with our mark, or with the projection of a lens."""
        try:
            values = read_object(path)
        except AstrodetectError:
            return False
        return values.get("format") == FORMAT or "projection" in values

    def load(
        self, path: Path, recording: Recording | None = None, stream: Stream | None = None
    ) -> Calibration:
        """Read the file.

        Raises
        ------
        AstrodetectError
            It is no such file, or not whole.
        """
        values = read_object(path)
        if "format" in values or "projection" not in values:
            return read_json(path)
        try:
            return AllSkyLens.from_json({"made_by": f"{path.name}, by hand", **values})
        except ValueError as error:
            raise AstrodetectError(f"{path}: {error}") from error
