"""One recording through a pipeline: windows in, a block of results out."""

from __future__ import annotations

import copy
import math
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from astrodetect.core import limits, registry
from astrodetect.core.calibrator import Calibrator, Placement
from astrodetect.core.columns import site_columns
from astrodetect.core.compose import Chosen, Clock, ComposedDetector, require_planes
from astrodetect.core.data import Recording, Stream, Window, has_changed, stable_id
from astrodetect.core.detections import ROW, Detections, with_all_columns
from astrodetect.core.errors import AstrodetectError, SourceError, TruncatedError
from astrodetect.core.hooks import HookCaller
from astrodetect.core.plan import Plan, tell_wants
from astrodetect.core.preparing import Preparation
from astrodetect.core.results import RecordingBlock
from astrodetect.core.stages import FrameSource, Preprocessor, Stage
from astrodetect.core.tiling import Tiled, untiled
from astrodetect.core.windows import opened

#: Frame rates outside are taken for a fault of the metadata (Hz).
PLAUSIBLE_RATE = (0.001, 2000.0)
#: A mask that covers more than this share leaves nothing to look at.
BLIND_MASK = 0.98


class Runner:
    """Processes recordings one after the other with one set of stages.

    Parameters
    ----------
    plan : Plan
        What to do.
    device : str
        Passed to ``Stage.open``.
    hooks : HookCaller, optional
        Who is told of progress.
    """

    def __init__(self, plan: Plan, device: str = "cpu", hooks: HookCaller | None = None) -> None:
        self.plan = plan
        self.device = device
        self.hooks = hooks if hooks is not None else HookCaller(load=False)
        tell_wants(plan)
        self._calibrator = Calibrator(plan)
        self._sources: dict[str, FrameSource] = {}

    def process(self, recording: Recording) -> RecordingBlock:
        """Process one recording. Never raises for what is wrong with the recording or in a stage.

        Returns
        -------
        RecordingBlock
            With status ``done``, ``partial`` or ``failed``; ``changed`` if its files changed meanwhile.
        """
        start = perf_counter()
        limits.use(self.plan.limits)
        registry.use_source(self.plan.source_name, self.plan.source)
        if not recording.source:
            return failed_block(
                recording, f"{recording.location}: the folder cannot be listed; check its permissions"
            )
        place = Placement(self._calibrator, recording)
        run = _Run(self.plan, recording, self.device, self.hooks, place)
        try:
            run.go(self._source(recording.source))
        except AstrodetectError as error:
            run.fail(str(error))
        except Exception as error:
            text = " ".join(str(error).split())
            run.fail(f"{run.clock.current}: {type(error).__name__}: {text}", traceback.format_exc())
        if has_changed(recording):
            run.status = "changed"
        if run.status == "failed":
            run.keep_what_was_found()
        block = run.block(perf_counter() - start)
        self.hooks.call("recording_done", recording=recording, block=block)
        return block

    def _source(self, name: str) -> FrameSource:
        if self.plan.source is not None and name == self.plan.source_name:
            return copy.copy(self.plan.source)
        if name not in self._sources:
            self._sources[name] = registry.load(name, FrameSource)()
        return copy.copy(self._sources[name])


def preprocessors_of(plan: Plan, stream: Stream) -> list[tuple[str, Preprocessor]]:
    """Give the preprocessors for a recording by name: those of the plan, and what its camera adds."""
    stages: list[tuple[str, Preprocessor]] = []
    station = plan.stations.get(stream.camera)
    if station is not None and station.mask is not None:
        mask: Any = registry.load("mask", Preprocessor)
        stages.append(("station mask", mask(file=station.mask)))
    stages += [(plan.name_of(stage), stage) for stage in plan.preprocessors]
    if stream.n_frames == 1 and not any("background" in type(s).__name__.lower() for _, s in stages):
        still: Any = registry.load("background", Preprocessor)
        stages.insert(0, ("background", still()))
    return stages


