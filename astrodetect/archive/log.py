"""What a run does, for machines: one JSON object per line."""

from __future__ import annotations

import errno
import json
import math
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from astrodetect.core.data import Recording
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.hooks import hookimpl
from astrodetect.core.results import RecordingBlock
from astrodetect.core.summary import cause_of

if TYPE_CHECKING:
    from astrodetect.archive.job import Job

_KEPT = (
    "recording_id", "path", "root", "source", "camera", "status", "n_frames", "n_windows", "n_detections",
    "n_accepted", "seconds", "message",
)  # fmt: skip


class RunLog:
    """A hook plugin that appends to a file. Each line is whole: it is written at once.

    Parameters
    ----------
    path : Path
        The file; what is in it stays.

    Raises
    ------
    AstrodetectError
        It cannot be written.

    Notes
    -----
    Every object has ``time`` (ISO 8601, UTC) and ``event``: ``run_started``, ``recording_started``,
    ``recording_done``, ``recording_failed`` (with ``cause``: the message without names and numbers),
    ``recording_changed``, ``warning``, ``run_done``, ``run_stopped``. Numbers that are not known are
    null.
    """

    def __init__(self, path: Path) -> None:
        self._start, self._path = perf_counter(), path
        with self._told():
            self._file = path.open("ab", buffering=0)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AstrodetectError(f"{self._path}: the log cannot be written: {error.strerror}") from error

    def write(self, event: str, **fields: Any) -> None:
        """Append an event.

        Raises
        ------
        AstrodetectError
            It cannot be written; nothing of it is.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = json.dumps(_plain({"time": now, "event": event, **fields}), allow_nan=False)
        line = text.encode() + b"\n"
        with self._told():
            before = self._file.seek(0, os.SEEK_END)
            if self._file.write(line) != len(line):  # the disk is full
                self._file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def started(self, job: Job) -> None:
        """Say what is about to be done, and where."""
        from astrodetect import __version__

        self.write(
            "run_started", command=job.command, pipeline=job.pipeline.name, catalog=str(job.out),
            inputs=[str(path) for path in job.inputs], jobs=job.how.jobs, version=__version__,
            host=platform.node(), process=os.getpid(),
        )  # fmt: skip

    @hookimpl
    def recording_started(self, recording: Recording, n_frames: int) -> None:
        """Note a recording that is taken in work."""
        frames = {"n_frames": n_frames} if n_frames >= 0 else {}
        self.write("recording_started", recording_id=recording.recording_id, path=recording.path, **frames)

    @hookimpl
    def recording_done(self, recording: Recording, block: RecordingBlock) -> None:
        """Note what came out."""
        fields = {name: block.recording.get(name) for name in _KEPT}
        for name in ("seconds", "counts", "peak_memory", "traceback"):
            if block.summary.get(name):
                fields["stage_seconds" if name == "seconds" else name] = block.summary[name]
        if block.status == "failed":
            fields["cause"] = cause_of(recording.path, str(fields["message"]))
        event = {"failed": "recording_failed", "changed": "recording_changed"}.get(block.status)
        self.write(event or "recording_done", **fields)

    @hookimpl
    def run_done(self, summary: dict[str, Any]) -> None:
        """Note the end."""
        self.write("run_done", elapsed=perf_counter() - self._start, **summary)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                why = str(error) or type(error).__name__
                self.write("run_stopped", elapsed=perf_counter() - self._start, why=why)
        except AstrodetectError:  # what went wrong before matters more
            pass
        finally:
            self._file.close()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
