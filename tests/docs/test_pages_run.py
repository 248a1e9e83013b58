"""Pages that are to be followed are followed: every command and every Python block, in order.

What a page takes for granted is in `page_worlds`. A block of TOML that begins with its name,
``# own.toml``, is saved as the reader is told to. Blocks of ``bash`` are for other machines (a cluster, a
card, a service) and are not run.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT, blocks, pages
from page_worlds import WORLDS, astrodetect

DOCS = ROOT / "docs"
#: Pages with a test of their own, and which.
ELSEWHERE = {
    "CONTRIBUTING.md": ".ci/run",
    "README.md": "two lines by .ci/run, the class in test_tutorials",
    "docs/getting-started.md": "below",
    "docs/how-to.md": "below",
    "docs/learned.md": "below",
    "docs/plugins/first.md": "test_tutorials",
    "docs/plugins/every-kind.md": "test_tutorials",
    "examples/astrodetect-stranger/README.md": "test_tutorials",
}
_FENCE = re.compile(r"^```(console|python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What changes the environment is for readers.
_NOT_HERE = ("pip ", "python -m venv")


def follow(page: Path, folder: Path) -> None:
    """Do what a page says; a command that fails is named with what it said."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for kind, body in _FENCE.findall(page.read_text(encoding="utf-8")):
        if kind == "toml":
            if named := re.match(r"# ([\w-]+\.toml)\n", body):
                (folder / named[1]).write_text(body)
            continue
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
@pytest.mark.parametrize("page", WORLDS)
def test_a_page_can_be_followed(page: str, tmp_path: Path) -> None:
    WORLDS[page](tmp_path)
    follow(DOCS / page, tmp_path)


@pytest.mark.slow
def test_getting_started_can_be_followed_and_then_every_answer_of_how_to(tmp_path: Path) -> None:
    # What the page calls archive/ is the reader's own.
    astrodetect("simulate", "archive", "--recordings", "2", "--seed", "1", cwd=tmp_path)
    follow(DOCS / "getting-started.md", tmp_path)
    for name in ("meteor.toml", "archive"):
        place = tmp_path / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    follow(DOCS / "how-to.md", tmp_path)


def test_models_in_python_are_as_the_page_shows_them(tmp_path: Path) -> None:
    (block,) = blocks(DOCS / "learned.md", "python")
    given = (
        "import torch\nfrom torch.nn.functional import cross_entropy\n"
        "images, labels = torch.rand(2, 1, 96, 128), torch.tensor([0, 1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", given + block],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_no_page_with_commands_is_left_out() -> None:
    followed = {f"docs/{page}" for page in WORLDS} | set(ELSEWHERE)
    with_commands = {
        page.relative_to(ROOT).as_posix()
        for page in pages()
        if blocks(page, "console") + blocks(page, "python")
    }
    assert with_commands == followed
