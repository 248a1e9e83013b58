"""What a training writes down: a CSV row per epoch, TensorBoard files where asked for."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.tables import put


def write_history(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the learning curve, whole or not at all: one row per epoch, a column per figure."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _short(value) for key, value in row.items()} for row in rows)
    put(path, text.getvalue())


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def read_history(path: Path) -> list[dict[str, float]]:
    """Read a learning curve that `write_history` wrote.

    Raises
    ------
    AstrodetectError
        There is none, or it is damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as opened:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(opened)]
    except (OSError, ValueError, TypeError) as error:
        raise AstrodetectError(f"{path}: the learning curve cannot be read: {error}") from error


class TensorBoard:
    """Writes figures for TensorBoard; nothing where it is not wanted."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        self.writer: Any = None
        if not wanted:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise AstrodetectError(
                "[train] tensorboard: TensorBoard is missing; install it with: "
                'pip install "astrodetect[train]"'
            ) from error
        self.writer = SummaryWriter(str(folder))

    def add(self, row: dict[str, Any]) -> None:
        """Write the figures of an epoch."""
        if self.writer is not None:
            for name, value in row.items():
                self.writer.add_scalar(name, value, row["epoch"])
            self.writer.flush()

    def close(self) -> None:
        """Finish the file."""
        if self.writer is not None:
            self.writer.close()
