"""What a user may expect of scorer, selector, extractor, classifier and link together."""

import numpy as np
import pytest

from astrodetect import Pipeline
from astrodetect.core.compose import ComposedDetector
from astrodetect.core.data import Recording, Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.methods.reduction import reduce_window
from astrodetect.pipelines import text as pipeline_text
from astrodetect.plugins.classifiers.streak import Streak
from astrodetect.plugins.extractors.patches import CpuPatches
from astrodetect.plugins.postprocessors.link import Link
from astrodetect.plugins.preprocessors.background import still_planes
from astrodetect.plugins.scorers.peak_snr import PeakSnr
from astrodetect.plugins.selectors.top_k import TopK


def scene(n_frames, movers, *, shape=(240, 320), seed=0, sigma=8.0, level=100.0):
    """Give uint16 frames of noise with Gaussian spots: (first, last, y, x, vy, vx, height)."""
    rng = np.random.default_rng(seed)
    frames = rng.normal(level, sigma, (n_frames, *shape))
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    for first, last, y, x, vy, vx, height in movers:
        for frame in range(first, last + 1):
            rise = np.sin(np.pi * (frame - first + 1) / (last - first + 2)) if last > first else 1.0
            parts = np.linspace(-0.5, 0.5, 2 + int(2 * np.hypot(vy, vx)))
            for part in parts:
                t = frame - first + part
                spot = np.exp(-((yy - y - vy * t) ** 2 + (xx - x - vx * t) ** 2) / 2.4)
                frames[frame] += height * rise * spot * max(1, np.hypot(vy, vx) / 3) / len(parts)
    return frames.clip(0, 4095).astype(np.uint16)


def detector(k=24):
    return ComposedDetector(PeakSnr(), TopK(k=k), CpuPatches(size=64), Streak())


def run(frames, *, size=63, step=48, rate=30.0, linked=True):
    stream = Stream(frames.shape[1:], frames.dtype, len(frames), rate, 0.0, saturation=4095.0)
    n = len(frames)
    starts = [0] if n <= size else [*range(0, n - size, step), n - size]
    found = []
    for start in starts:
        part = frames[start : start + size]
        planes = reduce_window(part, planes=("max", "argmax", "background", "image"))
        times = (start + np.arange(len(part))) / rate
        found.append(detector().detect(Window(Recording("x"), stream, start, times, part, planes)))
    table = Detections.concatenate(found)
    return Link().process(table, stream) if linked else table


def moving(table):
    return [row for row in table if row["n_frames"] > 3]


def test_a_meteor_is_found_measured_and_named():
    table = run(scene(63, [(20, 34, 60.0, 50.0, 4.0, 9.0, 160.0)]))
    (row,) = moving(table)
    assert row["label"] == "meteor"
    assert row["probability"] > 0.5
    assert row["speed"] == pytest.approx(np.hypot(4, 9), rel=0.05)
    assert abs(row["frame_start"] - 20) <= 1
    assert abs(row["frame_end"] - 34) <= 1
    track = table.track(int(np.argmax(table["n_frames"])))
    away = np.hypot(track["x"] - 50 - 9 * (track["frame"] - 20), track["y"] - 60 - 4 * (track["frame"] - 20))
    assert np.median(away) < 0.6
    assert np.array_equal(track["time"], track["frame"] / 30.0)


def test_two_objects_in_one_window_are_two():
    table = run(scene(63, [(10, 30, 60.0, 40.0, 3.0, 8.0, 200.0), (12, 35, 180.0, 280.0, -2.0, -7.0, 200.0)]))
    assert len(moving(table)) == 2


def test_what_crosses_windows_is_one():
    frames = scene(160, [(30, 120, 30.0, 20.0, 1.5, 2.5, 600.0)])
    assert len(moving(run(frames, linked=False))) >= 3
    (row,) = moving(run(frames))
    assert abs(row["frame_start"] - 30) <= 4
    assert abs(row["frame_end"] - 120) <= 4


def test_a_satellite_through_the_whole_recording_is_one_and_no_meteor():
    frames = scene(160, [])
    yy, xx = np.mgrid[:240, :320]
    moved = [
        frames[t] + 120 * np.exp(-((yy - 100 - 0.1 * t) ** 2 + (xx - 80 - 0.5 * t) ** 2) / 2.4)
        for t in range(160)
    ]
    rows = moving(run(np.array(moved).astype(np.uint16)))
    long = [row for row in rows if row["n_frames"] > 100]
    assert len(long) == 1
    assert not [row for row in rows if row["label"] == "meteor"]


