"""The smallest stages of every kind, and recordings for them: text files of numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from astrodetect import (
    Classifier,
    Detections,
    Detector,
    Frame,
    FrameSource,
    PatchSelector,
    Postprocessor,
    Preprocessor,
    RegionScorer,
    ScoreMap,
    Selection,
    Stream,
)
from astrodetect.core.errors import SourceError, TruncatedError

SHAPE = (32, 48)

PIPELINE = """
[source]
use = "toys:Dots"

[window]
size = 10
step = 8

[[preprocess]]
use = "toys:Reduce"

[score]
use = "toys:Peak"
[select]
use = "toys:Best"
[extract]
use = "astrodetect.core.samples:PlainExtractor"
size = [9, 9]
[classify]
use = "toys:Everything"

[accept]
labels = ["dot"]
threshold = 0.5
"""


def write_dots(path: Path, text: str) -> None:
    """Write a recording: one word per frame, ``x,y`` of a bright pixel, ``-`` for none, ``!`` for a fault."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@dataclass
class Dots(FrameSource):
    """Frames with one bright pixel."""

    suffixes: ClassVar[tuple[str, ...]] = (".dots",)

    def open(self, recording, device="cpu"):
        try:
            self.words = recording.file_paths[0].read_text().split()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{recording.path}: {error}") from error
        if self.words[:1] == ["this"]:
            raise SourceError(f"{recording.path}: is no recording of dots")
        return Stream(SHAPE, np.dtype("uint8"), len(self.words), 10.0, 1.6e9, camera=recording.path[:4])

    def frames(self) -> Iterator[Frame]:
        for index, word in enumerate(self.words):
            if word == "!":
                raise TruncatedError(f"{self.recording.path}: decoded {index} of {len(self.words)} frames")
            if word == "boom":
                raise RuntimeError("the disk went away")
            if word == "crash":
                import os

                os._exit(11)
            data = np.full(SHAPE, 10, np.uint8)
            if word != "-":
                x, y = map(int, word.split(","))
                data[y, x] = 200
            yield Frame(data, index, 1.6e9 + index / 10)


@dataclass
class Reduce(Preprocessor):
    """Maximum over the window."""

    gives: ClassVar[tuple[str, ...]] = ("max", "image")
    #: Fails where the maximum is above.
    limit: int = 255

    def process(self, window):
        highest = window.frames.max(axis=0)
        if highest.max() > self.limit:
            raise ArithmeticError("too bright for this stage")
        return window.with_planes(max=highest, image=highest.astype(np.float32) - 10)


@dataclass
class Peak(RegionScorer):
    """Maximum of cells of 4 pixels."""

    needs: ClassVar[tuple[str, ...]] = ("image",)

    def score(self, window):
        height, width = window.shape
        cells = window.planes["image"][: height // 4 * 4, : width // 4 * 4]
        cells = cells.reshape(height // 4, 4, width // 4, 4).max(axis=(1, 3))
        return ScoreMap(cells.astype(np.float32), (4.0, 4.0), (1.5, 1.5))


@dataclass
class Best(PatchSelector):
    """All cells above a threshold."""

    #: Least score.
    threshold: float = 50.0

    def select(self, scores):
        chosen = np.flatnonzero(scores.data.ravel() > self.threshold)
        values = scores.data.ravel()[chosen]
        return Selection(chosen, scores.centres(chosen), values, np.ones_like(values))


@dataclass
class Everything(Classifier):
    """One detection per patch."""

    needs: ClassVar[tuple[str, ...]] = ("image",)
    #: What it says of how sure it is.
    probability: float = 0.9

    def classify(self, patches, window):
        n = len(patches)
        peaks = patches.data.reshape(n, -1).argmax(axis=1)
        ys, xs = np.unravel_index(peaks, patches.data.shape[-2:])
        y, x = ys + patches.corners_yx[:, 0], xs + patches.corners_yx[:, 1]
        frames = [int(np.argmax(window.frames[:, b, a])) + window.start for b, a in zip(y, x, strict=True)]
        tracks = {
            "detection": np.arange(n),
            "frame": frames,
            "x": x,
            "y": y,
            "time": window.times[np.array(frames, int) - window.start],
        }
        return Detections(
            {
                "x_min": x, "y_min": y, "x_max": x + 1, "y_max": y + 1, "label": ["dot"] * n,
                "probability": [self.probability] * n, "frame_start": frames, "frame_end": frames,
            },
            tracks,
        )  # fmt: skip


@dataclass
class Whole(Detector):
    """A detector in one piece: the brightest pixel."""

    needs: ClassVar[tuple[str, ...]] = ("image",)

    def detect(self, window):
        y, x = np.unravel_index(window.planes["image"].argmax(), window.shape)
        if window.planes["image"][y, x] < 50:
            return Detections.empty()
        return Detections(
            {
                "x_min": [x],
                "y_min": [y],
                "x_max": [x + 1],
                "y_max": [y + 1],
                "label": ["dot"],
                "probability": [0.9],
            }
        )


@dataclass
class Once(Postprocessor):
    """Every place once."""

    def process(self, detections, stream):
        places = np.stack([detections["x_min"], detections["y_min"]], axis=1)
        _, first = np.unique(places, axis=0, return_index=True) if len(detections) else (None, [])
        return detections.take(np.array(sorted(first), int))
