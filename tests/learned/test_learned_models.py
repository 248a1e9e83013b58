"""Models as a whole: every method and aggregation, any size, checkpoints, and what they refuse."""

from itertools import product

import pytest
import torch
from learned_samples import METHODS, saved_model, small_config, small_model, spots
from safetensors.torch import save_file

from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import load, save
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.scenes import Scene, TensorScene

AGGREGATIONS = ("lse", "count", "mean", "attention", "cross-attention")


def steps(model, batches):
    """Take a step for each batch of images and labels, and give the losses."""
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for images, labels in batches:
        model.train()
        output = model(images)
        loss = torch.nn.functional.cross_entropy(output.logits, labels)
        optimiser.zero_grad()
        (loss + sum(output.losses.values())).backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def slopes(parameters):
    """Sum of the sizes of all gradients; they must be numbers."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)
    return sum(grad.abs().sum().item() for grad in grads)


@pytest.mark.parametrize(
    ("method", "aggregation"),
    [pair for pair in product(("ats", "dps", "ips"), AGGREGATIONS) if pair != ("ips", "mean")],
)
def test_every_method_trains_with_every_aggregation(method, aggregation):
    model = build_model(
        small_config(method, aggregation=aggregation, position="attention" in aggregation, distill=0.5)
    )
    assert all(torch.isfinite(torch.tensor(steps(model, 2 * [(spots(), torch.tensor([0, 1]))]))))
    for name, parameters in model.parameter_groups().items():
        assert slopes(parameters) > 0, name


@pytest.mark.parametrize("method", METHODS)
def test_rectangles_of_any_size_and_any_number_of_planes(method):
    model = small_model(method, channels=3)
    for batch, shape in ((1, (60, 90)), (3, (97, 71)), (2, (128, 128))):
        output = model(torch.rand(batch, 3, *shape))
        assert output.logits.shape == (batch, 2)
        assert output.centres_yx.shape == (batch, 4, 2)
        assert output.scores.shape == output.attention.shape
        assert torch.allclose(output.attention.sum((1, 2)), torch.ones(batch), atol=1e-5)
        assert (output.centres_yx > -model.grid.stride).all()
        assert (output.centres_yx < torch.tensor(shape) + model.grid.stride).all()


@pytest.mark.parametrize("method", METHODS)
def test_inference_is_deterministic_and_each_image_stands_for_itself(method):
    model = small_model(method)
    images = torch.rand(3, 1, 80, 100)
    whole = model(images)
    assert torch.equal(whole.logits, model(images).logits)
    for number in range(3):
        one = model(images[number : number + 1])
        assert torch.allclose(one.logits[0], whole.logits[number], atol=1e-5)
        assert torch.equal(one.indices[0], whole.indices[number])


def test_more_classes_and_several_labels_at_once():
    for aggregation in AGGREGATIONS:
        several = small_model(n_classes=5, labels=(), aggregation=aggregation)
        assert several(spots()).logits.shape == (2, 5)
        labels = small_model(n_classes=3, labels=(), multilabel=True, aggregation=aggregation)
        assert labels(spots()).logits.shape == (2, 3)


@pytest.mark.parametrize("replace", [False, True])
def test_sampling_at_inference_is_averaged_and_follows_the_seed(replace):
    model = small_model(inference="sample", draws=8, replace=replace, prior=0.0, suppress=0.0)
    images = torch.rand(2, 1, 100, 100)
    results = []
    for seed in (1, 1, 2):
        model.reseed(seed)
        results.append(model(images).logits)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert torch.allclose(torch.logsumexp(results[0], 1), torch.zeros(2), atol=1e-5)


def test_neighbours_are_suppressed():
    model = small_model(k=6, suppress=40.0, scale=0.25, prior=0.0)
    output = model(torch.rand(4, 1, 200, 200))
    for centres, valid in zip(output.centres_yx, output.valid, strict=True):
        gaps = (centres[valid][:, None] - centres[valid]).abs().amax(-1)
        gaps.fill_diagonal_(1000)
        assert gaps.min() > 40 - model.grid.stride


def test_what_is_ignored_is_not_chosen():
    ignore = torch.zeros(120, 150, dtype=torch.bool)
    ignore[:, :100] = True
    for method in METHODS:
        output = small_model(method, k=3)(spots(), ignore=ignore)
        assert (output.centres_yx[output.valid][:, 1] >= 99).all()


def test_reference_selection_mixes_pixels():
    model = build_model(small_config("dps", mode="reference", aggregation="mean", n_samples=8))
    assert steps(model, [(spots(), torch.tensor([0, 1]))])[0] > 0
    assert slopes(model.parameter_groups()["scorer"]) > 0


def test_the_schedules_follow_the_progress():
    model = build_model(small_config("ats", k=3, k_train=6, k_until=0.5, entropy=0.1)).train()
    early = model(spots())
    assert early.indices.shape == (2, 6)
    model.progress = 0.75
    late = model(spots())
    assert late.indices.shape == (2, 3)
    assert abs(late.losses["entropy"]) < abs(early.losses["entropy"])
    assert model.eval()(spots()).indices.shape == (2, 3)
    assert model(spots(), k=5).indices.shape == (2, 5)
    selection = build_model(small_config("dps", sigma=0.5, sigma_end=0.1)).train()
    noises = [selection.noise().sigma]
    selection.progress = 1.0
    noises.append(selection.noise().sigma)
    assert noises == pytest.approx([0.5, 0.1])


def test_the_prior_alone_has_nothing_of_the_network_in_it():
    model = small_model(prior_only=True)
    before = model(spots()).scores
    with torch.no_grad():
        for name, parameter in model.scorer.named_parameters():
            if name != "prior":
                parameter.add_(1.0)
    assert torch.equal(model(spots()).scores, before)


def test_the_scorer_learns_from_patches_what_the_prior_cannot_see():
    """Two kinds of spot, equally bright; only one makes an image positive."""

    def images(n):
        batch = torch.zeros(n, 1, 96, 128)
        labels = torch.arange(n) % 2
        stripes = torch.ones(16, 16)
        stripes[::4] = stripes[1::4] = 0
        for number, label in enumerate(labels.tolist()):
            target = int(torch.randint(4, ())) if label else -1
            for place in range(4):
                y, x = 8 + 44 * (place // 2) + int(torch.randint(8, ())), 8 + 56 * (place % 2)
                batch[number, 0, y : y + 16, x : x + 16] = stripes.T if place == target else stripes
        return batch, labels

    torch.manual_seed(3)
    model = build_model(
        small_config(
            k=6, patch=(24, 24), scale=0.5, scorer_channels=(8, 8), scorer_strides=(2, 2), distill=1.0,
            feature_channels=(8, 16), dropout=0.0, prior_width=16.0, entropy=0.0, suppress=16.0,
        )
    )  # fmt: skip
    steps(model, (images(16) for _ in range(90)))
    batch, labels = images(64)
    model.eval()
    right = (model(batch, k=1).logits.argmax(1) == labels).float().mean()
    assert right > 0.9  # one patch of four spots: the prior alone would see the right one in a quarter


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float16, torch.float64])
def test_pixels_may_be_of_any_type(method, dtype):
    model = small_model(method, white=200.0)
    images = (spots() * 200).to(dtype)
    assert torch.allclose(model(images).logits, model(images.float()).logits, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_mixed_precision_gives_finite_gradients(method):
    model = build_model(small_config(method)).train()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(spots())
        loss = output.logits.float().logsumexp(1).sum() + sum(output.losses.values())
    loss.backward()
    slopes(model.parameters())


def test_black_parts_are_skipped_in_training_without_changing_the_map():
    model = small_model("fcn-mil", feature_channels=(4, 8, 8), feature_shrink=(1, 1, 0))
    dense = model.map(spots(3, (200, 260)))
    model.skip_empty, model.training = True, True  # the layers stay as at inference
    assert torch.allclose(model.map(spots(3, (200, 260))), dense, atol=1e-5)
    assert torch.allclose(model.map(torch.zeros(1, 1, 60, 70)), model.map(torch.zeros(1, 1, 60, 70)))


def test_iterative_selection_does_not_depend_on_the_chunk_and_never_sees_the_whole():
    class Watched(TensorScene):
        most = 0

        def cut(self, corners_yx, size, fill):
            Watched.most = max(Watched.most, corners_yx.shape[1])
            return super().cut(corners_yx, size, fill)

    scene = Watched(torch.rand(1, 1, 150, 190))
    assert isinstance(scene, Scene)
    outputs = []
    for chunk in (5, 1000):
        torch.manual_seed(0)
        outputs.append(small_model("ips", chunk=chunk, aggregation="cross-attention")(scene))
        if chunk == 5:
            assert Watched.most == 5
    assert torch.equal(outputs[0].indices, outputs[1].indices)
    assert torch.allclose(outputs[0].logits, outputs[1].logits, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_gives_the_same_model_back(method, tmp_path):
    model = small_model(method, white=9.0)
    save(model, tmp_path / "m.safetensors", {"epoch": 3})
    again = load(tmp_path / "m.safetensors")
    assert again.info == {"epoch": 3}
    assert again.model.config == model.config
    assert torch.equal(again.model(spots()).logits, model(spots()).logits)
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_bad_checkpoints_are_told_in_one_line(tmp_path):
    good = saved_model(tmp_path)
    (tmp_path / "cut").write_bytes(good.read_bytes()[:-100])
    (tmp_path / "text").write_text("no weights at all, but a long enough text")
    (tmp_path / "empty").write_bytes(b"")
    save_file({"a": torch.ones(2)}, tmp_path / "foreign")
    model = small_model()
    header = {"format": "astrodetect-model", "format_version": "1", "config": model.config.to_json()}
    save_file({"a": torch.ones(2)}, tmp_path / "other", header)
    save_file({"a": torch.ones(2)}, tmp_path / "future", {**header, "format_version": "7"})
    save_file({"a": torch.ones(2)}, tmp_path / "wrong", {**header, "config": '{"k": -1, "kk": 2}'})
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    save(model, tmp_path / "nan")
    expected = {
        "missing": "cannot be read", "cut": "damaged", "text": "damaged", "empty": "damaged",
        "foreign": "not a model of astrodetect", "other": "do not fit", "future": "version 7",
        "nan": "not numbers", "": "cannot be read",
    }  # fmt: skip
    for name, text in expected.items():
        with pytest.raises(AstrodetectError, match=text) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(ConfigurationError, match="k = -1") as caught:
        load(tmp_path / "wrong")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("method", METHODS)
def test_bad_images_are_told_in_one_line(method):
    model = small_model(method)
    with pytest.raises(AstrodetectError, match=r"1 planes .* not of 3"):
        model(torch.zeros(1, 3, 60, 60))
    with pytest.raises(AstrodetectError, match=r"1 planes .* not of 3"):
        model(TensorScene(torch.zeros(1, 3, 60, 60)))
    images = spots()
    images[1, 0, 3, 3] = torch.nan
    with pytest.raises(AstrodetectError, match="image 1 of the batch holds pixels that are NaN"):
        model(images)
    with pytest.raises(AstrodetectError, match=r"\(B, C, H, W\)"):
        model(torch.zeros(60, 60))
    if method != "fcn-mil":
        with pytest.raises(AstrodetectError, match="24 x 32 pixels is larger than the image of 20 x 60"):
            model(torch.zeros(1, 1, 20, 60))
        with pytest.raises(AstrodetectError, match=r"k = 99 patches .* cells"):
            model(torch.zeros(1, 1, 60, 70), k=99)


@pytest.mark.parametrize("method", METHODS)
def test_constant_images_are_no_trouble(method):
    model = build_model(small_config(method)).train()
    for value in (0.0, 1.0):
        output = model(torch.full((2, 1, 80, 90), value))
        loss = output.logits.sum() + sum(output.losses.values())
        loss.backward()
        assert torch.isfinite(output.logits).all()
        slopes(model.parameters())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"scorer_strides": (1, 2, 3)}, "same length"),
        ({"scorer_kernel": 4}, "odd"),
        ({"labels": ("one",)}, "1 labels for n_classes = 2"),
        ({"white": 0.0}, "numbers that differ"),
        ({"white": float("nan")}, "numbers that differ"),
        ({"view": ()}, "view is empty"),
        ({"n_classes": 1}, "at least 2"),
        ({"method": "ips", "aggregation": "mean"}, "ips needs"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        ModelConfig(**changes)


def test_a_table_lists_every_mistake():
    with pytest.raises(ConfigurationError) as caught:
        ModelConfig.from_table({"k": 0, "metod": "ats", "scale": 2.0}, "c.toml [model]")
    assert len(caught.value.problems) == 3
    assert all(problem.startswith("c.toml [model]") for problem in caught.value.problems)


@pytest.mark.parametrize("padding", ["zero", "replicate"])
def test_the_full_resolution_map_is_the_same_in_bands(padding, monkeypatch):
    model = small_model("fcn-mil", feature_channels=(4, 8, 8), feature_shrink=(1, 1, 0), padding=padding)
    images = torch.rand(2, 1, 150, 131)
    whole = model.map(images)
    monkeypatch.setattr("astrodetect.plugins.models.fcn._BAND_PIXELS", 131 * 13)
    assert torch.allclose(model.map(images), whole, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_the_same_training(method):
    weights = []
    for seed in (4, 4, 5):
        torch.manual_seed(seed)
        model = build_model(small_config(method))
        torch.manual_seed(100 + seed)
        steps(model, 2 * [(spots(), torch.tensor([0, 1]))])
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_parts_of_a_batch_give_what_the_batch_gives() -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig(method="ats")).eval()
    patches = torch.rand(130, 1, 48, 48)
    whole = model.encode(patches)  # with gradients: at once
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(patches), whole, rtol=1e-4, atol=1e-5)
        images = torch.rand(9, 1, 966, 600)
        one = torch.cat([model.score(image[None])[0] for image in images])
        torch.testing.assert_close(model.score(images)[0], one, rtol=1e-4, atol=1e-4)