def test_noise_gives_no_meteor():
    assert not [row for seed in range(4) for row in run(scene(63, [], seed=seed)) if row["label"] == "meteor"]


def test_a_flash_and_a_blinking_lamp_are_no_meteors():
    frames = scene(63, [(30, 32, 120.0, 160.0, 0.0, 0.0, 900.0)]).astype(float)
    yy, xx = np.mgrid[:240, :320]
    frames[[5, 6, 20, 21, 40, 41]] += 800 * np.exp(-((yy - 200) ** 2 + (xx - 60) ** 2) / 6)
    frames[10:13] += 300 * np.exp(-((yy - 60) ** 2 + (xx - 250) ** 2) / (2 * 40.0**2))
    table = run(frames.clip(0, 4095).astype(np.uint16))
    assert "meteor" not in set(table["label"])


def test_lightning_does_not_hide_a_meteor():
    frames = scene(63, [(25, 40, 60.0, 50.0, 4.0, 9.0, 250.0)]).astype(float)
    frames[[10, 12, 13]] += np.array([1500, 700, 400])[:, None, None]
    assert [row for row in moving(run(frames.clip(0, 4095).astype(np.uint16))) if row["label"] == "meteor"]


def test_a_meteor_cut_by_the_end_of_the_recording_survives():
    table = run(scene(63, [(55, 62, 60.0, 50.0, 4.0, 9.0, 300.0)]))
    assert [row for row in moving(table) if row["frame_end"] >= 60]


def test_a_recording_shorter_than_a_window_works():
    assert moving(run(scene(20, [(5, 15, 60.0, 50.0, 4.0, 9.0, 300.0)])))


@pytest.mark.parametrize("rate", [30.0, float("nan")])
def test_frame_rate_may_be_unknown(rate):
    frames = scene(63, [(20, 34, 60.0, 50.0, 4.0, 9.0, 200.0)])
    stream = Stream(frames.shape[1:], frames.dtype, 63, rate)
    planes = reduce_window(frames, planes=("max", "argmax", "background", "image"))
    table = detector().detect(Window(Recording("x"), stream, 0, np.arange(63.0), frames, planes))
    assert moving(Link().process(table, stream))


@pytest.mark.parametrize("value", [0, 4095])
def test_constant_frames_give_nothing(value):
    assert len(run(np.full((30, 96, 128), value, np.uint16))) == 0


def test_not_finite_pixels_do_no_harm():
    frames = scene(40, [(10, 25, 60.0, 50.0, 4.0, 9.0, 300.0)]).astype(np.float32)
    frames[:, 100:104, 100:104] = np.nan
    assert moving(run(frames))


def test_a_streak_in_a_single_image_is_a_streak():
    rng = np.random.default_rng(1)
    image = rng.normal(500, 10, (300, 400))
    yy, xx = np.mgrid[:300, :400]
    share = np.clip(((xx - 100) * 120 + (yy - 80) * 90) / 150.0**2, 0, 1)
    image += 40 * np.exp(-((xx - 100 - 120 * share) ** 2 + (yy - 80 - 90 * share) ** 2) / 2.4)
    for y, x in rng.integers(10, 290, (40, 2)):
        image += rng.uniform(30, 600) * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 2.4)
    frame = image.astype(np.uint16)
    stream = Stream(frame.shape, frame.dtype, 1)
    window = still_planes(Window(Recording("still"), stream, 0, np.zeros(1), frame[None]))
    table = Link().process(detector().detect(window), stream)
    streaks = [row for row in table if row["label"] == "streak"]
    (row,) = streaks
    ends = sorted([(row["x_start"], row["y_start"]), (row["x_end"], row["y_end"])])
    assert np.allclose(ends, [(100, 80), (220, 170)], atol=5)
    assert "meteor" not in set(table["label"])


def test_the_same_window_gives_the_same_answer():
    frames = scene(63, [(20, 34, 60.0, 50.0, 4.0, 9.0, 160.0)])
    a, b = run(frames), run(frames)
    assert all(np.array_equal(a[name], b[name]) for name in ("x_start", "probability", "flux", "snr"))


def test_a_wanted_recall_or_rate_of_false_alarms_gives_a_threshold():
    text = pipeline_text("meteor-classical") or ""
    assert "threshold = 0.5" in text
    least = [
        Pipeline.from_toml(text.replace("threshold = 0.5", wanted)).plan.least
        for wanted in ("recall = 0.5", "recall = 0.8", "false_per_night = 100")
    ]
    assert 0 < least[1] <= least[0] < 1
    assert 0 < least[2] < 1
