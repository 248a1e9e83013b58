"""The score against hand arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrodetect.evaluation.sources import Score, ScoreSettings, Sources, score_sources
from astrodetect.evaluation.sources.pairs import shape_distance


def source(x=10.0, y=10.0, flux=100.0, major=4.0, minor=2.0, theta=30.0, **more):
    given = {"x": x, "y": y, "flux": flux, "major": major, "minor": minor, "theta": theta, **more}
    n = max(np.size(value) for value in given.values())
    return Sources.of({name: np.broadcast_to(value, n) for name, value in given.items()})


def test_a_perfect_catalogue_has_one_for_each_source():
    true = source(x=np.arange(5) * 20.0)
    score = score_sources(true, true)
    assert (score.value, score.per_source, score.n_match) == (5, 1, 5)


def test_the_marks_of_one_match_by_hand():
    """Size 3, beam 2: position error 1.2 / sqrt(9 + 12); flux 20 %; axes 50 % and 10 %; angle 40 degrees."""
    true = source(beam=2.0)
    found = source(x=11.2, flux=120.0, major=6.0, minor=1.8, theta=170.0)
    score = score_sources(found, true)
    position = 0.3 / (1.2 / 21**0.5)
    assert position == pytest.approx(1.1456, abs=1e-4)  # full marks
    expected = {"position": 1.0, "flux": 0.5, "major": 0.6, "minor": 1.0, "theta": 0.25, "label": 0.0}
    assert score.marks == pytest.approx(expected)
    assert score.counts == {"position": 1, "flux": 1, "major": 1, "minor": 1, "theta": 1, "label": 0}
    assert score.value == pytest.approx((1 + 0.5 + 0.6 + 1 + 0.25) / 5)


def test_false_detections_are_taken_off():
    true = source(x=np.array([10.0, 40.0]))
    found = source(x=np.array([10.0, 70.0, 90.0]))
    score = score_sources(found, true)
    assert (score.n_true, score.n_found, score.n_match) == (2, 3, 1)
    assert score.value == 1 - 2
    assert score.per_source == -0.5


def test_the_distance_by_hand():
    true, found = source(), source(x=11.0, flux=130.0, major=5.0, minor=3.0)
    expected = np.sqrt((1 / 3 / 0.93) ** 2 + (0.3 / 0.36) ** 2 + (1 / 3 / 4.38) ** 2)
    assert shape_distance(found, true)[0] == pytest.approx(expected)


@pytest.mark.parametrize(("flux", "matched"), [(100 * (1 + 0.36 * 4.99), 1), (100 * (1 + 0.36 * 5.01), 0)])
def test_a_match_farther_than_five_is_false(flux, matched):
    assert score_sources(source(flux=flux), source()).n_match == matched


def test_sources_are_looked_for_within_the_size_of_the_detection():
    assert score_sources(source(x=12.9), source()).n_match == 1
    assert score_sources(source(x=13.1), source()).n_match == 0
    assert score_sources(source(x=13.1, major=6.0), source()).n_match == 1


def test_matches_are_one_to_one_and_the_nearest():
    true = source(x=np.array([10.0, 12.0]))
    found = source(x=np.array([10.4, 11.9, 10.2]))
    score = score_sources(found, true)
    assert (score.n_match, score.n_found) == (2, 3)
    expected = 2 - 1  # both matches have full marks
    assert score.value == expected


@pytest.mark.parametrize(
    ("theta", "mark"), [(30, 1), (40, 1), (50, 0.5), (210, 1), (-150, 1), (120, 10 / 90), (75, 10 / 45)]
)
def test_angles_are_folded_at_180_degrees_and_nowhere_else(theta, mark):
    assert score_sources(source(theta=theta), source()).marks["theta"] == pytest.approx(mark)


def test_1_and_179_degrees_are_2_apart():
    assert score_sources(source(theta=179.0), source(theta=1.0)).marks["theta"] == 1


@given(st.floats(0, 180), st.floats(0, 180), st.integers(-3, 3))
def test_half_turns_change_no_mark(a, b, turns):
    one = score_sources(source(theta=a), source(theta=b)).marks["theta"]
    other = score_sources(source(theta=a + 180 * turns), source(theta=b)).marks["theta"]
    assert one == pytest.approx(other, rel=1e-6)
    apart = abs(a - b)
    assert one == pytest.approx(min(1, 10 / max(min(apart, 180 - apart), 1e-9)), rel=1e-6)


def test_what_the_truth_does_not_know_is_not_judged_and_what_the_detection_lacks_has_no_mark():
    score = score_sources(source(theta=77.0), source(theta=np.nan))
    assert score.counts["theta"] == 0
    assert score.value == 1
    score = score_sources(source(theta=np.nan), source())
    assert score.counts["theta"] == 1
    assert score.value == pytest.approx(4 / 5)


def test_detections_of_difficult_sources_count_nowhere():
    true = source(x=np.array([10.0, 40.0]), difficult=np.array([False, True]))
    score = score_sources(source(x=np.array([10.0, 40.0])), true)
    assert (score.n_true, score.n_found, score.n_match, score.value) == (1, 1, 1, 1)


def test_labels_are_judged_on_request():
    true, found = source(label="galaxy"), source(label="star")
    how = ScoreSettings(label=True)
    assert score_sources(found, true, how).value == pytest.approx(5 / 6)
    assert score_sources(true, true, how).value == 1


def test_thresholds_are_settings():
    how = ScoreSettings(flux=0.4, position=1.0)
    assert score_sources(source(flux=120.0), source(), how).marks["flux"] == 1


def test_scores_of_images_are_added():
    a, b = score_sources(source(), source()), score_sources(source(x=99.0), source())
    both = a + b
    assert (both.n_true, both.value, both.counts["flux"]) == (2, a.value + b.value, 1)
    assert both.to_dict()["per_source"] == 0.0


def test_nothing_is_no_score():
    none = Sources.of({})
    score = score_sources(none, none)
    assert isinstance(score, Score)
    assert np.isnan(score.per_source)
    assert score_sources(none, source()).value == 0
    assert score_sources(source(), none).value == -1
    assert score.to_dict()["per_source"] is None
