"""The classifier of attention sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import Classifier
from astrodetect.plugins.models.stage import ModelClassifier


@dataclass
class AtsClassifier(ModelClassifier, Classifier):
    """The feature network of a model trained with attention sampling, on each patch.

    Takes patches of any size; those of the size that it was trained with suit it best. Models of ``dps``
    and ``ips`` are taken, too: scorer and classifier may come from different models.
    """

    methods: ClassVar[tuple[str, ...]] = ("ats", "dps", "ips")
