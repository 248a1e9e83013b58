"""Plate solutions of SCAMP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from astrodetect.core.calibrating import beside, read_calibration_file
from astrodetect.core.calibration import Calibration
from astrodetect.core.data import Recording, Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import CalibrationSource
from astrodetect.plugins.calibrations.wcs import from_header, stem
from astrodetect.sky.wcs import FitsWcs, read_head


@dataclass
class Scamp(CalibrationSource):
    """Read the ``.head`` files that SCAMP writes: a FITS header as text.

    Found by itself as ``NAME.head`` beside the recording, or as the only ``.head`` in its folder or
    above it. Polynomials that are written under ``TAN`` are read as ``TPV``. Such a file holds no time:
    a fixed camera's is taken to be that of the recording.
    """

    priority: ClassVar[int] = 5
    model: ClassVar[type[Calibration] | None] = FitsWcs

    #: Whether the camera stands ``fixed`` to the ground or is ``tracking`` the stars. ``auto``: fixed if
    #: the field is wider than 10 degrees, and site and time are known.
    mount: Literal["auto", "fixed", "tracking"] = "auto"

    def find(self, recording: Recording) -> Path | None:
        """Find a ``.head`` file."""
        return beside(recording, (f"{stem(recording)}.head", "*.head"))

    def recognizes(self, path: Path) -> bool:
        """Say whether a file ends in ``.head`` and holds FITS cards as text."""
        try:
            return path.suffix.lower() == ".head" and bool(read_head(_text(path)))
        except (AstrodetectError, ValueError):
            return False

    def load(
        self, path: Path, recording: Recording | None = None, stream: Stream | None = None
    ) -> Calibration | None:
        """Read the first header of the file.

        Raises
        ------
        AstrodetectError
            It cannot be read, or holds no coordinates on the sky.
        """
        try:
            values = read_head(_text(path))
        except ValueError as error:
            raise AstrodetectError(f"{path}: {error}") from error
        found = from_header(values, path, recording, stream, self.mount)
        if found is None:
            raise AstrodetectError(
                f"{path}: holds no coordinates on the sky: expected CTYPE1, CRVAL1, CD1_1 ..."
            )
        return found


def _text(path: Path) -> str:
    try:
        return read_calibration_file(path).decode("latin-1")
    except (OSError, ValueError) as error:
        raise AstrodetectError(f"{path}: cannot be read: {error}") from error
