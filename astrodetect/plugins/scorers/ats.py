"""The scorer of attention sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import RegionScorer
from astrodetect.plugins.models.stage import ModelScorer


@dataclass
class AtsScorer(ModelScorer, RegionScorer):
    """The score map of a model trained with attention sampling.

    Scores are logits of the attention: the selector ``ats`` turns them into weights. Models of ``dps``
    have the same scorer and are taken, too.
    """

    methods: ClassVar[tuple[str, ...]] = ("ats", "dps")
