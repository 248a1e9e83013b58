"""Small models and scenes to try them on."""

import torch

from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import save
from astrodetect.plugins.models.config import ModelConfig

METHODS = ("ats", "dps", "ips", "fcn-mil")


def small_config(method="ats", **changes):
    """A model of a few thousand weights."""
    settings = {
        "k": 4,
        "patch": (24, 32),
        "feature_channels": (4, 8),
        "feature_shrink": (1, 1),
        "scorer_channels": (4,),
        "scorer_strides": (2,),
        "heads": 2,
        "labels": ("nothing", "meteor"),
        **changes,
    }
    return ModelConfig(method=method, **settings)


def small_model(method="ats", **changes):
    """A model with random weights, ready for inference."""
    return build_model(small_config(method, **changes)).eval()


def saved_model(folder, method="ats", **changes):
    """The file of such a model."""
    path = folder / f"{method}.safetensors"
    save(small_model(method, **changes), path)
    return path


def spots(batch=2, shape=(120, 150), planes=1):
    """Black images with a bright square in each."""
    images = torch.zeros(batch, planes, *shape)
    for number in range(batch):
        images[number, :, 40 + 8 * number : 52 + 8 * number, 60:72] = 1.0
    return images
