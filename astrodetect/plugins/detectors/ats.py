"""The detector of attention sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import Detector
from astrodetect.plugins.models.stage import ModelDetector


@dataclass
class AtsDetector(ModelDetector, Detector):
    """A whole model of attention sampling: looks coarsely, chooses patches, decides from these.

    One detection per chosen patch that shows something; what all of them together say of the frame
    stands in ``frame_label`` and ``frame_probability``.
    """

    methods: ClassVar[tuple[str, ...]] = ("ats", "dps")
