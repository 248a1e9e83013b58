"""Every term of the loss against hand arithmetic, and its gradient against finite differences."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_yolo_association import about, labels

from astrodetect.plugins.models.yolo.encoding import activate, all_boxes, clip_through, units_of
from astrodetect.plugins.models.yolo.loss import YoloLoss
from astrodetect.plugins.models.yolo.settings import AssociationSettings, LossSettings, YoloConfig
from astrodetect.plugins.models.yolo.targets import Targets

STRIDE = torch.tensor([8.0, 8.0, 1.0])
LATER = 10**9
#: One cell of 8 x 8 pixels, two priors, two classes, two parameters.
CONFIG = YoloConfig(
    priors=((6.0, 6.0), (12.0, 12.0)), labels=("star", "galaxy"), parameters=("flux", "size"),
    position=(0.5, -6.0, 6.0), size=(2.0, -1.2, 1.2), objectness=(0.5, -6.0, 6.0),
)  # fmt: skip
HOW = AssociationSettings(random_startup=0, nearest_share=0.0)
#: What the two units say, before activation: x, y, z, w, h, d, P, O, star, galaxy, flux, size.
FIRST = (0.4, -0.2, 3.0, 0.1, -0.05, 2.0, 0.7, 1.2, 0.3, -0.6, 0.25, 0.9)
SECOND = (-1.0, 0.5, 0.0, 0.2, 0.3, 0.0, -0.4, -2.0, 0.0, 0.0, 0.5, 0.5)


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def output_of(*units):
    return torch.tensor(units, dtype=torch.float64).reshape(1, -1, 1, 1)


def target(x=4.5, y=3.5, side=7.0, parameters=(0.3, 0.6), number=1, **more):
    own = labels([about(x, y, side)], **more, classes=[number])
    own.parameters = np.array([parameters], np.float32)
    return own


def terms_of(output, own, config=CONFIG, how=HOW, **loss):
    made = YoloLoss(config, how, LossSettings(**loss))
    terms, found = made(output, Targets.of([own] if not isinstance(own, list) else own), STRIDE, LATER)
    return {name: float(value) for name, value in terms.by_name().items()}, found


def first_box():
    x, y = 8 * sigmoid(0.5 * 0.4), 8 * sigmoid(0.5 * -0.2)
    w, h = 6 * math.exp(2 * 0.1), 6 * math.exp(2 * -0.05)
    return x, y, w, h


def test_units_become_boxes_as_their_equations_say():
    units = activate(units_of(output_of(FIRST, SECOND), CONFIG), CONFIG)
    box = all_boxes(units, CONFIG, STRIDE.double())[0, 0, 0, 0, 0].tolist()
    x, y, w, h = first_box()
    assert box == pytest.approx([x - w / 2, y - h / 2, 0, x + w / 2, y + h / 2, 1])
    assert float(units.objectness[..., 0]) == pytest.approx(sigmoid(0.6))
    assert float(units.probability[..., 0]) == pytest.approx(sigmoid(0.7))
    assert units.classes[0, 0, 0, 0, 0].tolist() == pytest.approx([sigmoid(0.3), sigmoid(-0.6)])
    assert units.parameters[0, 0, 0, 0, 0].tolist() == pytest.approx([0.25, 0.9])


def test_what_leaves_its_range_is_cut_and_still_learns():
    raw = torch.tensor([-9.0, 0.0, 9.0], requires_grad=True)
    cut = clip_through(raw, (2.0, -1.2, 1.2))
    assert cut.tolist() == pytest.approx([-1.2, 0.0, 1.2])
    cut.sum().backward()
    assert raw.grad.tolist() == [2.0, 2.0, 2.0]


def test_every_term_by_hand():
    terms, found = terms_of(
        output_of(FIRST, SECOND), target(), position=36.0, size=0.2, probability=0.5, objectness=2.0,
        classes=3.0, parameters=5.0, parameter_weights=(2.0, 0.5), void=(0.15, 0.01),
    )  # fmt: skip
    assert found.lock.flatten().tolist() == [2, 0]
    x, y, w, h = first_box()
    # IoU less the distance of the centres in diagonals of the box round both.
    left, right = max(x - w / 2, 1.0), min(x + w / 2, 8.0)
    top, bottom = max(y - h / 2, 0.0), min(y + h / 2, 7.0)
    shared = (right - left) * (bottom - top)
    iou = shared / (w * h + 49 - shared)
    c = math.hypot(max(x + w / 2, 8.0) - min(x - w / 2, 1.0), max(y + h / 2, 7.0) - min(y - h / 2, 0.0))
    overlap = iou - math.hypot(x - 4.5, y - 3.5) / c
    assert float(found.overlap) == pytest.approx(overlap, rel=1e-5)
    log = math.log(7 / 6)
    expected = {
        "position": 36 / 2 * ((sigmoid(0.2) - 4.5 / 8) ** 2 + (sigmoid(-0.1) - 3.5 / 8) ** 2),
        "size": 0.2 / 2 * ((0.2 - log) ** 2 + (-0.1 - log) ** 2),
        "probability": 0.5 / 2 * (sigmoid(0.7) - 0.98) ** 2,
        "objectness": 2 / 2 * (sigmoid(0.6) - (1 + overlap) / 2) ** 2,
        "classes": 3 / 2 * ((sigmoid(0.3) - 0.02) ** 2 + (sigmoid(-0.6) - 0.98) ** 2),
        "parameters": 5 / 2 * (2 * (0.25 - 0.3) ** 2 + 0.5 * (0.9 - 0.6) ** 2),
        "void": 0.01 / 2 * (0.5 * (sigmoid(-0.4) - 0.02) ** 2 + 2 * (sigmoid(-1.0) - 0.02) ** 2),
    }
    assert terms == pytest.approx(expected, rel=1e-5)


def test_a_softmax_has_cross_entropy():
    config = replace(CONFIG, class_activation="softmax")
    terms, _ = terms_of(output_of(FIRST, SECOND), target(), config, classes=3.0)
    assert terms["classes"] == pytest.approx(-3 * math.log(math.exp(-0.6) / (math.exp(0.3) + math.exp(-0.6))))


def test_perfect_boxes_aim_at_0_99():
    exact = (0.0, 0.0, 0, 0.0, 0.0, 0, 0.0, 0.0, 0, 0, 0, 0)
    own = target(4.0, 4.0, 6.0)
    terms, found = terms_of(output_of(exact, SECOND), own, objectness=2.0)
    assert float(found.overlap) == pytest.approx(1.0)
    assert terms["objectness"] == pytest.approx((0.5 - 0.99) ** 2)
    assert terms["position"] == terms["size"] == 0


def test_targets_of_size_are_cut_as_the_output_is():
    terms, _ = terms_of(output_of(FIRST, SECOND), target(4.5, 3.5, 300.0), size=2.0, objectness=0.0)
    # Unit 1 overlaps most; log(300 / 12) is beyond 1.2.
    assert terms["size"] == pytest.approx((0.4 - 1.2) ** 2 + (0.6 - 1.2) ** 2, rel=1e-5)


@pytest.mark.parametrize("name", ["probability", "objectness", "classes", "parameters"])
def test_gates_shut_out_poor_matches(name):
    shut, _ = terms_of(output_of(FIRST, SECOND), target(), **{f"{name}_above": 0.99})
    free, _ = terms_of(output_of(FIRST, SECOND), target())
    assert shut[name] == 0 < free[name]
    assert {key: value for key, value in shut.items() if key != name} == {
        key: value for key, value in free.items() if key != name
    }


NEUTRAL = {
    "position": (sigmoid(0.2) - 0.5) ** 2 + (sigmoid(-0.1) - 0.5) ** 2,
    "size": 0.2**2 + 0.1**2,
    "probability": 0.5 * (sigmoid(0.7) - 0.5) ** 2,
    "objectness": (sigmoid(0.6) - 0.5) ** 2,
    "classes": 0.5 * ((sigmoid(0.3) - 0.5) ** 2 + (sigmoid(-0.6) - 0.5) ** 2),
    "parameters": 0.5 * (0.25**2 + 0.4**2),
}


@pytest.mark.parametrize("name", list(NEUTRAL))
def test_groups_are_drawn_to_their_neutral_value_or_left_alone(name):
    neutral, _ = terms_of(output_of(FIRST, SECOND), target(), **{f"fit_{name}": "neutral"})
    assert neutral[name] == pytest.approx(NEUTRAL[name], rel=1e-5)
    left, _ = terms_of(output_of(FIRST, SECOND), target(), **{f"fit_{name}": "off"})
    assert left[name] == 0


def test_empty_units_know_which_groups_are_fitted():
    parts = {
        "fit_probability": 0.2 * (sigmoid(-1.0) - 0.02) ** 2,
        "fit_objectness": 0.1 * (sigmoid(-0.4) - 0.02) ** 2,
    }
    for off, rest in parts.items():
        terms, _ = terms_of(output_of(FIRST, SECOND), target(), **{off: "off"}, void=(0.2,))
        assert terms["void"] == pytest.approx(rest, rel=1e-5)


def test_a_parameter_that_is_not_known_is_left_out():
    known, _ = terms_of(output_of(FIRST, SECOND), target(parameters=(0.3, math.nan)))
    assert known["parameters"] == pytest.approx(0.5 * (0.25 - 0.3) ** 2, rel=1e-5)


def test_an_image_of_known_class_trains_its_class_alone():
    terms, _ = terms_of(output_of(FIRST, SECOND), target(class_only=True))
    assert terms.pop("classes") > 0
    assert set(terms.values()) == {0.0}


def test_the_loss_is_the_mean_over_images_and_the_sum_over_units():
    one, _ = terms_of(output_of(FIRST, SECOND), target())
    empty, _ = terms_of(output_of(FIRST, SECOND), labels_without())
    pair = torch.cat([output_of(FIRST, SECOND)] * 2)
    both, _ = terms_of(pair, [target(), labels_without()])
    assert both == pytest.approx({name: (one[name] + empty[name]) / 2 for name in one}, rel=1e-5)
    wide = output_of(FIRST, SECOND).repeat(1, 1, 2, 3)
    terms, _ = terms_of(wide, labels_without())
    assert terms["void"] == pytest.approx(6 * empty["void"], rel=1e-5)


def labels_without():
    own = labels([])
    own.parameters = np.zeros((0, 2), np.float32)
    return own


def test_weights_that_fit_nothing_are_refused():
    with pytest.raises(
        ValueError, match=r"\[loss\] void: 3 numbers; expected one, or one for each prior, that is 2"
    ):
        YoloLoss(CONFIG, HOW, LossSettings(void=(1.0, 1.0, 1.0)))
    with pytest.raises(ValueError, match="parameter_weights: 3 numbers"):
        YoloLoss(CONFIG, HOW, LossSettings(parameter_weights=(1.0, 1.0, 1.0)))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("axes", [2, 3])
def test_gradients_are_those_of_finite_differences(activation, axes):
    priors = ((6.0, 6.0), (12.0, 12.0)) if axes == 2 else ((6.0, 6.0, 4.0), (12.0, 12.0, 8.0))
    config = replace(CONFIG, axes=axes, priors=priors, class_activation=activation)
    generator = torch.Generator().manual_seed(1)
    shape = (2, config.output_channels, *(2,) * axes)
    output = torch.randn(shape, generator=generator, dtype=torch.float64) * 0.15  # within all limits
    output.requires_grad_()
    own = labels([about(4, 4, 6), about(12.5, 3, 9), about(6, 11, 7), about(5, 10, 6)], classes=[0, 1, 1, 0])
    own.parameters = np.linspace(0, 1, 8, dtype=np.float32).reshape(4, 2)
    stride = torch.tensor([8.0, 8.0, 1.0 if axes == 2 else 4.0])
    # With equal aims of objectness: its overlap is a target, through which nothing is learnt.
    loss = YoloLoss(config, HOW, LossSettings(objectness=0.0, void=(0.15, 0.01)))
    targets = Targets.of([own, own])

    def total(values):
        return loss(values, targets, stride, LATER)[0].total

    (gradient,) = torch.autograd.grad(total(output), output)
    flat, step = output.detach().flatten(), 1e-5
    for index in torch.randperm(flat.numel(), generator=generator)[:24].tolist():
        shifted = [flat.clone() for _ in range(2)]
        shifted[0][index] += step
        shifted[1][index] -= step
        with torch.no_grad():
            up, down = (total(values.view(shape)) for values in shifted)
        assert float(gradient.flatten()[index]) == pytest.approx(float(up - down) / (2 * step), abs=2e-6)


def test_the_gradient_of_objectness_is_slope_times_weight_times_error():
    output = output_of(FIRST, SECOND).requires_grad_()
    made = YoloLoss(CONFIG, HOW, LossSettings(objectness=2.0, void=(0.3,)))
    terms, found = made(output, Targets.of([target()]), STRIDE, LATER)
    (gradient,) = torch.autograd.grad(terms.total, output)
    o, aim = sigmoid(0.6), (1 + float(found.overlap)) / 2
    assert float(gradient.flatten()[7]) == pytest.approx(0.5 * 2 * (o - aim) * o * (1 - o), rel=1e-5)
    o = sigmoid(-1.0)
    assert float(gradient.flatten()[19]) == pytest.approx(0.5 * 2 * 0.3 * (o - 0.02) * o * (1 - o), rel=1e-5)
    assert gradient.flatten()[[2, 5]].tolist() == [0, 0]  # an image has no depth to learn
