"""Recordings of a station: all that happens is seen where the truth says, and always the same."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from astrodetect.cli.simulate import simulate
from astrodetect.core.columns import LABELS
from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation import RecordingSpec, Settings, simulate_recording
from astrodetect.simulation.station.meteors import MeteorWish
from astrodetect.simulation.station.night import (
    OBJECTS,
    WEATHERS,
    StationSpec,
    plan_station_night,
    simulate_station_recording,
)
from astrodetect.simulation.station.scene import Faults, StationScene
from astrodetect.simulation.station.station import LENSES, LensKind, Station, draw_station

SHAPE = (72, 96)


@cache
def camera() -> Station:
    """Give a station; what stands around it is drawn once."""
    return replace(draw_station(5, shape=SHAPE, bits=12, lens="fripon"), clock=False)


def scene(seed: int = 1, **changed: Any) -> StationScene:
    """Give a recording of a clear night without compression."""
    spec = StationSpec(camera(), **{"frames": 25, "meteors": (), **changed})
    return simulate_station_recording(spec, seed)


def test_the_plain_night_is_as_it_always_was() -> None:
    made = simulate_recording(RecordingSpec(Settings(shape=(64, 80), frames=6), "clear"), 3)
    digest = hashlib.sha256(b"".join(frame.tobytes() for frame in made.frames())).hexdigest()
    assert digest[:16] == "6926ce4edaa005d1"
    assert made.truth[0].x_first == pytest.approx(18.33229, abs=1e-5)


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_every_object_is_seen_and_in_the_truth(name: str) -> None:
    made = next(made for seed in range(1, 12) if (made := scene(seed, objects=(name,))).truth)
    for row in made.truth:
        assert row.label in LABELS
        assert row.object.startswith(name)
        assert 0 <= row.frame_first <= row.frame_last < 25
        assert made.tracks[row.object]
    row = made.truth[0]
    bare = scene(1).backdrop
    frames = range(row.frame_first, row.frame_last + 1)
    assert any(np.abs(made.light(frame) - bare.light(frame)).max() > 0.5 for frame in frames)


def test_a_meteor_is_where_its_track_says_and_as_bright() -> None:
    made = scene(3, meteors=(MeteorWish(-3.5, speed=40.0, fragments="none", peak=0.5),))
    row = next(row for row in made.truth if row.label == "meteor")
    rows, columns = np.indices(SHAPE)
    meteor = next(item for item in made.objects if item.label == "meteor")
    checked = 0
    for point in made.tracks[row.object]:
        image = np.zeros(SHAPE, dtype=np.float32)
        meteor.glow = ()  # type: ignore[attr-defined]
        meteor.render(image, point.frame)
        image *= made.backdrop.throughput(point.frame)
        inside = 8 < point.x < SHAPE[1] - 8 and 8 < point.y < SHAPE[0] - 8
        if not inside or point.flux < 100:
            continue
        assert image.sum() == pytest.approx(point.flux, rel=0.08)
        assert (image * columns).sum() / image.sum() == pytest.approx(point.x, abs=0.25)
        assert (image * rows).sum() / image.sum() == pytest.approx(point.y, abs=0.25)
        checked += 1
    assert checked
    assert row.peak_magnitude == pytest.approx(-3.5, abs=0.6)


def test_the_same_seed_gives_the_same_recording() -> None:
    kinds = ("bat", "aircraft", "far-lightning")
    first, second = (scene(4, meteors=(MeteorWish(),), objects=kinds, weather="cloud") for _ in range(2))
    assert repr(first.truth) == repr(second.truth)
    for index in (3, 17):
        assert np.array_equal(first.frame(index), second.frame(index))
    assert not np.array_equal(first.frame(3), scene(5, weather="cloud").frame(3))


def test_stations_differ_and_keep_their_pattern() -> None:
    one, other = (draw_station(1, number, shape=SHAPE) for number in (0, 1))
    assert one.name != other.name
    assert one.site != other.site
    assert not np.array_equal(one.sensor.offset, other.sensor.offset)
    assert np.array_equal(one.sensor.offset, draw_station(1, 0, shape=SHAPE).sensor.offset)


def test_frames_that_are_repeated_are_the_same_and_the_truth_follows() -> None:
    plain = scene(3, meteors=(MeteorWish(-3.0, peak=0.5),))
    shown = (*range(10), 9, 9, *range(14, 25))
    made = StationScene(plain.station, plain.backdrop, plain.objects, plain.seed, Faults(shown))
    assert len(made) == 23
    assert np.array_equal(made.frame(9), made.frame(11))
    assert np.array_equal(made.frame(12), plain.frame(14))
    name = next(row.object for row in plain.truth if row.label == "meteor")
    before = {point.frame: point for point in plain.tracks[name]}
    for point in made.tracks[name]:
        then = before.get(shown[point.frame])
        assert then is None or (point.x, point.y) == (then.x, then.y)


@pytest.mark.parametrize(("weather", "lens"), list(zip(WEATHERS, (*LENSES, *LENSES), strict=False)))
def test_all_weathers_and_lenses_can_be_had(weather: str, lens: LensKind) -> None:
    made = draw_station(2, shape=(64, 80), lens=lens)
    frames = list(simulate_station_recording(StationSpec(made, 3, weather, (), (), faulty=True), 7).frames())
    assert len(frames) == 3
    assert frames[0].max() > frames[0].min()


def test_a_night_takes_turns_and_counts() -> None:
    stations = [draw_station(1, number, shape=(64, 80)) for number in range(3)]
    specs = plan_station_night(stations, 9, frames=5, seed=2)
    assert [spec.station.name for spec in specs[:4]] == ["XX0001", "XX0002", "XX0003", "XX0001"]
    assert all(len(set(spec.objects)) == 3 for spec in specs)
    assert all(later.start > earlier.start for earlier, later in pairwise(specs))


@pytest.mark.parametrize(
    ("wrong", "word"),
    [({"weather": "hail"}, "hail"), ({"objects": ("dragon",)}, "dragon"), ({"frames": 0}, "frames is 0")],
)
def test_what_cannot_be_is_refused_in_one_line(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(AstrodetectError, match=word) as caught:
        StationSpec(draw_station(1, shape=(64, 80)), **wrong)
    assert "\n" not in str(caught.value)
    with pytest.raises(AstrodetectError, match="80 km/s"):
        MeteorWish(speed=80.0)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


SMALL = ("--scene", "station", "--recordings", 2, "--stations", 2, "--frames", 8, "--shape", "64x80")


def test_command_writes_the_same_truth_in_every_format(tmp_path: Path) -> None:
    truths = []
    for name in ("freeture", "fits", "avi", "ff"):
        out = tmp_path / name
        result = run(out, *SMALL, "--format", name, "--bits", 8)
        assert result.exit_code == 0, result.output
        with (out / "truth.csv").open(newline="") as file:
            truths.append([{**row, "path": ""} for row in csv.DictReader(file)])
        with (out / "recordings.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["station"] for row in rows] == ["XX0001", "XX0002"]
        assert all((out / row["path"]).exists() for row in rows)
        assert "XX0001" in (out / "stations.json").read_text()
    assert truths[0] == truths[1] == truths[2] == truths[3]
    assert truths[0]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--stations", 0), "stations is 0"),
        (("--object", "ghost"), "ghost"),
        (("--shape", "63x80"), "even"),
        (("--stars", "none.csv"), "no such star catalogue"),
        (("--set", "a=1"), "--set"),
    ],
)
def test_command_refuses_in_one_line(tmp_path: Path, arguments: tuple[object, ...], word: str) -> None:
    result = run(tmp_path / "out", *SMALL, *arguments)
    assert isinstance(result.exception, AstrodetectError)
    assert word in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_star_catalogue_of_the_users_own_is_used(tmp_path: Path) -> None:
    table = tmp_path / "stars.csv"
    rows = [f"{15 * hour},{declination},1.0" for hour in range(24) for declination in (-40, 0, 40)]
    table.write_text("\n".join(["ra,dec,vmag", *rows]))
    assert run(tmp_path / "out", *SMALL, "--stars", table).exit_code == 0
