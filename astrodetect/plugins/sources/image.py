"""Still images: JPEG, PNG, TIFF and BMP files, each a recording of one frame."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from astrodetect.core.data import Frame, Recording, Site, Stream
from astrodetect.core.discovery import make_recording, walk
from astrodetect.core.errors import SourceError
from astrodetect.core.stages import FrameSource
from astrodetect.methods.names import is_rms_night, time_from_name
from astrodetect.plugins.sources.video import Video, named_warnings, shift_to_utc

if TYPE_CHECKING:
    from astrodetect.plugins.sources._image_files import Still

#: Stems of the pictures that cameras keep beside their recordings: masks, flats, maps of detections.
_CALIBRATION = re.compile(
    r"(mask|flat|dark|bias|gemap|dirmap)([-_].*)?|.*_(mask|flat|dark|bias)", re.IGNORECASE
)
#: Pictures that UFOCapture makes of a clip: P peak hold, T thumbnail, M mask.
_UFO = re.compile(r"(M\d{8}_\d{6}_.+)([PTM])")
#: A folder of an event as freeture names it.
_FREETURE_EVENT = re.compile(r".+_\d{8}T\d{6}_UT")


@dataclass
class Image(FrameSource):
    """Read still images, a recording of one frame each.

    The pixel value is as stored for grey images (8 or 16 bits, or floating point), and for colour the
    Rec. 601 luminance in the type of the channels: of a JPEG its Y, as stored. Nothing is rotated:
    an orientation that EXIF asks for is told as a warning. Of a file of several pages the first counts.

    The time is that of EXIF where it states its offset from UTC, or else a time in the name that is
    known to be UTC, EXIF's own (the camera's clock), any other time in the name.

    Not recordings: masks, flats and maps (``mask.bmp``, ``GeMap.bmp`` ...), pictures made of a video
    beside them, of an RMS night folder or of a freeture event, and those of a report.
    """

    priority: ClassVar[int] = -10
    suffixes: ClassVar[tuple[str, ...]] = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")

    #: Hours by which the camera's clock is ahead of UTC, for times in EXIF and in file names that do
    #: not say so themselves. Not set: they are taken as UTC.
    utc_offset: float | None = None
    #: Pixel value (ADU) from which a pixel is saturated. Set it for cameras of 12 or 14 bits whose
    #: files have 16.
    saturation: float | None = None

    _still: Still | None = field(default=None, init=False, repr=False, compare=False)
    _time: float = field(default=math.nan, init=False, repr=False, compare=False)

    @classmethod
    def find(cls, root: Path) -> Iterator[Recording]:
        """Give one recording per picture that is not a by-product of something else."""
        reports: list[Path] = []
        for folder, names in walk(root):
            pictures = [name for name in names if name.lower().endswith(cls.suffixes)]
            if not pictures:
                continue
            if not root.is_file():
                if any(report == folder or report in folder.parents for report in reports):
                    continue
                beside = _names_in(folder)
                if _is_report(folder, beside):
                    reports.append(folder)
                    continue
                pictures = [name for name in pictures if not _is_by_product(folder, name, beside)]
            for name in pictures:
                yield make_recording("image", root, folder / name, [folder / name])

    def open(self, recording: Recording, device: str = "cpu") -> Stream:
        """Read the picture.

        Raises
        ------
        SourceError
            It is no picture, damaged, truncated or too large.
        """
        from astrodetect.plugins.sources._image_files import read_still

        path = recording.file_paths[0]
        still = self._still = read_still(path)
        start, source, camera, site, warnings = self._start(path, still)
        self._time = start
        if still.exif.orientation != 1:
            warnings.append(f"EXIF asks for orientation {still.exif.orientation}, which is not applied")
        return Stream(
            shape=(still.pixels.shape[0], still.pixels.shape[1]),
            dtype=still.pixels.dtype,
            n_frames=1,
            start=start,
            exposure=still.exif.exposure,
            saturation=still.saturation if self.saturation is None else self.saturation,
            camera=camera,
            site=site,
            header=MappingProxyType(
                {"format": still.kind, "model": still.exif.camera, "time_source": source}
            ),
            warnings=(*still.warnings, *warnings),
        )

    def _start(self, path: Path, still: Still) -> tuple[float, str, str, Site | None, list[str]]:
        """Give time, where it is from, camera, site, and warnings."""
        from astrodetect.plugins.sources._ufo import read_ufo_record

        exif, named = still.exif, time_from_name(path.name)
        camera = (named.camera if named else "") or exif.camera
        record = read_ufo_record(path) if named and named.zone == "local" else None
        if record:
            return record.time, "UFOCapture record", record.camera or camera, record.site or exif.site, []
        if exif.utc:
            return exif.time, "EXIF (UTC)", camera, exif.site, []
        if named and (named.zone == "utc" or math.isnan(exif.time)):
            time, source = shift_to_utc(named.time, named.zone, self.utc_offset)
            return time, source, camera, exif.site, named_warnings(named.zone, self.utc_offset)
        if math.isnan(exif.time):
            return exif.time, "none", camera, exif.site, []
        if self.utc_offset is not None:
            source = f"EXIF (UTC{self.utc_offset:+g} h)"
            return exif.time - 3600 * self.utc_offset, source, camera, exif.site, []
        warning = "the time in EXIF is that of the camera's clock and is taken as UTC; set utc_offset"
        return exif.time, "EXIF (taken as UTC)", camera, exif.site, [warning]

    def frames(self) -> Iterator[Frame]:
        """Give the one frame; its time is 0 where none is known."""
        if self._still is None:
            raise SourceError("no picture is open")
        yield Frame(self._still.pixels, 0, 0.0 if np.isnan(self._time) else self._time)

    def close(self) -> None:
        """Free the picture."""
        self._still = None


def _names_in(folder: Path) -> frozenset[str]:
    """Give all names in a folder, those that other sources have claimed among them."""
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def _is_report(folder: Path, beside: frozenset[str]) -> bool:
    """Say whether a folder is a report that this program wrote."""
    if "index.html" not in beside:
        return False
    try:
        with (folder / "index.html").open("rb") as file:
            return b"astrodetect" in file.read(4096).lower()
    except OSError:
        return False


def _is_by_product(folder: Path, name: str, beside: frozenset[str]) -> bool:
    """Say whether a picture was made of a recording beside it, or to calibrate it."""
    stem = name.rpartition(".")[0]
    if _CALIBRATION.fullmatch(stem):
        return True
    if is_rms_night(beside):
        return True
    if _FREETURE_EVENT.fullmatch(folder.name) or {"fits2D", "positions.txt"} & beside:
        return True
    ufo = _UFO.fullmatch(stem)
    if ufo and (ufo[2] == "M" or (ufo[2] == "T" and f"{ufo[1]}P.jpg" in beside)):
        return True
    stems = {stem.lower(), ufo[1].lower()} if ufo else {stem.lower()}
    videos = (other.lower() for other in beside if other.lower().endswith(Video.suffixes))
    return any(video.rpartition(".")[0] in stems for video in videos)
