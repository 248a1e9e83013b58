"""The classifier of the full-resolution network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import Classifier
from astrodetect.plugins.models.stage import ModelClassifier


@dataclass
class FcnMilClassifier(ModelClassifier, Classifier):
    """The full-resolution network on each patch by itself, pooled as in whole frames.

    Takes patches of any size.
    """

    methods: ClassVar[tuple[str, ...]] = ("fcn-mil",)
