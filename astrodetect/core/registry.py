"""Plugins by name: entry points of the group ``astrodetect``, imported only when named."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, TypeVar, cast

from astrodetect.core.errors import PluginError
from astrodetect.core.stages import FrameSource, Stage, kind_of

#: Entry-point group of the stages.
GROUP = "astrodetect"
#: Folder of the built-in plugins by kind of stage: their kind is known without an import.
_BUILT_IN = "astrodetect.plugins."
_NAME = re.compile(r"^Name:[ \t]*(\S+)", re.MULTILINE)

S = TypeVar("S", bound=Stage)


@dataclass(frozen=True)
class Plugin:
    """An installed plugin, not yet imported.

    Attributes
    ----------
    name : str
        Entry-point name.
    target : str
        ``package.module:Class``.
    distribution, version : str
        Where it comes from.
    """

    name: str
    target: str
    distribution: str
    version: str


@dataclass(frozen=True)
class Listing:
    """What ``astrodetect plugins`` says of one plugin."""

    plugin: Plugin
    kind: str
    failure: str


@cache
def installed() -> dict[str, tuple[Plugin, ...]]:
    """Give what is declared, by name; more than one where distributions collide."""
    found: dict[str, dict[str, Plugin]] = {}
    seen: set[str] = set()
    for distribution in distributions():
        name = _normal_name(distribution)
        if name in seen:  # the first on the path is the one that Python imports
            continue
        seen.add(name)
        for entry in _entries(distribution):
            plugin = Plugin(entry.name, entry.value, name, distribution.version)
            found.setdefault(entry.name, {})[name] = plugin
    return {name: tuple(by_distribution.values()) for name, by_distribution in sorted(found.items())}


def _normal_name(distribution: Distribution) -> str:
    # To parse all the metadata of a hundred distributions takes a tenth of the start.
    found = _NAME.search(distribution.read_text("METADATA") or "")
    name = found[1] if found else distribution.metadata["Name"]
    return str(name or "?").lower().replace("_", "-")


def _entries(distribution: Distribution) -> Iterable[EntryPoint]:
    return [entry for entry in distribution.entry_points if entry.group == GROUP]


def find(name: str) -> Plugin:
    """Give the plugin of a name, or of ``package.module:Class``, without importing it.

    Raises
    ------
    PluginError
        There is none, or two distributions declare it.
    """
    if ":" in name:
        return Plugin(name, name, "", "")
    claimants = installed().get(name, ())
    if not claimants:
        raise PluginError(f"no plugin is named {name!r}{nearest(name, installed())}")
    if len(claimants) > 1:
        owners = " and ".join(sorted(f"{plugin.distribution} {plugin.version}" for plugin in claimants))
        raise PluginError(
            f"the plugin {name!r} is declared by two distributions, {owners}; uninstall one of them"
        )
    return claimants[0]


def nearest(name: str, names: Iterable[str]) -> str:
    """Give ``"; did you mean 'top-k'?"``, or the names there are, or nothing.

    Examples
    --------
    >>> nearest("topk", ["top-k", "ats"])
    "; did you mean 'top-k'?"
    """
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(known)}" if known else ""


def load(name: str, kind: type[S] | None = None) -> type[S]:
    """Import a plugin.

    Parameters
    ----------
    name : str
        Entry-point name, or ``package.module:Class``.
    kind : Stage class, optional
        Interface that it must implement.

    Returns
    -------
    class

    Raises
    ------
    PluginError
        It is missing, declared twice, cannot be imported, or implements another interface.
    """
    plugin = find(name)
    module_name, _, attribute = plugin.target.partition(":")
    origin = f" (from {plugin.distribution} {plugin.version})" if plugin.distribution else ""
    try:
        loaded: Any = import_module(module_name)
        for part in attribute.split("."):
            loaded = getattr(loaded, part)
    except Exception as error:  # whatever a stranger's module does on import is told, not suffered
        text = str(error).splitlines()[0] if str(error) else ""
        raise PluginError(
            f"the plugin {name!r}{origin} cannot be imported: {type(error).__name__}: {text}"
        ) from error
    _check(name, loaded, kind)
    return cast("type[S]", loaded)


def _check(name: str, loaded: Any, kind: type[Stage] | None) -> None:
    given = kind_of(loaded)
    if given is None:
        raise PluginError(f"the plugin {name!r} is no stage: {loaded!r} implements none of the interfaces")
    if kind is not None and not issubclass(loaded, kind):
        raise PluginError(f"the plugin {name!r} is a {given}, but a {kind_of(kind)} is needed here")
    if not is_dataclass(loaded):
        raise PluginError(
            f"the plugin {name!r} is not a dataclass: put @dataclass above class {loaded.__name__}"
        )
    missing: frozenset[str] = getattr(loaded, "__abstractmethods__", frozenset())
    if missing:
        raise PluginError(f"the plugin {name!r} does not implement {', '.join(sorted(missing))}")


def list_plugins() -> list[Listing]:
    """Import every plugin and say of what kind it is, or why it fails."""
    listings = []
    for name, claimants in installed().items():
        for plugin in claimants:
            try:
                kind = kind_of(load(name)) or ""
                listings.append(Listing(plugin, kind, ""))
            except PluginError as error:
                listings.append(Listing(plugin, "", str(error)))
    return listings


@cache
def _known_kind(plugin: Plugin) -> str:
    """Give the kind of a plugin where it can be told without importing it, else an empty text."""
    if plugin.target.startswith(_BUILT_IN):
        return plugin.target.removeprefix(_BUILT_IN).partition(".")[0].removesuffix("s")
    from astrodetect.core.declared import declared_kind

    return declared_kind(plugin.target)


def load_kind(kind: type[S]) -> tuple[dict[str, type[S]], list[str]]:
    """Import every plugin of one kind, and nothing else.

    Of what kind a plugin is, the folder of our own tells, and of others the text of their modules;
    one of which neither tells is imported.

    Parameters
    ----------
    kind : Stage class
        The interface.

    Returns
    -------
    dict of str to class
        By name.
    list of str
        What could not be imported, one line each.
    """
    found: dict[str, type[S]] = {}
    failures = []
    for name, claimants in installed().items():
        if all(_known_kind(plugin) not in ("", kind_of(kind)) for plugin in claimants):
            continue
        try:
            loaded: type[Stage] = load(name)
        except PluginError as error:
            failures.append(str(error))
            continue
        if issubclass(loaded, kind):
            found[name] = loaded
    return found, failures


def load_sources() -> tuple[dict[str, type[FrameSource]], list[str]]:
    """Import every frame source, to ask them whose a recording is (see `load_kind`)."""
    return load_kind(FrameSource)


_own: tuple[str, FrameSource] | None = None


def use_source(name: str, source: FrameSource | None) -> None:
    """Set the source that this process reads with. A pipeline sets that of its ``[source]`` table."""
    global _own
    _own = None if source is None else (name, source)


def sources_in_use() -> Mapping[str, type[FrameSource] | FrameSource]:
    """Give the sources to ask whose a file is: that of the pipeline, or all that can be imported."""
    return dict([_own]) if _own is not None else load_sources()[0]


def make_source(name: str) -> FrameSource:
    """Give a source to open a recording with; that of the pipeline has its settings.

    Raises
    ------
    PluginError
        There is none of that name.
    """
    if _own is not None and _own[0] == name:
        return copy.copy(_own[1])
    made: Any = load(name, FrameSource)
    source: FrameSource = made()
    return source
