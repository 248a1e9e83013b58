"""The workers of a Dask cluster do the work; this process finds recordings and keeps the catalog."""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from astrodetect.core import cores
from astrodetect.core.data import Recording
from astrodetect.core.errors import AstrodetectError, PluginError, StoppedError
from astrodetect.core.hooks import HookCaller
from astrodetect.core.plan import Plan
from astrodetect.core.pool import Guard, Pool
from astrodetect.core.results import RecordingBlock
from astrodetect.core.runner import failed_block

#: Seconds to wait for the scheduler at the beginning, and for results before looking around.
_CONNECT, _LOOK = 20, 1.0
#: Seconds without a worker after which that is told, again and again.
_ALONE = 30.0
#: Recordings that are on their way per thread of the cluster, so that no worker waits for the next.
_AHEAD = 2

#: In a worker: the process that each thread has its recordings read by, and the run it is for.
_guards: dict[int, tuple[str, Guard]] = {}


class _Task(NamedTuple):
    """What every recording of a run has in common. Picklable."""

    run: str
    text: str
    name: str
    device: str
    timeout: float | None
    #: Threads of the cluster on each machine: they share its cores.
    threads: dict[str, int]


def process_on_cluster(
    plan: Plan,
    recordings: Iterable[Recording | None],
    address: str,
    *,
    device: str,
    hooks: HookCaller,
    timeout: float | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Iterator[RecordingBlock]:
    """Have recordings processed by a Dask cluster and give their results as they are finished.

    Each thread of a worker has its recordings read by a process of its own, so one that crashes it,
    or takes too long, costs itself only. A recording whose worker dies is given to another one by the
    scheduler; one that has seen several die (``distributed.scheduler.allowed-failures``) counts as
    failed.

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
    timeout : float or None
        Seconds for one recording.
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
    job = _Work(
        client, address, _Task(uuid.uuid4().hex, plan.to_toml(), plan.name, device, timeout, {}), hooks
    )
    try:
        yield from job.run(iter(recordings), tick)
    finally:
        job.release()
        client.close(timeout=5)


class _Work:
    def __init__(self, client: Any, address: str, task: _Task, hooks: HookCaller) -> None:
        self.client, self.address, self.task, self.hooks = client, address, task, hooks
        self.waiting: dict[Any, Recording] = {}
        self.finished: SimpleQueue[Any] = SimpleQueue()
        self.exhausted = False
        self.looked = -math.inf
        #: Since when there is no worker, or since that was told.
        self.alone = math.inf

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
        ahead = _AHEAD * max(1, sum(self.task.threads.values()))
        while not self.exhausted and len(self.waiting) < ahead:
            try:
                recording = next(recordings)
            except StopIteration:
                self.exhausted = True
                return
            if recording is None:
                return
            self.hooks.call("recording_started", recording=recording, n_frames=-1)
            future = self.client.submit(work, self.task, recording, pure=False)
            self.waiting[future] = recording
            future.add_done_callback(self.finished.put)

    def release(self) -> None:
        """Have the processes of this run ended; where no worker can be told, they end with it."""
        for future in list(self.waiting):
            future.cancel()
        if self.client.status != "running" or not self.client.scheduler.comm:
            return
        with suppress(Exception):
            self.client.run(release, self.task.run, on_error="ignore")

    def _look_around(self) -> None:
        if self.client.status != "running" or not self.client.scheduler.comm:
            raise StoppedError(f"{self.address}: the connection to the Dask scheduler was lost")
        if time.monotonic() - self.looked < _LOOK:
            return
        try:
            workers = self.client.nthreads()
        except (OSError, TimeoutError) as error:
            raise StoppedError(f"{self.address}: the Dask scheduler was lost ({error})") from error
        threads: Counter[str] = Counter()
        for address, number in workers.items():
            threads[_host(address)] += number
        self.task = self.task._replace(threads=dict(threads))
        self.looked = time.monotonic()
        if threads:
            self.alone = math.inf
        elif self.alone == math.inf:
            self.alone = self.looked
        elif self.looked - self.alone > _ALONE:
            self.alone = self.looked
            self.hooks.warn(f"{self.address}: the scheduler has no worker; waiting for one")

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


def work(task: _Task, recording: Recording) -> RecordingBlock:
    """Process one recording in a thread of a worker; stages and models are kept for the next one."""
    thread = threading.get_ident()
    run, guard = _guards.get(thread, ("", None))
    if guard is None or run != task.run:
        if guard is not None:
            guard.stop()
        pool = Pool(task.text, task.name, 1, task.device, task.timeout, cores=_cores(task.threads))
        guard = Guard(pool)
        _guards[thread] = task.run, guard
    try:
        return guard.process(recording)
    except BaseException:
        guard.stop()
        _guards.pop(thread, None)
        raise


def _cores(threads: dict[str, int]) -> int:
    """Give the cores for each thread of the cluster on this machine."""
    from distributed import get_worker

    own = get_worker()
    return cores.share(max(own.state.nthreads, threads.get(_host(own.address), 1)))


def _host(address: str) -> str:
    return address.rpartition("://")[2].rpartition(":")[0]


def release(run: str) -> None:
    """End the processes of a run in this worker."""
    for thread, (known, guard) in list(_guards.items()):
        if known == run:
            del _guards[thread]
            guard.stop()
