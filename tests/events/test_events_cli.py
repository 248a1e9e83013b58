"""What the command lists and writes, and that WMPL can load it."""

import csv
import json
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from stranger_packages import astrodetect

from astrodetect.core.data import Site
from astrodetect.events.pairs import Rules
from astrodetect.events.search import find_events, read_all
from astrodetect.events.sightings import read_sightings, with_sites
from astrodetect.events.writing import events_table, sightings_table, write_events
from astrodetect.lint import lint
from astrodetect.simulation.network import Network, observe

DATA = os.environ.get("ASTRODETECT_DATA")
real = pytest.mark.skipif(DATA is None, reason="ASTRODETECT_DATA names no folder with real recordings")
START = 1723334400.0
SITES = [Site(52.0, -1.0, 100.0), Site(51.3, 0.3, 20.0), Site(52.4, 1.0, 50.0)]


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(2)
    network = Network(SITES, [0.0, 0.4, -0.2], 0.01, 1.0)
    times = START + 300.0 * np.arange(12)
    return find_events([s for _, s in observe(network, rng, times, "PER")], {}, Rules())


def load_as_wmpl_does(folder):
    """Take the files of a folder by the rules of wmpl/Formats/ECSV.py; one entry per station."""
    loaded = {}
    for path in sorted(folder.glob("*.ecsv")):
        meta = {}
        for line in path.read_text().splitlines():
            if line.startswith("#"):
                parts = line.replace("{", "").replace("}", "").split(":")
                meta.update({parts[0].strip(" #-"): parts[1].strip().strip("'")} if len(parts) > 1 else {})
        site = [float(meta[key]) for key in ("obs_latitude", "obs_longitude", "obs_elevation")]
        rows = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        data = np.loadtxt(rows, delimiter=",", dtype=str)
        names = data[0].tolist()
        numbers = {
            n: data[1:, names.index(n)].astype(float) for n in ("azimuth", "altitude", "x_image", "y_image")
        }
        if "mag_data" in names:
            data[1:, names.index("mag_data")].astype(float)
        times = [datetime.strptime(t, "%Y-%m-%dT%H:%M:%S.%f") for t in data[1:, names.index("datetime")]]
        assert len(times) >= 4
        loaded[meta["camera_id"]] = (site, times, numbers)
    return loaded


def test_the_folder_of_an_event_loads_in_wmpl_and_passes_the_linter(found, tmp_path):
    number, left_out = write_events(found, tmp_path / "out")
    folders = sorted(path for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert len(folders) == number == len(found.events) > 4
    assert left_out == []
    for folder, event in zip(folders, found.events, strict=True):
        loaded = load_as_wmpl_does(folder)
        assert set(loaded) == set(found.cameras(event))
        for sighting in found.members(event):
            site, times, numbers = loaded[sighting.camera]
            assert site == pytest.approx(list(SITES[int(sighting.camera[1:])]))
            assert len(times) == len(sighting.points["time"])
            np.testing.assert_allclose(numbers["azimuth"], sighting.points["az"])
        assert {finding.rule for path in folder.iterdir() for finding in lint(path).findings} == set()


def test_the_tables_are_read_by_astropy_and_say_what_was_found(found, tmp_path):
    write_events(found, tmp_path / "out")
    events = Table.read(tmp_path / "out" / "events.ecsv", format="ascii.ecsv")
    assert list(events["event"]) == list(events_table(found)["event"])
    assert set(events["shower"]) == {"PER"}
    assert np.all(np.abs(events["speed"] - 60) < 3)
    sightings = Table.read(tmp_path / "out" / "sightings.ecsv", format="ascii.ecsv")
    assert len(sightings) == len(found.sightings)
    assert np.mean(sightings["shower"] == "PER") > 0.8
    clocks = [np.median(sightings["clock"][sightings["camera"] == f"C00{i}"]) for i in range(3)]
    np.testing.assert_allclose(np.array(clocks) - clocks[0], [0, 0.4, -0.2], atol=0.05)
    assert len(sightings_table(find_events([], {}, Rules()))) == 0


def test_an_own_folder_is_replaced_as_a_whole_and_that_of_another_is_left_alone(found, tmp_path):
    write_events(found, tmp_path / "out")
    few = found.seen_by(3)
    write_events(few, tmp_path / "out")
    assert len([p for p in (tmp_path / "out").iterdir() if p.is_dir()]) == len(few.events)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(Exception, match="not made by"):
        write_events(found, tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".part")]


