"""The workers of a Dask cluster do the work; this process finds recordings and keeps the catalog."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

from astrodetect.core.data import Recording
from astrodetect.core.errors import AstrodetectError, PluginError, StoppedError
from astrodetect.core.hooks import HookCaller
from astrodetect.core.plan import Plan, read_plan
from astrodetect.core.pool import with_memory
from astrodetect.core.results import RecordingBlock
from astrodetect.core.runner import Runner, failed_block

#: Seconds to wait for the scheduler at the beginning, and for results before looking around.
_CONNECT, _LOOK = 20, 1.0
#: Recordings that are on their way per thread of the cluster, so that no worker waits for the next.
_AHEAD = 2

#: In a worker: what each thread works with, and the pipeline it was made for.
_own = threading.local()


def process_on_cluster(
    plan: Plan,
    recordings: Iterable[Recording | None],
    address: str,
    *,
    device: str,
    hooks: HookCaller,
    tick: Callable[[], object] = lambda: None,
) -> Iterator[RecordingBlock]:
    """Have recordings processed by a Dask cluster and give their results as they are finished.

    A recording whose worker dies is given to another one by the scheduler; one that has killed
    several (``distributed.scheduler.allowed-failures``) counts as failed.

    Parameters
    ----------
    plan : Plan
        What to do. Its plugins, and the files of the recordings under the same paths, have to be
        there for the workers.
    recordings : iterable of Recording or None
        Taken one by one, never far ahead of the work.
    address : str
        Of the scheduler, ``tcp://host:8786``.
    device : str
        Passed to the stages.
    hooks : HookCaller
        Who is told of the beginning and the end of recordings.
    tick : callable
        Is called about once a second.

    Raises
    ------
    PluginError
        dask is not installed.
    AstrodetectError
        No scheduler answers under this address.
    StoppedError
        The scheduler was lost.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise PluginError(
            "--scheduler needs dask: pip install 'astrodetect[dask]', or work here with --jobs"
        ) from error
    # what it has to say of a lost scheduler is said by the error below
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client: Any = Client(address, timeout=_CONNECT, set_as_default=False, name="astrodetect")
    except (OSError, ValueError, TimeoutError) as error:
        raise AstrodetectError(f"{address}: no Dask scheduler answers: {error}") from error
    try:
        job = _Work(client, address, plan.to_toml(), plan.name, device, hooks)
        yield from job.run(iter(recordings), tick)
    finally:
        client.close(timeout=5)


class _Work:
    def __init__(
        self, client: Any, address: str, text: str, name: str, device: str, hooks: HookCaller
    ) -> None:
        self.client, self.address, self.hooks = client, address, hooks
        self.job = (text, name, device)
        self.waiting: dict[Any, Recording] = {}
        self.finished: SimpleQueue[Any] = SimpleQueue()
        self.exhausted = False

    def run(
        self, recordings: Iterator[Recording | None], tick: Callable[[], object]
    ) -> Iterator[RecordingBlock]:
        while True:
            tick()
            self._submit(recordings)
            if not self.waiting and self.exhausted:
                return
            if not self.waiting:
                continue
            try:
                future = self.finished.get(timeout=_LOOK)
            except Empty:
                continue
            yield self._result(future)

    def _submit(self, recordings: Iterator[Recording | None]) -> None:
        self._look_around()
        threads = sum(worker["nthreads"] for worker in self.client.scheduler_info()["workers"].values())
        while not self.exhausted and len(self.waiting) < _AHEAD * max(1, threads):
            try:
                recording = next(recordings)
            except StopIteration:
                self.exhausted = True
                return
            if recording is None:
                return
            self.hooks.call("recording_started", recording=recording, n_frames=-1)
            future = self.client.submit(work, *self.job, recording, pure=False)
            self.waiting[future] = recording
            future.add_done_callback(self.finished.put)

    def _look_around(self) -> None:
        if self.client.status != "running" or not self.client.scheduler.comm:
            raise StoppedError(f"{self.address}: the connection to the Dask scheduler was lost")

    def _result(self, future: Any) -> RecordingBlock:
        from concurrent.futures import CancelledError

        from distributed.scheduler import KilledWorker

        recording = self.waiting.pop(future)
        try:
            block: RecordingBlock = future.result(timeout=60)
        except KilledWorker:
            block = failed_block(recording, "the processes that read it crashed, one worker after the other")
        except (CancelledError, OSError, TimeoutError) as error:
            raise StoppedError(f"{self.address}: the Dask scheduler was lost ({error})") from error
        except AstrodetectError as error:
            raise StoppedError(f"a worker of the cluster cannot work: {error}") from error
        except Exception as error:
            block = failed_block(recording, f"on the cluster: {type(error).__name__}: {error}")
        finally:
            future.release()
        self.hooks.call("recording_done", recording=recording, block=block)
        return block


def work(text: str, name: str, device: str, recording: Recording) -> RecordingBlock:
    """Process one recording in a thread of a worker; stages and models are kept for the next one."""
    from pathlib import Path

    from astrodetect.core import cores

    if getattr(_own, "job", None) != (text, device):
        _own.runner = Runner(read_plan(text, name, Path.cwd()), device)
        cores.limit_threads(_own.runner.plan, cores.share(_threads()))
        _own.job = (text, device)
    runner: Runner = _own.runner
    return with_memory(runner.process(recording))


def _threads() -> int:
    """Give the number of threads that work in this worker."""
    from distributed import get_worker

    threads: int = get_worker().state.nthreads
    return threads
