"""The study of feature networks, cross-validation, images from files, and learning as it should go."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from test_training_evaluate import run
from test_training_trainer import TINY

from astrodetect.core.errors import AstrodetectError
from astrodetect.core.settings import describe
from astrodetect.training.config import DATA_SETS, read_data
from astrodetect.training.data.files import LabelledImages, read_image
from astrodetect.training.data.loading import Loader, in_order
from astrodetect.training.data.streaks import StreakPatches
from astrodetect.training.logs import read_history
from astrodetect.training.settings import AugmentSettings, TrainSettings, TransferSettings
from astrodetect.training.study import VARIANTS, PatchClassifier, StudySettings, chosen_variants, study

ROOT = Path(__file__).parents[2]
#: Numbers of parameters that the literature gives, table 6.7.
PUBLISHED = {
    "standard-0": 221825, "standard-1": 402945, "standard-2": 75137, "standard-3": 74561,
    "standard-4": 37633, "standard-5": 40193, "standard-6": 44961, "standard-7": 91393,
    "standard-8": 82945, "separable-0": 37866, "separable-1": 40074, "separable-2": 31914,
    "separable-3": 18058, "separable-4": 9738,
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_networks_have_the_published_number_of_parameters(name):
    model = PatchClassifier(VARIANTS[name].config())
    assert sum(parameter.numel() for parameter in model.parameters()) == PUBLISHED[name]


@pytest.mark.usefixtures("one_thread")
def test_a_study_gives_a_row_for_each_network():
    data = StreakPatches(size=24, train=12, variants=2)
    rows = study(data, chosen_variants(["separable-4"]), StudySettings(folds=2, epochs=1, repeats=2))
    (row,) = rows
    assert row["parameters"] == 9738
    assert 0 <= row["accuracy"] <= 1
    assert row["ms"] > 0


def test_an_unknown_network_is_told():
    with pytest.raises(AstrodetectError, match="no network 'standard-9' in the study; did you mean"):
        chosen_variants(["standard-9"])


def test_streaks_come_in_groups_of_one_class():
    split = StreakPatches(train=10, variants=3).split("train")
    assert len(split) == 30
    assert all(len(set(split.targets[split.groups == group])) == 1 for group in range(10))
    assert split.image(0).shape == (1, 56, 56)


def test_folds_of_a_model_are_trained_and_judged(tmp_path, capsys):
    config = tmp_path / "training.toml"
    text = TINY.format(method="ats", model="", train="", more="").replace("epochs = 3", "epochs = 1")
    config.write_text(text, encoding="utf-8")
    assert run("train", config, "--folds", "2", "--quiet") == 0
    assert "±" in capsys.readouterr().out
    with (tmp_path / "run/folds.csv").open() as opened:
        assert len(list(csv.DictReader(opened))) == 2


def image_table(folder, rows, header="path,label,group"):
    rng = np.random.default_rng(0)
    for number in range(len(rows)):
        np.save(folder / f"{number}.npy", rng.integers(0, 99, (40, 50)).astype(np.uint16))
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return LabelledImages(folder / "labels.csv", validation=0.3, test=0.3)


def test_images_of_one_group_stay_in_one_split(tmp_path):
    rows = [f"{n}.npy,{'meteor' if n % 4 < 2 else 'none'},event{n // 2}" for n in range(40)]
    data = image_table(tmp_path, rows)
    assert data.classes == ("meteor", "none")
    groups = [set(data.split(name).groups) for name in ("train", "validation", "test")]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 20
    assert sum(len(data.split(name)) for name in ("train", "validation", "test")) == 40
    assert data.split("train").image(0).shape == (1, 40, 50)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["0.npy,a", "1.npy,a"], "path,label", "only images of the class 'a'"),
        (["0.npy,a", "1.npy,b"], "path,class", "expected the column 'label'"),
        (["0.npy,a,tset"], "path,label,split", "split = 'tset': expected one of train, validation, test"),
        ([], "path,label", "has no rows"),
    ],
)
def test_mistakes_in_a_table_are_told(tmp_path, rows, header, message):
    data = image_table(tmp_path, rows, header)
    with pytest.raises(AstrodetectError, match=message):
        LabelledImages(data.table, validation=0, test=0).split("train")


def test_images_that_cannot_be_read_are_told(tmp_path):
    np.save(tmp_path / "nan.npy", np.full((4, 4), np.nan))
    np.save(tmp_path / "line.npy", np.zeros(4))
    (tmp_path / "no.fits").write_bytes(b"SIMPLE")
    expected = {
        "nan.npy": "not finite",
        "line.npy": "has 1 axes",
        "no.fits": "cannot be",
        "none.png": "cannot",
    }
    for name, message in expected.items():
        with pytest.raises(AstrodetectError, match=f"{name}: .*{message}"):
            read_image(tmp_path / name)


def test_images_of_different_shapes_are_judged_and_not_mixed_in_a_step(tmp_path):
    rows = [f"{n}.npy,{'ab'[n % 2]},g{n},train" for n in range(4)]
    split = image_table(tmp_path, rows, "path,label,group,split").split("train")
    np.save(tmp_path / "3.npy", np.zeros((40, 60), np.uint8))
    assert [batch.images.shape for batch in in_order(split, 4)] == [(3, 1, 40, 50), (1, 1, 40, 60)]
    with pytest.raises(AstrodetectError, match=r"shapes \(1, 40, 50\) and \(1, 40, 60\)"):
        list(Loader(split, 4, 0, AugmentSettings()).batches(0))


def test_a_folder_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    config = tmp_path / "training.toml"
    config.write_text(TINY.format(method="ats", model="", train="", more=""), encoding="utf-8")
    assert run("train", config, "--out", tmp_path / "taken" / "run") == 3
    assert "the training cannot be saved" in capsys.readouterr().err


@pytest.mark.parametrize("cls", [TrainSettings, AugmentSettings, TransferSettings, *DATA_SETS.values()])
def test_every_setting_is_documented(cls):
    assert [setting.name for setting in describe(cls) if not setting.help] == []


def test_fits_images_are_read_in_their_own_type(tmp_path):
    from astropy.io import fits

    data = np.arange(12, dtype=np.uint16).reshape(3, 4)
    fits.PrimaryHDU(data).writeto(tmp_path / "a.fits")
    image = read_image(tmp_path / "a.fits")
    assert image.dtype == np.uint16
    assert np.array_equal(image, data)


def test_the_example_is_a_valid_training_file():
    assert read_data(ROOT / "examples/learned/digits.toml").classes == ("without", "with")
    for recipe in (ROOT / "benchmarks/learned").glob("*.toml"):
        assert read_data(recipe).classes


@pytest.mark.slow
def test_the_example_learns_and_its_attention_beats_the_prior(tmp_path, capsys):
    config = ROOT / "examples/learned/digits.toml"
    assert run("train", config, "--out", tmp_path / "run", "--quiet") == 0
    history = read_history(tmp_path / "run/history.csv")
    assert history[-1]["accuracy"] > 0.95
    assert history[-1]["loss"] < history[0]["loss"]
    capsys.readouterr()
    accuracy = {}
    for flags in ((), ("--prior-only",)):
        model = tmp_path / "run/model.safetensors"
        assert run("evaluate", model, "--data", config, "--k", "2", "--json", *flags) == 0
        accuracy[flags] = json.loads(capsys.readouterr().out)["mean"]["accuracy"]
    assert accuracy[()] > accuracy["--prior-only",] + 0.1
