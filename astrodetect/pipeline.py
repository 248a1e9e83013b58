"""A pipeline from end to end: recordings in, detections out, a catalog on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from astrodetect import pipelines
from astrodetect.core import registry
from astrodetect.core.data import Recording
from astrodetect.core.detections import Detections
from astrodetect.core.discovery import discover
from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.core.hooks import HookCaller
from astrodetect.core.plan import Plan, read_plan
from astrodetect.core.results import RecordingBlock
from astrodetect.core.summary import Summary
from astrodetect.core.workers import process_all

if TYPE_CHECKING:
    from astrodetect.core.stages import FrameSource

#: A path, or several.
Inputs = str | Path | Sequence[str | Path]


class Pipeline:
    """Stages with settings, ready to run.

    Parameters
    ----------
    text : str
        TOML.
    name : str
        Name for messages and provenance.
    base : Path
        Folder that relative paths in `text` start from.

    Examples
    --------
    >>> Pipeline.from_toml("meteor").check()
    []
    """

    def __init__(self, text: str, name: str = "pipeline", base: Path | None = None) -> None:
        self.text = text
        self.name = name
        self.base = Path.cwd() if base is None else base
        self._plan: Plan | None = None

    @classmethod
    def from_toml(cls, source: str | Path) -> Pipeline:
        """Read a pipeline.

        Parameters
        ----------
        source : str or Path
            A file, the name of a built-in pipeline, or TOML text.

        Raises
        ------
        AstrodetectError
            There is no such file or built-in pipeline.
        """
        if isinstance(source, str) and ("\n" in source or "=" in source):
            return cls(source)
        path = Path(source)
        if path.is_file():
            try:
                return cls(path.read_text(encoding="utf-8"), str(source), path.absolute().parent)
            except (OSError, UnicodeDecodeError) as error:
                raise AstrodetectError(f"{source}: cannot be read: {error}") from error
        text = pipelines.text(str(source))
        if text is None:
            hint = registry.nearest(str(source), pipelines.names())
            raise AstrodetectError(
                f"{source}: no such pipeline file, and no built-in pipeline of that name{hint}"
            )
        return cls(text, str(source))

    @property
    def plan(self) -> Plan:
        """The checked pipeline.

        Raises
        ------
        ConfigurationError
            With every mistake.
        """
        if self._plan is None:
            self._plan = read_plan(self.text, self.name, self.base)
        return self._plan

    def check(self) -> list[str]:
        """Build every stage, open nothing, and give every mistake, one line each."""
        try:
            _ = self.plan
        except ConfigurationError as error:
            return error.problems
        return []

    def find(self, inputs: Inputs = (), warn: Callable[[str], None] = lambda _: None) -> Iterator[Recording]:
        """Find the recordings under `inputs`, or under ``[source] path``.

        Raises
        ------
        AstrodetectError
            There is no input, or it holds no recording.
        """
        roots = _paths(inputs) or self.plan.inputs
        if not roots:
            raise AstrodetectError(
                f"{self.name}: no input; name a recording or a folder, or give [source] path"
            )
        sources: dict[str, type[FrameSource] | FrameSource]
        if self.plan.source is not None:
            sources = {self.plan.source_name: self.plan.source}
        else:
            loaded, failures = registry.load_sources()
            sources = dict(loaded)
            for failure in failures:
                warn(failure)
        found = discover(roots, sources)
        first = next(found, None)
        if first is None:
            where = ", ".join(str(root) for root in roots)
            raise AstrodetectError(f"{where}: no recording found; looked for {', '.join(sorted(sources))}")
        return chain([first], found)

    def results(
        self,
        recordings: Iterable[Recording | None],
        *,
        jobs: int = 1,
        device: str = "auto",
        hooks: HookCaller | None = None,
        timeout: float | None = None,
        suspects: Container[int] = (),
    ) -> Iterator[RecordingBlock]:
        """Process recordings and give the results of each as it is finished; nothing is written.

        The arguments are those of `astrodetect.core.workers.process_all`.
        """
        hooks = hooks if hooks is not None else HookCaller()
        yield from process_all(
            self.plan, recordings, jobs=jobs, device=resolve_device(device), hooks=hooks,
            timeout=timeout, suspects=suspects,
        )  # fmt: skip

    def run(
        self, inputs: Inputs = (), out: str | Path | None = None, jobs: int = 1, device: str = "auto"
    ) -> Detections:
        """Process all recordings.

        Parameters
        ----------
        inputs : path or sequence of paths
            Recordings or folders of them; default ``[source] path``.
        out : path, optional
            Catalog to write; resumes what is there. None writes nothing.
        jobs : int
            Worker processes.
        device : str
            ``"auto"``, ``"cpu"`` or ``"cuda"``.

        Returns
        -------
        Detections
            All of this run, in the order of recordings and frames; with `out`, all of the catalog.

        Raises
        ------
        AstrodetectError
            There is nothing to read, or `out` cannot be written.
        """
        if out is None:
            blocks = list(self.results(self.find(inputs), jobs=jobs, device=device))
            return _joined(blocks)
        job = Job(self, _paths(inputs), Path(out))
        for _ in job.run(jobs=jobs, device=device):
            pass
        from astrodetect.catalogs.reader import Catalog

        with Catalog(out) as catalog:
            return _joined(list(catalog.blocks()))


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
    """

    def __init__(
        self,
        pipeline: Pipeline,
        inputs: tuple[Path, ...],
        out: Path,
        *,
        fresh: bool = False,
        command: str = "",
    ) -> None:
        self.pipeline = pipeline
        self.inputs = inputs
        self.out = out
        self.fresh = fresh
        self.command = command or f"Pipeline({pipeline.name!r}).run"
        self.summary = Summary()

    def run(
        self, *, jobs: int = 1, device: str = "auto", hooks: HookCaller | None = None
    ) -> Iterator[RecordingBlock]:
        """Process what is not done yet; the catalog is whole when the iterator ends.

        Yields
        ------
        RecordingBlock
            As each recording is finished; it is stored already.

        Raises
        ------
        StoppedError
            The disk is full; what is finished is kept.
        """
        from astrodetect.catalogs.journal import Journal

        hooks = hooks if hooks is not None else HookCaller()
        recordings = self.pipeline.find(self.inputs, hooks.warn)
        plan = self.pipeline.plan
        columns = [column for stage in plan.uses.values() for column in stage.columns]
        with Journal.open(self.out, self._provenance(), fresh=self.fresh, columns=columns) as journal:
            for note in journal.notes:
                hooks.warn(f"{self.out}: {note}")
            todo = self._undone(recordings, journal.done)
            for block in self.pipeline.results(todo, jobs=jobs, device=device, hooks=hooks):
                journal.append(block)
                self.summary.add(block)
                yield block
            journal.finish()
        hooks.call("run_done", summary=self.summary.to_dict())

    def _undone(self, recordings: Iterable[Recording], done: dict[int, str]) -> Iterator[Recording]:
        for recording in recordings:
            # What failed is tried again: a disk may be back, a file completed.
            if done.get(recording.recording_id, "failed") == "failed":
                yield recording
            else:
                self.summary.skipped += 1

    def _provenance(self) -> dict[str, str]:
        plan = self.pipeline.plan
        return {
            "pipeline": plan.to_toml(self.inputs),
            "pipeline_name": self.pipeline.name,
            "versions": json.dumps(versions(plan)),
            "command": self.command,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def versions(plan: Plan) -> dict[str, str]:
    """Give name and version of every distribution that gave a stage, of this one, and of NumPy."""
    from importlib.metadata import version

    found = {name: version(name) for name in ("astrodetect", "numpy")}
    for use in plan.uses:
        if use in registry.installed():
            plugin = registry.find(use)
            found[plugin.distribution] = plugin.version
    return dict(sorted(found.items()))


def resolve_device(device: str) -> str:
    """Give the device that ``auto`` stands for: CUDA where a stage has loaded torch and finds one."""
    import sys

    if device != "auto":
        return device
    torch = sys.modules.get("torch")
    return "cuda" if torch is not None and torch.cuda.is_available() else "cpu"


def _paths(inputs: Inputs) -> tuple[Path, ...]:
    given = (inputs,) if isinstance(inputs, (str, os.PathLike)) else tuple(inputs)
    return tuple(Path(item) for item in given)


def _joined(blocks: list[RecordingBlock]) -> Detections:
    ordered = sorted(blocks, key=lambda block: block.path)
    return Detections.concatenate([block.detections for block in ordered])
