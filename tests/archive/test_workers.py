"""Worker processes: what one of them does to itself costs one recording."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import psutil
import pytest
import toys
from toys import Dots

from astrodetect import Pipeline, Preprocessor
from astrodetect.core import cores
from astrodetect.core.errors import StoppedError
from astrodetect.core.hooks import HookCaller, hookimpl

#: Words of recordings that do something to the process that reads them.
DEEDS = {
    "segfault": lambda: __import__("ctypes").string_at(0),
    "kill": lambda: os.kill(os.getpid(), 9),
    "exit": lambda: os._exit(3),
    "hang": lambda: time.sleep(3600),
    "interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt),
}


@dataclass
class Bad(Dots):
    """Dots with words that do harm."""

    def frames(self):
        for word in self.words:
            if word in DEEDS:
                DEEDS[word]()
        yield from super().frames()


@dataclass
class Told(Preprocessor):
    """Reports how many cores it may use, and in which process."""

    gives: ClassVar[tuple[str, ...]] = ("told",)
    #: Threads.
    threads: int = 64

    def process(self, window):
        self.report(f"threads={self.threads} cores={cores.available_cores()} process={os.getpid()}")
        return window.with_planes(told=np.zeros(window.shape))


PIPELINE = toys.PIPELINE.replace("toys:Dots", "test_workers:Bad")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def results(folder, text=PIPELINE, **keywords):
    pipeline = Pipeline(text)
    return {block.path: block for block in pipeline.results(pipeline.find(folder), **keywords)}


@pytest.mark.slow
def test_whatever_a_recording_does_to_its_process_costs_that_recording_only(tmp_path):
    for number in range(12):
        toys.write_dots(tmp_path / f"n{number:02d}.dots", "- 5,6 -")
    for word in DEEDS:
        toys.write_dots(tmp_path / f"n05-{word}.dots", f"- {word}")
    found = results(tmp_path, jobs=2, timeout=4)
    messages = {path: b.recording["message"] for path, b in found.items() if b.status == "failed"}
    assert messages == {
        "n05-segfault.dots": "the process that read it crashed (SIGSEGV)",
        "n05-kill.dots": "the process that read it crashed (SIGKILL, perhaps for want of memory)",
        "n05-exit.dots": "the process that read it crashed",
        "n05-hang.dots": "took longer than 4 s and was stopped",
        "n05-interrupt.dots": "the process that read it crashed",
    }
    assert len(found) == 17
    assert all(len(found[f"n{number:02d}.dots"].detections) == 1 for number in range(12))
    assert not psutil.Process().children(recursive=True)[1:]  # but the resource tracker


@pytest.mark.slow
def test_workers_share_the_cores_and_live_on(tmp_path):
    for number in range(6):
        toys.write_dots(tmp_path / f"n{number}.dots", "- 5,6 -")
    text = PIPELINE + '\n[[preprocess]]\nuse = "test_workers:Told"\n'
    told = {b.recording["message"] for b in results(tmp_path, text, jobs=2).values()}
    share = cores.share(2)
    assert all(message.startswith(f"threads={share} cores={share} process=") for message in told)
    assert 1 <= len(told) <= 2  # one message per process
    assert cores.VARIABLE not in os.environ
    blocks = results(tmp_path, jobs=2).values()
    assert all(block.summary["peak_memory"] > 1e7 for block in blocks)


@pytest.mark.slow
def test_workers_that_cannot_start_stop_the_run(tmp_path, monkeypatch):
    toys.write_dots(tmp_path / "n.dots", "-")
    pipeline = Pipeline(PIPELINE)
    found = list(pipeline.find(tmp_path))
    assert pipeline.plan
    import sys

    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(Path(__file__).parent)])
    with pytest.raises(StoppedError, match=r"a worker process cannot start: .*test_workers"):
        list(pipeline.results(found, jobs=2))


@pytest.mark.slow
def test_stopping_early_ends_the_workers_at_once(tmp_path):
    for number in range(4):
        toys.write_dots(tmp_path / f"n{number}.dots", "-" if number == 0 else "hang")
    pipeline = Pipeline(PIPELINE)
    blocks = pipeline.results(pipeline.find(tmp_path), jobs=2)
    next(blocks)
    start = time.monotonic()
    blocks.close()
    assert time.monotonic() - start < 3
    assert not [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]


@pytest.mark.slow
def test_a_pause_in_the_input_does_not_hold_back_results(tmp_path):
    toys.write_dots(tmp_path / "n0.dots", "-")
    toys.write_dots(tmp_path / "n1.dots", "-")
    pipeline = Pipeline(PIPELINE)
    first, second = pipeline.find(tmp_path)
    done = []

    def slowly():
        yield first
        while not done:
            time.sleep(0.05)
            yield None
        yield second

    for block in pipeline.results(slowly(), jobs=2):
        done.append(block.path)  # noqa: PERF401
    assert done == ["n0.dots", "n1.dots"]


def test_what_changes_while_it_is_read_is_told(tmp_path):
    toys.write_dots(tmp_path / "a.dots", "- 5,6 -")
    toys.write_dots(tmp_path / "b.dots", "- -")
    hooks = HookCaller(load=False)

    class Writer:
        @hookimpl
        def recording_started(self, recording):
            with (tmp_path / "a.dots").open("a") as file:
                file.write(" -")

    hooks.register(Writer())
    found = results(tmp_path, hooks=hooks)
    assert {path: block.status for path, block in found.items()} == {"a.dots": "changed", "b.dots": "done"}


def test_suspects_are_read_in_a_process_of_their_own(tmp_path):
    toys.write_dots(tmp_path / "a.dots", "exit")
    toys.write_dots(tmp_path / "b.dots", "-")
    pipeline = Pipeline(PIPELINE)
    found = list(pipeline.find(tmp_path))
    blocks = pipeline.results(found, suspects={found[0].recording_id})
    assert [block.status for block in blocks] == ["failed", "done"]
