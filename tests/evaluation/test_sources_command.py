"""``astrodetect evaluate`` on catalogs of still images."""

import csv
import json

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from astrodetect import Pipeline
from astrodetect.cli import cli
from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.sources.reading import read_source_truth
from astrodetect.simulation.fields.command import run as simulate

TRUTH = "radio/truth.csv"
PIPELINE = """
[[preprocess]]
use = "background"
[detect]
use = "segmentation"
threshold = 2.0
fwhm = 1.0
[accept]
labels = ["source"]
threshold = 0.5
"""


def astrodetect(*arguments):
    return CliRunner().invoke(cli, [str(own) for own in arguments])


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Two radio fields, and a catalog of what segmentation found in them."""
    folder = tmp_path_factory.mktemp("maps")
    simulate(folder / "radio", scene="radio", recordings=2, shape=(150, 150), seed=1, quiet=True)
    Pipeline.from_toml(PIPELINE).run(folder / "radio", out=folder / "map.h5")
    return folder


def test_a_truth_with_boxes_and_fluxes_is_judged_as_sources(night):
    done = astrodetect("evaluate", night / "map.h5", "--truth", night / TRUTH, "--match", "shape")
    assert done.exit_code == 0, done.output
    for line in (
        "Matched by shape (shape distance at most 5) in 2 images",
        "labels (source) and those of the truth (galaxy) differ",
        "completeness at purity 0.93",
        "per true source",
        "By flux",
    ):
        assert line in done.output


def test_json_says_the_same_and_more(night):
    given = ("evaluate", night / "map.h5", "--truth", night / TRUTH, "--json")
    told = json.loads(astrodetect(*given).output)
    assert told["match"] == "iou"
    (own,) = told["classes"]
    truth = Table.read(night / TRUTH)
    assert own["n_true"] == int((truth["difficult"] == 0).sum())
    assert own["n_difficult"] == int((truth["difficult"] == 1).sum())
    assert 0 < own["AP@50:95"] < own["AP@50"] < 1
    assert own["recall"] == sorted(own["recall"])
    near = json.loads(astrodetect(*given, "--match", "distance", "--limit", "2", "--purity", "0.5").output)
    assert near["limit"] == 2
    assert near["classes"][0]["completeness"]["value"] > 0.6
    assert near["classes"][0]["completeness_at_purity"]["purity"] == 0.5
    assert near["classes"][0]["score"]["per_source"] > 0.3


def test_tables_and_curves_are_written(night, tmp_path):
    out = tmp_path / "judged"
    done = astrodetect("evaluate", night / "map.h5", "--truth", night / TRUTH, "--out", out)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == ["by-flux.csv", "sources.json", "sources.png"]
    assert (out / "sources.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((out / "by-flux.csv").read_text().splitlines()))
    told = json.loads((out / "sources.json").read_text())
    assert sum(int(row["n_true"]) for row in rows) == told["classes"][0]["n_true"]


def test_coco_annotations_are_a_truth(night, tmp_path):
    truth = Table.read(night / TRUTH)
    images = sorted(set(truth["path"]))
    annotations = [
        {"id": n, "image_id": images.index(row["path"]), "category_id": 0,
         "bbox": [row["x_min"], row["y_min"], row["x_max"] - row["x_min"], row["y_max"] - row["y_min"]]}
        for n, row in enumerate(truth) if not row["difficult"]
    ]  # fmt: skip
    coco = {
        "images": [
            {"id": n, "file_name": name, "width": 150, "height": 150} for n, name in enumerate(images)
        ],
        "categories": [{"id": 0, "name": "source"}],
        "annotations": annotations,
    }
    file = tmp_path / "coco.json"
    file.write_text(json.dumps(coco))
    done = astrodetect("evaluate", night / "map.h5", "--truth", file, "--match", "iou", "--json")
    assert done.exit_code == 0, done.output
    (own,) = json.loads(done.output)["classes"]
    assert (own["label"], own["n_true"]) == ("source", len(annotations))
    assert own["score"] is None
    assert own["AP@50"] > 0


def test_a_table_of_astropy_is_a_truth(night, tmp_path):
    truth = Table.read(night / TRUTH)
    for name in ("truth.ecsv", "truth.fits"):
        truth.write(tmp_path / name)
        read = read_source_truth(tmp_path / name)
        expected = read_source_truth(night / TRUTH)
        assert set(read) == set(expected)
        for image, own in expected.items():
            np.testing.assert_allclose(read[image].boxes, own.boxes)
            np.testing.assert_array_equal(read[image]["difficult"], own["difficult"])
            assert read[image]["label"].tolist() == own["label"].tolist()


def test_images_without_truth_are_empty_or_left_out(night, tmp_path):
    lines = (night / TRUTH).read_text().splitlines()
    only = [line for line in lines if not line.startswith("radio-0002")]
    (tmp_path / "truth.csv").write_text("\n".join(only) + "\n")
    given = ("evaluate", night / "map.h5", "--truth", tmp_path / "truth.csv", "--match", "distance", "--json")
    with_both, with_one = (
        json.loads(astrodetect(*given, *more).output) for more in ((), ("--ignore-unlisted",))
    )
    assert with_both["not_in_truth"] == ["radio-0002.fits"]
    assert (with_both["n_images"], with_one["n_images"]) == (2, 1)
    assert with_one["classes"][0]["purity"]["value"] > with_both["classes"][0]["purity"]["value"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path,x_min\nradio-0001.fits,abc\n", "row 2: x_min is 'abc'; expected a number"),
        ("path,x_min\nradio-0001.fits\n", "row 2: 1 values; expected 2"),
        ("path,x_min\nother.fits,3\n", "no image in common"),
    ],
)
def test_a_bad_truth_is_told_in_a_line(night, tmp_path, text, told):
    (tmp_path / "truth.csv").write_text(text)
    done = astrodetect("evaluate", night / "map.h5", "--truth", tmp_path / "truth.csv")
    assert done.exit_code != 0
    message = done.output + str(done.exception)
    assert told in message
    assert str(tmp_path / "truth.csv") in message


def test_what_lists_no_sources_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(AstrodetectError, match=r"a\.csv"):
        read_source_truth(tmp_path / "a.csv")
    (tmp_path / "a.ecsv").write_text("nothing")
    with pytest.raises(AstrodetectError, match=r"a\.ecsv: cannot be read as a table"):
        read_source_truth(tmp_path / "a.ecsv")
