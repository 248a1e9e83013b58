"""Targets, and how images are varied together with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.ellipses import angle_between, axes_of, boxes_of, moments_of
from astrodetect.methods.shape_parameters import ShapeParameters
from astrodetect.simulation.fields.stamps import add_gaussians
from astrodetect.training.boxes.targets import BoxTargets
from astrodetect.training.boxes.vary import BoxAugmentSettings, mirrored, scaled, transposed, vary

SHAPE = ShapeParameters(flux=(1.0, 1e4), size=(1.0, 50.0))


def test_flat_boxes_are_one_pixel_deep():
    targets = BoxTargets([[1, 2, 5, 6]], [0], difficult=[True])
    assert targets.boxes.dtype == np.float32
    assert targets.boxes.tolist() == [[1, 2, 0, 5, 6, 1]]
    assert targets.parameters.shape == (1, 0)
    assert len(BoxTargets.empty(5)) == 0
    assert BoxTargets.empty(5).parameters.shape == (0, 5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([[1, 2, 1, 6]], [0]), "box 0 is empty or no number: 1, 2, 0, 1, 6, 1"),
        (([[1, 2, 3, np.nan]], [0]), "box 0 is empty or no number"),
        (([[1, 2, 3, 4], [1, 2, 3, 4]], [0]), "2 boxes, 1 classes"),
        (([[1, 2, 3, 4]], [-1]), "box 0 has the class -1"),
        (([[1, 2, 3]], [0]), "boxes have the shape (1, 3)"),
        (([[1, 2, 3, 4]], [0], [[np.inf]]), "box 0 has an infinite parameter"),
    ],
)
def test_what_is_no_target_is_refused_in_one_line(arguments, told):
    with pytest.raises(AstrodetectError) as caught:
        BoxTargets(*arguments)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_only_boxes_fully_inside_are_kept_or_their_parts():
    targets = BoxTargets([[0, 0, 4, 4], [-1, 2, 5, 6], [6, 6, 10.5, 9], [20, 20, 22, 22]], [0, 1, 2, 3])
    assert targets.inside((10, 10)).classes.tolist() == [0]
    clipped = targets.clipped((10, 10), least=2)
    assert clipped.classes.tolist() == [0, 1, 2]
    assert clipped.boxes[1:, [0, 3]].tolist() == [[0, 5], [6, 10]]
    assert targets.clipped((10, 10), least=4.5).classes.tolist() == [0, 1]  # the third leaves 4 of 4.5
    assert targets.shifted(2, 3).boxes[0].tolist() == [2, 3, 0, 6, 7, 1]


def drawn(side=64):
    """Draw one elongated source, and give its image, its targets and its truth."""
    moments = moments_of([9.0], [4.0], [25.0])
    image = np.zeros((side, side), np.float32)
    add_gaussians(image, [20.3], [40.7], [10.0], moments)
    boxes = boxes_of([20.3], [40.7], moments, 2.0)
    parameters = SHAPE.encode([float(image.sum())], [9.0], [4.0], [25.0])
    return image[None], BoxTargets(boxes, [0], parameters)


def measured(image):
    """Measure the one source of an image: x, y, flux, and second moments."""
    plane = image[0].astype(float)
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]]
    flux = plane.sum()
    cx, cy = (plane * x).sum() / flux, (plane * y).sum() / flux
    xx, yy = (plane * (x - cx) ** 2).sum() / flux, (plane * (y - cy) ** 2).sum() / flux
    return cx, cy, flux, axes_of([xx, yy, (plane * (x - cx) * (y - cy)).sum() / flux])


def agree(image, targets):
    """Say whether the targets are what an image shows."""
    cx, cy, flux, (major, minor, theta) = measured(image)
    told = SHAPE.decode(targets.parameters)
    x_min, y_min, _, x_max, y_max, _ = targets.boxes[0]
    assert (x_min + x_max - 1) / 2 == pytest.approx(cx, abs=1e-3)
    assert (y_min + y_max - 1) / 2 == pytest.approx(cy, abs=1e-3)
    expected = boxes_of([cx], [cy], moments_of([major], [minor], [theta]), 2.0)[0]
    np.testing.assert_allclose(targets.boxes[0, [0, 1, 3, 4]], expected, atol=2e-3)
    assert told["flux"][0] == pytest.approx(flux, rel=1e-4)
    assert told["major"][0] == pytest.approx(major, rel=1e-3)
    assert told["minor"][0] == pytest.approx(minor, rel=1e-3)
    assert angle_between(told["theta"][0], theta) < 0.02


@pytest.mark.parametrize(
    "change",
    [
        lambda i, t: (i, t),
        lambda i, t: mirrored(i, t, "x", SHAPE),
        lambda i, t: mirrored(i, t, "y", SHAPE),
        lambda i, t: transposed(i, t, SHAPE),
        lambda i, t: scaled(i, t, 2.5, SHAPE),
        lambda i, t: transposed(*mirrored(i, t, "x", SHAPE), SHAPE),
    ],
    ids=["as it is", "mirror x", "mirror y", "transpose", "scale", "quarter turn"],
)
def test_boxes_angles_and_fluxes_follow_the_image(change):
    agree(*change(*drawn()))


@given(st.integers(0, 10_000))
def test_any_variation_agrees_with_the_image_and_repeats(seed):
    how = BoxAugmentSettings(flux_scale=0.5)
    image, targets = vary(*drawn(), how, np.random.default_rng(seed), SHAPE)
    again, _ = vary(*drawn(), how, np.random.default_rng(seed), SHAPE)
    np.testing.assert_array_equal(image, again)
    agree(image, targets)


def test_two_mirrors_give_the_same_to_the_last_bit():
    image, targets = drawn()
    twice, same = mirrored(*mirrored(image, targets, "x", SHAPE), "x", SHAPE)
    np.testing.assert_array_equal(twice, image)
    np.testing.assert_allclose(same.boxes, targets.boxes, atol=1e-5)


def test_noise_has_the_deviation_asked_for():
    image, targets = np.zeros((1, 200, 200), np.float32), BoxTargets.empty()
    how = BoxAugmentSettings(False, False, False, noise=3.0)
    assert vary(image, targets, how, np.random.default_rng(0))[0].std() == pytest.approx(3, rel=0.02)


def test_quarter_turns_want_square_images():
    with pytest.raises(AstrodetectError, match=r"64 rows and 32 columns; expected square"):
        transposed(np.zeros((1, 64, 32)), BoxTargets.empty())


@given(st.floats(0.01, 1e6), st.floats(1, 60), st.floats(0.05, 0.999), st.floats(0, 179.99))
def test_parameters_say_again_what_was_said(flux, major, ratio, theta):
    told = SHAPE.decode(SHAPE.encode([flux], [major], [major * ratio], [theta]))
    assert told["flux"][0] == pytest.approx(flux, rel=1e-4)
    assert told["major"][0] == pytest.approx(major, rel=1e-5)
    assert told["minor"][0] == pytest.approx(major * ratio, rel=1e-5)
    assert angle_between(told["theta"][0], theta) < 1e-4 / (1 - ratio) ** 2 + 1e-3


def test_parameters_do_not_jump_where_the_angle_does():
    a, b = SHAPE.encode([1, 1], [9, 9], [4, 4], [179.9, 0.1])
    assert np.abs(a - b).max() < 0.01
