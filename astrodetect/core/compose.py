"""Scorer, selector, extractor and classifier as one detector; and a clock for every stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from astrodetect.core.arrays import to_numpy
from astrodetect.core.data import Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.geometry import patch_corners
from astrodetect.core.maps import Patches, Selection
from astrodetect.core.stages import Classifier, Detector, PatchExtractor, PatchSelector, RegionScorer, Stage


@dataclass
class Clock:
    """Seconds per stage, and what each let through."""

    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    #: The stage that runs, or ran last: who is to blame for an exception.
    current: str = "read"

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        self.current = name
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start

    def count(self, name: str, n: int) -> None:
        """Add `n` to a count."""
        self.counts[name] = self.counts.get(name, 0) + n


class Chosen(NamedTuple):
    """The regions of a window that are worth a look, and how many cells they were chosen from."""

    selection: Selection
    cells: int


@dataclass
class ComposedDetector(Detector):
    """A detector made of four stages: look coarsely, choose, cut, decide."""

    scorer: RegionScorer
    selector: PatchSelector
    extractor: PatchExtractor
    classifier: Classifier
    names: tuple[str, str, str, str] = ("score", "select", "extract", "classify")
    clock: Clock = field(default_factory=Clock, compare=False)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The four stages in order."""
        return self.scorer, self.selector, self.extractor, self.classifier

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Open the four stages."""
        for stage in self.stages:
            stage.open(stream, device)

    def close(self) -> None:
        """Close the four stages."""
        for stage in self.stages:
            stage.close()

    def take_reports(self) -> list[str]:
        """Give and forget what the four stages reported."""
        return [report for stage in self.stages for report in stage.take_reports()]

    def detect(self, window: Window) -> Detections:
        """Score, select, extract and classify."""
        return self.decide(window, self.choose(window, self.clock))

    def choose(self, window: Window, clock: Clock) -> Chosen:
        """Score and select, as `clock` is told."""
        score, select, _, _ = self.names
        with clock.time(score):
            require_planes(self.scorer, score, window)
            scores = self.scorer.score(window)
        with clock.time(select):
            selection = self.selector.select(scores)
        return Chosen(selection, int(np.prod(scores.data.shape)))

    def decide(self, window: Window, chosen: Chosen) -> Detections:
        """Extract and classify what was chosen."""
        _, _, extract, classify = self.names
        selection = chosen.selection
        self.clock.count("cells", chosen.cells)
        self.clock.count("candidates", len(selection))
        if len(selection) == 0:
            return Detections.empty()
        with self.clock.time(extract):
            require_planes(self.classifier, classify, window)
            patches = cut_patches(self.extractor, selection, window, self.classifier.needs)
        with self.clock.time(classify):
            return self.classifier.classify(patches, window)


def cut_patches(
    extractor: PatchExtractor, selection: Selection, window: Window, names: tuple[str, ...]
) -> Patches:
    """Cut the patches of a selection from some planes of a window.

    Parameters
    ----------
    extractor : PatchExtractor
        Who cuts; its `size` counts.
    selection : Selection
        K centres.
    window : Window
        Where the planes are.
    names : tuple of str
        C planes.

    Returns
    -------
    Patches
        ``data`` (K, C, h, w) in the type that holds all planes.
    """
    size = extractor.size if isinstance(extractor.size, tuple) else (extractor.size, extractor.size)
    corners = patch_corners(selection.centres_yx, size)
    # Plane by plane: stacking whole planes first would copy every pixel of the frame.
    parts: list[Any] = []
    for name in names:
        plane = window.planes[name]
        parts.append(to_numpy(extractor.extract(plane[None, None], corners[None], size))[0, :, 0])
    data = np.stack(parts, axis=1) if parts else np.empty((len(selection), 0, *size), np.float32)
    return Patches(data, names, corners, selection)


def require_planes(stage: Stage, name: str, window: Window) -> None:
    """Refuse a window that lacks a plane which the stage needs.

    Raises
    ------
    AstrodetectError
        Naming stage and plane.
    """
    for plane in stage.needs:
        if plane not in window.planes:
            raise AstrodetectError(f"{name} needs the plane {plane!r}, which this recording does not give")
