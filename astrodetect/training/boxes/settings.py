"""The table [train] of a training file for boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from astrodetect.training.settings import LoopSettings


@dataclass(frozen=True)
class BoxTrainSettings(LoopSettings):
    """How a detector of boxes is trained."""

    #: So many epochs show the same images, varied by [augment], before new ones are made: where images
    #: are simulated, making one costs more than learning from it. They are kept in memory.
    reuse: Annotated[int, Ge(1)] = 1
