"""The scorer of iterative patch selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import RegionScorer
from astrodetect.plugins.models.stage import ModelScorer


@dataclass
class IpsScorer(ModelScorer, RegionScorer):
    """What each patch on a regular grid says, of a model trained with iterative patch selection.

    Patches are encoded a few at a time, straight from the planes: memory grows by one number per patch
    only, however large the frame.
    """

    methods: ClassVar[tuple[str, ...]] = ("ips",)
