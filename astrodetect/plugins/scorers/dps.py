"""The scorer of differentiable patch selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import RegionScorer
from astrodetect.plugins.models.stage import ModelScorer


@dataclass
class DpsScorer(ModelScorer, RegionScorer):
    """The score map of a model trained with differentiable patch selection.

    Models of ``ats`` have the same scorer and are taken, too.
    """

    methods: ClassVar[tuple[str, ...]] = ("dps", "ats")
