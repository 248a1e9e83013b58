"""The plugin tutorials, done as they say: the blocks of the pages, the kept package, installed and run."""

import numpy as np
import pytest
from documents import ROOT, blocks
from stranger_packages import astrodetect, install, python, write_info

from astrodetect import Catalog
from astrodetect.core.stages import KINDS

FIRST = ROOT / "docs" / "plugins" / "first.md"
EVERY_KIND = ROOT / "docs" / "plugins" / "every-kind.md"
STRANGER = ROOT / "examples" / "astrodetect-stranger"
QUIET = ("-q", "-W", "error", "-p", "no:cacheprovider")


def class_lines(text):
    """From the first import to the end, without empty lines."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith('"""')]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    install(STRANGER, site)
    return site


def test_the_class_of_the_readme_the_tutorial_and_the_package_are_one():
    (in_readme, *_) = [block for block in blocks(ROOT / "README.md", "python") if "class Peak" in block]
    (in_tutorial, *_) = blocks(FIRST, "python")
    assert in_readme == in_tutorial
    kept = (STRANGER / "stranger_peak.py").read_text()
    assert class_lines(kept) == class_lines(in_tutorial)
    assert len(class_lines(in_tutorial)) == 8


def test_the_kept_package_is_listed_shown_and_conforms(stranger):
    listed = astrodetect("plugins", site=stranger)
    assert ["scorer", "stranger-peak", "astrodetect-stranger", "0.1.0"] in [
        line.split() for line in listed.stdout.splitlines()
    ]
    shown = astrodetect("plugins", "show", "stranger-peak", site=stranger)
    assert "stranger-peak: scorer (astrodetect-stranger 0.1.0)" in shown.stdout
    assert "needs the planes image" in shown.stdout
    checked = astrodetect("plugins", "check", "stranger-peak", site=stranger)
    assert (checked.returncode, checked.stdout) == (0, "stranger-peak: conforms\n")


def test_the_kept_package_passes_its_tests():
    done = python("-m", "pytest", *QUIET, cwd=STRANGER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_the_kept_package_runs_in_a_pipeline(stranger, tmp_path):
    pipeline = str(STRANGER / "pipeline.toml")
    checked = astrodetect("check", "--pipeline", pipeline, site=stranger)
    assert checked.returncode == 0, checked.stderr
    made = astrodetect(
        "simulate", "night", "--recordings", "1", "--frames", "40", "--shape", "120x160", cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    run = astrodetect(
        "run", "--pipeline", pipeline, "night", "--out", "night.h5", site=stranger, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert "stranger-peak" in run.stderr
    with Catalog(tmp_path / "night.h5") as catalog:
        assert "astrodetect-stranger" in catalog.provenance["versions"]


def test_the_blocks_of_the_first_tutorial_make_a_package_that_passes(tmp_path):
    peak, tests, cells = blocks(FIRST, "python")
    (tmp_path / "stranger_peak.py").write_text(peak)
    (tmp_path / "pyproject.toml").write_text(blocks(FIRST, "toml")[0])
    (tmp_path / "test_peak.py").write_text(tests)
    (tmp_path / "cells.py").write_text(cells)
    (tmp_path / "test_cells.py").write_text(tests.replace("stranger_peak", "cells").replace("Peak", "Cells"))
    done = python("-m", "pytest", *QUIET, site=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    install(tmp_path, site)
    assert "conforms" in astrodetect("plugins", "check", "stranger-peak", site=site).stdout


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """The module, its names and its tests, as the page of every kind has them."""
    folder = tmp_path_factory.mktemp("toys")
    *module, tests = blocks(EVERY_KIND, "python")
    (folder / "toys.py").write_text("\n\n".join(module))
    (folder / "test_toys.py").write_text(tests)
    entries, pipeline = blocks(EVERY_KIND, "toml")
    lines = [line.split(" = ") for line in entries.splitlines() if " = " in line]
    write_info(folder, "toys", {name: target.strip('"') for name, target in lines})
    (folder / "toys.toml").write_text(pipeline)
    return folder


def test_the_page_has_one_of_every_kind_and_all_conform(toys):
    listed = astrodetect("plugins", site=toys)
    rows = {tuple(line.split()[:2]) for line in listed.stdout.splitlines()}
    assert {(kind, f"toy-{kind}") for kind in KINDS} <= rows
    done = python("-m", "pytest", *QUIET, site=toys, cwd=toys)
    assert done.returncode == 0, done.stdout + done.stderr
    checked = astrodetect("plugins", "check", "toy-source", site=toys)
    assert (checked.returncode, checked.stdout) == (0, "toy-source: conforms\n")


def write_recording(folder):
    """A bright spot that crosses noise, as the toy source reads it."""
    frames = np.random.default_rng(3).normal(100, 5, (40, 64, 96)).astype(np.uint16)
    for index in range(10, 30):
        frames[index, 8 + index : 16 + index, 2 * index - 4 : 2 * index + 4] = 900
    folder.mkdir()
    np.save(folder / "spot.npy", frames)


@pytest.mark.parametrize("whole", [False, True], ids=["four stages", "one detector"])
def test_the_toys_run_together(toys, tmp_path, whole):
    pipeline = (toys / "toys.toml").read_text()
    if whole:
        begin, end = pipeline.index("[score]"), pipeline.index("[[postprocess]]")
        pipeline = pipeline[:begin] + '[detect]\nuse = "toy-detector"\n\n' + pipeline[end:]
    (tmp_path / "toys.toml").write_text(pipeline)
    write_recording(tmp_path / "night")
    run = astrodetect("run", "--pipeline", "toys.toml", "night", "--out", "night.h5", site=toys, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    with Catalog(tmp_path / "night.h5") as catalog:
        accepted = catalog.detections[catalog.detections["accepted"]]
        assert len(accepted) > 0
        assert {str(label) for label in accepted["label"]} == {"meteor"}
        assert list(catalog.recordings["source"]) == ["toy-source"]


def test_a_broken_package_and_a_doubled_name_harm_only_who_names_them(toys, tmp_path):
    (tmp_path / "broken_toy.py").write_text("raise RuntimeError('no licence')\n")
    write_info(tmp_path, "broken-toy", {"broken-toy": "broken_toy:Peak"})
    write_info(tmp_path, "second", {"toy-scorer": "second:Peak", "other": "second:Peak"})
    for name in ("toys.py", "toys-0.1.0.dist-info"):
        (tmp_path / name).symlink_to(toys / name)
    pipeline = (toys / "toys.toml").read_text()
    (tmp_path / "doubled.toml").write_text(pipeline)
    (tmp_path / "fine.toml").write_text(pipeline.replace('use = "toy-scorer"', 'use = "toys:Peak"'))
    write_recording(tmp_path / "night")
    arguments = ("night", "--out", "night.h5", "--pipeline")
    refused = astrodetect("run", *arguments, "doubled.toml", site=tmp_path, cwd=tmp_path)
    assert refused.returncode == 2
    assert "declared by two distributions, second 0.1.0 and toys 0.1.0" in refused.stderr
    assert not (tmp_path / "night.h5").exists()
    run = astrodetect("run", *arguments, "fine.toml", site=tmp_path, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    listed = astrodetect("plugins", site=tmp_path)
    failing = [line for line in listed.stdout.splitlines() if line.startswith("FAILS")]
    assert len(failing) == 4
    assert any("no licence" in line for line in failing)
