"""Conformance tests for plugin authors: subclass, name the plugin, run pytest.

>>> from astrodetect.core.testing import ScorerConformance
>>> class TestPeak(ScorerConformance):  # doctest: +SKIP
...     plugin = Peak

Each ``test_`` method is one promise that the runner relies on. The same tests run from the command
line: ``astrodetect plugins check NAME``.
"""

from __future__ import annotations

import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from astrodetect.core import settings
from astrodetect.core.arrays import to_numpy
from astrodetect.core.calibration import Calibration
from astrodetect.core.columns import DETECTION_COLUMNS
from astrodetect.core.compose import cut_patches
from astrodetect.core.data import Recording, Site, Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.discovery import discover
from astrodetect.core.errors import AstrodetectError, SourceError
from astrodetect.core.geometry import clip_box
from astrodetect.core.maps import ScoreMap
from astrodetect.core.samples import (
    PlainExtractor,
    copied_planes,
    same_planes,
    sample_detections,
    sample_selection,
    sample_variants,
    sample_window,
)
from astrodetect.core.stages import Stage, kind_of
from astrodetect.core.windows import opened


class Conformance:
    """What holds for every stage. Subclass one of the classes below.

    Attributes
    ----------
    plugin : Stage class
        What is tested.
    settings : mapping
        Keyword arguments for it.
    """

    plugin: ClassVar[type[Any]]
    settings: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def make(self) -> Any:
        """Give a new instance."""
        return self.plugin(**self.settings)

    def opened(self, window: Window) -> Any:
        """Give an instance that was opened for a window."""
        stage = self.make()
        stage.open(window.stream, "cpu")
        return stage

    def test_is_a_dataclass_of_one_kind(self) -> None:
        assert is_dataclass(self.plugin), "put @dataclass above the class"
        assert kind_of(self.plugin) is not None, "inherit from one of the interfaces"

    def test_settings_survive_a_round_trip(self) -> None:
        stage = self.make()
        problems: list[str] = []
        table = settings.to_table(stage)
        again = settings.build(self.plugin, table, "test", Path("/"), problems)
        assert not problems, problems
        assert settings.to_table(again) == table

    def test_settings_are_documented(self) -> None:
        undocumented = [setting.name for setting in settings.describe(self.plugin) if not setting.help]
        assert not undocumented, f"put a comment that starts with #: above {', '.join(undocumented)}"


class PreprocessorConformance(Conformance):
    """Tests of a Preprocessor."""

    def test_gives_the_planes_that_it_declares(self) -> None:
        for window in sample_variants():
            stage = self.opened(window)
            stage.want(frozenset(stage.gives))
            result = stage.process(window)
            assert isinstance(result, Window)
            for name in stage.gives:
                assert name in result.planes, f"declares the plane {name!r} and does not give it"
                assert result.planes[name].shape == window.shape
            assert result.start == window.start
            assert len(result.times) == len(window.times)

    def test_leaves_its_input_alone(self) -> None:
        window = sample_window()
        before = copied_planes(window)
        stage = self.opened(window)
        given = stage.process(window)
        assert same_planes(before, window), "changes planes in place"
        planes = copied_planes(given)
        stage.process(sample_window(seed=1))
        assert same_planes(planes, given), "writes into the planes of the window before, which are still read"


class ScorerConformance(Conformance):
    """Tests of a RegionScorer."""

    def test_gives_a_map_over_the_frame(self) -> None:
        for window in sample_variants():
            scores = self.opened(window).score(window)
            assert isinstance(scores, ScoreMap)
            data = to_numpy(scores.data)
            assert data.dtype == np.float32
            assert not np.any(np.isnan(data)), "a score is NaN; use -inf for 'never'"
            centres = scores.centres(np.array([0, data.size - 1]))
            reach = np.array([scores.stride, scores.stride])
            assert np.all(centres > -reach - 0.5)
            assert np.all(centres < np.array(window.shape) + reach), "cells lie outside the frame"

    def test_is_deterministic_and_leaves_its_input_alone(self) -> None:
        window = sample_window()
        before = copied_planes(window)
        stage = self.opened(window)
        first, second = (to_numpy(stage.score(window).data) for _ in range(2))
        assert np.array_equal(first, second)
        assert same_planes(before, window), "changes planes in place"


class SelectorConformance(Conformance):
    """Tests of a PatchSelector."""

    @staticmethod
    def maps() -> list[ScoreMap]:
        """Give score maps: random, with equal values, forbidden, tiny."""
        rng = np.random.default_rng(0)
        data = [
            rng.normal(size=(40, 60)), np.ones((9, 7)), np.full((5, 5), -np.inf), rng.normal(size=(1, 1)),
        ]  # fmt: skip
        return [ScoreMap(item.astype(np.float32), (8.0, 8.0), (3.5, 3.5)) for item in data]

    def test_chooses_cells_of_the_map(self) -> None:
        for scores in self.maps():
            chosen = self.opened(sample_window()).select(scores)
            indices = to_numpy(chosen.indices)
            assert len(set(indices.tolist())) == len(indices), "a cell is chosen twice"
            assert np.all((indices >= 0) & (indices < scores.data.size))
            assert np.allclose(chosen.centres_yx, scores.centres(indices))
            assert np.all(np.isfinite(to_numpy(chosen.scores))), "a forbidden cell is chosen"