@dataclass
class _Run:
    """The state of one recording's way through the pipeline."""

    plan: Plan
    recording: Recording
    device: str
    hooks: HookCaller
    place: Placement
    clock: Clock = field(default_factory=Clock)
    status: str = "done"
    stream: Stream | None = None
    messages: list[str] = field(default_factory=list)
    details: str = ""
    parts: list[Detections] = field(default_factory=list)
    times: list[Any] = field(default_factory=list)
    n_frames: int = 0
    n_windows: int = 0
    opened: list[Stage] = field(default_factory=list)
    preparation: Preparation | None = None
    #: Seconds that the reader thread of the source worked.
    reader: float = 0.0
    detections: Detections = field(default_factory=Detections.empty)
    camera: Detections | None = None

    def fail(self, message: str, details: str = "") -> None:
        self.status = "failed"
        self.messages.append(message)
        self.details = details

    def keep_what_was_found(self) -> None:
        """After a failure: what the windows before it gave, not joined by postprocessors."""
        if self.stream is None or not self.parts:
            return
        try:
            self.detections = self._complete(Detections.concatenate(self.parts), self.stream)
        except (ValueError, KeyError) as error:  # what broke the recording may have broken these
            self.messages.append(f"what was found before is lost: {error}")

    def go(self, source: FrameSource) -> None:
        source.in_tiles = isinstance(self.plan.detector, Tiled) and all(
            stage.lazy for stage in self.plan.preprocessors
        )
        try:
            with opened(source, self.recording) as raw:
                self.stream = stream = self._placed(raw)
                self.hooks.call("recording_started", recording=self.recording, n_frames=stream.n_frames)
                self._check_stream(stream)
                preprocessors = preprocessors_of(self.plan, stream)
                self._open(preprocessors)
                detector = self.plan.detector
                choose = detector.choose if isinstance(detector, ComposedDetector) else None
                self.preparation = Preparation(stream, self.place, preprocessors, self.clock, choose)
                self._windows(source, self.preparation)
                self._finish(source, stream)
        finally:
            self.reader = source.reader_seconds
            for stage in [*self.opened, source]:
                self.messages.extend(stage.take_reports())
            for stage in self.opened:
                self._close(stage)

    def _open(self, stages: Sequence[tuple[str, Stage]]) -> None:
        assert self.stream is not None  # set by go
        for name, stage in stages:
            with self.clock.time(name):
                stage.open(self.stream, self.device)
            self.opened.append(stage)

    def _open_detector(self) -> None:
        stages = [*self._detecting(), *self.plan.postprocessors]
        self._open([(self.plan.name_of(stage), stage) for stage in stages])

    def _detecting(self) -> list[Stage]:
        """Give the stages of the detector: they are timed apart, and on tiles opened together."""
        detector = untiled(self.plan.detector)
        if isinstance(detector, ComposedDetector):
            detector.clock = self.clock
            return [*detector.stages] if detector is self.plan.detector else [self.plan.detector]
        return [self.plan.detector]

    def _close(self, stage: Stage) -> None:
        """Close a stage; one that fails at it keeps no other from being closed, and no result."""
        try:
            stage.close()
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            self.messages.append(f"{self.plan.name_of(stage)}: closing it failed: {what}")

    def _placed(self, raw: Stream) -> Stream:
        with self.clock.time("calibrate"):
            stream, warnings = self.place.open(raw)
        self.messages.extend([*stream.warnings, *warnings])
        return stream

    def _check_stream(self, stream: Stream) -> None:
        rate = stream.frame_rate
        if math.isnan(rate) and stream.n_frames != 1 and self.plan.window.size is None:
            size, _ = self.plan.window.frames(rate)
            self.messages.append(f"the frame rate is unknown: windows of {size} frames are taken")
        if math.isfinite(rate) and not PLAUSIBLE_RATE[0] <= rate <= PLAUSIBLE_RATE[1]:
            self.messages.append(
                f"the frame rate {rate:g} Hz is implausible; speeds and durations are not to be trusted"
            )
        if stream.mask is not None and float(stream.mask.mean()) > BLIND_MASK:
            self.messages.append(
                f"the mask covers {100 * float(stream.mask.mean()):.1f} % of the frame: nearly blind"
            )

    def _windows(self, source: FrameSource, preparation: Preparation) -> None:
        size, step = self.plan.window.frames(preparation.stream.frame_rate)
        given = preparation.windows(source, size, step, self.device, self._open_detector)
        with closing(given) as windows:
            while True:
                try:
                    ready = next(windows, None)
                except TruncatedError as error:
                    self.messages.append(str(error))
                    self.status = "partial"
                    break
                if ready is None:
                    break
                self._look_at(*ready)
        if self.n_frames == 0:
            raise SourceError(
                self.messages.pop() if self.status == "partial" else f"{self.recording.path}: holds no frame"
            )

    def _look_at(self, window: Window, chosen: Chosen | None) -> None:
        self._note(window)
        found = self._detect(window, chosen)
        if len(found):
            self.parts.append(found)
        self.hooks.call(
            "window_done", recording=self.recording, frames_done=self.n_frames, n_detections=len(found)
        )

    def _note(self, window: Window) -> None:
        self.n_windows += 1
        fresh = window.start + window.n_frames - self.n_frames
        self.times.append(window.times[window.n_frames - fresh :])
        self.n_frames += fresh
        if np.any(np.diff(window.times) < 0):
            self.messages.append("frame times go backwards")

    def _detect(self, window: Window, chosen: Chosen | None) -> Detections:
        detector = self.plan.detector
        if chosen is not None and isinstance(detector, ComposedDetector):
            return _with_frames(detector.decide(window, chosen), window)
        if isinstance(untiled(detector), ComposedDetector):
            return _with_frames(detector.detect(window), window)
        name = self.plan.name_of(detector)
        require_planes(untiled(detector), name, window)
        with self.clock.time(name):
            return _with_frames(detector.detect(window), window)

    def _finish(self, source: FrameSource, stream: Stream) -> None:
        found = Detections.concatenate(self.parts)
        self.clock.count("found in windows", len(found))
        for stage in self.plan.postprocessors:
            with self.clock.time(self.plan.name_of(stage)):
                found = stage.process(found, stream)
        with self.clock.time("read"):
            camera = source.camera_detections()
        if camera is not None:
            self.camera = self.place.camera(self._identified(camera, "camera"), stream)
        found = self._complete(found, stream)
        self.detections = found
        self.clock.count("detections", len(found))
        self.clock.count("accepted", int(np.sum(found["accepted"])))

    def _complete(self, found: Detections, stream: Stream) -> Detections:
        found = self._identified(_with_ends(found))
        times = np.concatenate(self.times) if self.times else np.empty(0)
        columns: dict[str, Any] = {}
        for name, frame in (("time_start", "frame_start"), ("time_end", "frame_end")):
            if math.isfinite(stream.start) and len(times):
                columns[name] = times[np.clip(found[frame].astype(np.int64), 0, len(times) - 1)]
            else:
                columns[name] = np.full(len(found), np.nan)
        reasons = found["reason"] if "reason" in found else np.full(len(found), "", dtype=object)
        threshold = self.plan.threshold(stream.camera)
        labels = self.plan.accept.labels
        reasons = [
            reason or _refusal(label, float(probability), labels, threshold)
            for reason, label, probability in zip(reasons, found["label"], found["probability"], strict=True)
        ]
        columns["reason"] = np.array(reasons, dtype=object)
        columns["accepted"] = np.array([not reason for reason in reasons], dtype=bool)
        columns["recording_id"] = np.full(len(found), self.recording.recording_id)
        return self.place.complete(with_all_columns(found.with_columns(**columns)), stream)

    def _identified(self, found: Detections, table: str = "") -> Detections:
        """Sort by frame and place, and number: the same ids whatever the order of the windows."""
        n = len(found)
        keys = [found[name] if name in found else np.zeros(n) for name in ("x_min", "x_start", "frame_start")]
        found = found.take(np.lexsort(keys)) if n else found
        parts = (self.recording.path, self.recording.fingerprint, *([table] if table else []))
        ids = np.array([stable_id(*parts, row) for row in range(n)], dtype=np.int64)
        return found.with_columns(detection_id=ids, recording_id=np.full(n, self.recording.recording_id))

    def block(self, seconds: float) -> RecordingBlock:
        times = np.concatenate(self.times) if self.times else np.empty(0)
        # "; " stands between warnings, so it must not stand in one
        failed = self.status == "failed"
        messages = self.messages if failed else [text.replace("; ", ", ") for text in self.messages]
        row = _row(self.recording, self.stream, times, messages)
        row |= {
            "n_frames": self.n_frames,
            "n_windows": self.n_windows,
            "n_candidates": self.clock.counts.get("candidates", 0),
            "n_detections": len(self.detections),
            "n_accepted": int(np.sum(self.detections["accepted"])) if len(self.detections) else 0,
            "status": self.status,
            "seconds": seconds,
            "calibration": "" if self.place.calibration is None else self.place.calibration.made_by,
            **site_columns(self.place.site(self.stream)),
        }
        summary = {"seconds": self.clock.seconds, "counts": self.clock.counts, "traceback": self.details}
        summary |= {"reader": self.reader, "calibration": self.place.summary()}
        if self.preparation is not None:
            summary |= self.preparation.summary()
        return RecordingBlock(row, self.detections, self.camera, summary)


