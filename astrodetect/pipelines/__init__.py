"""The built-in pipelines: TOML files of this folder."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Give the names of the built-in pipelines."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def text(name: str) -> str | None:
    """Give the TOML text of a built-in pipeline, or None if there is none of that name."""
    return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8") if name in names() else None
