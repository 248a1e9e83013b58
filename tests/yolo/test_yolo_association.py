"""Which unit answers for which object: cells made by hand, and everything against a plain reference."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yolo_plain as plain
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.plugins.models.yolo.association import EMPTY, GOOD, MATCHED, Associator, nearest_kinds
from astrodetect.plugins.models.yolo.settings import AssociationSettings, LossSettings, YoloConfig, limits
from astrodetect.plugins.models.yolo.targets import Targets

STRIDE = torch.tensor([8.0, 8.0, 1.0])
LATER = 10**9


def config_of(priors=((6.0, 6.0), (12.0, 12.0)), **more):
    return YoloConfig(priors=priors, **more)


def labels(boxes, difficult=(), class_only=False, classes=None):
    flat = np.asarray(boxes, np.float32).reshape(-1, 4)
    deep = np.insert(np.insert(flat, 2, 0, axis=1), 5, 1, axis=1).reshape(-1, 6)
    hard = np.isin(np.arange(len(deep)), difficult)
    numbers = np.zeros(len(deep), np.int64) if classes is None else np.asarray(classes)
    return SimpleNamespace(
        boxes=deep, classes=numbers, parameters=np.zeros((len(deep), 0), np.float32),
        difficult=hard, class_only=class_only,
    )  # fmt: skip


def about(x, y, side):
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


def grid_of(per_cell, cells=(1, 1)):
    """Units whose boxes are given: the same list for every cell, about the middle of its cell."""
    made = np.zeros((1, 1, *cells, len(per_cell), 6), np.float32)
    for y, x in np.ndindex(*cells):
        for number, (dx, dy, side) in enumerate(per_cell):
            left, top, right, bottom = about(8 * x + 4 + dx, 8 * y + 4 + dy, side)
            made[0, 0, y, x, number] = [left, top, 0, right, bottom, 1]
    return torch.from_numpy(made)


def associate(boxes, own, config=None, objectness=None, seen=LATER, **how):
    config = config or config_of()
    made = AssociationSettings(**{"random_startup": 0, "nearest_share": 0.0, **how})
    sure = torch.full(boxes.shape[:-1], 0.9) if objectness is None else objectness
    associator = Associator(config, made, limits(made, LossSettings()))
    return associator(boxes, sure, Targets.of([own]), STRIDE, seen)


def test_a_cell_without_objects_is_empty():
    found = associate(grid_of([(0, 0, 6), (0, 0, 12)]), labels([]))
    assert found.lock.flatten().tolist() == [EMPTY, EMPTY]
    assert len(found.target) == 0


def test_one_object_takes_the_unit_that_overlaps_most_and_the_other_is_good_enough():
    found = associate(grid_of([(0, 0, 6), (0, 0, 7)]), labels([about(4, 4, 6.2)]))
    assert found.lock.flatten().tolist() == [MATCHED, GOOD]
    assert found.overlap.tolist() == pytest.approx([36 / 6.2**2])
    poor = associate(grid_of([(0, 0, 6), (0, 0, 40)]), labels([about(4, 4, 6.2)]))
    assert poor.lock.flatten().tolist() == [MATCHED, EMPTY]


def test_good_units_are_those_of_all_cells():
    # The neighbour's box lies on the object, though its centre is in another cell.
    boxes = grid_of([(0, 0, 6), (-8, 0, 6)], cells=(1, 2))
    found = associate(boxes, labels([about(4, 4, 6)]))
    assert found.lock[0, 0, 0].tolist() == [[MATCHED, EMPTY], [EMPTY, GOOD]]


def test_two_objects_take_two_units_the_best_pair_first():
    # Both overlap unit 0 most; the nearer one gets it.
    own = labels([about(5, 4, 6), about(4, 4, 6)])
    found = associate(grid_of([(0, 0, 6), (3, 0, 6)]), own)
    assert found.lock.flatten().tolist() == [MATCHED, MATCHED]
    assert dict(zip(found.target.tolist(), found.units[4].tolist(), strict=True)) == {1: 0, 0: 1}


def test_more_objects_than_units_leaves_the_worst_out():
    own = labels([about(4, 4, 6), about(4, 4, 5), about(4, 4, 2)])
    found = associate(grid_of([(0, 0, 6), (0, 0, 5)]), own)
    assert sorted(found.target.tolist()) == [0, 1]


def test_the_nearest_prior_takes_it_where_the_best_box_is_poor_or_by_chance():
    boxes = grid_of([(0, 0, 2), (0, 0, 3)])  # both boxes far too small
    own = labels([about(4, 4, 12)])
    assert associate(boxes, own).units[4].tolist() == [1]
    low = associate(boxes, own, low=0.2)
    assert low.units[4].tolist() == [1]
    own = labels([about(4, 4, 6)])
    assert associate(boxes, own, low=-0.9).units[4].tolist() == [1]
    assert associate(boxes, own, nearest_share=1.0).units[4].tolist() == [0]
    assert associate(boxes, own, low=0.9).units[4].tolist() == [0]


def test_of_identical_priors_the_box_that_overlaps_most_is_taken():
    config = config_of(((6.0, 6.0), (6.0, 6.0), (12.0, 12.0)))
    boxes = grid_of([(3, 0, 6), (1, 0, 6), (0, 0, 6)])
    found = associate(boxes, labels([about(4, 4, 6)]), config, nearest_share=1.0)
    assert found.units[4].tolist() == [1]
    both = labels([about(4, 4, 6), about(5, 4, 6)])
    found = associate(boxes, both, config, nearest_share=1.0)
    assert sorted(found.units[4].tolist()) == [0, 1]
    three = labels([about(4, 4, 6), about(5, 4, 6), about(3, 4, 6)])
    found = associate(boxes, three, config, nearest_share=1.0)
    assert sorted(found.units[4].tolist()) == [0, 1, 2]  # no near prior is left for the last


def test_small_objects_are_forced_to_the_smallest_prior():
    boxes = grid_of([(3, 3, 9), (0, 0, 4)])
    own = labels([about(4, 4, 4)])
    assert associate(boxes, own).units[4].tolist() == [1]
    assert associate(boxes, own, smallest_scale=1.0).units[4].tolist() == [0]
    assert associate(boxes, own, smallest_scale=0.5).units[4].tolist() == [1]
    flat = labels([[2, 0, 6, 8]])  # not smaller in every axis
    assert associate(boxes, flat, smallest_scale=1.0).units[4].tolist() == [1]


def test_strict_objects_take_their_nearest_kinds_only():
    config = config_of(((6.0, 6.0), (6.0, 6.0), (12.0, 12.0), (24.0, 24.0)))
    boxes = grid_of([(3, 0, 6), (3, 3, 6), (0, 0, 6), (0, 0, 7)])
    own = labels([about(4, 4, 6)])
    assert associate(boxes, own, config).units[4].tolist() == [2]
    assert associate(boxes, own, config, strict=1).units[4].tolist() == [0]
    assert associate(boxes, own, config, strict=2).units[4].tolist() == [2]
    three = labels([about(4, 4, 6)] * 3)
    assert len(associate(boxes, three, config, strict=1).target) == 2  # nothing else may be taken
    allowed = nearest_kinds(torch.tensor([[1.0, 3.0, 1.0, 2.0]]), 2)
    assert allowed.tolist() == [[True, False, True, True]]


def test_a_difficult_object_counts_only_where_it_is_found_already():
    boxes, own = grid_of([(0, 0, 6), (0, 0, 12)]), labels([about(4, 4, 6)], difficult=[0])
    for amount, expected in ((0.9, MATCHED), (0.05, GOOD)):
        sure = torch.full(boxes.shape[:-1], amount)
        assert associate(boxes, own, objectness=sure).lock.flatten()[0] == expected
    far = associate(grid_of([(3, 3, 6), (0, 0, 40)]), own)
    assert far.lock.flatten().tolist() == [EMPTY, EMPTY]
    # What it does not take is left for others.
    two = labels([about(4, 4, 6), about(4, 4, 5)], difficult=[0])
    found = associate(boxes, two, objectness=torch.full(boxes.shape[:-1], 0.05))
    assert found.target.tolist() == [1]
    assert found.units[4].tolist() == [0]


def test_at_the_start_objects_take_random_free_units():
    config = config_of(((6.0, 6.0),) * 4)
    boxes = grid_of([(0, 0, 6), (5, 5, 2), (-5, 5, 2), (5, -5, 2)])
    own = labels([about(4, 4, 6), about(3, 3, 6), about(5, 5, 6)])
    torch.manual_seed(0)
    seen = set()
    for _ in range(150):
        found = associate(boxes, own, config, seen=5, random_startup=6)
        assert sorted(found.target.tolist()) == [0, 1, 2]
        units = found.units[4].tolist()
        assert len(set(units)) == 3
        seen.add(tuple(units))
    assert len(seen) == 24  # every way to draw three of four
    later = associate(boxes, own, config, seen=6, random_startup=6)
    assert later.units[4].tolist()[0] == 0


def test_a_random_share_takes_random_units_later_on():
    config = config_of(((6.0, 6.0),) * 3)
    boxes, own = grid_of([(0, 0, 6), (1, 1, 6), (2, 2, 6)]), labels([about(4, 4, 6)])
    torch.manual_seed(0)
    taken = [associate(boxes, own, config, random_share=0.5).units[4].item() for _ in range(300)]
    counts = np.bincount(taken, minlength=3) / 300
    assert counts == pytest.approx([0.5 + 0.5 / 3, 0.5 / 3, 0.5 / 3], abs=0.1)


def test_an_image_of_known_class_has_the_limit_as_its_overlap():
    found = associate(grid_of([(3, 3, 6), (0, 0, 12)]), labels([about(4, 4, 8)], class_only=True))
    assert found.overlap.tolist() == pytest.approx([0.3])


def test_an_object_on_the_far_edge_belongs_to_the_last_cell():
    boxes = grid_of([(0, 0, 6)], cells=(2, 2))
    found = associate(boxes, labels([about(16, 16, 6)]), config_of(((6.0, 6.0),)))
    assert [int(axis[0]) for axis in found.units] == [0, 0, 1, 1, 0]


numbers = st.floats(1, 31).map(lambda value: round(value, 2))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(0, 9),
    st.sampled_from(["iou", "giou", "diou", "diou2"]),
    st.sampled_from(["iou", "size", "offset"]),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([0.0, 1.1]),
    st.sampled_from([2, 3]),
)
def test_all_cells_at_once_are_as_one_by_one(seed, n, kind, distance, nearest, strict, smallest, axes):
    rng = np.random.default_rng(seed)
    sides = ((6.0, 6.0, 3.0), (6.0, 6.0, 3.0), (14.0, 9.0, 5.0))
    config = config_of(tuple(side[:axes] for side in sides), axes=axes)
    depth, stride = (2, (8.0, 8.0, 4.0)) if axes == 3 else (1, (8.0, 8.0, 1.0))
    low = rng.uniform(0, 14, (2, depth, 2, 2, 3, 3))
    boxes = np.concatenate([low, low + rng.uniform(2, 12, low.shape)], -1).astype(np.float32)
    corners = rng.uniform(0, 8, (n, 3))
    objects = np.concatenate([corners, corners + rng.uniform(2, 8, (n, 3))], -1).astype(np.float32)
    if axes == 2:
        objects[:, [2, 5]] = [0, 1]
    objectness = rng.uniform(0, 0.6, boxes.shape[:-1]).astype(np.float32)
    targets = Targets(
        torch.from_numpy(np.sort(rng.integers(0, 2, n))), torch.from_numpy(objects), torch.zeros(n).long(),
        torch.zeros(n, 0), torch.from_numpy(rng.random(n) < 0.3), torch.zeros(2).bool(),
    )  # fmt: skip
    how = AssociationSettings(
        overlap=kind, random_startup=0, nearest_share=nearest, prior_distance=distance, strict=strict,
        smallest_scale=smallest,
    )  # fmt: skip
    limit = limits(how, LossSettings())
    found = Associator(config, how, limit)(
        torch.from_numpy(boxes), torch.from_numpy(objectness), targets, torch.tensor(stride), LATER
    )
    expected = plain.associate(boxes, objectness, targets, stride, config, how, limit)
    np.testing.assert_array_equal(found.lock.numpy(), expected.lock)
    places = zip(*(axis.tolist() for axis in found.units), strict=True)
    assert dict(zip(found.target.tolist(), places, strict=True)) == expected.unit_of
