"""The detector of the full-resolution network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import Detector
from astrodetect.plugins.models.stage import ModelDetector


@dataclass
class FcnMilDetector(ModelDetector, Detector):
    """The full-resolution network; its peaks are detections.

    One detection per peak that shows something, with a box of the size of a patch in its
    configuration; what is pooled over all of the frame stands in ``frame_label``.
    """

    methods: ClassVar[tuple[str, ...]] = ("fcn-mil",)
