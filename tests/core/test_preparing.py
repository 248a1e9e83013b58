"""Windows prepared beside the detector are those prepared in turn, and faults come where they would."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect import Detections, Pipeline
from astrodetect.core.cores import VARIABLE
from astrodetect.core.data import Window
from astrodetect.core.results import RecordingBlock
from astrodetect.core.stages import Detector, Preprocessor

PIPELINE = """
[source]
use = "toys:Dots"
[window]
size = {size}
step = {step}
[[preprocess]]
use = "test_preparing:Marked"
[detect]
use = "test_preparing:Seen"
"""
#: What the stages saw: threads, and the windows with the frames as they were before and after a while.
SEEN: dict[str, list[object]] = {}


@dataclass
class Marked(Preprocessor):
    """Keeps the brightest pixel of each frame as a plane."""

    gives = ("image",)
    #: First frame of the window at which it fails.
    fails_at: int = -1

    def process(self, window: Window) -> Window:
        SEEN.setdefault("prepared by", []).append(threading.current_thread().name)
        if window.start == self.fails_at:
            raise RuntimeError("no more")
        return window.with_planes(image=window.frames.max(axis=(1, 2))[None].copy())


@dataclass
class Seen(Detector):
    """Notes the window, while the next one is being prepared."""

    needs = ("image",)

    def detect(self, window: Window) -> Detections:
        before = window.frames.copy()
        threading.Event().wait(0.002)
        assert np.array_equal(before, window.frames)
        assert np.array_equal(window.planes["image"][0], before.max(axis=(1, 2)))
        SEEN.setdefault("windows", []).append((window.start, before.sum(axis=(1, 2)).tolist()))
        return Detections.empty()


def processed(path: Path, pipeline: str, cores: int) -> tuple[RecordingBlock, dict[str, list[object]]]:
    SEEN.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(cores))
        reader = Pipeline(pipeline)
        (block,) = reader.results(reader.find([path]))
    return block, dict(SEEN)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(1, 9), st.data())
def test_two_cores_give_the_windows_of_one(tmp_path_factory, n, size, data):
    step = data.draw(st.integers(1, size))
    words = [f"{k % 40},{k % 30}" if k % 3 else "-" for k in range(n)]
    path = tmp_path_factory.mktemp("night") / "a.dots"
    toys.write_dots(path, " ".join(words))
    text = PIPELINE.format(size=size, step=step)
    (one, alone), (two, beside) = (processed(path, text, cores) for cores in (1, 2))
    assert alone.get("windows") == beside.get("windows")
    for name in ("n_frames", "n_windows", "status", "message", "time_end"):
        np.testing.assert_equal(two.recording[name], one.recording[name])
    assert set(alone.get("prepared by", [])) <= {"MainThread"}
    if n > size:
        assert set(beside["prepared by"]) == {"astrodetect-ahead_0"}
        assert two.summary["waited"] > 0
        assert two.summary["beside"].keys() == {"read", "test_preparing:Marked"}


@pytest.mark.parametrize("cores", [1, 2])
def test_faults_come_after_the_windows_before_and_name_the_stage(tmp_path, cores):
    toys.write_dots(tmp_path / "a.dots", "- " * 20 + "!")
    text = PIPELINE.format(size=4, step=4)
    block, seen = processed(tmp_path / "a.dots", text, cores)
    assert block.status == "partial"
    assert "decoded 20 of 21" in block.recording["message"]
    assert len(seen["windows"]) == 5

    failing = text.replace('Marked"', 'Marked"\nfails_at = 8')
    block, seen = processed(tmp_path / "a.dots", failing, cores)
    assert block.status == "failed"
    assert block.recording["message"].startswith("test_preparing:Marked: RuntimeError: no more")
    assert [start for start, _ in seen["windows"]] == [0, 4]
    assert not [thread for thread in threading.enumerate() if "astrodetect" in thread.name]


SLOW = toys.PIPELINE.replace('"toys:Everything"', '"test_preparing:Slow"')


@dataclass
class Slow(toys.Everything):
    """Takes so long that the next window is scored beside it."""

    def classify(self, patches, window):
        threading.Event().wait(0.01)
        return super().classify(patches, window)


def test_what_is_scored_beside_is_what_is_scored_in_turn(tmp_path):
    rng = np.random.default_rng(0)
    toys.write_dots(tmp_path / "a.dots", " ".join(f"{x},{y}" for x, y in rng.integers(2, 28, (200, 2))))
    (one, _), (two, _) = (processed(tmp_path / "a.dots", SLOW, cores) for cores in (1, 2))
    assert two.summary["beside"].get("toys:Peak", 0) > 0
    assert one.summary["beside"].get("toys:Peak", 0) == 0
    assert one.summary["counts"] == two.summary["counts"]
    assert len(one.detections) > 20
    for name in ("x_min", "y_min", "score", "frame_start"):
        np.testing.assert_array_equal(one.detections[name], two.detections[name])
