"""Many recordings: one after the other, or one per worker process."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from astrodetect.core.data import Recording
from astrodetect.core.hooks import HookCaller
from astrodetect.core.plan import Plan, read_plan
from astrodetect.core.results import RecordingBlock
from astrodetect.core.runner import Runner, failed_block

_runner: Runner | None = None


def process_all(
    plan: Plan, recordings: Iterable[Recording], *, jobs: int = 1, device: str = "cpu", hooks: HookCaller
) -> Iterator[RecordingBlock]:
    """Process recordings and give their results as they are finished.

    Parameters
    ----------
    plan : Plan
        What to do.
    recordings : iterable of Recording
        Taken one by one, never far ahead of the work.
    jobs : int
        Worker processes; 1 works in this process.
    device : str
        Passed to the stages.
    hooks : HookCaller
        Who is told of progress; workers tell of finished recordings only.

    Yields
    ------
    RecordingBlock
        In the order of `recordings` if `jobs` is 1, else as they are finished.
    """
    if jobs <= 1:
        runner = Runner(plan, device, hooks)
        for recording in recordings:
            yield runner.process(recording)
        return
    pool = _Pool(plan.to_toml(), plan.name, jobs, device)
    try:
        for recording, block in pool.run(iter(recordings)):
            hooks.call("recording_done", recording=recording, block=block)
            yield block
    finally:
        pool.stop()


@dataclass
class _Pool:
    """A pool of worker processes that survives the death of one."""

    text: str
    name: str
    jobs: int
    device: str

    def __post_init__(self) -> None:
        self.executor = self._start(self.jobs)

    def _start(self, jobs: int) -> ProcessPoolExecutor:
        # spawn: no thread, lock or CUDA context of the parent is inherited
        return ProcessPoolExecutor(
            jobs,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(self.text, self.name, self.device, self.jobs),
        )

    def run(self, recordings: Iterator[Recording]) -> Iterator[tuple[Recording, RecordingBlock]]:
        waiting: dict[Future[RecordingBlock], Recording] = {}
        suspects: list[Recording] = []
        exhausted = False
        while waiting or not exhausted:
            while not exhausted and len(waiting) < 2 * self.jobs:
                recording = next(recordings, None)
                if recording is None:
                    exhausted = True
                    break
                try:
                    waiting[self.executor.submit(_work, recording)] = recording
                except BrokenProcessPool:
                    suspects.append(recording)
                    break
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                recording = waiting.pop(future)
                try:
                    yield recording, future.result()
                except BrokenProcessPool:
                    suspects.append(recording)
            if suspects:
                suspects += waiting.values()
                waiting.clear()
                yield from self._one_by_one(suspects)
                suspects = []

    def _one_by_one(self, suspects: list[Recording]) -> Iterator[tuple[Recording, RecordingBlock]]:
        """Find out which recording kills its worker: each alone in a process of its own."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        for recording in suspects:
            with self._start(1) as single:
                try:
                    yield recording, single.submit(_work, recording).result()
                except BrokenProcessPool:
                    yield recording, failed_block(recording, "the process that read it crashed")
        self.executor = self._start(self.jobs)

    def stop(self) -> None:
        processes = list((getattr(self.executor, "_processes", None) or {}).values())
        self.executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _start_worker(text: str, name: str, device: str, jobs: int) -> None:
    global _runner
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, threads)
    _runner = Runner(read_plan(text, name, Path.cwd()), device)


def _work(recording: Recording) -> RecordingBlock:
    assert _runner is not None  # set by the initializer
    return _runner.process(recording)
