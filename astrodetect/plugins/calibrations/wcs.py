"""World coordinate systems in FITS headers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from astrodetect.core.calibrating import beside
from astrodetect.core.calibration import Calibration
from astrodetect.core.data import Recording, Site, Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import CalibrationSource
from astrodetect.methods.fits_headers import site_of
from astrodetect.sky.wcs import FitsWcs, wcs_from

_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.fz", ".fits.bz2")
#: Frame sources that turn the rows of a file upside down.
FLIPPED = ("freeture",)


@dataclass
class Wcs(CalibrationSource):
    """Read the world coordinate system of a FITS header, with SIP or TPV distortion (astropy).

    Found by itself as ``NAME.wcs`` beside the recording (as astrometry.net writes it), as ``wcs.fits``
    in its folder or above it, or in the header of the recording itself. The nominal header that
    freeture writes is never taken for one.
    """

    priority: ClassVar[int] = -10
    model: ClassVar[type[Calibration] | None] = FitsWcs

    #: Whether the camera stands ``fixed`` to the ground or is ``tracking`` the stars. ``auto``: fixed if
    #: the field is wider than 10 degrees, and site and time of the solution are known.
    mount: Literal["auto", "fixed", "tracking"] = "auto"

    def find(self, recording: Recording) -> Path | None:
        """Find a header beside the recording, or the recording itself."""
        found = beside(recording, (f"{stem(recording)}.wcs", "wcs.fits"))
        own = recording.file_paths[:1]
        if found is None and own and own[0].name.lower().endswith(_SUFFIXES):
            return own[0]
        return found

    def recognizes(self, path: Path) -> bool:
        """Say whether a file is FITS."""
        try:
            with path.open("rb") as file:
                return file.read(9) == b"SIMPLE  ="
        except OSError:
            return False

    def load(
        self, path: Path, recording: Recording | None = None, stream: Stream | None = None
    ) -> Calibration | None:
        """Read the header; None if it holds no coordinates on the sky.

        Raises
        ------
        AstrodetectError
            It cannot be read, or its coordinates cannot be used.
        """
        own = recording is not None and stream is not None and path in recording.file_paths
        values = _own_header(stream) if own and stream is not None else _header(path)
        return from_header(values, path, recording, stream, self.mount)


def from_header(
    values: Mapping[str, Any],
    path: Path,
    recording: Recording | None,
    stream: Stream | None,
    mount: Literal["auto", "fixed", "tracking"],
) -> FitsWcs | None:
    """Make a calibration from a header and from what is known of the recording.

    Raises
    ------
    AstrodetectError
        Its coordinates cannot be used.
    """
    named = site_of(values)
    site = Site(*named) if named is not None else None
    flipped = recording is not None and recording.source in FLIPPED
    try:
        wcs = wcs_from(
            values,
            mount=mount,
            site=stream.site if site is None and stream is not None else site,
            time=math.nan if stream is None else stream.start,
            shape=None if stream is None else stream.shape,
            flipped=flipped,
        )
    except ValueError as error:
        raise AstrodetectError(f"{path}: {error}") from error
    if wcs is None:
        return None
    return replace(wcs, made_by=f"{wcs.cards['CTYPE1']} of {path.name}, {wcs.mount} camera")


def stem(recording: Recording) -> str:
    """Give the name of a recording without its ending."""
    name = Path(recording.path).name
    ending = next((end for end in _SUFFIXES if name.lower().endswith(end)), Path(name).suffix)
    return name[: len(name) - len(ending)]


def _own_header(stream: Stream) -> Mapping[str, Any]:
    """Give the cards that the source has read; those of size are of the file, and may be of a table."""
    return {name: value for name, value in stream.header.items() if not name.startswith("NAXIS")}


def _header(path: Path) -> Mapping[str, Any]:
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(path, lazy_load_hdus=True) as hdus:
                headers = [{name: hdu.header[name] for name in hdu.header if name} for hdu in hdus]
    except (OSError, ValueError, TypeError, EOFError) as error:
        told = " ".join(str(error).split())
        raise AstrodetectError(f"{path}: not a FITS file that can be read: {told}") from error
    return next((values for values in headers if "CTYPE1" in values), {})
