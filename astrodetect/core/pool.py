"""Worker processes, one recording at a time each; one that dies or hangs costs its recording only."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from astrodetect.core import cores
from astrodetect.core.data import Recording
from astrodetect.core.errors import AstrodetectError, StoppedError
from astrodetect.core.plan import read_plan
from astrodetect.core.process import prepare_process, resolve_device
from astrodetect.core.results import RecordingBlock
from astrodetect.core.runner import Runner, failed_block

#: Workers that may die one after the other before one has started.
_ATTEMPTS = 3
#: Seconds to wait for results before looking for recordings again: with nothing in work, and with some.
_IDLE, _LOOK = 0.01, 0.1
#: Seconds that a worker has for ending by itself.
_PATIENCE = 2.0

Result = tuple[Recording, RecordingBlock]


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    ready: bool = False
    recording: Recording | None = None
    deadline: float = float("inf")


@dataclass
class Pool:
    """Processes recordings in worker processes.

    Parameters
    ----------
    text, name : str
        The pipeline as TOML with absolute paths, and its name.
    jobs : int
        Worker processes; they are started when there is work for them.
    device : str
        Passed to the stages.
    timeout : float or None
        Seconds for one recording; then it counts as failed and its process is ended.
    started : callable
        Is told of each recording that is handed to a worker.
    tick : callable
        Is called a few times a second.
    cores : int
        For each worker; 0: an equal share of those of this process.
    """

    text: str
    name: str
    jobs: int
    device: str
    timeout: float | None = None
    started: Callable[[Recording], object] = lambda _: None
    tick: Callable[[], object] = lambda: None
    cores: int = 0

    def __post_init__(self) -> None:
        # spawn: no thread, lock or CUDA context of the parent is inherited
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._upcoming: deque[Recording] = deque()
        self._exhausted = False
        self._early_deaths = 0

    def run(self, recordings: Iterator[Recording | None]) -> Iterator[Result]:
        """Process recordings and give their results as they are finished.

        Parameters
        ----------
        recordings : iterator of Recording or None
            Taken at most `jobs` ahead of the work; None says that there is nothing at the moment.

        Raises
        ------
        StoppedError
            No worker process can be started.
        """
        while True:
            self._hand_out(recordings)
            if not self._workers and self._exhausted and not self._upcoming:
                return
            results = self._collect()
            self.tick()
            self._hand_out(recordings)  # before results are stored, so that nobody waits for it
            yield from results

    def _hand_out(self, recordings: Iterator[Recording | None]) -> None:
        while self._upcoming or self._look_ahead(recordings):
            worker = next((w for w in self._workers if w.ready and w.recording is None), None)
            if worker is None:
                missing = len(self._workers) < self.jobs
                if missing and sum(not w.ready for w in self._workers) < len(self._upcoming):
                    self._workers.append(self._start())
                    continue
                if len(self._upcoming) >= self.jobs or not self._look_ahead(recordings):
                    return
                continue
            self._give(worker, self._upcoming.popleft())
        if self._exhausted and not self._upcoming:
            for worker in [w for w in self._workers if w.recording is None]:
                self._dismiss(worker)

    def _look_ahead(self, recordings: Iterator[Recording | None]) -> bool:
        """Take one more recording; not while there are results to be taken in."""
        if self._exhausted or (self._workers and wait(self._handles(), 0)):
            return False
        try:
            recording = next(recordings)
        except StopIteration:
            self._exhausted = True
            return False
        if recording is not None:
            self._upcoming.append(recording)
        elif len(self._workers) < self.jobs:  # while nothing comes there is time to get ready for it
            self._workers.append(self._start())
        return recording is not None

    def _handles(self) -> list[Any]:
        return [handle for w in self._workers for handle in (w.pipe, w.process.sentinel)]

    def _start(self) -> _Worker:
        pipe, other = self._context.Pipe()
        with cores.limited(self.cores or cores.share(self.jobs)), _free_to_start():
            process = self._context.Process(
                target=_serve, args=(other, self.text, self.name, self.device), daemon=True
            )
            process.start()
        other.close()
        return _Worker(process, pipe)

    def _give(self, worker: _Worker, recording: Recording) -> None:
        worker.recording = recording
        worker.deadline = time.monotonic() + (self.timeout if self.timeout else float("inf"))
        self.started(recording)
        try:
            worker.pipe.send(recording)
        except OSError:  # it has just died; `_collect` sees it
            return

    def _collect(self) -> list[Result]:
        """Wait for something to happen, for a little while at most."""
        now = time.monotonic()
        deadline = min((w.deadline for w in self._workers), default=now)
        idle = not self._upcoming and all(w.recording is None for w in self._workers)
        seconds = max(0.0, min(_IDLE if idle else _LOOK, deadline - now))
        happened = set(wait(self._handles(), seconds)) if self._workers else set()
        results: list[Result] = []
        for worker in list(self._workers):
            if worker.pipe in happened or worker.process.sentinel in happened:
                results += self._receive(worker)
            elif time.monotonic() > worker.deadline:
                results += self._end(worker, f"took longer than {self.timeout:g} s and was stopped")
        return results

    def _receive(self, worker: _Worker) -> list[Result]:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            return self._died(worker)
        if isinstance(message, AstrodetectError):
            raise StoppedError(f"a worker process cannot start: {message}")
        if message is None:
            worker.ready, self._early_deaths = True, 0
            return []
        recording, worker.recording, worker.deadline = worker.recording, None, float("inf")
        assert recording is not None  # it answers to one
        return [(recording, message)]

    def _died(self, worker: _Worker) -> list[Result]:
        worker.process.join(_PATIENCE)
        code = worker.process.exitcode
        if not worker.ready:
            self._early_deaths += 1
            if self._early_deaths >= _ATTEMPTS:
                raise StoppedError(f"worker processes die before they begin (exit status {code})")
        return self._end(worker, "the process that read it crashed" + _signal_name(code))

    def _end(self, worker: _Worker, why: str) -> list[Result]:
        self._workers.remove(worker)
        _kill([worker])
        return [] if worker.recording is None else [(worker.recording, failed_block(worker.recording, why))]

    def _dismiss(self, worker: _Worker) -> None:
        """Let a worker end that has nothing to do."""
        self._workers.remove(worker)
        worker.pipe.close()
        _kill([worker], _PATIENCE if worker.ready else 0.0)

    def stop(self) -> None:
        """End all workers at once."""
        _kill(self._workers)
        self._workers = []


class Guard:
    """A worker process that is asked for one recording after the other, and replaced when it dies.

    Parameters
    ----------
    pool : Pool
        Of one worker.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asked: deque[Recording] = deque()
        self._results = pool.run(self._take())

    def _take(self) -> Iterator[Recording | None]:
        while True:
            yield self._asked.popleft() if self._asked else None

    def process(self, recording: Recording) -> RecordingBlock:
        """Process a recording; it fails where the process dies or takes too long.

        Raises
        ------
        StoppedError
            No worker process can be started.
        """
        self._asked.append(recording)
        return next(self._results)[1]

    def stop(self) -> None:
        """End the process."""
        self._pool.stop()


