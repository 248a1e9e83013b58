"""Video files: AVI first, also MP4, MKV, MOV, FLV and what else FFmpeg's libraries read."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from astrodetect.core.data import Array, Frame, Recording, Site, Stream
from astrodetect.core.discovery import find_files
from astrodetect.core.errors import SourceError, TruncatedError
from astrodetect.core.stages import FrameSource
from astrodetect.methods.names import is_rms_night, parse_time, time_from_name

if TYPE_CHECKING:
    from astrodetect.plugins.sources._video_decode import Tally
    from astrodetect.plugins.sources._video_probe import VideoInfo


@dataclass
class Video(FrameSource):
    """Read the frames of a video file through PyAV.

    The pixel value is the luminance as stored: the Y plane of YUV video without any scaling (limited
    range stays 16 to 235), the values of grey video (8, 10, 12 or 16 bits), and the Rec. 601
    luminance of RGB, Bayer and palette video. `Stream.saturation` says from where it is saturated:
    the largest value for full range, the nominal white (235 of 255) for limited range, unless the
    first frame shows that the range was not kept.

    Times come from the time stamps of the frames (a variable rate is kept), counted from `start`,
    or else the time in the file name, UFOCapture's record beside the clip, or the container's
    creation time, in that order.

    Tensor semantics: frames (H, W) of uint8 or uint16, decoded straight into the slots of the ring.
    """

    priority: ClassVar[int] = -10
    suffixes: ClassVar[tuple[str, ...]] = (
        *(".avi", ".mp4", ".m4v", ".mkv", ".mov", ".flv"),
        *(".webm", ".wmv", ".asf", ".mpg", ".mpeg", ".mts", ".m2ts"),
    )

    #: Time of the first frame (ISO 8601, UTC unless it has an offset). Set it for a single recording
    #: whose file knows no time, or a wrong one.
    start: datetime | str | None = None
    #: Frames per second. Set it where the container states an implausible one (many loggers write 1
    #: or 30); time stamps of the file are then ignored.
    frame_rate: Annotated[float, Gt(0)] | None = None
    #: Hours by which the camera's clock is ahead of UTC, for times in file names that do not say so
    #: themselves (UFOCapture, home-made names). Not set: they are taken as UTC.
    utc_offset: float | None = None
    #: Pixel value (ADU) from which a pixel is saturated. Set it where the file states the range of
    #: its values wrongly.
    saturation: float | None = None
    #: How to read raw video of two bytes per pixel whose header names no format: 16-bit grey, as
    #: scientific cameras and FFmpeg write it, or 15-bit colour (RGB555), as the header says.
    raw16: Literal["grey", "colour"] = "grey"
    #: Decoding threads; 0 takes as many as there are cores, at most four. Set 1 where several
    #: recordings are processed side by side.
    threads: Annotated[int, Ge(0)] = 0

    _path: Path = field(default=Path(), init=False, repr=False, compare=False)
    _info: VideoInfo | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.start, str):
            parse_time(self.start)

    @classmethod
    def find(cls, root: Path) -> Iterator[Recording]:
        """Give one recording per video, but for the time lapse that RMS makes of a night."""
        for recording in find_files(cls, root, "video"):
            path = recording.location
            by_product = "timelapse" in path.name.lower() and is_rms_night(os.listdir(path.parent))
            if root.is_file() or not by_product:
                yield recording

    def open(self, recording: Recording, device: str = "cpu") -> Stream:
        """Look at the container and at the first frame.

        Raises
        ------
        SourceError
            It is no video, or its first frame cannot be decoded.
        """
        from astrodetect.plugins.sources._video_probe import probe

        self._path = recording.file_paths[0]
        info = self._info = probe(self._path, self.frame_rate, self.raw16 == "grey")
        start, source, camera, site, warnings = self._start(info)
        return Stream(
            shape=info.shape,
            dtype=info.dtype,
            n_frames=info.n_frames,
            frame_rate=info.frame_rate,
            start=start,
            saturation=info.saturation if self.saturation is None else self.saturation,
            camera=camera,
            site=site,
            header=MappingProxyType({**info.header, "time_source": source}),
            warnings=(*info.warnings, *warnings),
        )

    def _start(self, info: VideoInfo) -> tuple[float, str, str, Site | None, list[str]]:
        """Give start, where it is from, camera, site, and warnings."""
        from astrodetect.plugins.sources._ufo import read_ufo_record
        from astrodetect.plugins.sources._video_probe import creation_time

        named = time_from_name(self._path.name)
        camera = named.camera if named else ""
        record = read_ufo_record(self._path) if named and named.zone == "local" else None
        site = record.site if record else None
        if self.start is not None:
            text = self.start if isinstance(self.start, str) else self.start.isoformat()
            return parse_time(text), "setting start", camera, site, []
        if record:
            return record.start, "UFOCapture record", record.camera or camera, site, []
        if named:
            time, source = shift_to_utc(named.time, named.zone, self.utc_offset)
            return time, source, camera, site, named_warnings(named.zone, self.utc_offset)
        created = creation_time(info.created)
        if math.isnan(created):
            return created, "none", camera, site, []
        told = datetime.fromtimestamp(created, UTC).isoformat()
        warning = f"start is the container's creation time {told}, which may be that of writing; set start"
        return created, "creation time of the container", camera, site, [warning]

    def frames(self) -> Iterator[Frame]:
        """Give the frames; the data are views into the decoder's memory.

        Raises
        ------
        TruncatedError
            After the last good frame, if the file ends before the container says so.
        """
        for data, index, time in self._decoded():
            yield Frame(
                data if data.dtype.isnative else data.astype(data.dtype.newbyteorder("=")), index, time
            )

    def frames_into(self, slots: Iterator[Array]) -> Iterator[Frame]:
        """Give the frames, each copied once, from the decoder's plane to the slot."""
        dropped = 0
        for data, index, time in self._decoded():
            if data.shape != self.stream.shape:
                dropped += 1
                continue
            slot = next(slots)
            np.copyto(slot, data, casting="equiv")
            yield Frame(slot, index - dropped, time)
        if dropped:
            self.report(f"{dropped} frames of another shape than {self.stream.shape} were left out")

    def _decoded(self) -> Iterator[tuple[Array, int, float]]:
        from astrodetect.plugins.sources._video_decode import Tally, decode, thread_count

        info = self._opened()
        tally = Tally()
        clock = _Clock(info.frame_rate, self.frame_rate is not None)
        offset = 0.0 if math.isnan(self.stream.start) else self.stream.start
        count = 0
        for data, stamp in decode(self._path, info, thread_count(self.threads), tally):
            yield data, count, offset + clock.tell(stamp, count + tally.damaged)
            count += 1
        if clock.corrected:
            self.report(f"{clock.corrected} time stamps did not advance and were counted from the frame rate")
        self._tell_missing(info, count, tally)

    def _opened(self) -> VideoInfo:
        if self._info is None:
            raise SourceError(f"{self._path}: not open")
        return self._info

    def _tell_missing(self, info: VideoInfo, count: int, tally: Tally) -> None:
        """Report what was skipped, and raise if the file ends too early."""
        missing = info.n_frames - count - tally.damaged
        step = 0.0 if math.isnan(info.frame_rate) else 1 / info.frame_rate
        short = tally.last is not None and tally.last + 2.5 * step < info.end
        if info.n_frames >= 0:
            short = missing > 0 and (short or math.isnan(info.end) or tally.last is None)
        if tally.fault or tally.cut or short:
            promised = f"{info.n_frames} frames" if info.n_frames >= 0 else f"{info.end:.2f} s"
            damaged = f", {tally.damaged} damaged ones skipped" if tally.damaged else ""
            fault = f" ({tally.fault})" if tally.fault else ""
            raise TruncatedError(
                f"{self._path}: truncated{fault}: {count} frames decoded of {promised}{damaged}"
            )
        if tally.damaged:
            self.report(f"{tally.damaged} damaged frames were skipped")
        if missing > 0:
            self.report(f"{missing} of {info.n_frames} frames were never recorded: gaps in the time stamps")

    def close(self) -> None:
        """Forget the file; the decoder is closed when its frames are."""
        self._info = None


