"""Positions on the sky and right times in a run: calibrations found, named, broken, changed."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import toys
from stranger_packages import astrodetect

from astrodetect import Catalog, Pipeline
from astrodetect.core.calibration import write_json
from astrodetect.core.data import Site, Stream
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.core.sky_columns import time_shift, track_covariance
from astrodetect.sky.lens import AllSkyLens

LENS = AllSkyLens(
    "equidistant", (20.0,), 24.0, 16.0, shape=toys.SHAPE, site=Site(48.0, 11.0, 500.0), residual=0.2,
    made_by="by hand",
)  # fmt: skip
START = 1.6e9


@dataclass
class Dots(toys.Dots):
    """Dots with an exposure."""

    def open(self, recording, device="cpu"):
        return replace(super().open(recording, device), exposure=0.1)


TEXT = toys.PIPELINE.replace("toys:Dots", "test_calibrated_run:Dots")


@pytest.fixture
def night(tmp_path):
    folder = tmp_path / "night"
    toys.write_dots(folder / "cam1" / "cam1a.dots", "- - 5,6 - - - - -")
    toys.write_dots(folder / "cam2" / "cam2a.dots", "- 30,20 -")
    return folder


def run(folder, text=TEXT, base=None, **keywords):
    pipeline = Pipeline(text, base=base)
    return {block.path: block for block in pipeline.results(pipeline.find(folder), **keywords)}


def first(block, name):
    return float(block.detections[name][0])


def test_a_calibration_is_found_in_the_folder_or_above_it(night):
    write_json(LENS, night / "cam1" / "calibration.json")
    blocks = run(night)
    block, bare = blocks["cam1/cam1a.dots"], blocks["cam2/cam2a.dots"]
    sky = LENS.pixel_to_sky(5.0, 6.0, START + 0.2 + 0.05)  # the middle of the exposure of frame 2
    for name in ("ra", "dec", "az", "alt"):
        expected = getattr(sky, name)[0]
        assert first(block, f"{name}_start") == first(block, f"{name}_end") == pytest.approx(expected)
        assert block.detections.tracks[name][0] == pytest.approx(expected)
    assert block.detections.tracks["alt_error"][0] == pytest.approx(
        np.degrees(np.hypot(0.2, 0.5) / 20), rel=0.01
    )
    assert block.recording["calibration"] == "by hand"
    assert block.summary["calibration"]["model"] == "all-sky"
    assert np.isnan(first(bare, "ra_start"))
    assert bare.recording["calibration"] == bare.recording["message"] == ""
    write_json(LENS, night / "calibration.json")
    assert run(night)["cam2/cam2a.dots"].recording["calibration"] == "by hand"


def test_named_ones_count_by_station_and_for_all(night, tmp_path):
    write_json(replace(LENS, made_by="of all"), tmp_path / "all.json")
    write_json(replace(LENS, made_by="of cam2"), tmp_path / "two.json")
    text = TEXT + '[calibrate]\nfile = "all.json"\n[station.cam2]\ncalibration = "two.json"\n'
    blocks = run(night, text, tmp_path)
    assert [blocks[path].recording["calibration"] for path in sorted(blocks)] == ["of all", "of cam2"]


def test_looking_can_be_switched_off_and_the_residual_be_set(night):
    write_json(LENS, night / "calibration.json")
    off = run(night, TEXT + "[calibrate]\nfind = false\n")
    assert {block.recording["calibration"] for block in off.values()} == {""}
    rough = run(night, TEXT + "[calibrate]\nresidual = 3.0\nposition_error = 4.0\n")["cam1/cam1a.dots"]
    assert rough.detections.tracks["alt_error"][0] == pytest.approx(np.degrees(5.0 / 20), rel=0.01)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not valid JSON"),
        ('{"format": "astrodetect-calibration", "format_version": 1, "model": "all-sky"}', "not a whole"),
        (json.dumps({"projection": "equidistant"}), "coefficients"),
        (None, "for frames of 640 x 480 pixels, these have 48 x 32"),
        ("other", "of camera UK0006, the recording is of cam1"),
    ],
)
def test_one_that_cannot_be_used_is_told_and_the_run_goes_on(night, content, said):
    path = night / "cam1" / "calibration.json"
    if content is None:
        write_json(replace(LENS, shape=(480, 640)), path)
    elif content == "other":
        write_json(replace(LENS, camera="UK0006"), path)
    else:
        path.write_text(content)
    row = run(night)["cam1/cam1a.dots"].recording
    assert row["status"] == "done"
    assert row["calibration"] == ""
    assert row["message"].startswith("no positions on the sky: ")
    assert said in row["message"]
    assert "; " not in row["message"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('[calibrate]\nfil = "x"\n', "unknown key; did you mean 'file'?"),
        ('[calibrate]\npointing = "plain"\n', "pointing = 'plain': unknown key"),
        ('[calibrate]\nuse = "platpar"\n', "did you mean 'platepar'?"),
        ('[calibrate]\nuse = "streak"\n', "is a classifier, but a calibration is needed here"),
        ('[calibrate]\nuse = "platepar"\npointing = "old"\n', "pointing = 'old'"),
        ("[calibrate]\nresidual = -1.0\n", "residual = -1.0"),
        ('[station.A]\nframe_time = "centre"\n', "frame_time = 'centre'"),
    ],
)
def test_mistakes_in_the_table_are_told(table, said):
    assert said in "\n".join(Pipeline(TEXT + table).check())


def test_a_named_file_that_is_not_there_ends_the_run_before_it_begins(night, tmp_path):
    text = TEXT + '[calibrate]\nfile = "no.json"\n[station.cam2]\ncalibration = "none.json"\n'
    with pytest.raises(ConfigurationError) as caught:
        run(night, text, tmp_path)
    assert len(caught.value.problems) == 2
    assert "there is no such file" in caught.value.problems[0]
    assert [line.rpartition("/")[2] for line in Pipeline(text).check()] == [
        "no.json': there is no such file",
        "none.json': there is no such file",
    ]


def test_the_resolved_pipeline_says_it_again():
    text = TEXT + '[calibrate]\nuse = "platepar"\npointing = "plain"\nresidual = 0.5\n'
    plan = Pipeline(text).plan
    again = Pipeline(plan.to_toml()).plan
    assert again.calibrate == plan.calibrate
    assert again.calibration == plan.calibration
    assert "platepar" in plan.uses


def test_a_changed_calibration_is_noticed_when_a_run_is_taken_up(night, tmp_path):
    pipeline, out = Pipeline(TEXT), tmp_path / "night.h5"
    path = night / "cam1" / "calibration.json"
    pipeline.run(night, out)
    with Catalog(out) as catalog:
        before = dict(zip(catalog.recordings["path"], catalog.recordings["seconds"], strict=True))
    for rotation in (0.0, 90.0):
        write_json(replace(LENS, rotation=rotation), path)
        pipeline.run(night, out)
        with Catalog(out) as catalog:
            assert len(catalog.recordings) == 2
            seconds = dict(zip(catalog.recordings["path"], catalog.recordings["seconds"], strict=True))
            (found,) = catalog.detections["az_start"][np.isfinite(catalog.detections["az_start"])]
        assert seconds["cam2/cam2a.dots"] == before["cam2/cam2a.dots"]  # it was not done again
        known = replace(LENS, rotation=rotation).pixel_to_sky(5.0, 6.0, START)
        assert float(found.to_value("deg")) == pytest.approx(known.az[0], abs=1e-6)


def test_workers_give_the_same(night):
    write_json(LENS, night / "calibration.json")
    alone, together = run(night), run(night, jobs=2)
    for path, block in alone.items():
        assert first(together[path], "ra_start") == first(block, "ra_start")


def test_the_clock_of_a_camera_is_set_right(night):
    write_json(LENS, night / "calibration.json")
    text = TEXT + "[station.cam1]\nclock_offset = 12.5\n"
    found = run(night, text)["cam1/cam1a.dots"]
    assert first(found, "time_start") == START + 0.2 - 12.5
    assert found.detections.tracks["time"][0] == START + 0.2 - 12.5
    assert found.recording["time_start"] == START - 12.5
    sky = LENS.pixel_to_sky(5.0, 6.0, START + 0.25 - 12.5)
    assert first(found, "ra_start") == pytest.approx(sky.ra[0])


def test_times_of_the_middle_or_the_end_become_those_of_the_start(night):
    for frame_time, earlier in (("start", 0.0), ("middle", 0.05), ("end", 0.1)):
        found = run(night, TEXT + f'[station.cam1]\nframe_time = "{frame_time}"\n')["cam1/cam1a.dots"]
        assert first(found, "time_start") == pytest.approx(START + 0.2 - earlier, abs=1e-6)


def test_a_stream_that_says_so_is_believed_unless_the_station_knows_better():
    stream = Stream((4, 4), np.dtype("u1"), frame_rate=10.0, exposure=0.04, frame_time="end")
    assert time_shift(stream, 1.0, None) == -1.04
    assert time_shift(stream, 0.0, "middle") == -0.02
    assert time_shift(replace(stream, exposure=float("nan")), 0.0, None) == -0.1  # one frame interval


def test_rows_of_a_rolling_shutter_have_their_own_time(night):
    write_json(LENS, night / "calibration.json")
    found = run(night, TEXT + "[station.cam1]\nrolling_shutter = 0.031\n")["cam1/cam1a.dots"]
    assert found.detections.tracks["time"][0] == pytest.approx(START + 0.2 + 0.006, abs=1e-6)
    sky = LENS.pixel_to_sky(5.0, 6.0, START + 0.2 + 0.006 + 0.05)
    assert first(found, "ra_start") == found.detections.tracks["ra"][0] == pytest.approx(sky.ra[0], abs=1e-9)


def test_the_scatter_of_a_track_is_its_error():
    rng, n = np.random.default_rng(0), 400
    frame = np.arange(n)
    noise = rng.multivariate_normal([0, 0], [[0.5, 0.1], [0.1, 0.2]], n)
    columns = {"x_min": [0, 0], "y_min": [0, 0], "x_max": [1, 1], "y_max": [1, 1], "label": ["a", "b"]}
    tracks = {
        "detection": np.r_[np.zeros(n), [1, 1]],
        "frame": np.r_[frame, [0, 1]],
        "x": np.r_[3 * frame + noise[:, 0], [5, 9]],
        "y": np.r_[0.001 * frame**2 + noise[:, 1], [5, 9]],
    }
    spread = track_covariance(Detections({**columns, "probability": [1, 1]}, tracks), 0.7)
    assert spread[0] == pytest.approx(np.array([[0.5, 0.1], [0.1, 0.2]]), abs=0.07)
    assert spread[-1] == pytest.approx(0.49 * np.eye(2))


def test_a_night_of_the_network_is_calibrated_by_the_command(real_data, tmp_path):
    folder = real_data / "rms" / "UK0006_20220914"
    name = "FF_UK0006_20220914_194911_205_0079616.fits"
    done = astrodetect("run", "--pipeline", "meteor", folder / name, "--out", "a.h5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Catalog(tmp_path / "a.h5") as catalog:
        (row,) = catalog.detections[catalog.detections["accepted"]]
        (said,) = catalog.recordings["calibration"]
    assert "150 stars" in said
    # The network's own, of the same meteor; it begins a little earlier or later.
    assert row["az_start"].to_value("deg") == pytest.approx(222.1, abs=0.5)
    assert row["alt_start"].to_value("deg") == pytest.approx(64.2, abs=0.7)


def test_a_plugin_that_breaks_costs_the_positions_only(night, tmp_path, monkeypatch):
    from astrodetect.plugins.calibrations.all_sky import AllSky

    def breaks(*arguments):
        raise ZeroDivisionError("not my day")

    write_json(LENS, night / "calibration.json")
    monkeypatch.setattr(AllSky, "load", breaks)
    row = run(night)["cam1/cam1a.dots"].recording
    assert "AllSky: ZeroDivisionError: not my day" in row["message"]


def test_errors_are_our_own_kind(tmp_path):
    from astrodetect.core.calibrating import load_calibration

    with pytest.raises(AstrodetectError, match="there is no such calibration file"):
        load_calibration(tmp_path / "none.json")
