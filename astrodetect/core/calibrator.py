"""The calibration of each recording of a run: named in the pipeline, or found beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrodetect.core.calibrating import calibration_sources, who_reads
from astrodetect.core.calibration import Calibration
from astrodetect.core.data import Recording, Site, Stream, Window, as_reference
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.magnitudes import with_magnitudes
from astrodetect.core.sky_columns import shifted, time_shift, with_row_times, with_sky
from astrodetect.core.stages import CalibrationSource
from astrodetect.core.tables import StationSettings

if TYPE_CHECKING:
    from astrodetect.core.plan import Plan


class Calibrator:
    """Finds and reads the calibrations of recordings, as a pipeline says.

    Parameters
    ----------
    plan : Plan
        Its tables ``[calibrate]`` and ``[station]`` count.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._told: list[str] = []
        self._sources: dict[str, CalibrationSource] | None = None

    @property
    def sources(self) -> list[CalibrationSource]:
        """Who is asked for what lies beside a recording, in order."""
        if not self.plan.calibrate.find:
            return []
        if self.plan.calibration is not None:
            return [self.plan.calibration]
        if self._sources is None:
            self._sources = calibration_sources()
        return list(self._sources.values())

    def named(self) -> dict[str, Path]:
        """Give the files that the pipeline names, by the key that names them."""
        stations = {f"[station.{c}] calibration": s.calibration for c, s in self.plan.stations.items()}
        named = {"[calibrate] file": self.plan.calibrate.file, **stations}
        return {key: path for key, path in named.items() if path is not None}

    def references(self, recording: Recording) -> list[Recording]:
        """Give the files on which the positions of a recording depend, to enter its fingerprint.

        Whose station it is, is known only when it is open: all that the pipeline names count.
        """
        paths = set(self.named().values())
        if self.plan.calibrate.file is None:
            paths |= {path for source in self.sources if (path := source.find(recording)) is not None}
        return [as_reference(path) for path in sorted(paths - set(recording.file_paths))]

    def reports(self) -> list[str]:
        """Give and forget what was doubtful in what `load` read."""
        told, self._told = self._told, []
        return told

    def load(self, recording: Recording, stream: Stream) -> Calibration | None:
        """Read the calibration of an open recording; None if there is none.

        Raises
        ------
        AstrodetectError
            There is one, and it cannot be used: file, and why.
        """
        found = self._load(recording, stream)
        if found is None:
            return None
        if found.shape is not None and found.shape != stream.shape:
            sizes = [f"{width} x {height}" for height, width in (found.shape, stream.shape)]
            raise AstrodetectError(f"{found.made_by}: for frames of {sizes[0]} pixels, these have {sizes[1]}")
        residual = self.plan.calibrate.residual
        return found if residual is None else replace(found, residual=residual)  # type: ignore[type-var]

    def _load(self, recording: Recording, stream: Stream) -> Calibration | None:
        station = self.plan.stations.get(stream.camera)
        path = station.calibration if station is not None else None
        path = path or self.plan.calibrate.file
        if path is not None:
            return self._read(self.plan.calibration or who_reads(path), path, recording, stream)
        for source in self.sources:
            path = source.find(recording)
            found = None if path is None else self._read(source, path, recording, stream)
            if found is not None:
                _check_camera(found, stream)
                return found
        return None

    def _read(
        self, source: CalibrationSource, path: Path, recording: Recording, stream: Stream
    ) -> Calibration | None:
        try:
            try:
                return source.load(path, recording, stream)
            finally:
                self._told += source.take_reports()
        except AstrodetectError:
            raise
        except Exception as error:  # whatever a stranger's plugin does costs the positions only
            told = " ".join(str(error).split())
            raise AstrodetectError(
                f"{path}: {type(source).__name__}: {type(error).__name__}: {told}"
            ) from error


def _check_camera(found: Calibration, stream: Stream) -> None:
    """Refuse what lies beside a recording and is of another camera."""
    if found.camera and stream.camera and found.camera.lower() != stream.camera.lower():
        raise AstrodetectError(
            f"{found.made_by}: of camera {found.camera}, the recording is of {stream.camera}; "
            f"if it is right, name it under [station.{stream.camera}] calibration"
        )


class Placement:
    """Right times and positions on the sky for one recording, as it goes through a pipeline.

    Parameters
    ----------
    calibrator : Calibrator
        Of the pipeline.
    recording : Recording
        What goes through.

    Attributes
    ----------
    calibration : Calibration or None
        Known after `open`.
    """

    def __init__(self, calibrator: Calibrator, recording: Recording) -> None:
        self.calibrator = calibrator
        self.recording = recording
        self.calibration: Calibration | None = None
        self.station = StationSettings()
        self.shift = 0.0

    def open(self, stream: Stream) -> tuple[Stream, list[str]]:
        """Correct the clock, and read the calibration.

        Returns
        -------
        Stream
            Whose times are the start of exposure in UTC.
        list of str
            What is wrong with the calibration: then there are no positions on the sky.
        """
        self.station = self.calibrator.plan.stations.get(stream.camera, self.station)
        self.shift = time_shift(stream, self.station.clock_offset, self.station.frame_time)
        stream = replace(stream, start=stream.start + self.shift, frame_time="start")
        try:
            self.calibration = self.calibrator.load(self.recording, stream)
        except AstrodetectError as error:
            return stream, [f"no positions on the sky: {error}", *self.calibrator.reports()]
        return stream, self.calibrator.reports()

    def window(self, window: Window, stream: Stream) -> Window:
        """Give a window with the right times."""
        return replace(window, stream=stream, times=window.times + self.shift) if self.shift else window

    def camera(self, found: Detections, stream: Stream) -> Detections:
        """Complete what the camera's own software had found, whose times are as the source gives them."""
        return self.complete(shifted(found, self.shift), stream)

    def complete(self, found: Detections, stream: Stream) -> Detections:
        """Fill in row times, positions on the sky and magnitudes, of detections that have their times."""
        found = with_row_times(found, stream, self.station.rolling_shutter)
        if self.calibration is None:
            return found
        placed = with_sky(
            found,
            stream,
            self.calibration,
            rolling_shutter=self.station.rolling_shutter,
            position_error=self.calibrator.plan.calibrate.position_error,
        )
        return with_magnitudes(placed, self.calibration, stream.shape)

    def site(self, stream: Stream | None) -> Site | None:
        """Give where the camera stands: as its calibration says, else as the recording does."""
        calibrated = None if self.calibration is None else self.calibration.site
        return calibrated or (None if stream is None else stream.site)

    def summary(self) -> dict[str, Any]:
        """Give the whole calibration, of what JSON can hold; empty if there is none."""
        made = self.calibration
        return {} if made is None else {"model": made.model, **made.to_json()}
