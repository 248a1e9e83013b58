"""Explanations where the answer is known: a network with weights by hand, a meteor of the simulation."""

from contextlib import closing

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from stranger_packages import astrodetect as command
from torch import nn

from astrodetect.catalogs.reader import Catalog
from astrodetect.cli.evaluate import evaluate
from astrodetect.core import registry
from astrodetect.core.errors import AstrodetectError
from astrodetect.explanation.explain import decider, explain
from astrodetect.explanation.gradients import grad_cam, last_layer, patch_score
from astrodetect.explanation.occlusion import boxes_of, occluded, occlusion_of_image, part_of
from astrodetect.pipeline import Pipeline
from astrodetect.plots.choose import choose
from astrodetect.plots.explanations import plot_explanations
from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import save
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.report import ReportSettings, write_report
from astrodetect.report.retrace import windows_again
from astrodetect.training.explaining import explain_image


def two_spots(n=48):
    """An image of noise with a positive spot at (12, 30) and a negative one at (36, 10)."""
    rng = np.random.default_rng(0)
    image = rng.normal(0, 0.01, (1, n, n)).astype(np.float32)
    image[0, 11:14, 29:32] += 4
    image[0, 35:38, 9:12] -= 4
    return image


def known_network():
    """Sum of what is positive, less half of the sum of what is negative, as one logit."""
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU())
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))

    def score(images):
        maps = network(images).sum(dim=(2, 3))
        return maps[:, 0] - 0.5 * maps[:, 1]

    return network, score


def centre_of(heat):
    y, x = np.indices(heat.shape)
    light = np.clip(heat, 0, None)
    return (y * light).sum() / light.sum(), (x * light).sum() / light.sum()


def test_grad_cam_shows_what_speaks_for_a_score_and_nothing_else():
    network, score = known_network()
    heat = grad_cam(network, score, torch.from_numpy(two_spots()[None]))[0]
    assert heat.max() == pytest.approx(1)
    assert centre_of(np.where(heat > 0.5, heat, 0)) == pytest.approx((12, 30), abs=0.5)
    assert heat[33:40, 7:14].max() < 0.05
    other = grad_cam(network, lambda images: -score(images), torch.from_numpy(two_spots()[None]))[0]
    assert centre_of(np.where(other > 0.5, other, 0)) == pytest.approx((36, 10), abs=0.5)


def test_occlusion_finds_what_carries_the_probability_and_what_speaks_against_it():
    _, score = known_network()

    def chance(images):
        with torch.no_grad():
            return torch.sigmoid(0.05 * score(torch.from_numpy(images))).numpy()

    lost = occlusion_of_image(chance, two_spots(), size=6, step=2)
    assert np.unravel_index(lost.argmax(), lost.shape) == pytest.approx((12, 30), abs=4)
    assert np.unravel_index(lost.argmin(), lost.shape) == pytest.approx((36, 10), abs=4)
    assert lost.max() > 0.1
    assert lost.min() < -0.03
    assert np.abs(lost[20:30, 20:30]).max() < 0.02


@pytest.mark.parametrize("shape", [(48, 48), (7, 30), (5, 5)])
def test_boxes_cover_every_pixel(shape):
    seen = np.zeros(shape, int)
    for box in boxes_of(shape, 12, 5):
        seen[box] += 1
    assert seen.min() >= 1


@pytest.mark.parametrize("method", ["fcn-mil", "ats"])
def test_the_layer_of_our_models_is_the_last_before_pooling(method):
    config = ModelConfig(
        method=method,
        feature_channels=(4, 6),
        feature_shrink=(1, 0),
        labels=("other", "meteor"),
        patch=(24, 24),
    )
    torch.manual_seed(0)
    model = build_model(config).eval()
    patches = torch.rand(2, 1, 24, 24)
    heat = grad_cam(last_layer(model), patch_score(model, "meteor"), patches)
    against = grad_cam(last_layer(model), patch_score(model, "other"), patches)
    assert heat.shape == against.shape == (2, 24, 24)
    assert 0 <= heat.min() <= heat.max() <= 1 + 1e-6
    assert not np.array_equal(heat, against)
    found = explain_image(model, np.random.default_rng(0).random((1, 200, 220), np.float32), "meteor")
    assert 1 <= len(found) <= 3
    assert found[0].image.shape == (24, 24)


