"""The model card of a trained detector, made from what its file knows of itself.

``python -m astrodetect.training.boxes.card MODEL`` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from astrodetect.plugins.models.yolo.model import count_parameters, multiplications
from astrodetect.plugins.models.yolo.weights import Trained, load, path_of

#: Tables of the training that stand in the card as they are.
_TABLES = ("data", "model", "association", "loss", "augment", "train", "transfer")


def card(weights: str | Path) -> str:
    """Give the card of a model as Markdown.

    Parameters
    ----------
    weights : str or path
        A model that comes with the package, or the file that `astrodetect train` wrote.

    Raises
    ------
    AstrodetectError
        The file is missing, damaged, or of another method.
    """
    trained, path = load(weights), path_of(weights)
    return "\n".join(
        [f"# {path.stem}", "", *_facts(trained, path), "", *_figures(trained), *_settings(trained)]
    )


def _facts(trained: Trained, path: Path) -> Iterator[str]:
    config = trained.model.config
    yield f"A detector of {', '.join(config.labels)} in images of {config.channels} channel(s)."
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    rows = {
        "network": f"`{config.network}`, cells of {trained.model.stride[-1]} pixels",
        "parameters": f"{count_parameters(trained.model):,}",
        "multiply-adds per pixel": f"{multiplications(trained.model):,.0f}",
        "size": f"{path.stat().st_size / 1e6:.2f} MB",
        "measures": ", ".join(config.parameters) or "nothing beside the box",
        "learned from": str(trained.info.get("training", {}).get("data", {}).get("kind", "unknown")),
        "thresholds of objectness": ", ".join(str(own) for own in trained.info.get("thresholds", ())),
        "calibration": ", ".join(str(own) for own in trained.info.get("calibration", ())),
        "score per true source, validation": f"{trained.info['score']:.3f}"
        if "score" in trained.info
        else "",
    }
    yield from (f"| {name} | {value} |" for name, value in rows.items() if value)


def _figures(trained: Trained) -> Iterator[str]:
    """Give the figures of the epoch that was kept."""
    row: Mapping[str, Any] = trained.info.get("validation", {})
    if not row:
        return
    yield "## Validation at the epoch that was kept"
    yield ""
    yield "| figure | value |"
    yield "| --- | --- |"
    yield from (f"| {name} | {value:.4g} |" for name, value in row.items())
    yield ""


def _settings(trained: Trained) -> Iterator[str]:
    """Give the training file."""
    training: Mapping[str, Mapping[str, Any]] = trained.info.get("training", {})
    yield "## Settings"
    yield ""
    yield "```text"
    for table in _TABLES:
        if table in training:
            yield f"[{table}]"
            yield from (f"{name} = {value}" for name, value in training[table].items())
    yield "```"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(card(sys.argv[1]))
