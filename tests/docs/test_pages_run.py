"""Pages that are to be followed are followed: every command and every Python block, in order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

DOCS = ROOT / "docs"
#: Pages that begin in an empty folder.
PAGES = ("tutorials/archive.md", "tutorials/rms-night.md", "tutorials/review.md", "plots.md", "notebooks.md")
_FENCE = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What changes the environment is for readers.
_NOT_HERE = ("pip ", "python -m venv")


def follow(page: Path, folder: Path) -> None:
    """Do what a page says; a command that fails is named with what it said."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for kind, body in _FENCE.findall(page.read_text(encoding="utf-8")):
        if kind == "python":
            steps = [[sys.executable, "-W", "error", "-c", body]]
        else:
            lines = [line for line in body.splitlines() if line and not line.startswith(_NOT_HERE)]
            steps = [["bash", "-ec", line] for line in lines]
        for step in steps:
            done = subprocess.run(
                step,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "PATH": path},
            )
            assert done.returncode == 0, f"{page.name}: {step[-1]}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_followed(page: str, tmp_path: Path) -> None:
    follow(DOCS / page, tmp_path)


@pytest.mark.slow
def test_getting_started_can_be_followed_and_then_every_answer_of_how_to(tmp_path: Path) -> None:
    # What the page calls archive/ is the reader's own.
    done = subprocess.run(
        [sys.executable, "-m", "astrodetect", "simulate", "archive", "--recordings", "2", "--seed", "1"],
        cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    follow(DOCS / "getting-started.md", tmp_path)
    for name in ("meteor.toml", "archive"):
        place = tmp_path / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    follow(DOCS / "how-to.md", tmp_path)
