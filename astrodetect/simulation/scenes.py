"""The scenes that ``astrodetect simulate`` knows, and which options each of them takes."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from astrodetect.core.errors import AstrodetectError

#: What each scene is called, and the function that writes it: it takes the folder, then options by keyword.
SCENES: Mapping[str, str] = {
    "night": "astrodetect.simulation.command:run",
    "station": "astrodetect.simulation.station.command:run",
    "inject": "astrodetect.simulation.injection.command:run",
    "radio": "astrodetect.simulation.fields.command:radio",
    "stars": "astrodetect.simulation.fields.command:stars",
    "trails": "astrodetect.simulation.fields.command:trails",
}


def simulate_scene(out: Path, scene: str, options: Mapping[str, Any]) -> None:
    """Write a scene to a folder.

    Parameters
    ----------
    out : Path
        The folder.
    scene : str
        A key of `SCENES`.
    options : mapping
        What the user gave; the scene has its own defaults for the rest.

    Raises
    ------
    AstrodetectError
        The scene does not know an option, or cannot be written.
    """
    module, _, name = SCENES[scene].partition(":")
    function: Callable[..., None] = getattr(importlib.import_module(module), name)
    known = inspect.signature(function).parameters
    unknown = [f"--{option.replace('_', '-')}" for option in options if option not in known]
    if unknown:
        where = "--inject" if scene == "inject" else f"--scene {scene}"
        raise AstrodetectError(f"{', '.join(unknown)}: not an option of {where}")
    try:
        function(out, **options)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AstrodetectError(f"{out}: the simulation cannot be written: {reason}") from error
