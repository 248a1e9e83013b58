"""``astrodetect plugins``: what is listed, shown, checked, and written by ``plugins new``."""

import numpy as np
import pytest
from stranger_packages import astrodetect, install, python, write_info

from astrodetect import Catalog
from astrodetect.cli import main
from astrodetect.core.stages import KINDS


def status(*arguments):
    """Run in this process; give the exit status."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return caught.value.code


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """One new package of every kind."""
    folder = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        with pytest.raises(SystemExit) as caught:
            main(["plugins", "new", f"far-{kind}", "--kind", kind, "--folder", str(folder)])
        assert caught.value.code == 0
    return folder


def test_a_new_package_is_complete_and_named_throughout(packages):
    for kind in KINDS:
        folder = packages / f"far-{kind}"
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        module = f"far_{kind}"
        assert files == {
            "pyproject.toml", "README.md", ".gitignore", f"{module}/__init__.py", f"{module}/py.typed",
            f"tests/test_{module}.py", "tests/test_entry_point.py", ".github/workflows/tests.yml",
            "pipeline.toml",
        }  # fmt: skip
        text = "".join((folder / name).read_text() for name in files)
        assert "Example" not in text
        assert "scaffold" not in text
        assert f"astrodetect plugins check far-{kind}" in (folder / ".github/workflows/tests.yml").read_text()


def test_new_packages_of_every_kind_pass_their_tests_at_once(packages):
    names = [str(packages / f"far-{kind}") for kind in KINDS]
    paths = [f"pythonpath={' '.join(names)}", "addopts=--import-mode=importlib"]
    options = [argument for path in paths for argument in ("-o", path)]
    done = python(
        "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *names, cwd=packages
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout


RUN_ALL = """
import sys
from pathlib import Path
from astrodetect import Pipeline
for kind in sys.argv[1:]:
    night = "stacks" if kind == "source" else "night"
    found = Pipeline.from_toml(Path(f"far-{kind}/pipeline.toml")).run(night, out=f"{kind}.h5")
    print(kind, len(found))
"""


def test_new_packages_of_every_kind_run_in_the_pipeline_that_comes_with_them(packages, tmp_path):
    for kind in KINDS:
        install(packages / f"far-{kind}", tmp_path)
    made = astrodetect(
        "simulate", "night", "--recordings", "1", "--frames", "66", "--shape", "160x240", cwd=packages
    )
    assert made.returncode == 0, made.stderr
    (packages / "stacks").mkdir()
    np.save(packages / "stacks" / "one.npy", np.eye(64)[:, :, None].repeat(64, axis=2))
    done = python("-W", "error", "-c", RUN_ALL, *KINDS, site=tmp_path, cwd=packages)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(KINDS)
    for kind in KINDS:
        with Catalog(packages / f"{kind}.h5") as catalog:
            assert list(catalog.recordings["status"]) == ["done"], kind
            assert f"far-{kind}" in catalog.provenance["versions"]


def test_new_packages_and_our_own_are_listed_shown_and_conform(packages, tmp_path):
    for kind in KINDS:
        install(packages / f"far-{kind}", tmp_path)
    listed = astrodetect("plugins", site=tmp_path)
    assert listed.returncode == 0
    rows = {tuple(line.split()) for line in listed.stdout.splitlines()}
    for kind in KINDS:
        assert (kind, f"far-{kind}", f"far-{kind}", "0.1.0") in rows
    shown = astrodetect("plugins", "show", "far-scorer", site=tmp_path)
    assert "far-scorer: scorer (far-scorer 0.1.0)" in shown.stdout
    assert "cell: int >= 1 (default 8)" in shown.stdout
    assert "Side of a square in pixels" in shown.stdout
    checked = astrodetect("plugins", "check", site=tmp_path)
    assert "FAILS" not in checked.stdout
    assert checked.returncode == 0
    assert {f"far-{kind}: conforms" for kind in KINDS} <= set(checked.stdout.splitlines())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Peak", "expected small letters, digits and hyphens"),
        ("peak_snr", "expected small letters, digits and hyphens"),
        ("../peak", "expected small letters, digits and hyphens"),
        ("2peak", "expected small letters, digits and hyphens"),
        ("numpy", "Python has a module"),
        ("import", "Python has a module or a word"),
        ("top-k", "the name 'top-k' is taken by astrodetect"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_in_one_line(tmp_path, capsys, name, said):
    assert status("plugins", "new", name, "--kind", "scorer", "--folder", str(tmp_path)) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path, capsys):
    (tmp_path / "far-peak").mkdir()
    assert status("plugins", "new", "far-peak", "--kind", "scorer", "--folder", str(tmp_path)) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'far-peak'}: exists already; give another name, or another --folder\n"
    )
    assert list((tmp_path / "far-peak").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert status("plugins", "new", "far-peak", "--kind", "scorer", "--folder", str(tmp_path / "file")) == 2
    assert "far-peak: cannot be written" in capsys.readouterr().err


def test_an_unknown_kind_is_told_with_those_that_there_are(capsys):
    assert status("plugins", "new", "far-peak", "--kind", "scoring") == 2
    told = capsys.readouterr().err
    assert all(f"'{kind}'" in told for kind in KINDS)


def test_the_kinds_of_the_command_are_those_of_the_core():
    from astrodetect.cli import plugins

    assert tuple(KINDS) == plugins._KINDS


def test_an_unknown_plugin_is_told_with_the_nearest(capsys):
    assert status("plugins", "show", "topk") == 2
    assert "no plugin is named 'topk'; did you mean 'top-k'?" in capsys.readouterr().err


def test_a_plugin_that_fails_is_listed_and_found_by_check(tmp_path):
    (tmp_path / "no_licence.py").write_text("raise RuntimeError('no licence')\n")
    write_info(tmp_path, "no-licence", {"no-licence": "no_licence:Peak"})
    listed = astrodetect("plugins", site=tmp_path)
    assert listed.returncode == 0
    (line,) = [line for line in listed.stdout.splitlines() if "no-licence" in line]
    assert line.startswith("FAILS")
    assert "RuntimeError: no licence" in line
    checked = astrodetect("plugins", "check", "no-licence", site=tmp_path)
    assert checked.returncode == 1
    assert "no licence" in checked.stdout


def test_a_plugin_that_breaks_a_promise_is_told_which(tmp_path):
    (tmp_path / "careless.py").write_text(
        "from dataclasses import dataclass\n"
        "from astrodetect import RegionScorer, ScoreMap\n"
        "@dataclass\n"
        "class Careless(RegionScorer):\n"
        "    cell: int = 8\n"
        "    def score(self, window):\n"
        "        return ScoreMap(window.planes['image'].astype(float), (1, 1), (0, 0))\n"
    )
    write_info(tmp_path, "careless", {"careless": "careless:Careless"})
    checked = astrodetect("plugins", "check", "careless", site=tmp_path)
    assert checked.returncode == 1
    assert "careless: FAILS" in checked.stdout
    assert "put a comment that starts with #: above cell" in checked.stdout
    assert "gives a map over the frame" in checked.stdout


def test_a_plugin_that_needs_a_setting_is_no_failure(capsys):
    assert status("plugins", "check", "mask") == 0
    assert capsys.readouterr().out == "mask: not tested, since it needs the settings file\n"
