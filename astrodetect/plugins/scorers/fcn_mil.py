"""The scorer of the full-resolution network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import RegionScorer
from astrodetect.plugins.models.stage import ModelScorer


@dataclass
class FcnMilScorer(ModelScorer, RegionScorer):
    """The map of logits of the full-resolution network.

    Scores are the highest logit of each cell.
    """

    methods: ClassVar[tuple[str, ...]] = ("fcn-mil",)
