"""The kind of a plugin by the text of its module, which is read and not executed."""

from __future__ import annotations

import ast
from importlib.machinery import PathFinder
from pathlib import Path

from astrodetect.core.stages import KINDS

#: The interfaces by the names under which they are imported.
_INTERFACES = {base.__name__: kind for kind, base in KINDS.items()}


def declared_kind(target: str) -> str:
    """Give the kind of stage that a plugin is by the interface that its class names as its base.

    Parameters
    ----------
    target : str
        ``package.module:Class``.

    Returns
    -------
    str
        Empty if that cannot be told: the class stands elsewhere, or has a base of its author's own.
    """
    module, _, name = target.partition(":")
    try:
        path = _file_of(module)
        tree = ast.parse(path.read_bytes()) if path is not None else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        return ""
    imported = _imported(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            kinds = {_INTERFACES.get(imported.get(ast.unparse(base), ""), "") for base in node.bases}
            return kinds.pop() if len(kinds) == 1 else ""
    return ""


def _file_of(module: str) -> Path | None:
    """Find the file of a module without importing the packages that it lies in."""
    search: list[str] | None = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, search)
        if spec is None:
            return None
        search = None if spec.submodule_search_locations is None else list(spec.submodule_search_locations)
        origin = spec.origin if spec.has_location else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _imported(tree: ast.Module) -> dict[str, str]:
    """Give what a module calls the names that it imports from astrodetect, and what they are there."""
    names: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "astrodetect":
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "astrodetect":
                    local = alias.asname or alias.name
                    names |= {f"{local}.{interface}": interface for interface in _INTERFACES}
    return names
