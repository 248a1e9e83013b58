"""astrodetect: find what happened in large astronomical frames.

Importing it loads nothing heavy: public names are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astrodetect.catalogs.reader import Catalog
    from astrodetect.core.calibration import Calibration, SkyPoints
    from astrodetect.core.data import Frame, Recording, Stream, Window
    from astrodetect.core.detections import Detections
    from astrodetect.core.errors import AstrodetectError
    from astrodetect.core.hooks import hookimpl
    from astrodetect.core.maps import Patches, ScoreMap, Selection
    from astrodetect.core.stages import (
        CalibrationSource,
        Classifier,
        Detector,
        FrameSource,
        PatchExtractor,
        PatchSelector,
        Postprocessor,
        Preprocessor,
        RegionScorer,
    )
    from astrodetect.pipeline import Pipeline

_HOMES = {
    "core.calibration": ("Calibration", "SkyPoints"),
    "core.data": ("Frame", "Recording", "Stream", "Window"),
    "core.detections": ("Detections",),
    "core.errors": ("AstrodetectError",),
    "core.hooks": ("hookimpl",),
    "core.maps": ("Patches", "ScoreMap", "Selection"),
    "core.stages": (
        "CalibrationSource", "Classifier", "Detector", "FrameSource", "PatchExtractor", "PatchSelector",
        "Postprocessor", "Preprocessor", "RegionScorer",
    ),
    "catalogs.reader": ("Catalog",),
    "pipeline": ("Pipeline",),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AstrodetectError",
    "Calibration",
    "CalibrationSource",
    "Catalog",
    "Classifier",
    "Detections",
    "Detector",
    "Frame",
    "FrameSource",
    "PatchExtractor",
    "PatchSelector",
    "Patches",
    "Pipeline",
    "Postprocessor",
    "Preprocessor",
    "Recording",
    "RegionScorer",
    "ScoreMap",
    "Selection",
    "SkyPoints",
    "Stream",
    "Window",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("astrodetect")
    if name in _HOME:
        return getattr(import_module(f"astrodetect.{_HOME[name]}"), name)
    raise AttributeError(f"module 'astrodetect' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