def test_a_network_of_tracks_is_explained_on_its_pictures():
    torch.manual_seed(2)
    sizes = {"channels": 5, "feature_channels": (4, 6), "feature_shrink": (1, 1), "n_classes": 3}
    config = ModelConfig(method="verify", labels=("noise", "meteor", "slow"), **sizes)
    model = build_model(config).eval()
    image = np.random.default_rng(0).random((5, 32, 64), np.float32)
    (found,) = explain_image(model, image, "meteor")
    assert found.image.shape == found.occlusion.shape == found.gradients.shape == (32, 64)
    assert np.abs(found.occlusion).max() > 0
    numbers = image.copy()
    numbers[-1] += 1
    assert explain_image(model, numbers, "meteor")[0].probability != found.probability


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    settings = ["--recordings", "1", "--frames", "70", "--shape", "160x200", "--seed", "3"]
    made = command("simulate", "n", *settings, cwd=folder)
    assert made.returncode == 0, made.stderr
    Pipeline.from_toml("meteor").run(folder / "n", out=folder / "night.h5")
    return folder


def test_of_the_classifier_streak_the_trail_is_what_counts(night):
    """Hidden as a whole it is gone; as much sky hidden beside it changes nothing."""
    with Catalog(night / "night.h5") as catalog:
        chosen = choose(catalog)
        plan = Pipeline(catalog.provenance["pipeline"]).plan
    row = {name: values[chosen.row] for name, values in chosen.block.detections.columns.items()}
    recording = next(iter(Pipeline.from_toml("meteor").find(night / "n")))
    source = registry.make_source(recording.source)
    middle = int(row["frame_start"] + row["frame_end"]) // 2
    edges = tuple(float(row[name]) for name in ("x_min", "y_min", "x_max", "y_max"))
    x0, y0, x1, y1 = map(int, edges)
    with closing(windows_again(plan, source, recording, [middle])) as windows:
        window = next(windows)
        decide = decider(plan.detector, edges, row["label"])
        whole = decide(window)
        hidden = decide(occluded(window, (slice(max(0, y0 - 4), y1 + 4), slice(max(0, x0 - 4), x1 + 4))))
        top = 0 if y0 > window.shape[0] - y1 else window.shape[0] - (y1 - y0)
        beside = decide(occluded(window, (slice(top, top + min(20, y1 - y0)), slice(0, x1 - x0))))
    assert whole > 0.5
    assert hidden < 0.2 * whole
    assert beside > 0.8 * whole


def test_a_hidden_part_looks_like_the_sky_and_the_rest_is_as_it_was(night):
    plan = Pipeline.from_toml("meteor").plan
    recording = next(iter(Pipeline.from_toml("meteor").find(night / "n")))
    windows = windows_again(plan, registry.make_source(recording.source), recording, [])
    window = next(windows)
    box = (slice(40, 80), slice(50, 100))
    near = part_of(window, box)
    assert near.shape == (40, 50)
    inner = (slice(10, 20), slice(5, 25))
    hidden = occluded(near, inner)
    outside = np.ones((40, 50), bool)
    outside[inner] = False
    np.testing.assert_array_equal(hidden.frames[:, outside], near.frames[:, outside])
    risen = hidden.frames[:, 10:20, 5:25] - near.planes["background"][10:20, 5:25].astype(float)
    quiet = near.frames[:, :8] - near.planes["background"][:8].astype(float)
    assert risen.std() == pytest.approx(quiet.std(), rel=0.35)
    np.testing.assert_array_equal(hidden.planes["max"][inner], hidden.frames[:, *inner].max(axis=0))
    windows.close()


