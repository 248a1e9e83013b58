"""A Dask cluster of real worker processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import toys

from astrodetect import Catalog, Pipeline
from astrodetect.cli import _status as astrodetect
from astrodetect.core.errors import StoppedError

distributed = pytest.importorskip("distributed")
HERE = Path(__file__).parent
PIPELINE = toys.PIPELINE.replace("toys:Dots", "test_workers:Bad")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def importable(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]))
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)
    Path("toy.toml").write_text(PIPELINE)


@pytest.fixture
def cluster(importable):
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


def write(n, **words):
    for number in range(n):
        toys.write_dots(Path(f"night/n{number:03d}.dots"), f"- 5,{6 + number % 20} -")
    for name, word in words.items():
        toys.write_dots(Path(f"night/{name}.dots"), f"- {word}")


def run(*arguments):
    return astrodetect(["run", "--pipeline", "toy.toml", "night", *arguments])


def content(path):
    with Catalog(path) as catalog:
        return {
            table: {name: list(catalog.table(table)[name]) for name in catalog.columns(table)}
            for table in ("recordings", "detections", "tracks")
        }


def without_times(tables):
    for name in ("seconds", "summary"):
        tables["recordings"].pop(name, None)
    return repr(tables)


def launch(what, *options):
    """Start a process of a cluster as a user would."""
    module = [sys.executable, "-m", f"distributed.cli.dask_{what}"]
    common = ["--scheduler-file", "scheduler.json", "--no-dashboard"]
    return subprocess.Popen([*module, *common, *options], stderr=subprocess.DEVNULL)


def test_the_cluster_gives_the_same_catalog_though_a_worker_is_killed_and_one_recording_kills(
    cluster, capsys
):
    write(300, crash="segfault", hang="hang")
    victims = list(cluster.workers.values())
    killed = []

    def kill_one():
        parts = Path("cluster.h5.parts")
        while sum(file.stat().st_size for file in parts.glob("*.journal")) < 30_000:
            time.sleep(0.02)
        victim = victims[0].pid
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    threading.Thread(target=kill_one, daemon=True).start()
    assert run("--scheduler", cluster.scheduler_address, "--timeout", "4", "--out", "cluster.h5") == 1
    assert killed
    told = capsys.readouterr().err
    assert "crash.dots: the process that read it crashed (SIGSEGV)" in told
    assert "hang.dots: took longer than 4 s and was stopped" in told
    assert run("--jobs", "2", "--timeout", "4", "--out", "alone.h5") == 1
    one, other = content("cluster.h5"), content("alone.h5")
    assert without_times(one) == without_times(other)
    assert len(one["detections"]["label"]) == 300
    workers = [w.process.process for w in cluster.workers.values()]
    assert not [child for w in workers for child in psutil.Process(w.pid).children() if _reads(child)]


def _reads(process):
    return "spawn_main" in " ".join(process.cmdline())


def test_a_lost_scheduler_stops_with_status_3_and_keeps_what_is_finished(importable, capsys):
    write(400)
    scheduler = launch("scheduler", "--port", "0")
    worker = launch("worker", "--nthreads", "1", "--death-timeout", "20")
    try:
        while not (told := Path("scheduler.json")).exists() or not told.read_text().endswith("}"):
            time.sleep(0.1)
        address = json.loads(told.read_text())["address"]

        def kill():
            while sum(f.stat().st_size for f in Path("night.h5.parts").glob("*.journal")) < 30_000:
                time.sleep(0.02)
            scheduler.kill()

        threading.Thread(target=kill, daemon=True).start()
        start = time.monotonic()
        assert run("--scheduler", address, "--out", "night.h5") == 3
        assert time.monotonic() - start < 60
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()
    assert "stopped: " in capsys.readouterr().err
    with Catalog("night.h5") as catalog:
        kept = len(catalog.recordings)
    assert 0 < kept < 400
    assert run("--out", "night.h5") == 0
    assert f"{400 - kept} done; {kept} done before" in capsys.readouterr().err


def test_no_scheduler_is_told_in_one_line(importable, capsys, monkeypatch):
    monkeypatch.setattr("astrodetect.archive.cluster._CONNECT", 1)
    write(1)
    assert run("--scheduler", "tcp://127.0.0.1:9", "--out", "night.h5") == 2
    assert "tcp://127.0.0.1:9: no Dask scheduler answers" in capsys.readouterr().err
    assert run("--scheduler", "nonsense://x", "--out", "night.h5") == 2
    assert run("--scheduler", "tcp://127.0.0.1:9", "--jobs", "2", "--out", "night.h5") == 2


def test_a_cluster_without_workers_is_told(importable, capsys, monkeypatch):
    monkeypatch.setattr("astrodetect.archive.cluster._ALONE", 1.0)
    write(1)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as cluster:
        threading.Timer(5.0, lambda: cluster.scale(1)).start()
        assert run("--scheduler", cluster.scheduler_address, "--out", "night.h5") == 0
    assert "the scheduler has no worker; waiting for one" in capsys.readouterr().err


def test_workers_without_the_plugin_stop_the_run(cluster):
    write(1)
    found = list(Pipeline(PIPELINE).find("night"))
    from astrodetect.archive.cluster import process_on_cluster
    from astrodetect.core.hooks import HookCaller

    class Elsewhere:
        name = "toy"

        def to_toml(self):
            return PIPELINE.replace("test_workers:Bad", "absent_module:Bad")

    with pytest.raises(StoppedError, match="a worker of the cluster cannot work"):
        list(process_on_cluster(Elsewhere(), found, cluster.scheduler_address, device="cpu",
                                hooks=HookCaller(load=False)))  # fmt: skip
