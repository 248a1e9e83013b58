"""Many pipelines on the bright meteors of one simulated night, at the price of a few.

What they have in common is done once: windows are read and reduced once for all of a length, maps of scores
and classified patches are kept as long as their settings and what they are made of are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect import Pipeline
from astrodetect.core.compose import ComposedDetector, cut_patches
from astrodetect.core.data import Recording, Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.plan import Plan, tell_wants
from astrodetect.core.registry import load
from astrodetect.core.stages import FrameSource
from astrodetect.core.windows import opened
from astrodetect.evaluation import Evaluation, TruthObject, evaluate, read_truth

#: Signal-to-noise above which a meteor is to be found.
BRIGHT = 6.0


@dataclass
class Variant:
    """A pipeline with one threshold changed, and what it found."""

    name: str
    plan: Plan
    parts: list[Detections] = field(default_factory=list)
    found: list[Detections] = field(default_factory=list)

    def finish(self, recording: Recording, stream: Stream) -> None:
        """Join what the windows of a recording gave, and accept."""
        table = Detections.concatenate(self.parts)
        self.parts.clear()
        for stage in self.plan.postprocessors:
            table = stage.process(table, stream)
        if len(table):
            accepted = np.isin(table["label"], self.plan.accept.labels)
            accepted &= table["probability"] >= self.plan.least
            number = np.full(len(table), recording.recording_id)
            self.found.append(table.with_columns(accepted=accepted, recording_id=number))


class Once:
    """Does for one window once what several pipelines ask for."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.known: dict[Any, Any] = {}

    def detect(self, detector: ComposedDetector) -> Detections:
        """Score, select, extract and classify as far as it is not known."""
        stages, window = detector.stages, self.window
        scored = repr(stages[0])
        if scored not in self.known:
            self.known[scored] = detector.scorer.score(window)
        chosen = detector.selector.select(self.known[scored])
        key = repr(stages[2:]), chosen.centres_yx.tobytes(), np.asarray(chosen.scores).tobytes()
        if key not in self.known:
            patches = cut_patches(detector.extractor, chosen, window, detector.classifier.needs)
            self.known[key] = detector.classifier.classify(patches, window)
        found: Detections = self.known[key]
        return found


def run(recording: Recording, together: Sequence[Variant]) -> None:
    """Process a recording by pipelines that differ in their detector and what comes after it."""
    first = together[0].plan
    source = load(recording.source, FrameSource)()
    with opened(source, recording) as stream:
        for variant in together:
            for stage in (*variant.plan.preprocessors, variant.plan.detector, *variant.plan.postprocessors):
                stage.open(stream)
        for window in source.windows(*first.window.frames(stream.frame_rate)):
            once = Once(reduce(lambda w, stage: stage.process(w), first.preprocessors, window))
            for variant in together:
                detector = variant.plan.detector
                assert isinstance(detector, ComposedDetector)
                variant.parts.append(once.detect(detector))
        for variant in together:
            variant.finish(recording, stream)


def swept(folder: Path, pipelines: Sequence[tuple[str, Pipeline]]) -> Iterator[tuple[str, Evaluation]]:
    """Give the figures of each pipeline on the recordings of a night with a bright meteor."""
    truth = read_truth(folder / "truth.csv")
    bright = {item.path for item in truth if item.label == "meteor" and item.peak_snr >= BRIGHT}
    recordings = [r for r in Pipeline.from_toml("meteor").find(folder) if r.path in bright]
    made = [Variant(name, pipeline.plan) for name, pipeline in pipelines]
    alike = defaultdict(list)
    for variant in made:
        tell_wants(variant.plan)
        alike[variant.plan.window].append(variant)
    for together in alike.values():
        for recording in recordings:
            run(recording, together)
    listed = {"recording_id": [r.recording_id for r in recordings], "path": [r.path for r in recordings]}
    inside = [item for item in truth if item.path in bright]
    for variant in made:
        yield variant.name, judged(variant, listed, inside)


def judged(variant: Variant, recordings: dict[str, Any], truth: Sequence[TruthObject]) -> Evaluation:
    """Compare what a pipeline found with the truth."""
    table = Detections.concatenate(variant.found)
    return evaluate({name: table[name] for name in table.columns}, recordings, truth)