def test_a_sighting_of_few_points_is_named_and_left_out(found, tmp_path):
    few = [
        replace(s, points={n: v[[0, -1]] for n, v in s.points.items()}) if s.camera == "C002" else s
        for s in found.sightings
    ]
    number, left_out = write_events(find_events(few, {}, Rules()), tmp_path / "out")
    assert number > 3
    assert left_out
    assert all("C002: 2 points; a solver needs 4" in line for line in left_out)


def test_the_command_reads_mixed_formats_and_lists_pairs(found, tmp_path):
    write_events(found, tmp_path / "out")
    first = next(path for path in sorted((tmp_path / "out").iterdir()) if path.is_dir())
    (first / "broken.ecsv").write_text(next(first.glob("*.ecsv")).read_text()[:-40])
    done = astrodetect("events", first.name, "--json", cwd=first.parent)
    assert done.returncode == 1
    assert "broken.ecsv" in done.stderr
    (event,) = json.loads(done.stdout)
    assert event["method"] == "geometry"
    assert event["shower"] == "PER"
    assert len(event["sightings"]) == event["n_cameras"] == len(event["cameras"]) == 3


def test_wrong_use_is_told_in_one_line_and_writes_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, told in (
        (["nothing"], "no such file"),
        (["empty"], "nothing that can be read"),
        (["empty", "--heights", "9"], "expected two heights"),
        (["empty", "--sites", "none.csv"], "cannot be read"),
    ):
        done = astrodetect("events", *arguments, "--out", "out", cwd=tmp_path)
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr
        assert not (tmp_path / "out").exists()


def test_a_catalog_of_ours_gives_its_accepted_detections_and_sites(tmp_path):
    made = astrodetect("simulate", "night", "--recordings", "2", "--frames", "70", "--shape", "120x160",
                       cwd=tmp_path)  # fmt: skip
    assert made.returncode == 0, made.stderr
    made = astrodetect("run", "--pipeline", "meteor", "night", "--out", "night.h5", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    sightings = read_sightings(tmp_path / "night.h5")
    everything = read_sightings(tmp_path / "night.h5", everything=True)
    assert len(sightings) <= len(everything) > 0
    assert all(len(s.points["time"]) > 0 for s in everything)
    done = astrodetect("events", "night.h5", "--out", "events", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "events" / "events.ecsv").is_file()


def test_given_sites_come_first_then_those_of_the_file_then_those_that_follow(found):
    nowhere = [replace(s, site=None, site_source="") for s in found.sightings]
    assert {s.site_source for s in with_sites(nowhere, {})} == {""}  # azimuth and altitude alone
    given = {"C000": SITES[0]}
    assert {(s.camera, s.site_source) for s in with_sites(nowhere, given) if s.site} == {("C000", "sites")}
    assert {s.site_source for s in with_sites(found.sightings, given)} == {"sites", "catalog"}


#: The stations that saw the two meteors of the files, as their networks' file names say.
FIRST = {"UK0006", "UK0035", "UK003D", "UK006S", "UK007A"}
SECOND = {"UK000S", "UK0026", "UK0029", "UK002W", "UK003X", "UK006B", "UK007B", "UK0084", "UK008D"}


@real
def test_the_nights_that_several_stations_saw_are_grouped():
    sightings, failures, read = read_all([Path(DATA) / "ftp"])
    assert (failures, len(read)) == ([], 17)
    found = find_events(sightings, {}, Rules())
    assert [set(found.cameras(event)) for event in found.events] == [FIRST, SECOND]
    assert [len(event.members) for event in found.events] == [6, 9]  # one camera lists the first one twice
    assert all(60 < t.begin[2] < 120 for t in found.trajectories)
    assert {s.site_source for s in found.sightings} == {"worked out"}
    # The sites are right: they agree with those that the network states elsewhere.
    places = {s.camera: s.site for s in found.sightings}
    with (Path(DATA) / "rms/UK0006_20220914/UK0006_20220914_185543_087124.csv").open() as file:
        stated = next(csv.DictReader(file))
    assert places["UK0006"].latitude == pytest.approx(float(stated["Lat"]), abs=0.003)
    assert places["UK0006"].longitude == pytest.approx(float(stated["Long"]), abs=0.003)


@real
def test_the_nights_of_two_maxima_are_full_of_their_showers():
    for pattern, code, least in (("ftp/*UK005U*", "PER", 0.4), ("rms/UK0006_20230421/FTP*", "LYR", 0.25)):
        sightings, _, _ = read_all(sorted(Path(DATA).glob(pattern)))
        found = find_events(sightings, {}, Rules())
        assert np.mean([shower == code for shower in found.showers]) > least
    sightings, _, _ = read_all(sorted(Path(DATA).glob("rms/UK0006_20220914/FTP*_087124.txt")))
    assert {"SPO"} == set(find_events(sightings, {}, Rules()).showers)
