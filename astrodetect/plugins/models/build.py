"""From a configuration to a model."""

from __future__ import annotations

from typing import cast

from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.fcn import FcnMil
from astrodetect.plugins.models.model import PatchModel


def build_model(config: ModelConfig) -> PatchModel | FcnMil:
    """Give the model that a configuration describes, with new weights from torch's random generator."""
    if config.method == "track":
        from astrodetect.plugins.models.track_net import TrackNet

        # Trained and judged like the others; who asks for regions refuses its method.
        return cast(PatchModel, TrackNet(config))
    if config.method == "verify":
        from astrodetect.plugins.models.verify_net import VerifyNet

        return cast(PatchModel, VerifyNet(config))
    return FcnMil(config) if config.method == "fcn-mil" else PatchModel(config)
