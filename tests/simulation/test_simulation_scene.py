"""What the truth says is what the frames hold."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from astrodetect.core.columns import LABELS
from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation import (
    MovingSource,
    RecordingSpec,
    Scene,
    Settings,
    plan_night,
    simulate_recording,
)
from astrodetect.simulation.distractors import DISTRACTORS
from astrodetect.simulation.meteors import MeteorSpec, make_meteor
from astrodetect.simulation.settings import SKIES

SMALL = Settings(shape=(120, 160), frames=30)


def lone(label_scene: Scene, label: str) -> tuple[Scene, MovingSource]:
    """Give the scene and its first source with a label."""
    item = next(item for item in label_scene.objects if item.label == label)
    assert isinstance(item, MovingSource)
    return label_scene, item


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("speed", [1.0, 7.0, 25.0])
def test_tracks_and_signal_to_noise_are_those_of_the_light(sky: str, speed: float) -> None:
    spec = RecordingSpec(
        replace(SMALL, shape=(200, 300)), sky, (MeteorSpec(snr=20.0, speed=speed, cut=False),), ()
    )
    scene, meteor = lone(simulate_recording(spec, 3), "meteor")
    row = next(row for row in scene.truth if row.label == "meteor")
    assert row.peak_snr == pytest.approx(20.0)
    rows, columns = np.indices(spec.settings.shape)
    measured = []
    for point in scene.tracks[row.object]:
        image = scene.light(point.frame)
        scale, meteor.scale = meteor.scale, 0.0
        without = scene.light(point.frame)
        meteor.scale = scale
        signal = (image - without).astype(float)
        assert signal.sum() == pytest.approx(point.flux, rel=0.02)
        assert (signal * columns).sum() / signal.sum() == pytest.approx(point.x, abs=0.05)
        assert (signal * rows).sum() / signal.sum() == pytest.approx(point.y, abs=0.05)
        inside = np.hypot(columns - point.x, rows - point.y) <= spec.settings.fwhm
        level = scene.light(point.frame, diffuse_only=True)[inside].mean()
        variance = spec.settings.read_noise**2 + level / spec.settings.gain
        measured.append(signal[inside].sum() / math.sqrt(spec.settings.aperture_area * variance))
        assert measured[-1] == pytest.approx(point.snr, rel=0.12)
    assert max(measured) == pytest.approx(20.0, rel=0.1)


def test_noise_of_the_frames_is_that_of_the_settings() -> None:
    settings = replace(
        SMALL, stars=0.001, hot_pixels=0, flickering_pixels=0, sky_level=(200.0, 200.0), fixed_pattern=0.0,
        frames=200, vignetting=0.0,
    )  # fmt: skip
    scene = simulate_recording(RecordingSpec(settings, "clear", (), ()), 1)
    frames = np.stack(list(scene.frames())).astype(float)
    expected = settings.read_noise**2 + scene.light(0) / settings.gain + 1 / 12
    assert (frames.var(axis=0) / expected).mean() == pytest.approx(1.0, abs=0.01)
    assert (frames.mean(axis=0) - settings.bias - scene.light(0)).mean() == pytest.approx(0.0, abs=0.5)


def test_a_scene_is_the_same_each_time_and_in_any_order() -> None:
    spec = RecordingSpec(SMALL, "cloud", (MeteorSpec(),), tuple(DISTRACTORS))
    first, second = simulate_recording(spec, 5), simulate_recording(spec, 5)
    assert repr(first.truth) == repr(second.truth)
    frames = [frame.copy() for frame in first.frames()]
    for index in (17, 3, 29):
        np.testing.assert_array_equal(second.frame(index), frames[index])
    assert not np.array_equal(simulate_recording(spec, 6).frame(0), frames[0])


def test_pixels_keep_to_their_bits() -> None:
    for bits, dtype in ((12, np.uint16), (8, np.uint8)):
        scene = simulate_recording(RecordingSpec(replace(SMALL, bits=bits), "moon"), 2)
        frame = scene.frame(0)
        assert frame.dtype == dtype
        assert frame.max() == scene.settings.saturation == 2**bits - 1


def test_truth_does_not_depend_on_the_bits() -> None:
    specs = [RecordingSpec(replace(SMALL, bits=bits), "cloud") for bits in (8, 12)]
    first, second = (repr(simulate_recording(spec, 9).truth) for spec in specs)
    assert first == second


@pytest.mark.parametrize("name", sorted(DISTRACTORS))
def test_every_distractor_is_seen_and_in_the_truth(name: str) -> None:
    for seed in range(4):
        bare = simulate_recording(RecordingSpec(SMALL, "clear", (), ()), seed)
        scene = simulate_recording(RecordingSpec(SMALL, "clear", (), (name,)), seed)
        (row,) = scene.truth
        assert row.label in LABELS
        assert 0 <= row.frame_first <= row.frame_last < SMALL.frames
        changed = [
            number
            for number in range(SMALL.frames)
            if not np.array_equal(scene.frame(number), bare.frame(number))
        ]
        assert set(changed) & set(range(row.frame_first, row.frame_last + 1))


def test_meteors_keep_to_their_ranges_and_stay_inside() -> None:
    rng = np.random.default_rng(0)
    settings = replace(Settings(), cut_meteors=0.0)
    for _ in range(200):
        meteor = make_meteor(rng, settings)
        seconds = (meteor.last - meteor.first) / settings.frame_rate
        x, y = meteor.path(np.array([meteor.first, meteor.last]))
        speed = math.hypot(x[1] - x[0], y[1] - y[0]) / (meteor.last - meteor.first)
        assert 1.0 <= speed <= 30.0
        assert 3.0 <= meteor.snr <= 50.0
        assert 0.099 <= seconds <= 1.51
        assert (meteor.last - meteor.first) * speed >= 7.99
        assert 0 <= meteor.first < meteor.last <= settings.frames
        assert np.all((x >= 0) & (x < 640) & (y >= 0) & (y < 480))


def test_a_night_of_forty_is_what_it_is_said_to_be() -> None:
    specs = plan_night(40, Settings(), seed=4)
    assert sum(spec.sky != "clear" for spec in specs) == 20
    assert {spec.sky for spec in specs} == set(SKIES)
    assert [len(spec.meteors) for spec in specs].count(0) == 5
    assert all(len(set(spec.distractors)) == len(spec.distractors) == 5 for spec in specs)
    dealt = [name for spec in specs for name in spec.distractors]
    assert {dealt.count(name) for name in DISTRACTORS} == {20}
    assert all(later.start > earlier.start + 60 for earlier, later in itertools.pairwise(specs))


@pytest.mark.parametrize("seed", range(10))
def test_a_small_night_has_a_bright_meteor_first_and_one_recording_without(seed: int) -> None:
    for recordings in (2, 3, 8):
        specs = plan_night(recordings, Settings(), seed=seed)
        assert specs[0].sky == "clear"
        assert specs[0].meteors[0].snr is not None
        assert specs[0].meteors[0].snr > 15
        assert min(len(spec.meteors) for spec in specs) == 0
    assert {"cloud", "moon", "twilight"} <= {spec.sky for spec in plan_night(8, Settings(), seed=seed)}
    kinds = {name for spec in plan_night(2, Settings(), seed=seed) for name in spec.distractors}
    assert {"aircraft", "satellite", "lightning"} <= kinds


def test_memory_does_not_grow_with_the_frames() -> None:
    peaks = []
    for frames in (20, 200):
        scene = simulate_recording(RecordingSpec(replace(SMALL, frames=frames), "cloud", (), ()), 1)
        tracemalloc.start()
        for _ in scene.frames():
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"shape": (10, 10)}, "10x10"),
        ({"frames": 0}, "frames is 0"),
        ({"bits": 10}, "bits is 10"),
        ({"frame_rate": 0.0}, "frame rate"),
        ({"meteor_snr": (5.0, 2.0)}, "meteor_snr"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(AstrodetectError, match=word) as caught:
        Settings(**wrong)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AstrodetectError, match="dragon"):
        RecordingSpec(SMALL, distractors=("dragon",))
    with pytest.raises(AstrodetectError, match="fog"):
        plan_night(2, SMALL, "fog")


def test_what_a_clock_covers_is_not_in_the_truth() -> None:
    settings = replace(SMALL, frames=60)
    scene = simulate_recording(RecordingSpec(settings, "clear", (), ("clock",)), 1)
    box = next(row for row in scene.truth if row.label == "static")
    across = MovingSource(
        "meteor",
        lambda t: (np.full(t.shape, box.x_first), t * 2.0),
        np.ones_like, 0.0, 60.0, 20.0, settings.fwhm,
    )  # fmt: skip
    hidden = Scene(settings, [*scene.objects, across], 1)
    points = hidden.tracks["meteor-1"]
    assert len(points) > 50
    assert all(abs(point.y - box.y_first) > 1.5 for point in points if point.flux > 0)
