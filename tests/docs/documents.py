"""Reads the documentation as a test needs it: its files, and the code blocks in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every Markdown file that a person wrote."""
    written = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return sorted(path for path in written if not {"generated", "_build"} & set(path.parts))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    text = path.read_text(encoding="utf-8")
    return [body for found, body in _FENCE.findall(text) if found == language]
