"""Every TOML block of the documentation is taken by what it is for: pipelines, training, packages."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from documents import ROOT, blocks, pages

from astrodetect import Pipeline, pipelines
from astrodetect.training.config import read_plan

BLOCKS = [
    (page.relative_to(ROOT).as_posix(), number)
    for page in pages()
    for number, _ in enumerate(blocks(page, "toml"))
]
#: Plugins that a page makes itself; their tables are run with them, by test_tutorials.
THEIRS = ("stranger-peak", "toy-")
_COMPOSED = ("score", "select", "extract", "classify")


def create_files(given: Any, folder: Path) -> None:
    """Make the files that a table names."""
    for key, value in given.items():
        if isinstance(value, dict):
            create_files(value, folder)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    create_files(item, folder)
        elif key in {"weights", "mask", "calibration", "file", "flat"}:
            (folder / value).parent.mkdir(parents=True, exist_ok=True)
            (folder / value).touch()


def completed(given: dict[str, Any]) -> dict[str, Any]:
    """Put tables into the built-in pipeline."""
    whole = tomllib.loads(pipelines.text("meteor") or "")
    if "detect" in given:
        for name in _COMPOSED:
            del whole[name]
    elif "score" not in given:  # one more of what there may be several of
        for name in ("preprocess", "postprocess"):
            given[name] = [*whole[name], *given.get(name, [])]
    return whole | given


def accept_training(given: dict[str, Any], folder: Path) -> None:
    """Let a training file be read, with what it names, and with the tables that the page leaves out."""
    (folder / "labels.csv").write_text("path,label\na.png,x\nb.png,y\n")
    (folder / "maps").mkdir()
    np.save(folder / "maps" / "a.npy", np.zeros((256, 256), np.float32))
    (folder / "truth.csv").write_text(
        "path,object,label,x,y,x_min,y_min,x_max,y_max\na.npy,1,source,9,9,5,5,14,14\n"
    )
    path = folder / "training.toml"
    method = "yolo" if "boxes" in given["data"]["use"] else "ats"
    path.write_text(tomli_w.dumps({"train": {"out": "run"}, "model": {"method": method}} | given))
    read_plan(path)


@pytest.mark.parametrize(("page", "number"), BLOCKS, ids=lambda value: str(value).replace("/", ":"))
def test_a_block_of_toml_is_accepted(page: str, number: int, tmp_path: Path) -> None:
    text = blocks(ROOT / page, "toml")[number]
    given = tomllib.loads(text)
    if "project" in given or any(name in text for name in THEIRS):
        return
    if "data" in given:
        accept_training(given, tmp_path)
        return
    create_files(given, tmp_path)
    problems = Pipeline(tomli_w.dumps(completed(given)), page, tmp_path).check()
    if {"recall", "false_per_night"} & set(given.get("accept", {})):  # not every model reaches every wish
        assert all("[accept]" in problem for problem in problems)
    else:
        assert problems == []