def test_a_whole_detector_is_explained_too(night):
    """One that says how bright the brightest pixel is rests on that pixel."""
    from astrodetect.core.data import Recording, Stream, Window
    from astrodetect.core.detections import Detections
    from astrodetect.core.stages import Detector

    class Brightest(Detector):
        def detect(self, window):
            y, x = np.unravel_index(window.planes["image"].argmax(), window.shape)
            p = min(1.0, window.planes["image"].max() / 100)
            box = {"x_min": [x], "y_min": [y], "x_max": [x + 1], "y_max": [y + 1]}
            return Detections({**box, "label": ["meteor"], "probability": [p]})

    image = np.random.default_rng(1).normal(0, 1, (90, 110)).astype(np.float32)
    image[33, 70] = 90
    stream = Stream((90, 110), np.dtype(np.float32), 1, 30.0, 0.0)
    planes = {"image": image, "max": image + 10, "background": np.full_like(image, 10)}
    window = Window(Recording("a"), stream, 0, np.zeros(1), None, planes)
    found = explain(Brightest(), window, (70, 33, 71, 34), "meteor", side=40, size=6)
    y, x = np.unravel_index(found.occlusion.argmax(), found.occlusion.shape)
    assert (y + found.corner_yx[0], x + found.corner_yx[1]) == pytest.approx((33, 70), abs=3)
    assert found.probability == pytest.approx(0.9)


def test_the_report_says_what_labels_rest_on(night, tmp_path):
    torch.manual_seed(1)
    sizes = {"feature_channels": (4,), "feature_shrink": (1,), "patch": (24, 24)}
    save(build_model(ModelConfig(method="fcn-mil", labels=("other", "meteor"), **sizes)), tmp_path / "net")
    text = (
        '[[preprocess]]\nuse = "max-minus-median"\n[score]\nuse = "peak-snr"\n'
        '[select]\nuse = "top-k"\nk = 2\n[extract]\nuse = "patches"\nsize = 24\n'
        '[classify]\nuse = "fcn-mil-classifier"\n'
        f'weights = "{tmp_path / "net"}"\n[accept]\nlabels = ["meteor", "other"]\nthreshold = 0.01\n'
    )
    Pipeline(text).run(night / "n", out=tmp_path / "net.h5")
    page = write_report(tmp_path / "net.h5").page.read_text()
    (picture,) = (tmp_path / "net-report" / "pictures").glob("*-reason.png")
    assert f'src="pictures/{picture.name}"' in page
    assert "Grad-CAM" in page
    page = write_report(tmp_path / "net.h5", settings=ReportSettings(explain=0)).page.read_text()
    assert "What labels rest on" not in page
    with pytest.raises(AstrodetectError, match="explain is -1"):
        ReportSettings(explain=-1)


@pytest.mark.slow
def test_evaluate_draws_why_false_alarms_were_accepted(night, tmp_path):
    (tmp_path / "truth.csv").write_text("path,label\nelsewhere,meteor\n")
    done = CliRunner().invoke(
        evaluate, [str(night / "night.h5"), "--truth", str(tmp_path / "truth.csv"), "--out", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "explanation-0.png").stat().st_size > 5000


@pytest.mark.slow
def test_explanations_are_drawn_by_plot(night, tmp_path):
    done = command("plot", "explanation", str(night / "night.h5"), "-o", "e.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "e.png").stat().st_size > 5000


def test_the_picture_has_grad_cam_where_there_is_a_network(tmp_path):
    config = ModelConfig(
        method="fcn-mil", feature_channels=(4,), feature_shrink=(1,), labels=("other", "meteor")
    )
    model = build_model(config).eval()
    found = explain_image(model, two_spots(), "meteor")
    figure = plot_explanations(found, "a title")
    assert [ax.get_title() for ax in figure.axes][:3] == [
        f"meteor {found[0].probability:.3f}", "probability lost when hidden", "Grad-CAM",
    ]  # fmt: skip
