"""Find a recording of a catalog again, with the source and the settings that had read it."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrodetect.core import registry, settings
from astrodetect.core.data import Recording, same_files
from astrodetect.core.discovery import discover
from astrodetect.core.errors import SourceError
from astrodetect.core.stages import FrameSource


class Archive:
    """The recordings of a catalog where they lie now.

    Parameters
    ----------
    pipeline : str
        TOML text from the provenance: the settings of the source.
    root : Path or None
        Where the recordings lie, instead of where they were.
    """

    def __init__(self, pipeline: str, root: Path | None = None) -> None:
        self.root = root
        self._sources: dict[str, FrameSource] = {}
        self._settings: dict[str, Any] = {}
        try:
            table = tomllib.loads(pipeline).get("source", {})
        except tomllib.TOMLDecodeError:
            table = {}
        if isinstance(table, dict):
            self._settings = table

    def find(self, row: Mapping[str, Any]) -> tuple[FrameSource, Recording]:
        """Give a source, not opened yet, and the recording that it reads.

        Parameters
        ----------
        row : mapping
            A row of ``/recordings``: ``path``, ``root``, ``source``, ``fingerprint``.

        Raises
        ------
        SourceError
            The files are not there, or no recording any more.
        PluginError
            The source is not installed.
        """
        base = Path(str(row["root"])) if self.root is None else self.root.absolute()
        location = base / str(row["path"])
        try:
            there = location.exists()
        except (OSError, ValueError):
            there = False
        if not there:
            raise SourceError(f"{location}: not there any more")
        name = str(row["source"])
        source = self._source(name)
        found = None
        for recording in discover([location], {name: source}):
            if recording.source and same_files(recording.fingerprint, str(row.get("fingerprint"))):
                return source, recording
            if recording.source and recording.location == location and found is None:
                found = recording
        if found is None:
            raise SourceError(f"{location}: the source {name} finds no recording there any more")
        return source, found

    def _source(self, name: str) -> FrameSource:
        if not name:
            raise SourceError("the catalog does not say which source had read it")
        if name not in self._sources:
            cls: type[FrameSource] = registry.load(name, FrameSource)
            table = dict(self._settings) if self._settings.get("use") == name else {}
            table.pop("use", None)
            table.pop("path", None)
            # Settings that this version does not know any more: better a picture by the defaults.
            built = settings.build(cls, table, "[source]", Path.cwd(), [])
            self._sources[name] = cls() if built is None else built
        return copy.copy(self._sources[name])