def _row(recording: Recording, stream: Stream | None, times: Any, messages: list[str]) -> dict[str, Any]:
    dated = stream is not None and math.isfinite(stream.start) and len(times) > 0
    counted = Counter(" ".join(message.split()) for message in messages)
    return {
        "recording_id": recording.recording_id,
        "path": recording.path,
        "root": recording.root,
        "source": recording.source,
        "camera": stream.camera if stream else "",
        "fingerprint": recording.fingerprint,
        "time_start": float(times[0]) if dated else math.nan,
        "time_end": float(times[-1]) if dated else math.nan,
        "frame_rate": stream.frame_rate if stream else math.nan,
        "width": stream.shape[1] if stream else 0,
        "height": stream.shape[0] if stream else 0,
        "message": "; ".join(text if n == 1 else f"{text} ({n} x)" for text, n in counted.items()),
    }


def failed_block(recording: Recording, message: str) -> RecordingBlock:
    """Give the block of a recording that could not be processed at all."""
    counts = dict.fromkeys(("n_frames", "n_windows", "n_candidates", "n_detections", "n_accepted"), 0)
    row = {**_row(recording, None, (), [message]), **counts, "status": "failed", "seconds": 0.0}
    row |= {"calibration": "", **site_columns(None)}
    return RecordingBlock(row)


