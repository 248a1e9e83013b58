"""One meteor, whatever the form of the recording: found, measured, and the same."""

import numpy as np
import pytest

from astrodetect import Pipeline
from astrodetect.simulation import RecordingSpec, Settings, simulate_recording, write_frames
from astrodetect.simulation.meteors import MeteorSpec

SETTINGS = Settings(shape=(240, 320), frames=75, frame_rate=25.0, bits=8, stars=600.0)
SPEC = RecordingSpec(SETTINGS, "clear", (MeteorSpec(snr=30.0, speed=5.0, cut=False),), ("lamp",))
FORMS = {"fits": "", "freeture": "", "raw": "rawvideo", "ffv1": "ffv1", "ff": ""}


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """Give the accepted meteors of the same frames in every form, and the truth."""
    scene = simulate_recording(SPEC, rng=11)
    found = {}
    for name, codec in FORMS.items():
        folder = tmp_path_factory.mktemp(name)
        form = "avi" if codec else name
        write_frames(
            (frame.copy() for frame in scene.frames()), form, folder, "XX0001", 25.0, SPEC.start,
            n_frames=SETTINGS.frames, bits=8, codec=codec or "ffv1",
        )  # fmt: skip
        detections = Pipeline.from_toml("meteor").run(folder)
        accepted = detections.take(detections["accepted"])
        assert len(accepted) == 1, f"{name}: {detections}"
        track = accepted.track(0)
        found[name] = {int(f): (x, y) for f, x, y in zip(track["frame"], track["x"], track["y"], strict=True)}
        assert accepted["label"][0] == "meteor"
        if name not in {"raw", "ffv1"}:  # an AVI has its start in its name, to the second or better
            assert accepted["time_start"][0] == pytest.approx(SPEC.start + min(found[name]) / 25, abs=0.01)
    (truth,) = (row.object for row in scene.truth if row.label == "meteor")
    found["truth"] = {point.frame: (point.x, point.y) for point in scene.tracks[truth]}
    return found


@pytest.mark.parametrize("name", [name for name in FORMS if name != "fits"])
def test_the_track_is_the_same_in_every_form(tracks, name):
    common = sorted(set(tracks["fits"]) & set(tracks[name]))
    assert len(common) >= 0.8 * len(tracks["fits"])
    apart = [np.hypot(*np.subtract(tracks["fits"][f], tracks[name][f])) for f in common]
    assert max(apart) < 1.0


def test_the_track_is_that_of_the_meteor(tracks):
    common = sorted(set(tracks["fits"]) & set(tracks["truth"]))
    apart = [np.hypot(*np.subtract(tracks["fits"][f], tracks["truth"][f])) for f in common]
    assert np.median(apart) < 0.5
    assert abs(min(tracks["fits"]) - min(tracks["truth"])) <= 3
    assert abs(max(tracks["fits"]) - max(tracks["truth"])) <= 3
