"""Meteors of several cameras are found with wrong clocks, without chains, and without sites."""

import time
from dataclasses import replace

import numpy as np
import pytest

from astrodetect.core.data import Site
from astrodetect.events.grouping import group
from astrodetect.events.listing import summary_lines
from astrodetect.events.pairs import MAX_NEIGHBOURS, Rules, find_pairs, neighbours
from astrodetect.events.search import find_events
from astrodetect.events.shapes import shapes_of
from astrodetect.events.sightings import POINTS, Sighting
from astrodetect.events.trajectory import trajectory_of
from astrodetect.simulation.network import Network, observe, random_network

START = 1723334400.0  # 2024-08-11


def night(rng, network, n, seconds, shower=""):
    times = np.sort(rng.uniform(START, START + seconds, n))
    pairs = list(observe(network, rng, times, shower))
    return [number for number, _ in pairs], [sighting for _, sighting in pairs]


def purity_and_recall(truth, events, cameras):
    """Shares of pairs of different cameras: found ones that are true, true ones that are found."""
    found, right = 0, 0
    for event in events:
        for i in event.members:
            for j in event.members:
                if i < j and cameras[i] != cameras[j]:
                    found += 1
                    right += truth[i] == truth[j]
    truth, cameras = np.array(truth), np.array(cameras)
    there = sum(n * (n - 1) // 2 for n in np.unique(truth, return_counts=True)[1])
    return right / max(found, 1), right / there


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_sporadics_are_found_with_clocks_that_are_seconds_wrong(offset):
    rng = np.random.default_rng(3)
    network = random_network(rng, 8, clock=0.1)
    network = replace(network, clocks=[offset, *network.clocks[1:]])
    truth, sightings = night(rng, network, 100, 8 * 3600)
    events = group(shapes_of(sightings), Rules())
    purity, recall = purity_and_recall(truth, events, [s.camera for s in sightings])
    assert purity > 0.99
    assert recall > 0.93


def test_an_outburst_makes_no_chains():
    rng = np.random.default_rng(4)
    network = random_network(rng, 6, clock=0.05)
    truth, sightings = night(rng, network, 300, 900, "PER")  # one every three seconds
    events = group(shapes_of(sightings), Rules())
    assert max(len(event.members) for event in events) <= 6
    purity, recall = purity_and_recall(truth, events, [s.camera for s in sightings])
    assert purity > 0.95
    assert recall > 0.88


def test_meteors_of_one_second_at_different_places_are_not_one():
    site, other = Site(52.0, -1.0, 0.0), Site(51.2, 0.2, 0.0)
    rng = np.random.default_rng(5)
    joined = 0
    for _ in range(30):
        one = [s for _, s in observe(Network([site], [0.0], field=1.0), rng, np.array([START]))]
        two = [s for _, s in observe(Network([other], [0.0], field=1.0), rng, np.array([START + 0.1]))]
        if one and two:
            two = [replace(two[0], camera="other")]
            joined += len(group(shapes_of([*one, *two]), Rules(window=0.5)))
    assert joined <= 2


def test_the_trajectory_is_that_of_the_meteor():
    rng = np.random.default_rng(6)
    network = Network([Site(52, -1, 0), Site(51.3, 0.3, 0), Site(52.4, 1.0, 0)], [0.0, 2.0, -1.0], 0.005, 1.0)
    for _ in range(20):
        sightings = [s for _, s in observe(network, rng, np.array([START]), "PER")]
        if len(sightings) == 3:
            break
    shapes = shapes_of(sightings)
    (event,) = group(shapes, Rules())
    found = trajectory_of(event.members, shapes)
    assert abs(found.speed / 59.9 - 1) < 0.05
    assert 55 < found.end[2] < found.begin[2] < 112
    ahead = {sightings[i].camera: clock for i, clock in zip(event.members, found.clocks, strict=True)}
    assert abs(ahead["C001"] - ahead["C000"] - 2.0) < 0.1
    assert abs(ahead["C002"] - ahead["C000"] + 1.0) < 0.1


def test_clocks_farther_off_than_the_window_are_not_joined():
    rng = np.random.default_rng(8)
    network = Network([Site(52, -1, 0), Site(51.3, 0.3, 0)], [0.0, 8.0], 0.01, 1.0)
    _, sightings = night(rng, network, 30, 3 * 3600)
    assert group(shapes_of(sightings), Rules()) == []
    assert len(group(shapes_of(sightings), Rules(window=10.0))) > 5


def test_cameras_at_one_place_are_joined_and_copies_of_one_camera_count_once():
    rng = np.random.default_rng(9)
    place = Site(52, -1, 0)
    network = Network([place, place, Site(51.3, 0.3, 0)], [0.0, 0.0, 0.0], 0.01, 1.0)
    _, sightings = night(rng, network, 20, 3 * 3600)
    copies = [replace(s, catalog="another") for s in sightings if s.camera == "C000"]
    events = group(shapes_of([*sightings, *copies]), Rules())
    everyone = [*sightings, *copies]
    complete = [e for e in events if {everyone[i].camera for i in e.members} == {"C000", "C001", "C002"}]
    assert len(complete) > 5
    assert all(len(event.members) == 4 for event in complete)


def test_a_track_cut_at_the_border_of_a_recording_is_one():
    rng = np.random.default_rng(10)
    network = Network([Site(52, -1, 0), Site(51.3, 0.3, 0)], [0.0, 0.0], 0.005, 1.0)
    sightings = next(
        seen for seen in ([s for _, s in observe(network, rng, np.array([START]))] for _ in range(50))
        if len(seen) == 2 and len(seen[0].points["time"]) >= 16
    )  # fmt: skip
    first = sightings[0]
    halves = [replace(first, points={n: v[part] for n, v in first.points.items()})
              for part in (slice(0, 8), slice(8, None))]  # fmt: skip
    (event,) = group(shapes_of([*halves, sightings[1]]), Rules())
    assert len(event.members) == 3


def nowhere(camera, begin, end):
    points = {name: np.full(2, np.nan) for name in POINTS}
    points["time"] = np.array([begin, end])
    return Sighting("a", camera, "1", camera, None, "", points)


def test_without_sites_times_are_compared_and_that_is_said():
    sightings = [nowhere("A", START, START + 1), nowhere("B", START + 0.5, START + 1.5),
                 nowhere("C", START + 30, START + 31)]  # fmt: skip
    (event,) = group(shapes_of(sightings), Rules())
    assert event.members == (0, 1)
    assert event.by_time_only


def test_why_sightings_are_paired_by_time_alone_is_said():
    still = nowhere("B", START, START + 1)
    placed = {**still.points, **{name: np.array([40.0, 40.0]) for name in ("az", "alt")}}
    sightings = [
        replace(nowhere("A", START, START + 1), site=Site(50.0, 1.0, 0.0)),
        replace(still, points=placed),
        replace(still, camera="C", points=placed, site=Site(50.0, 1.0, 0.0)),
    ]
    lines = list(summary_lines(find_events(sightings, {}, Rules()), 1))[1:]
    assert lines == [
        "paired by time alone, no positions on the sky: no calibration, or nothing was measured: A",
        "paired by time alone, no site; --sites gives sites: B",
        "paired by time alone, seen at one place of the sky only, as what stands still is: C",
    ]


def test_times_alone_make_no_chain_through_the_night():
    sightings = [nowhere(f"C{i}", START + 3 * i, START + 3 * i + 0.5) for i in range(200)]
    events = group(shapes_of(sightings), Rules())
    assert max(len(event.members) for event in events) <= 4


def test_all_pairs_within_the_window_are_neighbours():
    rng = np.random.default_rng(11)
    begin = rng.uniform(0, 300, 200)
    end = begin + rng.exponential(2, 200)
    found = {tuple(sorted(pair)) for a, b in neighbours(begin, end, 5.0) for pair in zip(a, b, strict=True)}
    expected = {(i, j) for i in range(200) for j in range(i + 1, 200)
                if max(begin[i], begin[j]) - min(end[i], end[j]) <= 5.0}  # fmt: skip
    assert found == expected


def test_detections_that_all_claim_one_time_end_in_time():
    n = 3 * MAX_NEIGHBOURS
    started = time.perf_counter()
    total = sum(len(a) for a, _ in neighbours(np.zeros(n), np.zeros(n), 5.0))
    assert total <= n * MAX_NEIGHBOURS
    assert time.perf_counter() - started < 20


def test_no_sightings_and_one_sighting_give_no_events():
    assert group(shapes_of([]), Rules()) == []
    assert group(shapes_of([nowhere("A", START, START + 1)]), Rules()) == []
    assert len(find_pairs(shapes_of([]), Rules()).first) == 0
