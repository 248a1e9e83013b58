"""The model of galaxies that comes with the package: small, and it finds them."""

import numpy as np
import pytest

from astrodetect import Catalog, Pipeline
from astrodetect.evaluation.sources import Sources, score_sources
from astrodetect.plugins.models.yolo.model import multiplications
from astrodetect.plugins.models.yolo.weights import SHIPPED, load, path_of
from astrodetect.simulation.fields.radio import RadioScene
from astrodetect.simulation.fields.writing import write_fits
from astrodetect.training.boxes.card import card


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_are_small_and_say_what_they_are(name):
    assert path_of(name).stat().st_size < 5_000_000
    trained = load(name)
    assert multiplications(trained.model) <= 5000
    assert {"thresholds", "calibration", "training"} <= set(trained.info)
    text = card(name)
    assert text.startswith(f"# {name}\n")
    assert "thresholds of objectness" in text


def test_the_pipeline_finds_and_measures_galaxies(tmp_path):
    field = RadioScene(shape=(256, 256)).make(np.random.default_rng(12345))
    (tmp_path / "field").mkdir()
    write_fits(tmp_path / "field/map.fits", field)
    Pipeline.from_toml("galaxy").run(tmp_path / "field", out=tmp_path / "field.h5")
    with Catalog(tmp_path / "field.h5") as catalog:
        found = catalog.detections
    assert set(found["label"]) == {"galaxy"}
    assert np.isfinite(found["ra_start"]).all()
    accepted = found[found["accepted"]]
    score = score_sources(Sources.of({name: np.asarray(accepted[name]) for name in accepted.colnames}),
                          Sources.of(field.sources))  # fmt: skip
    assert score.per_source > 0.5
    assert score.n_match > 0.75 * score.n_true


def test_the_fit_measures_what_the_model_found_better(tmp_path):
    field = RadioScene(shape=(256, 256)).make(np.random.default_rng(12345))
    write_fits(tmp_path / "map.fits", field)
    text = Pipeline.from_toml("galaxy").text
    marks = {}
    for fitted in (False, True):
        own = text if fitted else text.replace("fit_beam = [2.5, 2.5, 0.0]\n", "")
        found = Pipeline.from_toml(own).run(tmp_path / "map.fits")
        assert np.isfinite(found["snr"]).all() == fitted
        kept = Sources.of(
            {name: np.asarray(values)[found["accepted"]] for name, values in found.columns.items()}
        )
        score = score_sources(kept, Sources.of(field.sources))
        marks[fitted] = {part: score.marks[part] / n for part, n in score.counts.items() if n}
    assert marks[True]["theta"] > marks[False]["theta"] + 0.08
    assert marks[True]["flux"] > marks[False]["flux"]
