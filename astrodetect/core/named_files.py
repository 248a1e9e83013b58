"""The files that a pipeline names: models, masks, flats, calibrations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from astrodetect.core.calibrator import Calibrator
from astrodetect.core.plan import Plan


def missing_files(plan: Plan) -> list[str]:
    """Say which of the files that a pipeline names are not there, one line each.

    Parameters
    ----------
    plan : Plan
        Its stages are not opened.
    """
    return [
        f"{plan.name}: {key} = {str(path)!r}: there is no such file"
        for key, path in _named(plan)
        if not path.exists()
    ]


def _named(plan: Plan) -> Iterator[tuple[str, Path]]:
    """Give the files by the keys that name them."""
    yield from Calibrator(plan).named().items()
    for code, station in plan.stations.items():
        if station.mask is not None:
            yield f"[station.{code}] mask", station.mask
    for use, stage in plan.uses.items():
        made: Any = stage
        for setting in fields(made):
            value = getattr(stage, setting.name)
            if setting.init and isinstance(value, Path):
                yield f"{use}: {setting.name}", value
