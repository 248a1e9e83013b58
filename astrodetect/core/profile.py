"""Where the time of a run went, and what limited it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

from astrodetect.core.compose import ComposedDetector
from astrodetect.core.data import Recording
from astrodetect.core.hooks import hookimpl
from astrodetect.core.plan import Plan
from astrodetect.core.results import RecordingBlock
from astrodetect.core.tiling import untiled

#: Kinds of work, in the order in which they happen.
KINDS = ("start", "open", "read", "reduce", "score", "extract", "classify", "link", "write", "other")
_TEXTS = {
    "start": "imports, reading the pipeline",
    "open": "finding and opening recordings",
    "read": "waiting for frames",
    "reduce": "preprocessing",
    "score": "scoring and selecting",
    "extract": "cutting patches",
    "classify": "classifying",
    "link": "linking",
    "write": "writing the catalog",
    "other": "workers, bookkeeping",
}
#: A kind that takes this share of the time limits the run alone.
_LIMITS = 0.4


@dataclass
class Profile:
    """Adds up where time goes; a plugin of hooks.

    Parameters
    ----------
    plan : Plan
        Tells what kind of work each stage does.
    jobs : int
        Worker processes.

    Attributes
    ----------
    stages : Counter
        Seconds by stage, over all workers.
    reader : float
        Seconds that reader threads worked, beside everything else.
    beside : Counter
        Seconds of `stages` that went by while the detector worked on the window before.
    waited : float
        Seconds for which the detector waited for them.
    """

    plan: Plan
    jobs: int = 1
    stages: Counter[str] = field(default_factory=Counter)
    reader: float = 0.0
    beside: Counter[str] = field(default_factory=Counter)
    waited: float = 0.0
    n_frames: int = 0
    n_pixels: float = 0.0
    opening: float = 0.0
    busy: float = 0.0
    waiting: float = 0.0
    startup: float = field(default_factory=process_time)
    began: float = field(default_factory=perf_counter)
    elapsed: float = 0.0
    cpu: float = 0.0
    _last: float | None = None

    @hookimpl
    def recording_started(self, recording: Recording) -> None:
        """Note how long it took to find it, and to store what was before."""
        del recording
        if self.jobs == 1 and self._last is not None:
            self.waiting += perf_counter() - self._last
            self._last = None

    @hookimpl
    def recording_done(self, block: RecordingBlock) -> None:
        """Add what a recording took."""
        row, seconds = block.recording, block.summary.get("seconds", {})
        beside, waited = block.summary.get("beside", {}), float(block.summary.get("waited", 0.0))
        frames = int(row.get("n_frames", 0))
        self.stages.update(seconds)
        self.beside.update(beside)
        self.waited += waited
        self.reader += float(block.summary.get("reader", 0.0))
        self.n_frames += frames
        self.n_pixels += float(frames) * int(row.get("width", 0)) * int(row.get("height", 0))
        self.busy += float(row.get("seconds", 0.0))
        known = sum(seconds.values()) - sum(beside.values()) + waited
        self.opening += max(float(row.get("seconds", 0.0)) - known, 0.0)
        self._last = perf_counter()

    def finish(self) -> None:
        """Stop the clock."""
        self.elapsed = perf_counter() - self.began
        self.cpu = process_time()

    def kind_of(self, stage: str) -> str:
        """Give the kind of work a stage does, one of `KINDS`."""
        detector = untiled(self.plan.detector)
        names = detector.names if isinstance(detector, ComposedDetector) else ()
        known = dict(zip(names, ("score", "score", "extract", "classify"), strict=False))
        known |= dict.fromkeys(map(self.plan.name_of, self.plan.postprocessors), "link")
        known |= dict.fromkeys(map(self.plan.name_of, self.plan.preprocessors), "reduce")
        known |= {"read": "read", "station mask": "reduce", "background": "reduce", "calibrate": "open"}
        return known.get(stage, "classify")

    def kinds(self) -> dict[str, float]:
        """Give seconds by kind of work, over all workers; of work beside other work what was waited for."""
        found = dict.fromkeys(KINDS, 0.0)
        waited = self.waited / (self.beside.total() or 1.0)
        for stage, seconds in self.stages.items():
            found[self.kind_of(stage)] += seconds - (1 - waited) * self.beside[stage]
        rest = max(self.elapsed - self.busy / max(self.jobs, 1), 0.0)
        tail = 0.0 if self._last is None else max(self.began + self.elapsed - self._last, 0.0)
        found["open"] += self.opening
        if self.jobs == 1:
            found["start"] = self.startup
            found["write"] = min(tail + self.waiting, rest)
            found["open"] += rest - found["write"]
        else:
            found["other"] = rest
        return found

    def limit(self) -> str:
        """Say in words what limited the run."""
        kinds = self.kinds()
        total = sum(kinds.values()) or 1.0
        share = {kind: seconds / total for kind, seconds in kinds.items()}
        first, second = sorted(share, key=lambda kind: -share[kind])[:2]
        if share["read"] > 0.25 or self.reader > 0.8 * total:
            how = "the disk or the decoder" if self.reader > 0.5 * self.busy else "the source"
            return f"reading: {share['read']:.0%} of the time was spent waiting for frames ({how})"
        if share[first] >= _LIMITS:
            return f"{first}: {_TEXTS[first]}, {share[first]:.0%} of the time"
        return f"{first} and {second}: {share[first]:.0%} and {share[second]:.0%} of the time"

    def to_dict(self) -> dict[str, Any]:
        """Give all figures as plain values, in seconds."""
        return {
            "elapsed": self.elapsed,
            "cpu": self.cpu,
            "cores": os.cpu_count() or 1,
            "jobs": self.jobs,
            "n_frames": self.n_frames,
            "n_pixels": self.n_pixels,
            "reader": self.reader,
            "beside": dict(self.beside),
            "waited": self.waited,
            "kinds": self.kinds(),
            "stages": dict(self.stages),
            "limit": self.limit(),
        }

    def lines(self) -> list[str]:
        """Give a table to read."""
        kinds = self.kinds()
        total = sum(kinds.values()) or 1.0
        of = "of all workers" if self.jobs > 1 else ""
        lines = [f"{'profile':12}{'s':>9}{'share':>8}{'frames/s':>11}  {of}".rstrip()]
        for kind, seconds in kinds.items():
            if seconds < 0.0005:
                continue
            rate = f"{self.n_frames / seconds:11.0f}" if self.n_frames else ""
            lines.append(f"  {kind:10}{seconds:9.2f}{seconds / total:8.0%}{rate}  {self._what(kind)}")
        used = self.cpu / (self.elapsed + self.startup) if self.elapsed else 0.0
        if self.reader:
            lines.append(f"  reader threads worked {self.reader:.2f} s beside that")
        if self.jobs == 1:
            lines.append(f"  processor time {self.cpu:.2f} s: {used:.1f} of {os.cpu_count() or 1} cores used")
        if self.n_frames and self.elapsed:
            megapixels = self.n_pixels / 1e6 / self.elapsed
            lines.append(f"  {self.n_frames / self.elapsed:.0f} frames/s, {megapixels:.0f} megapixels/s")
        return [*lines, f"limited by {self.limit()}"]

    def _what(self, kind: str) -> str:
        stages = [name for name in self.stages if self.kind_of(name) == kind and name != "read"]
        named = ", ".join(f"{name} {self.stages[name]:.2f}" for name in stages)
        beside = " beside detection" if any(name in self.beside for name in stages) else ""
        return f"{_TEXTS[kind]}: {named}{beside}" if named else _TEXTS[kind]
