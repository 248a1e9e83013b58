"""Shares of an archive, a catalog each: as SLURM runs them, and what becomes of one that is cut short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import toys
from test_jobs import content

from astrodetect.cli import _status as astrodetect

TESTS = Path(__file__).parent.parent
GUIDE = TESTS.parent / "docs" / "operations.md"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("toy.toml").write_text(toys.PIPELINE)
    for number in range(24):
        toys.write_dots(Path(f"archive/{number // 6}/n{number}.dots"), f"- 5,{6 + number} -")
    return tmp_path / "archive"


def script():
    """The script of the guide."""
    blocks = GUIDE.read_text().split("```bash\n")[1:]
    (found,) = [text.split("```")[0] for text in blocks if "#SBATCH" in text]
    return found


def stand_in(folder):
    """What stands for SLURM: a program that runs its arguments, and this package's command."""
    folder.mkdir()
    for name, text in {
        "srun": 'exec "$@"',
        "astrodetect": f'exec {sys.executable} -m astrodetect "$@"',
    }.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": paths}


@pytest.mark.slow
def test_the_script_of_the_guide_gives_the_catalog_of_one_run(archive, tmp_path):
    text = script().replace("SHARES=40", "SHARES=3").replace("/data/archive", str(archive))
    Path("archive.sh").write_text(text.replace("--pipeline meteor", "--pipeline toy.toml"))
    environment = stand_in(tmp_path / "bin") | {"SLURM_CPUS_PER_TASK": "2"}
    for task in ("1", "2", "3"):
        subprocess.run(
            ["bash", "archive.sh"], env=environment | {"SLURM_ARRAY_TASK_ID": task}, check=True, timeout=120
        )
    assert astrodetect(["catalog", "merge", "all.h5", *(f"share-{i}.h5" for i in (1, 2, 3))]) == 0
    assert astrodetect(["catalog", "verify", "all.h5"]) == 0
    assert astrodetect(["run", "--pipeline", "toy.toml", "archive", "--out", "one.h5"]) == 0
    assert content("all.h5") == content("one.h5")


def test_a_share_that_is_missing_or_cut_short_is_named(archive, capsys):
    run = ["run", "--pipeline", "toy.toml", "archive"]
    assert astrodetect([*run, "--shard", "1/2", "--out", "share-1.h5"]) == 0
    assert astrodetect(["catalog", "merge", "all.h5", "share-1.h5", "share-2.h5"]) == 2
    assert "share-2.h5: no such file" in capsys.readouterr().err
    from astrodetect import Pipeline
    from astrodetect.archive.job import Job

    job = Job(Pipeline.from_toml("toy.toml"), (archive,), Path("share-2.h5"))
    cut_short = job.run()
    next(cut_short)
    cut_short.close()
    assert astrodetect(["catalog", "merge", "all.h5", "share-1.h5", "share-2.h5"]) == 0
    told = capsys.readouterr()
    assert "warning: share-2.h5: its run did not come to its end" in told.err
    assert "all.h5: " in told.out
