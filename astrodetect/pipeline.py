"""A pipeline from end to end: recordings in, detections out, a catalog on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from astrodetect import pipelines
from astrodetect.core import registry
from astrodetect.core.calibrator import Calibrator
from astrodetect.core.choice import ALL, Choice
from astrodetect.core.data import Recording, as_reference, with_references
from astrodetect.core.detections import Detections, with_all_columns
from astrodetect.core.discovery import Sources, Tally, discover
from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.core.hooks import HookCaller
from astrodetect.core.named_files import missing_files
from astrodetect.core.plan import Plan, read_plan
from astrodetect.core.process import resolve_device
from astrodetect.core.results import RecordingBlock
from astrodetect.core.workers import process_all

if TYPE_CHECKING:
    pass

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
        """Build every stage, open nothing, and give every mistake and missing file, one line each."""
        try:
            return missing_files(self.plan)
        except ConfigurationError as error:
            return error.problems

    def find(
        self, inputs: Inputs = (), warn: Callable[[str], None] = lambda _: None, choice: Choice = ALL
    ) -> Iterator[Recording]:
        """Find the recordings under `inputs`, or under ``[source] path``.

        Parameters
        ----------
        inputs : path or sequence of paths
            Recordings or folders of them.
        warn : callable
            Gets a line about each source that cannot be used.
        choice : Choice
            Which of them; a share of many may be empty.

        Raises
        ------
        AstrodetectError
            There is no input, or it holds no recording, or none that is asked for.
        """
        roots = self.roots(inputs)
        if problems := missing_files(self.plan):
            raise ConfigurationError(problems)
        sources = self.sources(warn)
        tally = Tally()
        found = self.referenced(discover(roots, sources, choice, tally))
        first = next(found, None)
        if first is not None:
            return chain([first], found)
        where = ", ".join(str(root) for root in roots)
        if not tally.left_out:
            raise AstrodetectError(f"{where}: no recording found; looked for {', '.join(sorted(sources))}")
        if choice.shard is None:
            raise AstrodetectError(
                f"{where}: none of {tally.left_out} recordings is left by --include and --exclude"
            )
        return iter(())

    def referenced(self, recordings: Iterable[Recording]) -> Iterator[Recording]:
        """Let all that results depend on enter the fingerprints: other recordings, files, calibrations."""
        stages = self.plan.uses.values()
        masks = [station.mask for station in self.plan.stations.values() if station.mask is not None]
        calibrator = Calibrator(self.plan)
        for recording in recordings:
            if recording.files:
                registry.use_source(self.plan.source_name, self.plan.source)
                others = [other for stage in stages for other in stage.references(recording)]
                others += [*map(as_reference, masks), *calibrator.references(recording)]
                yield with_references(recording, others)
            else:
                yield recording

    def roots(self, inputs: Inputs = ()) -> tuple[Path, ...]:
        """Give the inputs, or ``[source] path``.

        Raises
        ------
        AstrodetectError
            There is neither.
        """
        roots = _paths(inputs) or self.plan.inputs
        if not roots:
            raise AstrodetectError(
                f"{self.name}: no input; name a recording or a folder, or give [source] path"
            )
        return roots

    def sources(self, warn: Callable[[str], None] = lambda _: None) -> Sources:
        """Give the sources to ask: that of the pipeline, or all that are installed."""
        if self.plan.source is not None:
            return {self.plan.source_name: self.plan.source}
        loaded, failures = registry.load_sources()
        for failure in failures:
            warn(failure)
        return loaded

    def results(
        self,
        recordings: Iterable[Recording | None],
        *,
        jobs: int = 1,
        device: str = "auto",
        hooks: HookCaller | None = None,
        timeout: float | None = None,
        suspects: Container[int] = (),
        tick: Callable[[], object] = lambda: None,
    ) -> Iterator[RecordingBlock]:
        """Process recordings and give the results of each as it is finished; nothing is written.

        The arguments are those of `astrodetect.core.workers.process_all`.
        """
        hooks = hooks if hooks is not None else HookCaller()
        yield from process_all(
            self.plan, recordings, jobs=jobs, device=resolve_device(device), hooks=hooks,
            timeout=timeout, suspects=suspects, tick=tick,
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
        from astrodetect.archive.job import How, Job
        from astrodetect.catalogs.reader import Catalog

        job = Job(self, _paths(inputs), Path(out), how=How(jobs=jobs, device=device))
        for _ in job.run():
            pass

        with Catalog(out) as catalog:
            return _joined(list(catalog.blocks()))


def versions(plan: Plan) -> dict[str, str]:
    """Give name and version of every distribution that gave a stage, of this one, and of NumPy."""
    from importlib.metadata import version

    found = {name: version(name) for name in ("astrodetect", "numpy")}
    for use in plan.uses:
        if use in registry.installed():
            plugin = registry.find(use)
            found[plugin.distribution] = plugin.version
    return dict(sorted(found.items()))


def _paths(inputs: Inputs) -> tuple[Path, ...]:
    given = (inputs,) if isinstance(inputs, (str, os.PathLike)) else tuple(inputs)
    return tuple(Path(item) for item in given)


def _joined(blocks: list[RecordingBlock]) -> Detections:
    ordered = sorted(blocks, key=lambda block: block.path)
    # The columns are there also where every recording failed.
    return with_all_columns(Detections.concatenate([block.detections for block in ordered]))
