"""The stages around the models keep the rules of their kinds, refuse what does not fit, and work together."""

from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from learned_samples import METHODS, saved_model, small_model

from astrodetect.core import registry, testing
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.maps import ScoreMap
from astrodetect.core.samples import sample_window
from astrodetect.plugins.models.checkpoints import save

SUITES = {
    "scorer": testing.ScorerConformance,
    "classifier": testing.ClassifierConformance,
    "detector": testing.DetectorConformance,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("models")
    return {method: saved_model(folder, method, white=300.0) for method in METHODS}


def suite(name, **changes):
    plugin = registry.load(name)
    kind = name.rpartition("-")[2]
    return type("Suite", (SUITES[kind],), {"plugin": plugin, "settings": MappingProxyType(changes)})()


CASES = [
    (f"{method}-{kind}", promise)
    for method in METHODS
    for kind, case in SUITES.items()
    for promise in dir(case)
    if promise.startswith("test_")
]


@pytest.mark.parametrize(("name", "promise"), CASES)
def test_conforms(name, promise, models):
    method = name.rpartition("-")[0]
    getattr(
        suite(name, weights=models[method], **({"least": 0.0} if "scorer" not in name else {})), promise
    )()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("mode", ["top-k", "sample"])
def test_selectors_conform_in_all_modes(name, mode):
    changes = {"ats": {"mode": mode}, "dps": {"sigma": 0.3}}.get(name, {"suppress": 0.0})
    case = type(
        "Suite", (testing.SelectorConformance,), {"plugin": registry.load(name), "settings": changes}
    )()
    for promise in dir(case):
        if promise.startswith("test_"):
            getattr(case, promise)()


@settings(max_examples=40, deadline=None)
@example(4, 19, 5, 16.0, 1, 0)
@given(
    st.integers(1, 40), st.integers(1, 30), st.integers(1, 12), st.floats(0, 30), st.integers(1, 9),
    st.integers(0, 2**31),
)  # fmt: skip
def test_iterative_selection_is_the_same_in_any_bands(height, width, k, suppress, rows, seed):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 9, (height, width)).astype(np.float32)
    data[rng.random(data.shape) < 0.1] = -np.inf
    data[rng.random(data.shape) < 0.05] = np.nan
    scores = ScoreMap(data, (8.0, 8.0), (3.5, 3.5))
    plugin = registry.load("ips")
    whole = plugin(k=k, suppress=suppress).select(scores)
    banded = plugin(k=k, suppress=suppress, rows=rows).select(scores)
    assert np.array_equal(whole.indices, banded.indices)
    assert np.all(np.diff(whole.scores) <= 0)


def peaked_map():
    data = np.full((20, 30), -1.0, np.float32)
    for rank, cell in enumerate([(3, 4), (10, 20), (15, 6)]):
        data[cell] = 9 - rank
        data[cell[0], cell[1] + 1] = 8.5 - rank
    return ScoreMap(data, (8.0, 8.0), (3.5, 3.5))


@pytest.mark.parametrize("name", METHODS)
def test_selectors_suppress_neighbours_on_request(name):
    plugin = registry.load(name)
    apart = plugin(k=3, suppress=16.0).select(peaked_map())
    assert apart.indices.tolist() == [3 * 30 + 4, 10 * 30 + 20, 15 * 30 + 6]
    near = plugin(k=3, suppress=0.0).select(peaked_map())
    assert near.indices.tolist() == [3 * 30 + 4, 3 * 30 + 5, 10 * 30 + 20]
    assert abs(near.weights.sum() - 1) < 1e-6


def test_attention_weighs_and_draws():
    plugin = registry.load("ats")
    weights = plugin(k=3, suppress=0.0).select(peaked_map()).weights
    assert weights[0] / weights[1] == pytest.approx(np.exp(0.5), rel=1e-4)
    draws = [
        plugin(k=3, mode="sample", seed=seed, temperature=5.0).select(peaked_map()).indices.tolist()
        for seed in (0, 0, 1, 2, 3)
    ]
    assert draws[0] == draws[1]
    assert len({tuple(draw) for draw in draws}) > 1


def test_selection_under_noise_says_what_is_safe():
    plugin = registry.load("dps")
    weights = plugin(k=4, suppress=0.0, sigma=0.5).select(peaked_map()).weights
    assert weights[0] >= weights[3]
    assert np.allclose(plugin(k=4).select(peaked_map()).weights, 1 / 4)


