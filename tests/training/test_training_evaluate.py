"""``astrodetect train`` and ``astrodetect evaluate`` from the command line to files."""

import csv
import json

import pytest
from test_training_trainer import TINY

from astrodetect.cli import main


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    config = folder / "training.toml"
    config.write_text(TINY.format(method="ats", model="", train="", more=""), encoding="utf-8")
    assert run("train", config, "--quiet", "--device", "cpu") == 0
    return folder


def test_a_model_is_judged_and_drawn(trained, capsys):
    pytest.importorskip("matplotlib")
    model, out = trained / "run/model.safetensors", trained / "judged"
    assert run("evaluate", model, "--data", trained / "training.toml", "--out", out) == 0
    text = capsys.readouterr().out
    assert "false discovery rate" in text
    assert "truth" in text
    for name in ("scores.png", "history.png", "image-0.png", "image-3.png"):
        assert (out / name).read_bytes()[:4] == b"\x89PNG"
    with (out / "predictions.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 8
    assert float(rows[0]["p_with"]) + float(rows[0]["p_without"]) == pytest.approx(1)


def test_runs_are_averaged_and_the_prior_is_judged_alone(trained, capsys):
    model = trained / "run/model.safetensors"
    data = ["--data", trained / "training.toml", "--json"]
    assert run("evaluate", model, model, *data, "--split", "validation") == 0
    both = json.loads(capsys.readouterr().out)
    assert len(both["runs"]) == 2
    assert both["deviation"]["accuracy"] == 0
    assert run("evaluate", model, *data, "--prior-only", "--k", "2") == 0
    assert 0 <= json.loads(capsys.readouterr().out)["mean"]["accuracy"] <= 1


def test_an_earlier_training_is_not_overwritten(trained, capsys):
    assert run("train", trained / "training.toml") == 2
    assert "--resume to go on with it, --fresh to throw it away" in capsys.readouterr().err
    assert run("train", trained / "training.toml", "--resume") == 0
    assert "best" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "none.safetensors", "--data", "{config}"], "none.safetensors"),
        (["evaluate", "{config}", "--data", "{config}"], "damaged, or not a safetensors file"),
        (["evaluate", "{model}"], "give either --truth, for a catalog, or --data, for a model"),
        (["evaluate", "{model}", "--data", "{other}"], "is a model for the classes without, with"),
        (["train", "none.toml"], "none.toml: cannot be read"),
        (["train", "{config}", "--device", "tpu9"], "--device tpu9: not there"),
        (["train", "{config}", "--resume", "--fresh"], "exclude each other"),
    ],
)
def test_mistakes_are_told_in_a_line(trained, capsys, arguments, message):
    other = trained / "other.toml"
    other.write_text(
        '[data]\nuse = "megapixel-mnist"\ndigits = "drawn"\ntrain = 1\ntest = 9\nshape = [200, 200]'
    )
    places = {"config": trained / "training.toml", "model": trained / "run/model.safetensors", "other": other}
    assert run(*(argument.format(**places) for argument in arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
