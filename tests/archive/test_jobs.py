"""Runs over archives: resumed, repeated, shared out, looked at before; the same catalog every time."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import toys

from astrodetect import Catalog, Preprocessor
from astrodetect.cli import _status as astrodetect
from astrodetect.core.discovery import make_recording

TESTS = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS / "archive")])}


@pytest.fixture
def archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(TESTS / "archive"))
    Path("toy.toml").write_text(toys.PIPELINE.replace("toys:Dots", "test_workers:Bad"))
    rng = random.Random(1)
    for number in range(40):
        words = [rng.choice(["-", f"{rng.randrange(40)},{rng.randrange(30)}"]) for _ in range(25)]
        toys.write_dots(Path(f"night/s{number % 3}/n{number:02d}.dots"), " ".join(words))
    toys.write_dots(Path("night/s1/cut.dots"), "- 7,8 - !")
    toys.write_dots(Path("night/s1/bad.dots"), "this is no recording")
    return tmp_path


def run(*arguments, inputs=("night",)):
    return astrodetect(["run", "--pipeline", "toy.toml", *inputs, "--quiet", *arguments])


def content(path):
    """Everything in a catalog but how long it took."""
    with Catalog(path) as catalog:
        tables = {
            name: {
                column: catalog.read_columns([column], name)[column].tolist()
                for column in catalog.columns(name)
            }
            for name in ("recordings", "detections", "tracks")
        }
    for column in ("seconds", "summary"):
        del tables["recordings"][column]
    return {
        (name, column): repr(values) for name, table in tables.items() for column, values in table.items()
    }


def rows(path, *columns):
    with Catalog(path) as catalog:
        found = catalog.read_columns(columns, "recordings")
    return list(zip(*(found[column].tolist() for column in columns), strict=True))


@pytest.mark.slow
def test_the_catalog_is_the_same_whatever_the_way_to_it(archive):
    assert run("--out", "once.h5") == 1
    expected = content("once.h5")
    assert run("--out", "jobs.h5", "--jobs", "2") == 1
    assert run("--out", "limit.h5", "--timeout", "60") == 1
    for share in (3, 1, 2):
        assert run("--out", f"share{share}.h5", "--shard", f"{share}/3") in (0, 1)
    merged = astrodetect(["catalog", "merge", "shares.h5", *(f"share{i}.h5" for i in (2, 3, 1))])
    assert merged == 0
    assert run("--out", "bits.h5", "--include", "s1", "--jobs", "2") == 1
    assert run("--out", "bits.h5", "--exclude", "n1?.dots") == 1
    assert run("--out", "bits.h5") == 1
    for name in ("jobs", "limit", "shares", "bits"):
        assert content(f"{name}.h5") == expected, name


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_is_completed_and_equal(archive, stop):
    for number in range(600):
        toys.write_dots(Path(f"night/more/n{number:03d}.dots"), "- 5,6 - " * 30)
    assert run("--out", "once.h5", "--jobs", "2") == 1
    command = [sys.executable, "-m", "astrodetect", "run", "--pipeline", "toy.toml", "night", "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--out", "cut.h5"], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    while sum(file.stat().st_size for file in Path("cut.h5.parts").glob("*.journal")) < 60_000:
        time.sleep(0.02)
    start = time.monotonic()
    process.send_signal(stop)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - start < 5
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 3, signal.SIGKILL: -9}[stop], err
    assert "Traceback" not in err
    kept = len(rows("cut.h5", "path"))
    assert 0 < kept < 642
    assert run("--out", "cut.h5") == 1
    assert content("cut.h5") == content("once.h5")


def test_what_changed_is_done_again_and_replaces_what_was(archive):
    run("--out", "night.h5")
    before = content("night.h5")
    old = Path("night/s0/n00.dots").read_text()
    toys.write_dots(Path("night/s0/n00.dots"), "- 1,1 - - 40,30")
    run("--out", "night.h5")
    assert len(rows("night.h5", "path")) == 42
    assert content("night.h5") != before
    toys.write_dots(Path("night/s0/n00.dots"), old)
    run("--out", "night.h5")
    assert content("night.h5") == before


def test_what_failed_is_tried_again_alone_or_not_at_all(archive, capsys):
    run("--out", "night.h5")
    told = []
    for option in ([], ["--retry-failed"], ["--skip-failed"]):
        capsys.readouterr()
        astrodetect(["run", "--pipeline", "toy.toml", "night", "--out", "night.h5", *option])
        told.append(capsys.readouterr().err.splitlines()[0])
    assert told == [
        "recordings: 1 failed; 41 done before",
        "recordings: 1 failed; 41 done before",
        "recordings: none; 42 done before",
    ]
    assert astrodetect(["catalog", "show", "night.h5", "--failed"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1:] == ["s1/bad.dots: s1/bad.dots: is no recording of dots"]


def test_a_recording_that_killed_the_run_costs_only_itself_the_next_time(archive):
    toys.write_dots(Path("night/s0/n05x.dots"), "- segfault")
    command = [sys.executable, "-m", "astrodetect", "run", "--pipeline", "toy.toml", "night", "--quiet"]
    first = subprocess.run([*command, "--out", "night.h5"], env=ENVIRONMENT, check=False, capture_output=True)
    assert first.returncode == -signal.SIGSEGV
    second = subprocess.run(
        [*command, "--out", "night.h5"], env=ENVIRONMENT, check=False, capture_output=True
    )
    assert second.returncode == 1
    status = dict(rows("night.h5", "path", "status"))
    assert (len(status), status["s0/n05x.dots"]) == (43, "failed")
    assert sorted(os.listdir()) == ["night", "night.h5", "toy.toml"]


def test_what_is_being_written_is_left_for_later(archive, capsys):
    now = time.time()
    for path in Path("night").rglob("*.dots"):
        os.utime(path, (now - 100, now - 100))
    os.utime("night/s0/n00.dots")
    os.utime("night/s2/n02.dots", (now + 5000, now + 5000))  # a clock that is ahead
    assert astrodetect(["run", "--pipeline", "toy.toml", "night", "--out", "night.h5", "--settle", "20"]) == 1
    assert "left for later, still being written: 1 (s0/n00.dots)" in capsys.readouterr().err
    assert len(rows("night.h5", "path")) == 41


def test_the_log_tells_everything_to_machines(archive):
    assert run("--out", "night.h5", "--log", "run.jsonl") == 1
    assert run("--out", "night.h5", "--log", "run.jsonl", "--jobs", "2") == 1
    events = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["run_started", "recording_started"]
    assert kinds.count("recording_started") == 42 + 1 - 1  # the bad one is never opened, the first time
    assert (kinds.count("recording_done"), kinds.count("recording_failed")) == (41, 2)
    assert kinds.count("run_done") == 2
    (failed, _) = [event for event in events if event["event"] == "recording_failed"]
    assert (failed["path"], failed["cause"]) == ("s1/bad.dots", "is no recording of dots")
    done = next(event for event in events if event["event"] == "recording_done")
    assert done["n_frames"] == 25
    assert set(done["stage_seconds"]) > {"read", "toys:Reduce"}
    assert events[-1]["skipped"] == 41
    assert all(event["time"].endswith("+00:00") for event in events)


def test_failures_are_grouped_by_cause(archive, capsys):
    for number in range(30):
        toys.write_dots(Path(f"night/x/x{number}.dots"), "! " * (number + 1))
    astrodetect(["run", "--pipeline", "toy.toml", "night", "--out", "night.h5"])
    err = capsys.readouterr().err
    assert "failed: 30 recordings: decoded N of N frames; the first:\n" in err
    assert "failed: s1/bad.dots: s1/bad.dots: is no recording of dots" in err
    assert err.count("failed:") == 5


def test_a_dry_run_says_what_there_is_to_do_and_writes_nothing(archive, capsys):
    def told():
        before = sorted(os.listdir())
        assert run("--out", "night.h5", "--dry-run") == 0
        assert sorted(os.listdir()) == before
        return capsys.readouterr().out

    first = told()
    assert "all                               42     0              0     42" in first
    assert "time: no estimate for 42 recordings" in first
    run("--out", "night.h5", "--include", "s0")
    capsys.readouterr()
    second = told()
    assert "by the 14 recordings that are done" in second
    assert second.splitlines()[-2].split()[:5] == ["all", "42", "14", "0", "28"]
    run("--out", "night.h5")
    capsys.readouterr()
    assert "failed before" in told()
    assert run("--out", "night.h5", "--skip-failed", "--dry-run") == 0
    assert capsys.readouterr().out.endswith("time: nothing to do\n")
    assert run("--out", "night.h5", "--dry-run", "--include", "nothing") == 2
    assert "none of 42 recordings is left by --include and --exclude" in capsys.readouterr().err


def test_a_share_may_be_empty(archive, capsys):
    for share in range(1, 200):
        if run("--out", "share.h5", "--shard", f"{share}/199") == 0 and not rows("share.h5", "path"):
            break
        Path("share.h5").unlink()
    else:
        pytest.fail("42 recordings cannot fill 199 shares")
    assert run("--out", "share.h5", "--shard", "200/199") == 2


@dataclass
class Before(Preprocessor):
    """Depends on the recording before."""

    def references(self, recording):
        files = sorted(recording.location.parent.glob("*.dots"))
        at = files.index(recording.location)
        return [make_recording("dots", Path(recording.root), path, [path]) for path in files[:at][-1:]]

    def process(self, window):
        return window


def test_what_depends_on_others_is_done_again_when_they_change(archive, capsys):
    text = Path("toy.toml").read_text() + '\n[[preprocess]]\nuse = "test_jobs:Before"\n'
    Path("toy.toml").write_text(text)
    run("--out", "night.h5")
    paths = [path for path, _ in rows("night.h5", "path", "status")]
    assert len(set(paths)) == 42
    toys.write_dots(Path("night/s0/n00.dots"), "- 1,1 -")
    capsys.readouterr()
    astrodetect(["run", "--pipeline", "toy.toml", "night", "--out", "night.h5", "--skip-failed"])
    assert "recordings: 2 done; 40 done before" in capsys.readouterr().err
    after = rows("night.h5", "path", "fingerprint")
    assert [path for path, _ in after] == paths
    assert run("--out", "again.h5") == 1
    assert content("again.h5") == content("night.h5")


@dataclass
class Reads(Preprocessor):
    """Depends on a file that the pipeline names."""

    table: Path

    def process(self, window):
        return window


def test_recordings_are_done_again_when_a_file_that_the_pipeline_names_changes(archive, capsys):
    text = Path("toy.toml").read_text() + '\n[[preprocess]]\nuse = "test_jobs:Reads"\ntable = "weights"\n'
    Path("toy.toml").write_text(text)
    Path("weights").write_bytes(b"old")
    run("--out", "night.h5")
    capsys.readouterr()

    def again():
        astrodetect(["run", "--pipeline", "toy.toml", "night", "--out", "night.h5", "--skip-failed"])
        return capsys.readouterr().err

    assert "42 done before" in again()
    Path("weights").replace("other")
    Path("weights").write_bytes(b"new")
    assert "done before" not in again()
    assert len(set(rows("night.h5", "path"))) == 42
