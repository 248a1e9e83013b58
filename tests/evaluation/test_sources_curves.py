"""Average precision, matching and completeness against brute force and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.evaluation.sources import How, Sources, average_precision, evaluate_sources
from astrodetect.evaluation.sources.curves import FALSE, HIT, IGNORED, Curve, assign
from astrodetect.evaluation.sources.pairs import pairs_of


def boxes(rows, label="galaxy", **more):
    x_min, y_min, x_max, y_max = np.array(rows, float).reshape(-1, 4).T
    n = len(x_min)
    return Sources.of(
        {"x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max, "label": [label] * n, **more}
    )


def test_average_precision_by_hand():
    """Hits at ranks 1, 3, 4 of 5 true ones: precision 1, then 2/3 and 3/4, made to fall only: 1, 3/4, 3/4."""
    hits = [True, False, True, True, False]
    assert average_precision([9, 8, 7, 6, 5], hits, 5) == pytest.approx((1 + 0.75 + 0.75) / 5)
    # Of the recalls 0, 0.01 ... 1 precision is 1 up to 0.20 (21 points), 3/4 up to 0.60 (40 points), then 0.
    assert average_precision([9, 8, 7, 6, 5], hits, 5, points=101) == pytest.approx((21 + 40 * 0.75) / 101)
    assert average_precision([9, 8, 7, 6, 5], hits, 5, points=11) == pytest.approx((3 + 4 * 0.75) / 11)
    assert average_precision([], [], 3) == 0
    assert np.isnan(average_precision([1.0], [False], 0))
    assert average_precision([2.0, 1.0], [True, True], 2) == 1


def plain_average_precision(hits, n_true):
    """The definition, word by word: at each recall that is reached, the best precision from there on."""
    points = [(sum(hits[: n + 1]) / n_true, sum(hits[: n + 1]) / (n + 1)) for n in range(len(hits))]
    area, last = 0.0, 0.0
    for recall, _ in points:
        if recall > last:
            area += (recall - last) * max(p for r, p in points if r >= recall)
            last = recall
    return area


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 10))
def test_average_precision_is_its_definition(hits, missed):
    n_true = sum(hits) + missed
    if n_true:
        ranks = -np.arange(len(hits))
        assert average_precision(ranks, hits, n_true) == pytest.approx(plain_average_precision(hits, n_true))


def plain_iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def plain_outcome(found, true, difficult, limit):
    """Detections, the surest first, each take the best free true box; difficult ones last."""
    free, outcome = set(range(len(true))), []
    for a in found:
        fits = [(not difficult[j], plain_iou(a, true[j]), -j) for j in free if plain_iou(a, true[j]) >= limit]
        if not fits:
            outcome.append(FALSE)
            continue
        sure, _, j = max(fits)
        free.remove(-j)
        outcome.append(HIT if sure else IGNORED)
    return outcome


def random_boxes(rng, n, side):
    corners, sizes = rng.uniform(0, side, (n, 2)), rng.uniform(1, 9, (n, 2))
    return np.concatenate([corners, corners + sizes], axis=1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.3, 0.5, 0.8]))
def test_matching_by_overlap_is_brute_force(seed, limit):
    rng = np.random.default_rng(seed)
    true = random_boxes(rng, int(rng.integers(0, 25)), 30)
    found = np.concatenate([true[: len(true) // 2] + rng.normal(0, 0.7, (len(true) // 2, 4)),
                            random_boxes(rng, int(rng.integers(0, 20)), 30)])  # fmt: skip
    found = found[(found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])]
    difficult = rng.random(len(true)) < 0.3
    pairs = pairs_of(boxes(found), boxes(true), "iou", limit)
    outcome, source = assign(pairs, np.arange(len(found)), difficult)
    assert outcome.tolist() == plain_outcome(found, true, difficult, limit)
    taken = source[source >= 0]
    assert len(set(taken.tolist())) == len(taken)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_figures_are_those_of_brute_force_over_several_images(seed):
    rng = np.random.default_rng(seed)
    found, true, ranks = {}, {}, {}
    for image in "ab":
        true[image] = random_boxes(rng, int(rng.integers(1, 15)), 30)
        found[image] = np.concatenate(
            [true[image] + rng.normal(0, 0.4, true[image].shape), random_boxes(rng, 6, 30)]
        )
        found[image] = found[image][(found[image][:, 2:] > found[image][:, :2]).all(axis=1)]
        ranks[image] = rng.permutation(len(found[image])) / 100 + (image == "b") * 0.005
    made = evaluate_sources(
        {image: boxes(found[image], probability=ranks[image]) for image in "ab"},
        {image: boxes(true[image]) for image in "ab"},
    ).classes[0]
    n_true = sum(map(len, true.values()))
    values = []
    for limit in np.arange(50, 100, 5) / 100:
        told = []
        for image in "ab":
            order = np.argsort(-ranks[image])
            outcome = plain_outcome(found[image][order], true[image], np.zeros(len(true[image])), limit)
            told += list(zip(ranks[image][order], outcome, strict=True))
        hits = [outcome == HIT for _, outcome in sorted(told, key=lambda pair: -pair[0])]
        values.append(plain_average_precision(hits, n_true))
    assert made.average_precision["AP@50"] == pytest.approx(values[0])
    assert made.average_precision["AP@50:95"] == pytest.approx(np.mean(values))


def test_there_is_no_limit_on_the_number_of_objects():
    """A hundred a side, all found: COCO's usual limit of 100 an image would give an AP of 0.01."""
    x, y = (own.ravel() * 10.0 for own in np.meshgrid(np.arange(100), np.arange(100)))
    rows = np.stack([x, y, x + 6, y + 6], axis=1)
    found = boxes(rows, probability=np.linspace(1, 0, 10_000))
    made = evaluate_sources({"a": found}, {"a": boxes(rows)}).classes[0]
    assert made.average_precision == {"AP@50": 1.0, "AP@50:95": 1.0}
    assert (made.completeness.hits, made.purity.hits, made.completeness_at_purity) == (10_000, 10_000, 1.0)


