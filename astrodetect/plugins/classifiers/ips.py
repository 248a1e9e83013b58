"""The classifier of iterative patch selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from astrodetect.core.stages import Classifier
from astrodetect.plugins.models.stage import ModelClassifier


@dataclass
class IpsClassifier(ModelClassifier, Classifier):
    """The feature network of a model trained with iterative patch selection, on each patch.

    Takes patches of any size; those of the size that it was trained with suit it best. Models of ``ats``
    and ``dps`` are taken, too.
    """

    methods: ClassVar[tuple[str, ...]] = ("ats", "dps", "ips")
