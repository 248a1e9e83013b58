"""The detector of attention sampling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from astrodetect.core.data import Stream
from astrodetect.core.stages import Detector
from astrodetect.plugins.models.stage import ModelDetector


@dataclass
class AtsDetector(ModelDetector, Detector):
    """A whole model of attention sampling: looks coarsely, chooses patches, decides from these.

    One detection per chosen patch that shows something; what all of them together say of the frame
    stands in ``frame_label`` and ``frame_probability``.
    """

    #: Take the patches of highest attention, the same in every run, or draw them. None: as the model says.
    inference: Literal["top-k", "sample"] | None = None
    #: Draws whose probabilities are averaged for the whole frame: more are steadier, and cost time.
    draws: Annotated[int, Ge(1)] = 1

    methods: ClassVar[tuple[str, ...]] = ("ats", "dps")

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the model.

        Raises
        ------
        AstrodetectError
            As for every stage with a model.
        """
        super().open(stream, device)
        model = self.checkpoint.model
        if self.inference is not None:
            model.config = replace(model.config, inference=self.inference, draws=self.draws)