class ExtractorConformance(Conformance):
    """Tests of a PatchExtractor."""

    def test_equals_cutting_one_by_one(self) -> None:
        rng = np.random.default_rng(0)
        stage = self.opened(sample_window())
        fill = getattr(stage, "fill", 0)
        for dtype in (np.uint8, np.uint16, np.float32):
            images = rng.integers(1, 200, (2, 3, 50, 70)).astype(dtype)
            corners = rng.integers(-30, 80, (2, 5, 2))
            cut = to_numpy(stage.extract(images, corners, (16, 21)))
            assert cut.shape == (2, 5, 3, 16, 21)
            assert cut.dtype == dtype
            for b, k in np.ndindex(2, 5):
                expected = np.full((3, 16, 21), fill, dtype)
                (ys, ty), (xs, tx) = clip_box(corners[b, k, 0], 16, 50), clip_box(corners[b, k, 1], 21, 70)
                expected[:, ty, tx] = images[b, :, ys, xs]
                assert np.array_equal(cut[b, k], expected)


def _check_detections(found: Detections, window: Window) -> None:
    assert isinstance(found, Detections)
    height, width = window.shape
    for row in found:
        assert -1 <= row["x_min"] < row["x_max"] <= width + 1, "a box leaves the frame"
        assert -1 <= row["y_min"] < row["y_max"] <= height + 1, "a box leaves the frame"
        last = window.start + window.n_frames - 1
        if "frame_start" in row:
            assert window.start <= row["frame_start"] <= row["frame_end"] <= last, "frames outside the window"
    if found.tracks and "frame" in found.tracks and len(found.tracks["frame"]):
        frames = found.tracks["frame"]
        assert window.start <= frames.min() <= frames.max() <= window.start + window.n_frames - 1


def _equal(a: Detections, b: Detections) -> bool:
    def same(x: Any, y: Any) -> bool:
        return np.array_equal(x, y, equal_nan=x.dtype.kind == "f")

    return list(a.columns) == list(b.columns) and all(same(a[name], b[name]) for name in a.columns)


class _Decides(Conformance, ABC):
    @abstractmethod
    def decide(self, stage: Any, window: Window) -> Detections:
        """Give what the stage finds in a window."""

    def test_gives_detections_in_the_frame(self) -> None:
        for window in sample_variants():
            found = self.decide(self.opened(window), window)
            _check_detections(found, window)
            declared = {column.name for column in self.plugin.columns} | {
                column.name for column in DETECTION_COLUMNS
            }
            assert set(found.columns) <= declared, f"undeclared columns {set(found.columns) - declared}"

    def test_is_deterministic_and_leaves_its_input_alone(self) -> None:
        window = sample_window()
        before = copied_planes(window)
        stage = self.opened(window)
        assert _equal(self.decide(stage, window), self.decide(stage, window))
        assert same_planes(before, window), "changes planes in place"


class ClassifierConformance(_Decides):
    """Tests of a Classifier. `size` is the size of the patches that it gets."""

    size: ClassVar[int] = 56

    def decide(self, stage: Any, window: Window) -> Detections:
        """Classify three patches."""
        patches = cut_patches(PlainExtractor((self.size, self.size)), sample_selection(), window, stage.needs)
        found: Detections = stage.classify(patches, window)
        return found


class DetectorConformance(_Decides):
    """Tests of a Detector."""

    def decide(self, stage: Any, window: Window) -> Detections:
        """Detect in a window."""
        found: Detections = stage.detect(window)
        return found

    def test_a_batch_equals_its_windows(self) -> None:
        windows = [sample_window(seed=1), sample_window(seed=2)]
        stage = self.opened(windows[0])
        assert all(
            _equal(a, stage.detect(w)) for a, w in zip(stage.detect_batch(windows), windows, strict=True)
        )


class PostprocessorConformance(Conformance):
    """Tests of a Postprocessor."""

    def test_nothing_gives_nothing(self) -> None:
        window = sample_window()
        assert len(self.opened(window).process(Detections.empty(), window.stream)) == 0

    def test_is_deterministic(self) -> None:
        window = sample_window()
        stage = self.opened(window)
        first, second = (stage.process(sample_detections(), window.stream) for _ in range(2))
        assert isinstance(first, Detections)
        assert _equal(first, second)


