"""Events of the FRIPON and PRISMA networks, as the program freeture saves them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Gt

from astrodetect.core.data import Array, Frame, Recording, Stream
from astrodetect.core.detections import Detections
from astrodetect.core.discovery import make_recording
from astrodetect.core.errors import SourceError
from astrodetect.core.limits import read_sidecar
from astrodetect.core.stages import FrameSource
from astrodetect.methods.freeture_positions import Position, clock_of, parse_positions
from astrodetect.plugins.sources._fits_files import SUFFIXES
from astrodetect.plugins.sources._fits_planes import PlaneReader
from astrodetect.plugins.sources._fits_sequences import Opened, frame_offsets, open_files
from astrodetect.plugins.sources._freeture_folders import (
    Event,
    event_name,
    find_captures,
    find_events,
    is_freeture_file,
    kind_of_file,
    points_at_captures,
    without_packed_copies,
)
from astrodetect.plugins.sources._freeture_track import camera_track
from astrodetect.plugins.sources.fits import reported_frames

if TYPE_CHECKING:
    settings_method = classmethod
else:
    from astrodetect.plugins.sources._fits_settings import settings_method

#: How a station code looks, as opposed to the name of a place: ITPI01, FRNP03, GBWL01.
_CODE = re.compile(r"^[A-Z]{2}[A-Z]{0,6}\d{2}$")
#: Seconds by which the first frame may differ from the time in the folder's name.
_FOLDER_TOLERANCE = 60.0
#: The same, for a start that is worked out from the positions of an event without FITS.
_AVI_TOLERANCE = 2.5


@dataclass
class Freeture(FrameSource):
    """Event folders ``STATION_YYYYMMDDThhmmss_UT`` of freeture, FRIPON and PRISMA.

    Frames come from ``fits2D``, else from ``fitscube.fit``, else from the AVI file, in order of
    ``DATE-OBS``, with the rows turned to the orientation of the camera: freeture stores the bottom row
    first. ``positions.txt`` is given as the camera's own detection. The world coordinate system in
    the headers is nominal and is left out.
    """

    #: Whether the long exposures in captures/ and the sums in stacks/ are recordings too, of one frame
    #: each. They serve calibration, so they are left out unless the input is one of those folders.
    captures: bool = False
    #: Turn the rows so that row 0 is the top of the frame. Switch off for files of other writers
    #: (CABERNET) that begin with the top row.
    flip: bool = True
    #: Frames per second of events of which only the AVI is left, where positions.txt does not tell:
    #: the AVI itself always claims 5.
    avi_frame_rate: Annotated[float, Gt(0)] = 30.0
    #: CSV file with the columns code and name: the same station is written by its code here and by
    #: the name of its place there. Without it the one that looks like a code is taken.
    stations: Path | None = None

    priority: ClassVar[int] = 10
    suffixes: ClassVar[tuple[str, ...]] = (*SUFFIXES, ".avi")
    _opened: Opened | None = field(default=None, init=False, repr=False, compare=False)
    _video: FrameSource | None = field(default=None, init=False, repr=False, compare=False)
    _positions: list[Position] = field(default_factory=list, init=False, repr=False, compare=False)

    @settings_method
    def find(cls, root: Path) -> Iterator[Recording]:  # noqa: N805
        """Find event folders by name, streaming; and a file by itself if freeture wrote it.

        Asked of an instance, its settings hold; asked of the class, the defaults.

        Parameters
        ----------
        root : Path
            Folder or file.
        """
        if root.is_file():
            if _is_ours(root):
                yield make_recording("freeture", root, root, [root])
            return
        for location, event in find_events(root):
            yield make_recording("freeture", root, location, event.in_order())
        if cls.captures or points_at_captures(root):
            for path in find_captures(root):
                yield make_recording("freeture", root, path, [path])

    @settings_method
    def claims(cls, root: Path) -> Iterator[Path]:  # noqa: N805
        """Give the captures and stacks that are no recordings, so that nobody else takes them."""
        if root.is_dir() and not cls.captures and not points_at_captures(root):
            yield from find_captures(root)

    def open(self, recording: Recording, device: str = "cpu") -> Stream:
        """Open an event.

        Raises
        ------
        SourceError
            It has no frames, or none that can be read.
        """
        self.close()
        event = Event.of(recording)
        self._positions, warnings = _read_positions(event.files.get("positions", []))
        failures: list[str] = []
        for kind in ("frame", "cube", "avi"):
            paths = without_packed_copies(event.files.get(kind, []))
            if not paths:
                continue
            try:
                if kind == "avi":
                    stream = self._open_avi(recording, paths[0], device)
                else:
                    stream = self._open_fits(paths, recording)
            except SourceError as error:
                failures.append(str(error))
                continue
            warnings = [*(f"instead of it the {kind} is read: {text}" for text in failures), *warnings]
            return self._named(stream, recording, tuple(warnings))
        if failures:
            raise SourceError("; ".join(failures))
        raise SourceError(
            f"{recording.location}: no frames; expected fits2D/frame_*.fit, fitscube.fit or an AVI"
        )

    def close(self) -> None:
        """Forget the open event."""
        if self._video is not None:
            self._video.close()
        self._opened = self._video = None
        self._positions = []

    def frames(self) -> Iterator[Frame]:
        """Give the frames in order of time, in the orientation of the camera."""
        if self._video is not None:
            return self._video_frames(self._video.frames())
        opened = self._require()
        buffer: Array = np.empty(opened.stream.shape, dtype=opened.stream.dtype)
        return self.frames_into(repeat(buffer))

    def frames_into(self, slots: Iterator[Array]) -> Iterator[Frame]:
        """Give the frames, each decoded straight into the next of `slots`."""
        if self._video is not None:
            return self._video_frames(self._video.frames_into(slots))
        return reported_frames(self, self._require(), slots, PlaneReader(flip_rows=self.flip))

    def camera_detections(self) -> Detections | None:
        """Give what ``positions.txt`` holds as one detection with its track, or None."""
        if not self._positions:
            return None
        times = None if self._opened is None else self._opened.times
        return camera_track(self._positions, self.stream, times, self.report)

    def _video_frames(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        try:
            yield from frames
        finally:
            for message in self._video.take_reports() if self._video else []:
                self.report(message)

    def _require(self) -> Opened:
        if self._opened is None:
            raise SourceError("no event is open")
        return self._opened

    def _open_fits(self, paths: list[Path], recording: Recording) -> Stream:
        opened = open_files(paths)
        stream = opened.stream
        rate = stream.frame_rate
        if math.isnan(rate) and stream.exposure > 0 and stream.n_frames > 1:
            rate = 1 / stream.exposure
        start, times = stream.start, opened.times
        if not np.isfinite(times).all() or math.isnan(start):
            start, stream = _start_of(stream, recording)
            times = (0.0 if math.isnan(start) else start) + frame_offsets(stream.n_frames, rate)
        else:
            stream = _compared(stream, recording)
        stream = replace(stream, start=start, frame_rate=rate)
        self._opened = replace(opened, stream=stream, times=times)
        return stream

    def _open_avi(self, recording: Recording, path: Path, device: str) -> Stream:
        from astrodetect.plugins.sources.video import Video

        named = event_name(path.parent)
        start = math.nan if named is None else named[1]
        first, rate = clock_of(self._positions)
        if abs(first - start) < _AVI_TOLERANCE:
            start = first
        told = "positions.txt" if rate > 0 else f"the setting avi_frame_rate ({self.avi_frame_rate:g})"
        rate = rate if rate > 0 else self.avi_frame_rate
        when = None if math.isnan(start) else datetime.fromtimestamp(start, UTC).isoformat()
        video = Video(start=when, frame_rate=rate)
        name = path.relative_to(recording.root).as_posix()
        video.recording = replace(recording, path=name, files=(name,))
        stream = video.open(video.recording, device)
        note = (
            "only the AVI is there: 8 bits, each frame stretched by itself, so do not trust its photometry, "
            f"nor its times: start from the folder's name, frame rate from {told}"
        )
        video.stream = replace(stream, frame_rate=rate, start=start, warnings=(note, *stream.warnings))
        self._video = video
        return video.stream

    def _named(self, stream: Stream, recording: Recording, warnings: tuple[str, ...]) -> Stream:
        named = event_name(recording.file_paths[0].parent)
        station = named[0] if named else ""
        header: dict[str, Any] = {**stream.header, "station": station}
        telescope = str(header.get("TELESCOP", "")).strip()
        camera = _station_code(self.stations, station, telescope) or stream.camera
        stream = replace(
            stream, camera=camera, header=MappingProxyType(header), warnings=(*stream.warnings, *warnings)
        )
        if self._opened is not None:
            self._opened = replace(self._opened, stream=stream)
        return stream


def _is_ours(path: Path) -> bool:
    if kind_of_file(path.name) == "avi":
        return event_name(path.parent) is not None
    return path.name.lower().endswith(SUFFIXES) and is_freeture_file(path)


def _read_positions(paths: list[Path]) -> tuple[list[Position], list[str]]:
    if not paths:
        return [], []
    try:
        positions, bad = parse_positions(read_sidecar(paths[0]).decode("utf-8", "replace"))
    except (OSError, ValueError) as error:
        return [], [f"{paths[0].name}: cannot be read: {getattr(error, 'strerror', None) or error}"]
    if not bad:
        return positions, []
    return positions, [f"{paths[0].name}: {len(bad)} lines are no positions, the first is line {bad[0]}"]


def _start_of(stream: Stream, recording: Recording) -> tuple[float, Stream]:
    """Give the start, from the folder's name if the headers have none."""
    if not math.isnan(stream.start):
        return stream.start, stream
    named = event_name(recording.file_paths[0].parent)
    if named is None:
        return math.nan, stream
    note = "no DATE-OBS: the start is taken from the folder's name, to a second"
    return named[1], replace(stream, warnings=(*stream.warnings, note))


def _compared(stream: Stream, recording: Recording) -> Stream:
    named = event_name(recording.file_paths[0].parent)
    if named is None or abs(stream.start - named[1]) <= _FOLDER_TOLERANCE:
        return stream
    apart = stream.start - named[1]
    note = f"the first DATE-OBS differs from the folder's name by {apart:.0f} s; DATE-OBS is used"
    return replace(stream, warnings=(*stream.warnings, note))


def _station_code(table: Path | None, *names: str) -> str:
    """Give the code of a station that is named by its code or by its place."""
    known = {} if table is None else _station_table(table)
    for name in names:
        if name.lower() in known:
            return known[name.lower()]
    codes = [name for name in names if _CODE.match(name)]
    return next(iter(codes), next((name for name in reversed(names) if name), ""))


def _station_table(path: Path) -> dict[str, str]:
    import csv

    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        pairs = [(row["code"].strip(), row["name"].strip()) for row in rows]
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}; expected a table of stations") from error
    except (KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: expected a CSV file with the columns code and name") from error
    return {text.lower(): code for code, name in pairs for text in (code, name)}
