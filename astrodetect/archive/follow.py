"""A station at work: watch folders, process what is completed, until told to stop."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from astrodetect.archive.job import Job
from astrodetect.archive.tree import Tree
from astrodetect.core.data import Recording
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.hooks import HookCaller
from astrodetect.core.results import RecordingBlock

#: Seconds between two looks at what changes, at least so many times what a look takes; and how finely
#: waiting is cut.
INTERVAL, _LOOK_FACTOR, _SLICE = 0.2, 5.0, 0.1
#: A catalog is put together after so many seconds, or so many times the seconds that it took last.
ASSEMBLE, _ASSEMBLE_FACTOR = 300.0, 50.0
#: Seconds for which files must not have changed, if nothing else is asked for.
SETTLE = 1.5


def calm() -> None:
    """Let no alarm interrupt what follows."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


class Halted(BaseException):
    """What is in work is given up: raised by whoever stops a watch that does not end by itself."""


@dataclass
class Watch(Job):
    """A job that never ends by itself: what arrives is processed once it is complete.

    Parameters
    ----------
    heartbeat : Path or None
        A file that is replaced about once a second: a JSON object with ``time``, ``unix``,
        ``process``, ``state``, ``done``, ``failed``, ``last`` and ``last_unix``.
    say : callable
        Gets a line about once a minute, and when the heartbeat cannot be written any more.
    """

    heartbeat: Path | None = None
    say: Callable[[str], object] = lambda _: None
    stopping: bool = field(default=False, init=False)
    _last: str = field(default="", init=False)
    _last_time: float = field(default=0.0, init=False)
    _beaten: float = field(default=0.0, init=False)
    _beats: bool = field(default=True, init=False)
    _said: float = field(default=0.0, init=False)
    _assembled: float = field(default=0.0, init=False)
    _assembly_took: float = field(default=0.0, init=False)
    _stored: int = field(default=0, init=False)

    def stop(self) -> None:
        """End when what is in work is done."""
        self.stopping = True

    def find(self, hooks: HookCaller) -> Iterator[Recording | None]:
        """Give recordings as they are completed; None when there is none at the moment.

        Raises
        ------
        AstrodetectError
            There is no input, or it is no folder.
        """
        sources = self.pipeline.sources(hooks.warn)
        roots = [Path(os.path.abspath(root)) for root in self.pipeline.roots(self.inputs)]
        for root in roots:
            if not root.is_dir():
                raise AstrodetectError(f"{root}: no such folder; --follow watches folders")
        settle = SETTLE if self.how.settle is None else self.how.settle
        return self._look([Tree(root, sources, self.how.choice, settle) for root in roots], hooks)

    def _look(self, trees: list[Tree], hooks: HookCaller) -> Iterator[Recording | None]:
        while not self.stopping:
            start = time.monotonic()
            nothing = True
            for recording in self._complete(trees, start + INTERVAL):
                if self.stopping:
                    return
                yield recording
                nothing = False
            took = time.monotonic() - start if nothing else 0.0
            self._assemble(hooks)
            end = start + max(INTERVAL, _LOOK_FACTOR * took)
            while not self.stopping and (left := end - time.monotonic()) > 0:
                time.sleep(min(_SLICE, left))
                self.tick()
                yield None

    def _complete(self, trees: list[Tree], end: float) -> Iterator[Recording]:
        """Give what has just been completed first, and then of the rest what time allows."""
        for tree in trees:
            yield from self.pipeline.referenced(tree.changed())
        for tree in trees:
            yield from self.pipeline.referenced(tree.rest(end))

    def run(self, hooks: HookCaller | None = None) -> Iterator[RecordingBlock]:
        """Watch and process until `stop`; then the catalog is put together."""
        hooks = hooks if hooks is not None else HookCaller()
        recordings = self.find(hooks)
        self.journal = self.open_journal(hooks, fresh=self.fresh)
        self._assembled = time.monotonic()
        try:
            try:
                self.tick()
                for block in self.go_through(recordings, hooks):
                    self._last, self._last_time = block.path, time.time()
                    self._stored += 1
                    self.tick()
                    yield block
            except Halted:
                self.stopping = True
            calm()
            self.journal.finish()
        finally:
            self.journal.close()
            self._beat("stopped")
        hooks.call("run_done", summary=self.summary.to_dict())

    def _assemble(self, hooks: HookCaller) -> None:
        """Put the catalog together now and then, so that it opens quickly and the journal stays small."""
        if not self._stored or time.monotonic() - self._assembled < max(
            ASSEMBLE, _ASSEMBLE_FACTOR * self._assembly_took
        ):
            return
        start = time.monotonic()
        self.journal.finish()
        self.journal = self.open_journal(hooks)
        self._assembled = time.monotonic()
        self._assembly_took, self._stored = self._assembled - start, 0

    def tick(self) -> None:
        """Give signs of life."""
        now = time.monotonic()
        if now - self._beaten >= 1:
            self._beat("watching")
            self._beaten = now
        if now - self._said >= 60:
            self._said = now
            states = self.summary.statuses
            done = sum(states.values()) - states["failed"]
            moment = datetime.now(UTC).isoformat(timespec="seconds")
            last = f", last {self._last}" if self._last else ""
            self.say(f"{moment} watching: {done} done, {states['failed']} failed{last}")

    def _beat(self, state: str) -> None:
        if self.heartbeat is None:
            return
        states = self.summary.statuses
        sign = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "unix": time.time(),
            "process": os.getpid(),
            "state": state,
            "done": sum(states.values()) - states["failed"],
            "failed": states["failed"],
            "last": self._last,
            "last_unix": self._last_time or None,
        }
        temporary = self.heartbeat.with_name(f".{self.heartbeat.name}.tmp")
        try:
            temporary.write_text(json.dumps(sign) + "\n")
            os.replace(temporary, self.heartbeat)
            self._beats = True
        except OSError as error:
            why = f"{self.heartbeat}: the heartbeat cannot be written: {error.strerror}"
            if not self._beaten:
                raise AstrodetectError(why) from error
            if self._beats:  # whoever looks for signs of life finds them old
                self.say(f"warning: {why}")
            self._beats = False
