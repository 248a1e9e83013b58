"""Straight lines: the Hough transform against its definition, and trails found where they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.tables import TileSettings
from astrodetect.core.tiling import Tiled
from astrodetect.methods.line_search import bow, search_lines, stars_as_points, verdict
from astrodetect.methods.lines import DIRECTIONS, STRIP, hough_lines, hough_votes, radon_lines
from astrodetect.methods.look import look_at
from astrodetect.methods.trail_joining import join_trails
from astrodetect.plugins.detectors.line import LineFinder
from astrodetect.plugins.preprocessors.background import Background
from astrodetect.simulation.fields.trails import TrailScene


def with_trail(image, ends, brightness, fwhm=3.0):
    """Add a trail of a peak brightness, from end to end (x, y, x, y)."""
    x0, y0, x1, y1 = ends
    length = np.hypot(x1 - x0, y1 - y0)
    yy, xx = np.indices(image.shape)
    s = ((xx - x0) * (x1 - x0) + (yy - y0) * (y1 - y0)) / length
    off = ((xx - x0) * (y1 - y0) - (yy - y0) * (x1 - x0)) / length
    on = (s >= 0) & (s <= length)
    return image + on * brightness * np.exp(-4 * np.log(2) * (off / fwhm) ** 2)


def still(image):
    stream = Stream(image.shape, np.dtype(np.float32), 1)
    window = Window(Recording("a"), stream, 0, np.zeros(1), image[None].astype(np.float32))
    return Background(box=64).process(window)


def ends_of(row):
    return [float(row[name]) for name in ("x_start", "y_start", "x_end", "y_end")]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), height=st.integers(5, 90), width=st.integers(5, 90))
def test_votes_are_counted_as_defined(seed, height, width):
    bright = np.random.default_rng(seed).random((height, width)) < 0.05
    votes = hough_votes(bright)
    y, x = np.nonzero(bright)
    x, y = x - (width - 1) / 2, y - (height - 1) / 2
    n_strips = votes.votes.shape[1]
    for row in range(0, DIRECTIONS, 7):
        angle = row * np.pi / DIRECTIONS
        strip = (x * np.cos(angle) + y * np.sin(angle)) / STRIP + n_strips // 2
        expected = np.histogram(strip, np.arange(n_strips + 1) - 0.5)[0]
        # A pixel on the edge of two strips may fall to either.
        between = np.isclose(strip % 1, 0.5, atol=1e-4).sum()
        assert np.abs(np.cumsum(votes.votes[row] - expected)).max() <= between
    assert np.all(votes.votes.sum(axis=1) == len(x))
    if len(x):
        line = votes.best()
        votes.remove(line)
        left = hough_votes(bright).votes.sum() - DIRECTIONS * (len(x) - len(votes.points))
        assert votes.votes.sum() == left


@settings(max_examples=30, deadline=None)
@given(angle=st.floats(0, np.pi), shift=st.floats(-60, 60))
def test_a_line_of_any_direction_is_found_among_noise(angle, shift):
    rng = np.random.default_rng(0)
    bright = rng.random((240, 300)) < 0.006
    t = np.linspace(-90, 90, 400)
    x = 149.5 + shift * np.cos(angle) - t * np.sin(angle)
    y = 119.5 + shift * np.sin(angle) + t * np.cos(angle)
    inside = (x > 0) & (x < 299) & (y > 0) & (y < 239)
    bright[np.rint(y[inside]).astype(int), np.rint(x[inside]).astype(int)] = True
    line = hough_lines(bright)[0]
    foot_y, foot_x = line.foot_yx(bright.shape)
    # The middle of the line lies on the one that was found, which has its direction.
    across = (149.5 + shift * np.cos(angle) - foot_x) * np.cos(line.angle)
    across += (119.5 + shift * np.sin(angle) - foot_y) * np.sin(line.angle)
    assert abs(across) < 2 * STRIP
    assert abs(np.sin(line.angle - angle)) < 2 * np.pi / DIRECTIONS


def test_nothing_is_found_in_noise_and_in_stars():
    rng = np.random.default_rng(1)
    assert hough_lines(rng.random((400, 500)) < 0.006) == []
    assert hough_lines(np.zeros((50, 60), bool)) == []
    image = rng.normal(0, 1, (200, 200))
    yy, xx = np.indices(image.shape)
    for x, y in rng.uniform(10, 190, (20, 2)):
        image += 60 * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 4)
    assert search_lines(look_at(still(image))) == []


def test_round_blobs_become_points_and_lines_stay():
    bright = np.zeros((60, 80), bool)
    yy, xx = np.indices(bright.shape)
    bright[(yy - 20) ** 2 + (xx - 30) ** 2 < 16] = True
    bright[40, 10:70] = True
    bright[50, 5] = True  # a single pixel may be part of a faint line
    kept = stars_as_points(bright)
    assert np.argwhere(kept[15:26, 25:36]).tolist() == [[5, 5]]
    assert kept[40, 10:70].all()
    assert kept[50, 5]


@pytest.mark.parametrize(
    "ends", [(30, 60, 250, 180), (280, 10, 60, 200), (150, 5, 153, 230), (0, 118, 299, 121)]
)
def test_a_trail_is_one_detection_with_its_ends_and_width(ends):
    image = with_trail(np.random.default_rng(2).normal(300, 10, (240, 300)), ends, 40.0, fwhm=4.0)
    found = LineFinder().detect(still(image))
    (row,) = [row for row in found if row["label"] == "streak"]
    truth = ends if ends[0] <= ends[2] else (*ends[2:], *ends[:2])
    assert np.abs(np.subtract(ends_of(row), truth)).max() < 6
    assert row["width"] == pytest.approx(4.0, abs=1.0)
    assert row["probability"] > 0.8
    assert row["flux"] == pytest.approx(
        40 * 4.0 * 1.064 * np.hypot(ends[2] - ends[0], ends[3] - ends[1]), rel=0.2
    )


def test_the_radon_transform_finds_what_no_single_pixel_shows():
    image = with_trail(np.random.default_rng(3).normal(0, 10, (130, 140)), (5, 20, 135, 90), 13.0)
    window = still(image)
    found = LineFinder(method="radon", strength=6.0).detect(window)
    (row,) = [row for row in found if row["label"] == "streak"]
    assert np.abs(np.subtract(ends_of(row), (5, 20, 135, 90))).max() < 15
    line = radon_lines(look_at(window).z)[0]
    foot_y, foot_x = line.foot_yx(image.shape)
    normal = np.array([np.cos(line.angle), np.sin(line.angle)])
    assert abs((70 - foot_x) * normal[0] + (55 - foot_y) * normal[1]) < 4
    assert radon_lines(np.zeros((40, 50), np.float32)) == []
    assert radon_lines(np.random.default_rng(0).normal(size=(60, 70)).astype(np.float32)) == []


def test_columns_of_the_detector_and_bent_edges_are_no_trails():
    rng = np.random.default_rng(4)
    image = rng.normal(100, 5, (300, 300))
    image[:, 77] += 30
    found = LineFinder().detect(still(image))
    assert found["label"].tolist() == ["static"]
    assert found["probability"][0] > 0.99
    yy, xx = np.indices(image.shape)
    arc = rng.normal(100, 5, (300, 300)) + 40 * np.exp(-((np.hypot(yy - 420, xx - 150) - 300) ** 2) / 8)
    window = still(arc)
    look = look_at(window)
    streaks = search_lines(look)
    assert streaks
    assert max(bow(streak, look.z) for streak, _ in streaks) > 2
    assert all(verdict(streak, look.z, 8.0)[0] == "noise" for streak, _ in streaks)


def test_a_trail_over_many_tiles_is_one_detection():
    image = with_trail(np.random.default_rng(5).normal(300, 10, (500, 900)), (40, 60, 860, 430), 40.0)
    found = Tiled(LineFinder(), TileSettings(size=256, overlap=64)).detect(still(image))
    pieces = found.take([label == "streak" for label in found["label"]])
    assert len(pieces) > 3
    joined = join_trails(pieces)
    assert len(joined) == 1
    assert np.abs(np.subtract(ends_of(next(iter(joined))), (40, 60, 860, 430))).max() < 8
    whole = LineFinder().detect(still(image))
    assert joined["flux"][0] == pytest.approx(whole["flux"].max(), rel=0.1)
    assert len(joined.tracks["x"]) == 1
    assert joined.tracks["x"][0] == pytest.approx(450, abs=5)


def pieces_of(*ends, label="streak"):
    x0, y0, x1, y1 = np.array(ends, dtype=float).T
    columns = {
        "x_start": x0, "y_start": y0, "x_end": x1, "y_end": y1,
        "x_min": np.minimum(x0, x1) - 2, "x_max": np.maximum(x0, x1) + 2,
        "y_min": np.minimum(y0, y1) - 2, "y_max": np.maximum(y0, y1) + 2,
        "flux": np.hypot(x1 - x0, y1 - y0), "probability": np.linspace(0.9, 0.6, len(ends)),
        "label": [label] * len(ends),
    }  # fmt: skip
    return Detections(columns)


def test_only_pieces_of_one_line_are_joined():
    one = (0, 0, 100, 50)
    assert len(join_trails(pieces_of(one, (120, 60, 200, 100)))) == 1  # goes on after a gap
    assert len(join_trails(pieces_of(one, (90, 46, 200, 100)))) == 1  # overlaps, half a pixel off
    assert len(join_trails(pieces_of(one, (320, 160, 380, 190)))) == 2  # too far on
    assert len(join_trails(pieces_of(one, (0, 20, 100, 70)))) == 2  # beside it
    assert len(join_trails(pieces_of(one, (100, 50, 150, 120)))) == 2  # in another direction
    assert len(join_trails(pieces_of(one, (120, 60, 200, 100), label="noise"))) == 2
    joined = join_trails(pieces_of((150, 75, 200, 100), (0, 0, 100, 50), (90, 45, 160, 80)))
    assert ends_of(next(iter(joined))) == [0, 0, 200, 100]
    assert joined["flux"][0] == pytest.approx(np.hypot(200, 100), rel=1e-6)  # what overlaps counts once
    assert joined["probability"][0] == pytest.approx(0.9)
    assert len(join_trails(Detections.empty())) == 0


@pytest.mark.slow
def test_simulated_trails_are_found_and_stars_are_none():
    scene = TrailScene(shape=(600, 600), signals=(6.0, 30.0), lengths=(60.0, 400.0))
    there = seen = false = 0
    for seed in range(12):
        field = scene.make(np.random.default_rng(seed))
        found = LineFinder().detect(still(field.image))
        found = join_trails(found.take([label == "streak" for label in found["label"]]))
        truth = np.stack([field.sources[n] for n in ("x_first", "y_first", "x_last", "y_last")], axis=1)
        matched = [any(_same(ends, np.array(ends_of(row))) for row in found) for ends in truth]
        there += len(truth)
        seen += sum(matched)
        false += sum(not any(_same(ends, np.array(ends_of(row))) for ends in truth) for row in found)
    assert there > 15
    assert seen / there > 0.9
    assert false <= 2


def _same(a, b):
    """The rule of `astrodetect evaluate`, either way round."""
    length = np.hypot(a[2] - a[0], a[3] - a[1])
    within = max(10.0, length / 4)
    return any(
        np.hypot(*(a[:2] - c[:2])) < within and np.hypot(*(a[2:] - c[2:])) < within
        for c in (b, np.concatenate([b[2:], b[:2]]))
    )
