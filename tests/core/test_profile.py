"""The profile accounts for the time of a run and names what limited it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from astrodetect import Pipeline
from astrodetect.cli.run import run
from astrodetect.core.detections import Detections
from astrodetect.core.profile import KINDS, Profile
from astrodetect.core.results import RecordingBlock


def block(seconds: dict[str, float], total: float, reader: float = 0.0) -> RecordingBlock:
    row = {"n_frames": 100, "width": 10, "height": 20, "seconds": total, "path": "a", "status": "done"}
    return RecordingBlock(row, Detections.empty(), None, {"seconds": seconds, "counts": {}, "reader": reader})


def profile_of(seconds: dict[str, float], total: float, reader: float = 0.0) -> Profile:
    profile = Profile(Pipeline.from_toml("meteor").plan, startup=0.1)
    profile.recording_done(block(seconds, total, reader))
    profile.elapsed = total
    profile._last = None
    return profile


def test_stages_are_sorted_by_kind_and_nothing_is_lost() -> None:
    seconds = {"read": 1.0, "max-minus-median": 4.0, "peak-snr": 2.0, "top-k": 0.5, "patches": 0.25}
    profile = profile_of({**seconds, "streak": 0.75, "link": 0.5}, 10.0)
    kinds = profile.kinds()
    assert tuple(kinds) == KINDS
    assert kinds["reduce"] == 4
    assert kinds["score"] == 2.5
    assert kinds["link"] == 0.5
    assert kinds["open"] == pytest.approx(1.0)
    assert math.isclose(sum(kinds.values()), 10.1)
    assert any("max-minus-median 4.00" in line for line in profile.lines())


@pytest.mark.parametrize(
    ("seconds", "reader", "said"),
    [
        ({"read": 5.0, "peak-snr": 3.0}, 7.0, "reading"),
        ({"read": 0.1, "peak-snr": 7.0}, 1.0, "score"),
        ({"read": 0.1, "peak-snr": 3.4, "max-minus-median": 3.8, "streak": 2.5}, 1.0, "reduce and score"),
    ],
)
def test_what_limited_the_run(seconds: dict[str, float], reader: float, said: str) -> None:
    assert profile_of(seconds, 10.0, reader).limit().startswith(said)


def test_a_run_says_where_its_time_went(tmp_path: Path) -> None:
    folder = tmp_path / "event"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(40):
        data = rng.normal(300, 10, (64, 80)).astype(np.uint16)
        cards = fits.Header({"DATE-OBS": f"2026-01-02T03:04:{index / 30:09.6f}"})
        fits.writeto(folder / f"f{index:03d}.fits", data, cards)
    target = tmp_path / "profile.json"
    arguments = ["--pipeline", "meteor", str(folder), "--out", str(tmp_path / "o.h5")]
    result = CliRunner().invoke(run, [*arguments, "--profile", "--profile-json", str(target)])
    assert result.exit_code == 0, result.output
    assert "limited by" in result.output
    found = json.loads(target.read_text())
    assert found["n_frames"] == 40
    assert found["reader"] > 0
    assert set(found["kinds"]) == set(KINDS)
    assert sum(found["kinds"].values()) <= found["elapsed"] + found["kinds"]["start"] + 1e-6
