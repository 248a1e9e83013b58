"""Figures as text and CSV."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astrodetect.core.errors import StoppedError
from astrodetect.training.metrics import Scores

#: Figures in the order of tables, and how they are called there.
FIGURES = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "false_discovery_rate": "false discovery rate",
    "f1": "F1",
    "auc_roc": "area under ROC",
    "auc_pr": "area under precision-recall",
    "calibration_error": "expected calibration error",
    "log_loss": "log loss",
}


def figures_text(runs: Sequence[Scores], spread: Mapping[str, tuple[float, float]]) -> str:
    """Give the figures as lines of text, with the deviation where there are several runs."""
    lines = []
    for key, name in FIGURES.items():
        mean, deviation = spread[key]
        more = f" ± {deviation:.4f}" if len(runs) > 1 else ""
        lines.append(f"{name:<28} {mean:.4f}{more}")
    return "\n".join(lines) + "\n"


def confusion_text(scores: Scores) -> str:
    """Give the confusion matrix as text: rows are the truth."""
    matrix = scores.confusion
    classes = scores.classes if len(scores.classes) == len(matrix) else ("not there", "there")
    width = max(7, *(len(name) for name in classes), len(str(matrix.max(initial=0))))
    head = " " * (width + 7) + " ".join(f"{name:>{width}}" for name in classes)
    rows = [
        f"truth {name:>{width}} " + " ".join(f"{count:>{width}d}" for count in row)
        for name, row in zip(classes, matrix.tolist(), strict=True)
    ]
    return "\n".join([head, *rows]) + "\n"


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Give rows as a plain text table with one column per key."""
    if not rows:
        return ""
    cells = [list(rows[0]), *([_shown(row[key]) for key in rows[0]] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
        for row in cells
    )


def table_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Give rows as CSV text with one column per key."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def put(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises
    ------
    StoppedError
        It cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise StoppedError(f"{path}: cannot be written: {error.strerror or error}") from error


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
