"""Hooks that plugins may implement beside stages (entry-point group ``astrodetect.hooks``).

A hook plugin is a module with functions marked by `hookimpl`; it need not implement all, and may
leave out arguments. A hook that fails is reported and left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from astrodetect.core.errors import AstrodetectError

if TYPE_CHECKING:
    import click

    from astrodetect.core.data import Recording
    from astrodetect.core.results import RecordingBlock

#: Entry-point group of hook modules.
HOOK_GROUP = "astrodetect.hooks"

#: Version of the hooks below: grows when one is added, or gets an argument. What is there stays as it is
#: for at least two minor versions after it was deprecated.
HOOKS_VERSION = 1

hookspec = pluggy.HookspecMarker("astrodetect")
#: Marks a function as the implementation of a hook.
hookimpl = pluggy.HookimplMarker("astrodetect")


class Hooks:
    """The hooks that there are."""

    @hookspec
    def astrodetect_commands(self) -> Iterable[click.Command]:  # type: ignore[empty-body]
        """Give click commands to add to ``astrodetect``."""

    @hookspec
    def recording_started(self, recording: Recording, n_frames: int) -> None:
        """A recording was opened; `n_frames` is -1 if the files do not state it."""

    @hookspec
    def window_done(self, recording: Recording, frames_done: int, n_detections: int) -> None:
        """A window was examined."""

    @hookspec
    def recording_done(self, recording: Recording, block: RecordingBlock) -> None:
        """A recording was finished, or failed."""

    @hookspec
    def run_done(self, summary: dict[str, Any]) -> None:
        """All recordings were finished."""


class HookCaller:
    """Calls hooks; one that fails is told of once and left out.

    Parameters
    ----------
    warn : callable
        Gets one line per failure.
    load : bool
        Whether to load the hook modules of installed distributions.
    """

    def __init__(self, warn: Callable[[str], None] = lambda _: None, load: bool = True) -> None:
        self.manager = pluggy.PluginManager("astrodetect")
        self.manager.add_hookspecs(Hooks)
        self.warn = warn
        if load:
            self._load()

    def _load(self) -> None:
        from importlib.metadata import entry_points

        for entry in sorted(entry_points(group=HOOK_GROUP), key=lambda entry: entry.name):
            if self.manager.has_plugin(entry.name):
                continue
            try:
                self.manager.register(entry.load(), entry.name)
            except Exception as error:
                self.warn(f"hooks {entry.name!r} left out: {type(error).__name__}: {error}")

    def register(self, plugin: object) -> None:
        """Add an object with hook implementations."""
        name = str(getattr(plugin, "__name__", type(plugin).__name__))
        self.manager.register(plugin, None if self.manager.has_plugin(name) else name)

    def call(self, hook: str, **arguments: Any) -> list[Any]:
        """Call every implementation of `hook`; give what the ones that worked returned."""
        results = []
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            given = {name: arguments[name] for name in implementation.argnames if name in arguments}
            try:
                results.append(implementation.function(**given))
            except Exception as error:
                kind = "" if isinstance(error, AstrodetectError) else f"{type(error).__name__}: "
                self.warn(f"{implementation.plugin_name}: {hook} failed and is left out: {kind}{error}")
                with contextlib.suppress(AssertionError, ValueError):
                    self.manager.unregister(implementation.plugin)
        return results
