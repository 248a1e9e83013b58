"""FTPdetectinfo: the meteors of a night of an RMS or CAMS camera, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.ftp_text import FtpMeteor, FtpText, looks_like_ftpdetectinfo, parse
from astrodetect.exchange.model import NAN, SKY, Content, Observed, detections_of, refuse
from astrodetect.exchange.outgoing import (
    Outgoing,
    lacks_pixels,
    lacks_rate,
    lacks_time,
    lacks_track,
    outgoing,
    require,
    unique_names,
)  # fmt: skip
from astrodetect.exchange.text import number
from astrodetect.methods.names import time_from_name

#: Our names of the columns of a row that are taken as they are.
_TRACK = {"x": "x", "y": "y", "ra": "ra", "dec": "dec", "azimuth": "az", "altitude": "alt", "level": "flux",
          "magnitude": "magnitude", "background": "background", "snr": "snr"}  # fmt: skip


class FtpDetectInfo(Format):
    """FTPdetectinfo of 8 (CAMS), 9 or 12 columns (RMS).

    Rows hold frame, column, row (0-based, from the top), RA, Dec (J2000), azimuth east of north, elevation
    (of date, without refraction), summed level and magnitude.
    """

    name = "ftpdetectinfo"
    description = "FTPdetectinfo of RMS (9 or 12 columns) and CAMS (8 columns): one text file a night"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the first line."""
        return looks_like_ftpdetectinfo(head.decode("latin-1"))

    def read(self, path: Path) -> Content:
        """Read a night; every FF file becomes a recording.

        Raises
        ------
        AstrodetectError
            It is cut off, a row has another number of columns, or what should be a number is none.
        """
        text = parse(path)
        refuse(path, text.faults)
        by_file: dict[str, list[FtpMeteor]] = {}
        for meteor in text.meteors:
            if meteor.rows:
                by_file.setdefault(meteor.ff_name.text, []).append(meteor)
        recordings = tuple(_recording(text, name, meteors) for name, meteors in by_file.items())
        return Content(recordings, faults=text.faults, raw=text)

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give a file for each camera and night.

        A meteor without places on the sky is written as ``Uncalibrated``, with zeros.

        Raises
        ------
        AstrodetectError
            Detections have no absolute time, no place in the image, or no frame rate.
        """
        from astrodetect.exchange.ftp_write import night_text, nights

        yield from unique_names(
            (f"FTPdetectinfo_{name}.txt", night_text(name, items, self._width))
            for name, items in nights(self._writable(content))
        )

    #: Columns of a row when writing; 0: as many as are known.
    _width: ClassVar[int] = 0

    def _writable(self, content: Content) -> list[Outgoing]:
        return require(
            self.name, outgoing(content), no_track=lacks_track, no_absolute_time=lacks_time,
            no_position_in_the_image=lacks_pixels, no_frame_rate=lacks_rate,
        )  # fmt: skip


def _recording(text: FtpText, name: str, meteors: Sequence[FtpMeteor]) -> Observed:
    named = time_from_name(name)
    start = NAN if named is None else named.time
    first = meteors[0].head.cells
    rate = number(first["fps"])
    rate = rate if rate > 0 else NAN
    tracks = [_track(text.path, meteor, start, rate) for meteor in meteors]
    columns: dict[str, Any] = {
        "calibration": [meteor.status.text for meteor in meteors],
        "speed": [number(meteor.head.cells.get("speed", "")) for meteor in meteors],
        "rho": [number(meteor.head.cells.get("rho", "")) for meteor in meteors],
        "phi": [number(meteor.head.cells.get("phi", "")) for meteor in meteors],
    }
    detections = detections_of(tracks, columns, absolute=math.isfinite(start))
    return Observed(name, detections, camera=first["camera"], time_start=start, frame_rate=rate)


def _track(path: Path, meteor: FtpMeteor, start: float, rate: float) -> dict[str, Any]:
    cells = [row.cells for row in meteor.rows]
    values = {ours: np.array([number(row.get(name, "")) for row in cells]) for name, ours in _TRACK.items()}
    frames = np.array([number(row["frame"]) for row in cells])
    saturated = np.array([number(row.get("n_saturated", "")) for row in cells])
    if not np.all(np.abs(frames) < 1e9):
        raise AstrodetectError(f"{path}, line {meteor.head.line}: frames of {frames} are none")
    if not any(values[name].any() for name in SKY):  # all four are 0: the camera was not calibrated
        values.update({name: np.full(len(cells), NAN) for name in SKY})
    # A frame may be fractional: with a rolling shutter the row is exposed later than the first one.
    whole = np.floor(frames)
    seconds = frames / rate
    values["frame"] = whole.astype(np.int64)
    values["time"] = start + seconds if math.isfinite(start) else seconds
    values["n_saturated"] = np.where(np.isfinite(saturated), saturated, -1).astype(np.int64)
    return values
