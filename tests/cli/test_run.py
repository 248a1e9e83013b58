"""The run command: exit status, one line per mistake, nothing lost."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toys

from astrodetect import Catalog
from astrodetect.cli import _status as astrodetect

TESTS = Path(__file__).parent.parent


@pytest.fixture
def night(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("toy.toml").write_text(toys.PIPELINE)
    toys.write_dots(Path("night/a.dots"), "- - 5,6 - -")
    toys.write_dots(Path("night/b.dots"), "- - -")
    return tmp_path


def run(*arguments):
    return astrodetect(["run", "--pipeline", "toy.toml", *arguments])


def labels(path="night.h5"):
    with Catalog(path) as catalog:
        return [str(label) for label in catalog.detections["label"]]


def test_all_went_well(night, capsys):
    assert run("night", "--out", "night.h5") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "recordings: 2 done" in err
    assert "detections: 1 dot (1 accepted)" in err
    assert "toys:Reduce" in err
    assert labels() == ["dot"]
    assert sorted(os.listdir()) == ["night", "night.h5", "toy.toml"]


def test_quiet_says_nothing(night, capsys):
    assert run("night", "--out", "night.h5", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_what_is_done_is_not_done_again(night, capsys):
    run("night", "--out", "night.h5")
    toys.write_dots(Path("night/c.dots"), "- 9,9 -")
    capsys.readouterr()
    assert run("night", "--out", "night.h5") == 0
    assert "recordings: 1 done; 2 done before" in capsys.readouterr().err
    assert labels() == ["dot", "dot"]


def test_nothing_to_do_is_not_a_run_that_found_nothing(night, capsys):
    run("night", "--out", "night.h5", "--quiet")
    assert run("night", "--out", "night.h5") == 0
    err = capsys.readouterr().err
    assert "recordings: none; 2 done before" in err
    assert "nothing was accepted" not in err


def test_a_place_that_cannot_be_written_is_one_line(night, capsys):
    assert astrodetect(["simulate", "night/a.dots/sub", "--recordings", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "night/a.dots/sub: the simulation cannot be written: " in line


def test_names_of_files_cannot_move_the_cursor(night, capsys):
    Path("night/a\nb\x1b[31m.dots").write_bytes(b"\xff\xfe\x00")
    assert run("night", "--out", "night.h5") == 1
    err = capsys.readouterr().err
    assert "failed: a\\nb\\x1b[31m.dots: " in err
    assert "\x1b" not in err


def test_a_profile_that_cannot_be_written_is_told_before_the_work(night, capsys):
    assert run("night", "--out", "night.h5", "--profile-json", "nowhere/x.json") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere/x.json: the profile cannot be written: " in line
    assert not Path("night.h5").exists()


def test_fresh_starts_over(night, capsys):
    run("night", "--out", "night.h5")
    capsys.readouterr()
    assert run("night", "--out", "night.h5", "--fresh") == 0
    assert "recordings: 2 done\n" in capsys.readouterr().err
    assert not Path("night.h5~").exists()


def test_a_failed_recording_is_named_and_the_rest_goes_on(night, capsys):
    Path("night/bad.dots").write_bytes(b"\xff\xfe\x00")
    assert run("night", "--out", "night.h5") == 1
    err = capsys.readouterr().err
    assert "failed: bad.dots: " in err
    assert labels() == ["dot"]
    with Catalog("night.h5") as catalog:
        assert sorted(map(str, catalog.recordings["status"])) == ["done", "done", "failed"]
    toys.write_dots(Path("night/bad.dots"), "- -")
    assert run("night", "--out", "night.h5") == 0


def test_a_run_that_finds_nothing_says_why(night, capsys):
    Path("night/a.dots").unlink()
    assert run("night", "--out", "night.h5") == 0
    assert "nothing was accepted: no region stood out from the noise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent", "--out", "n.h5"], "absent: no such file or folder"),
        (["toy.toml", "--out", "n.h5"], "no recording found; looked for toys:Dots"),
        (["night"], "no catalog to write to; give --out"),
        (["--out", "n.h5"], "no input; name a recording or a folder"),
        (["night", "--out", "toy.toml"], "toy.toml: "),
        (["night", "--out", "no/where.h5"], "the folder no does not exist"),
        (["night", "--out", "n.h5", "--jobs", "0"], "--jobs"),
        (["night", "--out", "n.h5", "--job", "2"], "No such option"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(night, capsys, arguments, message):
    before = sorted(os.listdir())
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert sorted(os.listdir()) == before


def test_every_mistake_of_the_pipeline_is_a_line(night, capsys):
    Path("toy.toml").write_text(
        toys.PIPELINE.replace("size = 10", "size = 0").replace("toys:Peak", "toys:Peek")
    )
    assert run("night", "--out", "night.h5") == 2
    assert capsys.readouterr().err.count("toy.toml: [") == 2
    assert astrodetect(["check", "--pipeline", "toy.toml"]) == 2


def test_a_catalog_of_another_pipeline_is_refused_naming_both(night, capsys):
    run("night", "--out", "night.h5")
    before = Path("night.h5").read_bytes()
    Path("toy.toml").write_text(toys.PIPELINE.replace("threshold = 0.5", "threshold = 0.6"))
    capsys.readouterr()
    assert run("night", "--out", "night.h5") == 2
    err = capsys.readouterr().err
    assert "made by another pipeline" in err
    assert "accept.threshold = 0.5 there, 0.6 now" in err
    assert Path("night.h5").read_bytes() == before


def test_the_resolved_pipeline_gives_the_same_catalog(night):
    run("night", "--out", "night.h5")
    with Catalog("night.h5") as catalog:
        Path("again.toml").write_text(catalog.provenance["pipeline"])
        first = catalog.detections["detection_id"].tolist()
    assert astrodetect(["run", "--pipeline", "again.toml", "--out", "again.h5"]) == 0
    with Catalog("again.h5") as catalog:
        assert catalog.detections["detection_id"].tolist() == first


def command(*arguments):
    return [sys.executable, "-m", "astrodetect", "run", "--pipeline", "toy.toml", *arguments]


@pytest.mark.slow
def test_ctrl_c_stops_and_keeps_what_is_finished(night):
    for number in range(3000):
        toys.write_dots(Path(f"night/n{number:04d}.dots"), "- 5,6 - " * 20)
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(
        command("night", "--out", "night.h5"), env=environment, stderr=subprocess.PIPE, text=True
    )
    parts = Path("night.h5.parts")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and sum(f.stat().st_size for f in parts.glob("*.journal")) < 20_000:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    with Catalog("night.h5") as catalog:
        assert len(catalog.recordings) > 0
    assert (
        subprocess.run(
            command("night", "--out", "night.h5", "--quiet"), env=environment, check=False
        ).returncode
        == 0
    )
    with Catalog("night.h5") as catalog:
        assert len(catalog.recordings) == 3002


@pytest.mark.slow
def test_a_full_disk_stops_with_status_3_and_the_next_run_completes(night):
    for number in range(100):
        toys.write_dots(Path(f"night/n{number:04d}.dots"), "- 5,6 - " * 20)
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    done = subprocess.run(
        command("night", "--out", "night.h5"),
        env=environment,
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "stopped: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("night.h5").exists()
    with Catalog("night.h5") as catalog:
        kept = len(catalog.recordings)
    assert 0 < kept < 102
    assert (
        subprocess.run(
            command("night", "--out", "night.h5", "--quiet"), env=environment, check=False
        ).returncode
        == 0
    )
    with Catalog("night.h5") as catalog:
        assert len(catalog.recordings) == 102
