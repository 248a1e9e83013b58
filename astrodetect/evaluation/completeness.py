"""Completeness: which part of the objects was found, by what they are like and where they were."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.evaluation.compare import Evaluation
from astrodetect.evaluation.rates import Rate

#: By what completeness is given: property of the object, edges of the bins, and how it is called.
BY: Mapping[str, tuple[tuple[float, ...], str]] = {
    "peak_magnitude": ((*np.arange(-12.0, 10.0, 1.0).tolist(), math.inf), "peak magnitude"),
    "duration": ((0.0, 4.0, 8.0, 16.0, 32.0, 64.0, math.inf), "duration (frames)"),
}
#: The picture is split into so many parts each way.
PARTS = 3


def binned(evaluation: Evaluation, by: str, edges: Sequence[float]) -> list[tuple[float, float, Rate]]:
    """Give the completeness in the bins that have objects: lower edge, upper edge, rate."""
    rows = [(low, high, evaluation.recall_where(by, low, high)) for low, high in itertools.pairwise(edges)]
    return [row for row in rows if row[2].n]


def by_place(evaluation: Evaluation, parts: int = PARTS) -> list[list[Rate]]:
    """Give the completeness by where the middle of an object's path lies.

    Parameters
    ----------
    evaluation : Evaluation
        The comparison.
    parts : int
        The picture is split into so many parts each way.

    Returns
    -------
    list of lists of Rate
        Rows from the top, columns from the left.
    """
    hits, n = np.zeros((parts, parts), int), np.zeros((parts, parts), int)
    for item in evaluation.objects:
        x, y = item.place
        if math.isnan(x + y):
            continue
        column, row = (min(max(int(parts * value), 0), parts - 1) for value in (x, y))
        n[row, column] += 1
        hits[row, column] += item.detection is not None
    return [[Rate(int(h), int(m)) for h, m in zip(*rows, strict=True)] for rows in zip(hits, n, strict=True)]


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Give completeness and false alarms as plain values for JSON; what is not a number is None."""
    tables = {
        f"by_{by.removeprefix('peak_')}": [
            {"low": low, "high": high if math.isfinite(high) else None, "recall": rate.to_dict()}
            for low, high, rate in binned(evaluation, by, edges)
        ]
        for by, (edges, _) in BY.items()
    }
    place = [[rate.to_dict() for rate in row] for row in by_place(evaluation)]
    return {**tables, "by_place": place, "false_alarm_rate": evaluation.alarms_per_hour.to_dict()}


def to_text(evaluation: Evaluation) -> list[str]:
    """Give the tables as lines of text; those of which nothing is known are left out."""
    lines: list[str] = []
    for by, (edges, title) in BY.items():
        rows = binned(evaluation, by, edges)
        if rows:
            lines += ["", f"Completeness by {title}"]
            lines += [f"  {_range(low, high):>10}   {rate}" for low, high, rate in rows]
    places = by_place(evaluation)
    if any(rate.n for row in places for rate in row):
        lines += ["", "Completeness by place in the picture, found of all"]
        lines += ["  " + "".join(f"{f'{rate.hits}/{rate.n}':>10}" for rate in row) for row in places]
    return lines


def _range(low: float, high: float) -> str:
    return f"{low:g} to {high:g}" if math.isfinite(high) else f"over {low:g}"


def write_plots(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Draw completeness by signal-to-noise, magnitude, speed, duration and place, as far as they are known.

    Parameters
    ----------
    evaluation : Evaluation
        The comparison.
    folder : Path
        For the plots; made if it does not exist.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    AstrodetectError
        matplotlib is not installed, or the folder cannot be written to.
    """
    from astrodetect.plots.curves import plot_completeness, plot_places
    from astrodetect.plots.style import save

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for by in ("peak_snr", "peak_magnitude", "speed", "duration"):
        if any(math.isfinite(getattr(item.truth, by)) for item in evaluation.objects):
            name = by.removeprefix("peak_")
            written.append(save(plot_completeness(evaluation, by), folder / f"completeness-{name}.png", 150))
    places = by_place(evaluation)
    if any(rate.n for row in places for rate in row):
        written.append(save(plot_places(places), folder / "completeness-place.png", 150))
    return written
