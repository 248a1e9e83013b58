"""A pipeline over an archive into a catalog: what is done is not done again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from astrodetect.archive.tree import age
from astrodetect.core.choice import ALL, Choice
from astrodetect.core.data import Recording
from astrodetect.core.hooks import HookCaller
from astrodetect.core.process import resolve_device
from astrodetect.core.results import RecordingBlock
from astrodetect.core.summary import Summary
from astrodetect.pipeline import Pipeline, versions

if TYPE_CHECKING:
    from astrodetect.catalogs.journal import Journal

_Maybe = Recording | None
#: In the journal's folder: the recording that is in work, for the next run if this one crashes on it.
_IN_HAND = "in-hand"


@dataclass(frozen=True)
class How:
    """How a job goes about its work; none of it changes what comes out for a recording.

    Attributes
    ----------
    jobs : int
        Worker processes on this machine.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    timeout : float or None
        Seconds for one recording; then it counts as failed.
    choice : Choice
        Which recordings.
    settle : float or None
        Recordings with a file younger than this (s) are left for later; None: a job that follows has a
        time of its own, any other leaves none.
    failed : {"again", "only", "never"}
        Whether recordings that failed in an earlier run are tried again, alone, or not.
    scheduler : str
        Address of a Dask scheduler that has the work done; empty: this machine does it.
    """

    jobs: int = 1
    device: str = "auto"
    timeout: float | None = None
    choice: Choice = ALL
    settle: float | None = None
    failed: Literal["again", "only", "never"] = "again"
    scheduler: str = ""


@dataclass
class Job:
    """A pipeline that writes a catalog, and takes up where it was interrupted.

    Parameters
    ----------
    pipeline : Pipeline
        What to do.
    inputs : tuple of Path
        Where to look; empty for ``[source] path``.
    out : Path
        The catalog.
    fresh : bool
        Start over.
    command : str
        For provenance.
    how : How
        How to go about it.
    summary : Summary
        What was done, so far.
    journal : Journal
        Open during `run`.
    """

    pipeline: Pipeline
    inputs: tuple[Path, ...]
    out: Path
    fresh: bool = False
    command: str = ""
    how: How = field(default_factory=How)
    summary: Summary = field(default_factory=Summary)
    journal: Journal = field(init=False, repr=False)

    def find(self, hooks: HookCaller) -> Iterator[Recording | None]:
        """Find the recordings; what is still being written is left out and counted.

        Raises
        ------
        AstrodetectError
            There is no input, or it holds no recording.
        """
        found = self.pipeline.find(self.inputs, hooks.warn, self.how.choice)
        return self._settled(found, self.how.settle) if self.how.settle else found

    def run(self, hooks: HookCaller | None = None) -> Iterator[RecordingBlock]:
        """Process what is not done yet; the catalog is whole when the iterator ends.

        Yields
        ------
        RecordingBlock
            As each recording is finished; it is stored already.

        Raises
        ------
        StoppedError
            The disk is full or the scheduler is lost; what is finished is kept.
        """
        hooks = hooks if hooks is not None else HookCaller()
        recordings = self.find(hooks)
        self.journal = self.open_journal(hooks, fresh=self.fresh)
        try:
            yield from self.go_through(recordings, hooks)
            self.journal.finish()
            for line in self.journal.carried:
                hooks.warn(line)
        finally:
            self.journal.close()
        hooks.call("run_done", summary=self.summary.to_dict())

    def go_through(
        self, recordings: Iterable[Recording | None], hooks: HookCaller
    ) -> Iterator[RecordingBlock]:
        """Process what is not done yet and store it."""
        with _in_hand(self.journal.parts / _IN_HAND) as (suspects, mark):
            todo = self._undone(recordings)
            if self._works_here():
                todo = (mark(recording) for recording in todo)
            for block in self._process(todo, hooks, suspects):
                if block.status == "changed":
                    self.summary.leave(block.path)
                    continue
                self.journal.append(block)
                self.summary.add(block)
                yield block

    def _works_here(self) -> bool:
        return self.how.jobs == 1 and not self.how.timeout and not self.how.scheduler

    def open_journal(self, hooks: HookCaller, *, fresh: bool = False) -> Journal:
        """Open the journal of the catalog.

        Raises
        ------
        AstrodetectError
            It cannot be written, or belongs to another pipeline.
        """
        from astrodetect.catalogs.journal import Journal

        if not self.how.scheduler:
            resolve_device(self.how.device)  # before anything is written
        plan = self.pipeline.plan
        columns = [column for stage in plan.uses.values() for column in stage.columns]
        journal = Journal.open(self.out, self._provenance(), fresh=fresh, columns=columns)
        for note in journal.notes:
            hooks.warn(f"{self.out}: {note}")
        return journal

    def _process(
        self, recordings: Iterator[Recording | None], hooks: HookCaller, suspects: frozenset[int]
    ) -> Iterator[RecordingBlock]:
        how = self.how
        if not how.scheduler:
            return self.pipeline.results(
                recordings, jobs=how.jobs, device=how.device, hooks=hooks, timeout=how.timeout,
                suspects=suspects, tick=self.tick,
            )  # fmt: skip
        from astrodetect.archive.cluster import process_on_cluster

        return process_on_cluster(
            self.pipeline.plan, recordings, how.scheduler, device=how.device, hooks=hooks,
            timeout=how.timeout, tick=self.tick,
        )  # fmt: skip

    def tick(self) -> None:
        """Do what is to be done from time to time; is called while others work."""

    def _settled(self, recordings: Iterable[Recording], settle: float) -> Iterator[Recording]:
        for recording in recordings:
            if age(recording) < settle:
                self.summary.leave(recording.path)
            else:
                yield recording

    def _undone(self, recordings: Iterable[Recording | None]) -> Iterator[Recording | None]:
        for recording in recordings:
            status = "" if recording is None else self.journal.done.get(recording.recording_id, "new")
            # What failed is tried again: a disk may be back, a program mended.
            tried = {"again": ("", "new", "failed"), "only": ("", "failed"), "never": ("", "new")}
            if status in tried[self.how.failed]:
                yield recording
            elif status != "new":
                self.summary.skipped += 1

    def _provenance(self) -> dict[str, str]:
        plan = self.pipeline.plan
        return {
            "pipeline": plan.to_toml(self.inputs),
            "pipeline_name": self.pipeline.name,
            "versions": json.dumps(versions(plan)),
            "command": self.command or f"Pipeline({self.pipeline.name!r}).run",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }


@contextmanager
def _in_hand(path: Path) -> Iterator[tuple[frozenset[int], Callable[[_Maybe], _Maybe]]]:
    """Note which recording is in work in this process.

    Yields
    ------
    (frozenset of int, callable)
        Ids of recordings on which a former run died, and a function that notes one and returns it.
    """
    try:
        suspects = frozenset({int(path.read_text())})
    except (OSError, ValueError):
        suspects = frozenset[int]()

    def mark(recording: _Maybe) -> _Maybe:
        if recording is not None:
            with suppress(OSError):  # a full disk is the journal's business
                path.write_text(str(recording.recording_id))
        return recording

    try:
        yield suspects, mark
    finally:
        with suppress(OSError):
            os.unlink(path)
