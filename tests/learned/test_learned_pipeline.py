"""Learned stages in pipeline files, on full-resolution frames in FITS files, to a catalog."""

import tracemalloc

import numpy as np
import pytest
import torch
from astropy.io import fits
from learned_samples import METHODS, saved_model, small_model

from astrodetect import AstrodetectError, Catalog, Pipeline
from astrodetect.plugins.models.windows import PlaneScene

SPOTS = [(100, 700), (480, 333), (555, 64)]

WHOLE = """
[[preprocess]]
use = "background"
[detect]
use = "{method}-detector"
weights = "{method}.safetensors"
planes = ["max"]
least = 0.0
"""

COMPOSED = """
[[preprocess]]
use = "background"
[score]
use = "{scorer}-scorer"
weights = "{scorer}.safetensors"
planes = ["max"]
[select]
use = "{selector}"
k = 3
[extract]
use = "patches"
size = [24, 32]
[classify]
use = "{classifier}-classifier"
weights = "{classifier}.safetensors"
planes = ["max"]
least = 0.0
[accept]
labels = ["meteor"]
threshold = 0.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A frame with three bright squares, and a model of each method that looks at what is bright."""
    folder = tmp_path_factory.mktemp("night")
    frame = np.zeros((600, 800), np.uint16)
    for y, x in SPOTS:
        frame[y : y + 12, x : x + 12] = 200
    (folder / "frames").mkdir()
    fits.PrimaryHDU(frame).writeto(folder / "frames" / "needle.fits")
    torch.manual_seed(1)
    for method in METHODS:
        # The filters of the first block see nothing but brightness; so does the network at full resolution.
        saved_model(folder, method, white=200.0, prior_only=method in ("ats", "dps"), k=3)
    return folder


def catalog_of(folder, text):
    (folder / "pipeline.toml").write_text(text)
    out = folder / "out.h5"
    out.unlink(missing_ok=True)
    found = Pipeline.from_toml(folder / "pipeline.toml").run(folder / "frames", out=out)
    with Catalog(out) as catalog:
        assert len(catalog.detections) == len(found)
        assert list(catalog.recordings["status"]) == ["done"]
        return catalog.detections


def assert_finds_the_spots(table):
    assert len(table) == 3
    for y, x in SPOTS:
        inside = (table["x_min"].value <= x + 5.5) & (table["x_max"].value >= x + 6.5)
        inside &= (table["y_min"].value <= y + 5.5) & (table["y_max"].value >= y + 6.5)
        assert inside.sum() == 1, f"({y}, {x}) is in {inside.sum()} boxes"
    assert set(table["label"]) == {"meteor"}


@pytest.mark.parametrize("method", ["ats", "dps"])
def test_a_whole_model_writes_a_catalog(folder, method):
    table = catalog_of(folder, WHOLE.format(method=method))
    assert_finds_the_spots(table)
    assert set(table["frame_label"]) <= {"nothing", "meteor"}


@pytest.mark.parametrize("method", ["ips", "fcn-mil"])
def test_the_other_models_run_in_a_pipeline(folder, method):
    assert len(catalog_of(folder, WHOLE.format(method=method))) == 3


@pytest.mark.parametrize(
    ("scorer", "selector", "classifier"),
    [("ats", "ats", "ats"), ("dps", "dps", "dps"), ("dps", "ips", "ats"), ("ats", "fcn-mil", "fcn-mil")],
)
def test_stages_of_one_model_or_mixed_from_two_write_a_catalog(folder, scorer, selector, classifier):
    text = COMPOSED.format(scorer=scorer, selector=selector, classifier=classifier)
    assert_finds_the_spots(catalog_of(folder, text))


def test_stages_of_one_model_agree_with_the_whole(folder):
    whole = catalog_of(folder, WHOLE.format(method="ats"))
    parts = catalog_of(folder, COMPOSED.format(scorer="ats", selector="ats", classifier="ats"))
    assert np.allclose(np.sort(whole["probability"]), np.sort(parts["probability"]), atol=1e-5)


def test_mistakes_in_the_pipeline_file_are_listed(folder):
    text = WHOLE.format(method="ats").replace("least = 0.0", "least = 3.0\nweigths = 1")
    (folder / "bad.toml").write_text(text)
    with pytest.raises(AstrodetectError) as caught:
        Pipeline.from_toml(folder / "bad.toml").run(folder / "frames", out=folder / "bad.h5")
    assert "least = 3.0" in str(caught.value)
    assert "weigths" in str(caught.value)
    assert not (folder / "bad.h5").exists()


def test_patches_come_from_arrays_memory_maps_and_sections_of_fits_files(folder, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 200, (150, 170)).astype(np.int16)
    np.save(tmp_path / "pixels.npy", pixels)
    fits.PrimaryHDU(pixels).writeto(tmp_path / "pixels.fits")
    model = small_model("ips", white=200.0)
    with fits.open(tmp_path / "pixels.fits", memmap=True) as opened:
        forms = [pixels, np.load(tmp_path / "pixels.npy", mmap_mode="r"), opened[0].section]
        outputs = [model(PlaneScene([form])) for form in forms]
    for output in outputs[1:]:
        assert torch.equal(output.indices, outputs[0].indices)
        assert torch.equal(output.logits, outputs[0].logits)


def test_memory_does_not_grow_with_the_frame(tmp_path):
    model = small_model("ips", chunk=16, step=40)
    peaks = []
    for height in (600, 2400):
        path = tmp_path / f"{height}.npy"
        plane = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(height, 1000))
        plane[100:120, 100:120] = 1
        plane.flush()
        frame = np.load(path, mmap_mode="r")
        tracemalloc.start()
        with torch.inference_mode():
            model(PlaneScene([frame]))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 100_000