_starting = threading.Lock()


@contextmanager
def _free_to_start() -> Iterator[None]:
    """Let a daemonic process start others, as one worker of Dask is; they end with it."""
    own: Any = multiprocessing.current_process()
    with _starting:
        before = own._config.pop("daemon", None)
        try:
            yield
        finally:
            if before is not None:
                own._config["daemon"] = before


def _kill(workers: list[_Worker], patience: float = 0.0) -> None:
    for worker in workers:
        worker.process.join(patience)
        worker.process.terminate()
    for worker in workers:
        worker.process.join(_PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()


def _signal_name(code: int | None) -> str:
    if code is None or code >= 0:
        return ""
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f" ({name}{', perhaps for want of memory' if name == 'SIGKILL' else ''})"


def _serve(pipe: Connection, text: str, name: str, device: str) -> None:
    """Work in a worker process: say that it is ready (None), then answer each recording with its block."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare_process()
    try:
        plan = read_plan(text, name, Path.cwd())
        cores.limit_threads(plan, cores.available_cores())
        runner = Runner(plan, resolve_device(device))
    except AstrodetectError as error:
        pipe.send(AstrodetectError(str(error)))
        return
    try:
        pipe.send(None)
        while True:
            recording: Recording = pipe.recv()
            block = with_memory(runner.process(recording))
            try:
                pipe.send(block)
            except OSError:
                return
            except Exception as error:
                pipe.send(failed_block(recording, f"its result cannot be sent: {error}"))
    except (EOFError, BrokenPipeError):  # nobody asks any more
        return


def _end_with_parent() -> None:
    """Leave no process behind that hangs in a recording while nobody waits for it any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def with_memory(block: RecordingBlock) -> RecordingBlock:
    """Add the peak memory of this process (bytes) to the statistics of a block, where it is known."""
    try:
        import resource
        import sys
    except ImportError:  # Windows
        return block
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return replace(block, summary={**block.summary, "peak_memory": peak})
