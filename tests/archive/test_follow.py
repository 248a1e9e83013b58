"""A station: what arrives is processed once it is complete, until a signal comes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toys
from test_discovery_at_scale import SOURCES, fill

from astrodetect import Catalog
from astrodetect.archive import follow
from astrodetect.archive.tree import Tree
from astrodetect.cli import _status as astrodetect

TESTS = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS / "archive")])}


class Clocked:
    """Looks at a tree again and again."""

    def __init__(self, root, settle=0.2):
        self.tree = Tree(root, SOURCES, settle=settle)

    def complete(self, seconds=0.0):
        """What was completed within some time."""
        found, end = [], time.monotonic() + seconds
        while True:
            for recording in (*self.tree.changed(), *self.tree.rest(time.monotonic() + 60)):
                found.append((recording.path, len(recording.files)))  # noqa: PERF401
            if time.monotonic() > end:
                return sorted(found)
            time.sleep(0.02)


def old(root, seconds=5000):
    """Make everything below old, folders too."""
    for path in [*root.rglob("*"), root]:
        os.utime(path, (time.time() - seconds,) * 2)


def test_what_is_there_comes_at_once_what_is_young_when_it_is_quiet(tmp_path):
    fill(tmp_path, ["2023/E1/a.dots", "2023/E1/frames/b.dots", "2024/x.dots"])
    old(tmp_path)
    fill(tmp_path, ["2024/young.dots"])
    watch = Clocked(tmp_path)
    assert ("2023/E1", 2) in (first := watch.complete())
    assert ("2024/young.dots", 1) not in first
    assert sorted([*first, *watch.complete(0.5)]) == [
        ("2023/E1", 2),
        ("2024/x.dots", 1),
        ("2024/young.dots", 1),
    ]
    assert watch.complete(0.3) == []


def test_a_folder_is_given_once_when_its_last_file_has_come(tmp_path):
    fill(tmp_path, ["2023/E1/a.dots"])
    watch = Clocked(tmp_path, settle=1.0)
    watch.complete(1.5)
    (tmp_path / "2023/E2").mkdir()
    for number in range(5):
        assert watch.complete(0.15) == []
        fill(tmp_path, [f"2023/E2/frames/{number}.dots", "2023/E2/log.txt"])
    assert watch.complete(1.5) == [("2023/E2", 6)]


def test_files_that_keep_coming_to_one_folder_do_not_hold_each_other_back(tmp_path):
    fill(tmp_path, ["night/0.dots"])
    watch = Clocked(tmp_path, settle=0.3)
    found = []
    for number in range(1, 12):
        found += watch.complete(0.1)
        fill(tmp_path, [f"night/{number}.dots"])
    assert 4 <= len(found) <= 11
    found += watch.complete(0.6)
    assert sorted(found) == sorted((f"night/{number}.dots", 1) for number in range(12))


def test_a_file_that_grows_slowly_waits_and_one_that_changes_comes_again(tmp_path):
    watch = Clocked(tmp_path, settle=1.0)
    assert watch.complete(0.1) == []
    for _ in range(6):
        with (tmp_path / "v.dots").open("a") as file:
            file.write("- ")
        assert watch.complete(0.15) == []
    assert watch.complete(1.5) == [("v.dots", 1)]
    (tmp_path / "v.dots").write_text("other")
    assert watch.complete(1.5) == [("v.dots", 1)]


def test_a_new_file_in_an_old_folder_is_found(tmp_path):
    fill(tmp_path, [f"2023/E{i}/a.dots" for i in range(30)])
    old(tmp_path)
    watch = Clocked(tmp_path)
    assert len(watch.complete()) == 30
    assert watch.tree.n_watched == 0
    fill(tmp_path, ["2023/E7/b.dots"])
    watch.tree._next = 0  # the full look comes once a minute
    assert watch.complete(0.5) == [("2023/E7", 2)]


def test_a_large_tree_costs_little_when_nothing_changes(tmp_path):
    fill(tmp_path, [f"{i // 50:02d}/E{i}/frames/{k}.dots" for i in range(1000) for k in range(3)])
    old(tmp_path)
    watch = Clocked(tmp_path)
    assert len(watch.complete()) == 1000
    start = time.process_time()
    for _ in range(20):
        assert watch.complete() == []
    assert (time.process_time() - start) / 20 < 0.05


def start(*options):
    command = [sys.executable, "-m", "astrodetect", "run", "--pipeline", "toy.toml", "night", "--follow"]
    return subprocess.Popen(
        [*command, "--out", "night.h5", *options], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return time.monotonic()
        except Exception:
            pass
        time.sleep(0.05)
    pytest.fail("it did not happen")


def paths():
    with Catalog("night.h5") as catalog:
        return set(catalog.read_columns(["path"], "recordings")["path"])


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--jobs", "2")])
def test_a_station_processes_within_five_seconds_and_shuts_down_cleanly(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    Path("toy.toml").write_text(toys.PIPELINE.replace("toys:Dots", "test_workers:Bad"))
    toys.write_dots(Path("night/a/first.dots"), "- 5,6 -")
    process = start("--heartbeat", "alive.json", "--log", "run.jsonl", *options)
    try:
        wait_for(lambda: "a/first.dots" in paths())
        for number in range(3):
            toys.write_dots(Path(f"night/b{number}/n.dots"), "- 5,6 -")
            written = time.monotonic()
            seen = wait_for(lambda name=f"b{number}/n.dots": name in paths())
            assert seen - written < 5
        wait_for(lambda: json.loads(Path("alive.json").read_text())["last"] == "b2/n.dots", 5)
        sign = json.loads(Path("alive.json").read_text())
        assert (sign["done"], sign["failed"], sign["state"]) == (4, 0, "watching")
        assert time.time() - sign["unix"] < 3
        toys.write_dots(Path("night/c/n.dots"), "- hang")
        wait_for(lambda: '"c/n.dots"' in Path("run.jsonl").read_text())
        stopped = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert time.monotonic() - stopped < 10
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert json.loads(Path("alive.json").read_text())["state"] == "stopped"
    assert json.loads(Path("run.jsonl").read_text().splitlines()[-1])["event"] == "run_done"
    assert not Path("night.h5.parts").exists()
    assert paths() == {"a/first.dots", *(f"b{number}/n.dots" for number in range(3))}


def test_the_catalog_is_put_together_on_the_way(tmp_path, monkeypatch):
    from astrodetect import Pipeline
    from astrodetect.core.hooks import HookCaller

    monkeypatch.setattr(follow, "ASSEMBLE", 0.0)
    monkeypatch.setattr(follow, "_ASSEMBLE_FACTOR", 0.0)
    monkeypatch.setattr(follow, "INTERVAL", 0.1)
    toys.write_dots(tmp_path / "night/a.dots", "- 5,6 -")
    toys.write_dots(tmp_path / "night/b.dots", "- 5,6 -")
    old(tmp_path / "night")
    watch = follow.Watch(Pipeline(toys.PIPELINE), (tmp_path / "night",), tmp_path / "night.h5")
    whole = []
    ticks = watch.tick

    def tick():
        ticks()
        whole.append((tmp_path / "night.h5").exists())
        if whole[-1]:
            watch.stop()

    watch.tick = tick
    assert len(list(watch.run(HookCaller(load=False)))) == 2
    assert whole[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent", "--follow"], "absent: no such folder; --follow watches folders"),
        (["toy.toml", "--follow"], "toy.toml: no such folder"),
        (["night", "--follow", "--dry-run"], "--follow excludes --dry-run"),
        (["night", "--heartbeat", "x"], "--heartbeat needs --follow"),
        (["night", "--follow", "--heartbeat", "absent/x"], "absent/x: the heartbeat cannot be written"),
        (["night", "--retry-failed", "--skip-failed"], "exclude each other"),
        (["night", "--shard", "3/2"], "--shard 3/2: expected i/n"),
    ],
)
def test_wrong_usage_is_told(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("toy.toml").write_text(toys.PIPELINE)
    toys.write_dots(Path("night/a.dots"), "-")
    assert astrodetect(["run", "--pipeline", "toy.toml", "--out", "n.h5", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert sorted(os.listdir()) == ["night", "toy.toml"]
