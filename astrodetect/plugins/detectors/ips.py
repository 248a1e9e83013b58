"""The detector of iterative patch selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import Detector
from astrodetect.plugins.models.stage import ModelDetector


@dataclass
class IpsDetector(ModelDetector, Detector):
    """A whole model of iterative patch selection: encodes every patch, a few at a time.

    Memory does not grow with the frame but for one number per patch. One detection per chosen patch
    that shows something.
    """

    methods: ClassVar[tuple[str, ...]] = ("ips",)