@dataclass
class _Clock:
    """Seconds from the first frame: by time stamps, or by counting."""

    frame_rate: float
    counting: bool
    first: float | None = None
    last: float = 0.0
    corrected: int = 0

    def tell(self, stamp: float | None, position: int) -> float:
        if self.counting:
            return position / self.frame_rate
        if self.first is None:
            self.first = stamp if stamp is not None else 0.0
            return 0.0
        time = math.nan if stamp is None else stamp - self.first
        if math.isnan(self.frame_rate):
            return math.nan
        if not time > self.last:
            self.corrected += 1
            time = self.last + 1 / self.frame_rate
        self.last = time
        return time


def shift_to_utc(time: float, zone: str, utc_offset: float | None) -> tuple[float, str]:
    """Give a name's time in UTC, and in words where it is from.

    Parameters
    ----------
    time : float
        Unix seconds of the clock of `zone`.
    zone : str
        ``"utc"``, ``"local"`` or ``"unknown"``.
    utc_offset : float or None
        Hours by which that clock is ahead of UTC.
    """
    if zone == "utc":
        return time, "file name (UTC)"
    if utc_offset is None:
        return time, "file name (taken as UTC)"
    return time - 3600 * utc_offset, f"file name (UTC{utc_offset:+g} h)"


def named_warnings(zone: str, utc_offset: float | None) -> list[str]:
    """Warn of a time that is known to be that of a local clock."""
    if zone == "local" and utc_offset is None:
        return ["the time in the file name is that of a local clock and is taken as UTC; set utc_offset"]
    return []
