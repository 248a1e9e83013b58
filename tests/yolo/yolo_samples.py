"""Small data sets with boxes: bright blobs in images and in cubes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astrodetect.plugins.models.yolo.settings import AssociationSettings, LossSettings, YoloConfig
from astrodetect.training.boxes.datasets import BoxDataSet, sample_rng
from astrodetect.training.boxes.plan import BoxPlan
from astrodetect.training.boxes.settings import BoxTrainSettings
from astrodetect.training.boxes.targets import BoxTargets
from astrodetect.training.boxes.vary import BoxAugmentSettings
from astrodetect.training.settings import TransferSettings


@dataclass(frozen=True)
class Blobs(BoxDataSet):
    """Squares or cubes of light, small ones of class 0 and large ones of class 1."""

    shape: tuple[int, ...] = (64, 64)
    train: int = 32
    validation: int = 8
    objects: int = 4
    sides: tuple[int, int] = (5, 11)
    class_only: bool = False

    @property
    def classes(self):
        return ("small", "large")

    def count(self, split):
        return self.train if split == "train" else self.validation

    def sample(self, split, number, epoch=0):
        rng = sample_rng(0, split, number, epoch)
        image = rng.normal(0, 0.05, (1, *self.shape)).astype(np.float32)
        rows = []
        kinds = rng.integers(0, 2, self.objects)
        for kind in kinds:
            side = self.sides[kind]
            low = [int(rng.integers(1, n - side - 1)) for n in self.shape]
            image[(0, *(slice(start, start + side) for start in low))] += 1
            rows.append([*reversed(low), *(start + side for start in reversed(low))])
        if self.class_only:
            return image, BoxTargets([[0, 0, *reversed(self.shape)]], kinds[:1], class_only=True)
        return image, BoxTargets(rows, kinds)


def plan_in(folder: Path, data=None, model=None, loss=None, association=None, **train):
    """A plan that trains in seconds."""
    data = data or Blobs()
    axes = len(data.shape)
    sides = tuple((side,) * axes for side in (5.0, 11.0))
    given = {"labels": data.classes, "priors": sides, "axes": axes, **(model or {})}
    how = {"out": folder, "epochs": 2, "batch": 8, "learning_rate": 3e-3, "average": 0.9, **train}
    return BoxPlan(
        "blobs.toml", data, YoloConfig(**given),
        AssociationSettings(random_startup=64, **(association or {})), LossSettings(**(loss or {})),
        BoxTrainSettings(**how), BoxAugmentSettings(quarter_turns=axes == 2), TransferSettings(),
    )  # fmt: skip
