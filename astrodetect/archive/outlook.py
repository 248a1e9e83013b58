"""What a run would do: how many recordings of which camera, and how long they take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from astrodetect.core.data import Recording
from astrodetect.core.errors import AstrodetectError
from astrodetect.methods.names import time_from_name

if TYPE_CHECKING:
    from astrodetect.archive.job import Job

_HEAD = ("source", "camera", "recordings", "done", "failed before", "to do", "files", "MB to do")


class _Known(NamedTuple):
    camera: str
    status: str
    seconds: float


@dataclass
class _Group:
    """Recordings of one source and camera."""

    counts: Counter[str] = field(default_factory=Counter)
    n_files: int = 0
    todo_bytes: int = 0
    done_bytes: int = 0
    done_seconds: float = 0.0


def outlook(job: Job, warn: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Give the lines that say what a job would do; nothing is written, no recording is opened.

    Parameters
    ----------
    job : Job
        The job.
    warn : callable
        Gets a line about what cannot be looked at.

    Raises
    ------
    AstrodetectError
        There is no input, or it holds no recording; or the catalog is of another pipeline.

    Notes
    -----
    The time comes from the seconds per byte of what is in the catalog already, by source. A camera
    that nothing in the catalog tells is guessed from the name.
    """
    from astrodetect.core.hooks import HookCaller

    known = {} if job.fresh else _known(job, warn)
    groups: dict[tuple[str, str], _Group] = {}
    for recording in job.find(HookCaller(warn, load=False)):
        if recording is not None:
            _add(groups, recording, known, job.how.failed)
    yield from _table(groups)
    if job.summary.n_later:
        yield f"left for later, still being written: {job.summary.n_later}"
    yield from _estimate(groups, job.how.jobs)


def _known(job: Job, warn: Callable[[str], None]) -> dict[int, _Known]:
    """Give what the catalog says of recordings, by id."""
    from astrodetect.catalogs.journal import parts_of
    from astrodetect.catalogs.pipelines import differences
    from astrodetect.catalogs.reader import Catalog

    if not job.out.exists() and not parts_of(job.out).is_dir():
        return {}
    names = ("recording_id", "camera", "status", "seconds")
    try:
        with Catalog(job.out) as catalog:
            rows = catalog.read_columns(names, "recordings")
            found = differences(catalog.provenance.get("pipeline", ""), job.pipeline.plan.to_toml(job.inputs))
    except AstrodetectError as error:
        warn(str(error))
        return {}
    if found:
        raise AstrodetectError(f"{job.out}: made by another pipeline ({found[0]}); --fresh starts over")
    values = zip(*(rows[name].tolist() for name in names[1:]), strict=True)
    return {i: _Known(*row) for i, row in zip(rows["recording_id"].tolist(), values, strict=True)}


def _add(
    groups: dict[tuple[str, str], _Group], recording: Recording, known: dict[int, _Known], failed: str
) -> None:
    row = known.get(recording.recording_id)
    camera = row.camera if row is not None and row.camera else _guess(recording)
    group = groups.setdefault((recording.source or "unreadable folder", camera), _Group())
    size = 0
    for path in recording.file_paths:
        with suppress(OSError):
            size += path.stat().st_size
    status = "new" if row is None else row.status
    group.counts["recordings"] += 1
    group.counts["failed before"] += status == "failed"
    group.n_files += len(recording.files)
    tried = {"again": ("new", "failed"), "only": ("failed",), "never": ("new",)}[failed]
    if status in tried:
        group.counts["to do"] += 1
        group.todo_bytes += size
    if row is not None and status != "failed":
        group.counts["done"] += 1
        group.done_bytes += size
        group.done_seconds += row.seconds


def _guess(recording: Recording) -> str:
    named = time_from_name(recording.path.rsplit("/", 1)[-1])
    return (named.camera if named else "") or "-"


def _table(groups: dict[tuple[str, str], _Group]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [_HEAD]
    total = _Group()
    for (source, camera), group in sorted(groups.items()):
        rows.append(_row(source, camera, group))
        total.counts.update(group.counts)
        total.n_files += group.n_files
        total.todo_bytes += group.todo_bytes
    rows.append(_row("all", "", total))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    for row in rows:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _row(source: str, camera: str, group: _Group) -> tuple[str, ...]:
    safe = "".join(c if c.isprintable() else "?" for c in camera)
    counts = (str(group.counts[name]) for name in _HEAD[2:6])
    return (source, safe, *counts, str(group.n_files), f"{group.todo_bytes / 1e6:.1f}")


def _estimate(groups: dict[tuple[str, str], _Group], jobs: int) -> Iterator[str]:
    by_source: dict[str, _Group] = {}
    for (source, _), group in groups.items():
        own = by_source.setdefault(source, _Group())
        own.counts.update(group.counts)
        own.todo_bytes += group.todo_bytes
        own.done_bytes += group.done_bytes
        own.done_seconds += group.done_seconds
    seconds, n_samples, unknown = 0.0, 0, 0
    for group in by_source.values():
        if group.done_bytes and group.done_seconds:
            seconds += group.todo_bytes * group.done_seconds / group.done_bytes
            n_samples += group.counts["done"]
        else:
            unknown += group.counts["to do"]
    if not sum(group.counts["to do"] for group in by_source.values()):
        yield "time: nothing to do"
        return
    if n_samples:
        workers = f" with {jobs} jobs" if jobs > 1 else ""
        yield f"time: about {duration(seconds / jobs)}{workers}, by the {n_samples} recordings that are done"
    if unknown:
        yield f"time: no estimate for {unknown} recordings: none of their kind is in the catalog yet"


def duration(seconds: float) -> str:
    """Give a time span for people.

    Examples
    --------
    >>> duration(7.2), duration(400), duration(40000), duration(400000)
    ('7 s', '7 min', '11 h 7 min', '4 d 15 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
