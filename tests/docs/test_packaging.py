"""What is built holds all that is needed, and asks for what is imported."""

import ast
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from documents import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Modules by the distributions that bring them, where the names differ.
BRINGS = {
    "pillow": "PIL",
    "pyyaml": "yaml",
    "tomli-w": "tomli_w",
    "scikit-image": "skimage",
    "annotated-types": "annotated_types",
}


def test_every_dependency_has_a_lowest_version_and_every_extra_is_documented():
    extras = PROJECT["optional-dependencies"]
    for requirement in [*PROJECT["dependencies"], *(item for items in extras.values() for item in items)]:
        assert ">=" in requirement, requirement
    text = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    for extra in set(extras) - {"test", "docs", "dev"}:
        assert f"`{extra}`" in text, extra


def test_every_dependency_is_imported_somewhere():
    imported = set()
    for path in (ROOT / "astrodetect").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").split(".")[0])
    for requirement in PROJECT["dependencies"]:
        name = requirement.partition(">")[0]
        assert BRINGS.get(name, name) in imported, f"{name} is required and not imported"


@pytest.mark.slow
def test_the_wheel_and_the_source_hold_all_that_is_needed(tmp_path):
    files = subprocess.run(
        ["git", "ls-files", "-z", "astrodetect", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if files.returncode:
        pytest.skip("needs the repository, to build what is tracked and nothing else")
    tree = tmp_path / "tree"
    for name in filter(None, files.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    built = []
    for hook in ("build_sdist", "build_wheel"):  # as installers do: a process for each
        code = f"import setuptools.build_meta as backend, sys; print(backend.{hook}(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], cwd=tree, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        built.append(tmp_path / done.stdout.split()[-1])
    source, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = [name for name in names if name.endswith("METADATA")]
        told = Parser().parsestr(archive.read(metadata).decode())
    needed = {
        path.relative_to(tree).as_posix()
        for path in (tree / "astrodetect").rglob("*")
        if path.is_file()
        and path.suffix in {".py", ".toml", ".css", ".js", ".cu", ".json", ".html", ".typed"}
    }
    assert "astrodetect/py.typed" in names
    assert needed <= names
    assert told["Requires-Python"] == ">=3.11"
    assert set(told.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    with tarfile.open(source) as archive:
        prefix = Path(source.name).name.removesuffix(".tar.gz")
        assert {f"{prefix}/{name}" for name in needed} <= set(archive.getnames())