def _refusal(label: str, probability: float, labels: tuple[str, ...], threshold: float) -> str:
    if label not in labels:
        return f"label {label}"
    return "" if probability >= threshold else "below threshold"


def _with_frames(found: Detections, window: Window) -> Detections:
    """Fill in the frames of the window where the detector did not say."""
    columns: dict[str, Any] = {}
    if "frame_start" not in found:
        columns["frame_start"] = np.full(len(found), window.start)
    if "frame_end" not in found:
        columns["frame_end"] = np.full(len(found), window.start + window.n_frames - 1)
    return found.with_columns(**columns) if columns else found


def _with_ends(found: Detections) -> Detections:
    """Fill in the ends from the tracks where no stage gave them."""
    found = found if "frame_start" in found else found.with_columns(
        frame_start=np.zeros(len(found)), frame_end=np.zeros(len(found))
    )  # fmt: skip
    if "x_start" in found or not found.tracks or "x" not in found.tracks:
        return found
    ends = {name: np.full(len(found), np.nan) for name in ("x_start", "y_start", "x_end", "y_end")}
    for row in np.unique(found.tracks[ROW]):
        track = found.track(int(row))
        for axis in "xy":
            ends[f"{axis}_start"][row], ends[f"{axis}_end"][row] = track[axis][0], track[axis][-1]
    return found.with_columns(**ends)