@pytest.mark.parametrize(("name", "other"), [("ats", "fcn-mil"), ("ips", "dps"), ("fcn-mil", "ats")])
def test_a_model_of_another_method_is_refused(name, other, models):
    stage = registry.load(f"{name}-scorer")(weights=models[other])
    with pytest.raises(AstrodetectError, match=f'a model of method "{other}"; expected'):
        stage.open(sample_window().stream)


def test_a_model_of_another_number_of_planes_is_refused(tmp_path, models):
    stage = registry.load("ats-detector")(weights=models["ats"], planes=("image", "max"))
    with pytest.raises(AstrodetectError, match=r"takes images of 1 planes .*\['image', 'max'\] names 2"):
        stage.open(sample_window().stream)
    two = tmp_path / "two.safetensors"
    save(small_model(channels=2), two)
    stage = registry.load("ats-detector")(weights=two, planes=("image", "std"), least=0.0)
    assert stage.needs == ("image", "std")
    window = sample_window()
    stage.open(window.stream)
    assert len(stage.detect(window))
    with pytest.raises(ValueError, match="planes is empty"):
        registry.load("ats-detector")(weights=two, planes=())


@pytest.mark.parametrize("name", ["ats-scorer", "dps-classifier", "ips-detector"])
def test_a_missing_or_foreign_file_is_told(name, tmp_path):
    plugin = registry.load(name)
    with pytest.raises(AstrodetectError, match="cannot be read"):
        plugin(weights=tmp_path / "none").open(sample_window().stream)
    (tmp_path / "foreign").write_bytes(b"\x80\x04K\x01." * 20)
    with pytest.raises(AstrodetectError, match="damaged, or not a safetensors file"):
        plugin(weights=tmp_path / "foreign").open(sample_window().stream)


def test_scores_are_never_given_where_the_mask_is(models):
    mask = np.zeros((96, 128), bool)
    mask[:, 64:] = True
    window = sample_window().with_mask(mask)
    for method in METHODS:
        stage = registry.load(f"{method}-scorer")(weights=models[method])
        stage.open(window.stream)
        scores = stage.score(window)
        centres = scores.centres(np.arange(scores.data.size))
        hidden = np.isneginf(scores.data.reshape(-1))
        assert np.array_equal(hidden, np.round(centres[:, 1]) >= 64)


def test_masked_and_missing_pixels_do_not_reach_the_model(models):
    window = sample_window()
    image = np.array(window.planes["image"])
    mask = np.zeros(image.shape, bool)
    mask[10:30, 20:50] = True
    spoilt = image.copy()
    spoilt[mask] = np.nan
    for method in METHODS:
        stage = registry.load(f"{method}-detector")(weights=models[method], least=0.0)
        stage.open(window.stream)
        one = stage.detect(window.with_planes(image=image).with_mask(mask))
        two = stage.detect(window.with_planes(image=spoilt).with_mask(mask))
        assert np.array_equal(one["probability"], two["probability"])
        assert np.all(np.isfinite(one["probability"]))


def test_calibration_of_the_checkpoint_is_applied(tmp_path):
    model = small_model()
    chances = []
    for scale in (1.0, 2.0):
        path = tmp_path / f"{scale}.safetensors"
        save(model, path, {"calibration": {"patch": {"scale": scale, "offset": 0.0}}})
        stage = registry.load("ats-detector")(weights=path, least=0.0)
        window = sample_window()
        stage.open(window.stream)
        found = stage.detect(window)
        chances.append(found["probability"].astype(float))
    logit = np.log(chances[0] / (1 - chances[0]))
    assert np.allclose(1 / (1 + np.exp(-2 * logit)), chances[1], atol=1e-4)


def test_a_detector_draws_on_request_the_same_in_every_run(models):
    window = sample_window()
    chosen = []
    for changes in ({}, {"inference": "sample", "draws": 4}, {"inference": "sample", "draws": 4}):
        stage = registry.load("ats-detector")(weights=models["ats"], least=0.0, k=2, **changes)
        stage.open(window.stream)
        chosen.append(
            [(row["x_min"], row["y_min"], row["frame_probability"]) for row in stage.detect(window)]
        )
    assert chosen[1] == chosen[2] != chosen[0]
