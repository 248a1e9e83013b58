"""Many recordings: one after the other, or one per worker process."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator

from astrodetect.core.data import Recording
from astrodetect.core.hooks import HookCaller
from astrodetect.core.plan import Plan
from astrodetect.core.pool import Pool, with_memory
from astrodetect.core.results import RecordingBlock
from astrodetect.core.runner import Runner


def process_all(
    plan: Plan,
    recordings: Iterable[Recording | None],
    *,
    jobs: int = 1,
    device: str = "cpu",
    hooks: HookCaller,
    timeout: float | None = None,
    suspects: Container[int] = (),
    tick: Callable[[], object] = lambda: None,
) -> Iterator[RecordingBlock]:
    """Process recordings and give their results as they are finished.

    Parameters
    ----------
    plan : Plan
        What to do.
    recordings : iterable of Recording or None
        Taken one by one, never far ahead of the work; None says that there is nothing at the moment.
    jobs : int
        Worker processes; 1 works in this process, but for suspects and with a `timeout`.
    device : str
        Passed to the stages.
    hooks : HookCaller
        Who is told of progress; of workers the beginning and the end of recordings only.
    timeout : float or None
        Seconds for one recording.
    suspects : container of int
        Ids of recordings that may crash the process that reads them.
    tick : callable
        Is called a few times a second while worker processes work.

    Yields
    ------
    RecordingBlock
        In the order of `recordings` if `jobs` is 1, else as they are finished.

    Raises
    ------
    StoppedError
        No worker process can be started.
    """
    if jobs > 1 or timeout:
        yield from _in_processes(plan, iter(recordings), jobs, device, hooks, timeout, tick)
        return
    runner = Runner(plan, device, hooks)
    for recording in recordings:
        if recording is None:
            continue
        if recording.recording_id in suspects:
            yield from _in_processes(plan, iter([recording]), 1, device, hooks, None, tick)
        else:
            yield with_memory(runner.process(recording))


def _in_processes(
    plan: Plan,
    recordings: Iterator[Recording | None],
    jobs: int,
    device: str,
    hooks: HookCaller,
    timeout: float | None,
    tick: Callable[[], object],
) -> Iterator[RecordingBlock]:
    def started(recording: Recording) -> None:
        hooks.call("recording_started", recording=recording, n_frames=-1)

    pool = Pool(plan.to_toml(), plan.name, jobs, device, timeout, started, tick)
    try:
        for recording, block in pool.run(recordings):
            hooks.call("recording_done", recording=recording, block=block)
            yield block
    finally:
        pool.stop()