def test_a_second_detection_of_a_source_is_false():
    true = boxes([[0, 0, 10, 10]])
    found = boxes([[0, 0, 10, 9], [0, 0, 10, 10]], probability=[0.9, 0.8])
    made = evaluate_sources({"a": found}, {"a": true}).classes[0]
    assert (made.completeness.hits, made.purity.n) == (1, 2)
    assert made.average_precision["AP@50"] == 1  # it comes after the recall is full


def test_difficult_sources_count_neither_way():
    true = boxes([[0, 0, 10, 10], [20, 0, 30, 10]], difficult=[False, True])
    found = boxes([[20, 0, 30, 10], [0, 0, 10, 10]], probability=[0.9, 0.8])
    made = evaluate_sources({"a": found}, {"a": true}).classes[0]
    assert (made.n_true, made.n_difficult) == (1, 1)
    assert (made.completeness.value, made.purity.value, made.purity.n) == (1, 1, 1)
    assert made.average_precision["AP@50"] == 1


def test_classes_are_compared_apart_and_averaged():
    true = {"a": Sources.of({"x": [5.0, 20.0], "y": [5.0, 5.0], "label": ["star", "galaxy"]})}
    found = {
        "a": Sources.of(
            {"x": [5.0, 20.0], "y": [5.5, 5.0], "label": ["star", "star"], "probability": [0.9, 0.5]}
        )
    }
    made = evaluate_sources(found, true, How("distance"))
    assert {own.label: own.average_precision["AP"] for own in made.classes} == {"galaxy": 0.0, "star": 1.0}
    assert made.mean_average_precision == {"AP": 0.5}
    together = evaluate_sources(found, true, How("distance", any_label=True))
    assert together.classes[0].average_precision == {"AP": 1.0}
    assert [own.label for own in evaluate_sources(found, true, How(labels=("star",))).classes] == ["star"]


@given(st.integers(0, 10**6))
def test_matching_by_distance_takes_the_nearest_within_the_limit(seed):
    rng = np.random.default_rng(seed)
    true, found = rng.uniform(0, 20, (12, 2)), rng.uniform(0, 20, (15, 2))
    sources = [Sources.of({"x": own[:, 0], "y": own[:, 1]}) for own in (found, true)]
    outcome, source = assign(pairs_of(*sources, "distance", 3.0), np.arange(15), np.zeros(12, bool))
    free = set(range(12))
    for row in range(15):
        near = sorted((np.hypot(*(found[row] - true[j])), j) for j in free)
        expected = near[0][1] if near and near[0][0] <= 3 else -1
        assert source[row] == expected
        assert outcome[row] == (HIT if expected >= 0 else FALSE)
        free.discard(expected)


def test_completeness_at_a_purity():
    """Precision 1, 1/2, 2/3, 3/4, 3/5: at 0.7 three of four, at 0.8 one of four."""
    curve = Curve([HIT, FALSE, HIT, HIT, FALSE], 4)
    assert curve.recall_at(0.7) == 0.75
    assert curve.recall_at(0.8) == 0.25
    assert Curve([FALSE, HIT], 1).recall_at(0.9) == 0
    # A threshold cannot part equals: with all ranks equal there is one point, precision 3/5.
    assert Curve([HIT, FALSE, HIT, HIT, FALSE], 4, [1, 1, 1, 1, 1]).precision.tolist() == [0.6]


def test_what_is_not_accepted_counts_for_curves_alone():
    true = boxes([[0, 0, 10, 10], [20, 0, 30, 10]])
    found = boxes([[0, 0, 10, 10], [20, 0, 30, 10]], probability=[0.9, 0.4], accepted=[True, False])
    made = evaluate_sources({"a": found}, {"a": true}).classes[0]
    assert made.average_precision["AP@50"] == 1
    assert (made.completeness.value, made.purity.value) == (0.5, 1)


def test_images_that_only_one_side_has_are_empty_in_the_other():
    one = boxes([[0, 0, 10, 10]], probability=[0.5])
    made = evaluate_sources({"a": one}, {"b": one})
    assert made.n_images == 2
    assert (made.classes[0].completeness.hits, made.classes[0].purity.hits) == (0, 0)
    assert evaluate_sources({}, {}).classes == ()


def test_completeness_and_purity_by_flux():
    true = boxes([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]], flux=[1.5, 15.0, 20.0])
    found = boxes([[20, 0, 29, 9], [60, 0, 69, 9]], flux=[14.0, 2.0], probability=[0.9, 0.8])
    rows = evaluate_sources({"a": found}, {"a": true}).classes[0].by_flux
    told = [
        (row["completeness"].hits, row["completeness"].n, row["purity"].hits, row["purity"].n) for row in rows
    ]
    assert [round(row["low"], 3) for row in rows] == [1.0, 3.162, 10.0]
    assert told == [(0, 1, 0, 1), (0, 0, 0, 0), (1, 2, 1, 1)]