class SourceConformance(Conformance):
    """Tests of a FrameSource. Override `write_sample`.

    Attributes
    ----------
    n_frames : int
        Frames in the sample; 0 if `write_sample` is not overridden.
    """

    n_frames: ClassVar[int] = 0

    def write_sample(self, folder: Path) -> None:
        """Write one good recording of `n_frames` frames into an empty folder."""

    def found(self, folder: Path) -> list[Recording]:
        """Give what the source finds in a folder."""
        return list(discover([folder], {"tested": self.make()}))

    def test_finds_nothing_in_an_empty_folder(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            assert self.found(Path(folder)) == []

    def test_reads_its_sample_twice_alike(self) -> None:
        if not self.n_frames:
            return
        with tempfile.TemporaryDirectory() as name:
            self.write_sample(Path(name))
            (recording,) = self.found(Path(name))
            assert all(path.exists() for path in recording.file_paths)
            source = self.make()
            passes = []
            for _ in range(2):
                with opened(source, recording) as stream:
                    frames = [(f.data.copy(), f.index, f.time) for f in source.frames()]
                assert all(data.shape == stream.shape and data.dtype == stream.dtype for data, *_ in frames)
                passes.append(frames)
            assert [index for _, index, _ in passes[0]] == list(range(self.n_frames))
            assert np.all(np.diff([time for *_, time in passes[0]]) >= 0), "times go backwards"
            assert all(np.array_equal(a[0], b[0]) for a, b in zip(*passes, strict=True))

    def test_refuses_a_file_that_is_no_recording(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"broken{(*self.plugin.suffixes, '.bin')[0]}"
            path.write_bytes(b"this is no recording")
            recording = Recording(path.name, folder, (path.name,), "tested", "0")
            try:
                with opened(self.make(), recording):
                    pass
            except SourceError:
                return
            raise AssertionError("a file of rubbish must raise SourceError on opening")


class CalibrationConformance(Conformance):
    """Tests of a CalibrationSource. Override `write_sample`."""

    def write_sample(self, folder: Path) -> Path | None:
        """Write one good file into an empty folder and give its path; given: none."""
        del folder
        return None

    def test_finds_nothing_in_an_empty_folder(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            assert self.make().find(Recording("none.avi", folder, ("none.avi",), "video")) is None

    def test_refuses_a_file_that_is_no_calibration(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rubbish"
            path.write_bytes(b"this is no calibration")
            assert not self.make().recognizes(path)
            with suppress(AstrodetectError):
                assert self.make().load(path) is None, "found a calibration in a file of rubbish"

    def test_its_sample_leads_to_the_sky_and_back(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = self.write_sample(Path(folder))
            if path is not None:
                assert self.make().recognizes(path)
                stream = replace(sample_window().stream, site=Site(48.0, 11.0, 500.0))
                _check_there_and_back(self.make().load(path, stream=stream), stream)


def _check_there_and_back(calibration: Calibration | None, stream: Stream) -> None:
    assert calibration is not None, "finds no calibration in its sample"
    height, width = calibration.shape or stream.shape
    x, y = np.array([0.3, 0.5, 0.6]) * width, np.array([0.6, 0.5, 0.3]) * height
    sky = calibration.pixel_to_sky(x, y, stream.start, 0.01 * np.eye(2))
    again = calibration.sky_to_pixel(sky.ra, sky.dec, stream.start)
    assert np.allclose(again, (x, y), atol=0.01), "pixels do not come back from the sky"
    copy = type(calibration).from_json(json.loads(json.dumps(calibration.to_json(), allow_nan=False)))
    assert np.allclose(copy.pixel_to_sky(x, y, stream.start).ra, sky.ra), "JSON does not keep it"


_BY_KIND: Mapping[str, type[Conformance]] = {
    "source": SourceConformance,
    "preprocessor": PreprocessorConformance,
    "scorer": ScorerConformance,
    "selector": SelectorConformance,
    "extractor": ExtractorConformance,
    "classifier": ClassifierConformance,
    "detector": DetectorConformance,
    "postprocessor": PostprocessorConformance,
    "calibration": CalibrationConformance,
}


def conformance_problems(plugin: type[Stage]) -> list[str]:
    """Run the conformance tests of a plugin's kind with its default settings.

    Returns
    -------
    list of str
        One line per promise that is not kept; empty if it conforms. A plugin with a required
        setting cannot be tested this way and says so.
    """
    required = [s.name for s in settings.describe(plugin) if s.default is MISSING]
    if required:
        return [f"needs the settings {', '.join(required)}: subclass the conformance tests and give them"]
    kind = kind_of(plugin)
    if kind is None:
        return ["implements none of the interfaces"]
    suite = type("Suite", (_BY_KIND[kind],), {"plugin": plugin})()
    problems = []
    for name in sorted(name for name in dir(suite) if name.startswith("test_")):
        try:
            getattr(suite, name)()
        except Exception as error:
            problems.append(
                f"{name.removeprefix('test_').replace('_', ' ')}: {type(error).__name__}: {error}"
            )
    return problems
