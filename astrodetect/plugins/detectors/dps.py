"""The detector of differentiable patch selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import Detector
from astrodetect.plugins.models.stage import ModelDetector


@dataclass
class DpsDetector(ModelDetector, Detector):
    """A whole model of differentiable patch selection; the best patches are taken, without noise.

    One detection per chosen patch that shows something; what all of them together say of the frame
    stands in ``frame_label`` and ``frame_probability``.
    """

    methods: ClassVar[tuple[str, ...]] = ("dps", "ats")
