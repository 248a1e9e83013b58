"""The tables of a training file that belong to no model and no data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from astrodetect.core.settings import to_table

Fraction = Annotated[float, Ge(0), Lt(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]


@dataclass(frozen=True)
class LoopSettings:
    """How any model is trained."""

    #: Folder that gets the model, the state to resume from, and the logs.
    out: Path
    #: Times that every training image is shown.
    epochs: Annotated[int, Ge(1)] = 12
    #: Images in a step. Smaller steps learn more per image, larger ones use a GPU better.
    batch: Annotated[int, Ge(1)] = 16
    #: Highest learning rate, for AdamW.
    learning_rate: Positive = 2e-3
    #: Decoupled weight decay; biases and other vectors are left out.
    weight_decay: NotNegative = 0.02
    #: Part of all steps over which the learning rate rises from zero; then it falls as a cosine.
    warmup: Fraction = 0.05
    #: Learning rate at the end, as a part of the highest.
    final_rate: Annotated[float, Ge(0), Le(1)] = 0.0
    #: Largest norm of the gradient, for the scorer and for the rest apart; 0: no clipping. Clipped
    #: together, the large gradients of the one leave nothing for the other.
    clip: NotNegative = 1.0
    #: Largest value of any element of the gradient; 0: no clipping.
    clip_value: NotNegative = 0.0
    #: Decay per step of the moving average of the weights, which is what is evaluated and saved; 0:
    #: the weights themselves.
    average: Fraction = 0.0
    #: Number format of the forward pass. bfloat16 halves the memory of a GPU; float16 is for GPUs
    #: without bfloat16.
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    #: Epochs without a better value after which training stops; 0: never stop early.
    patience: Annotated[int, Ge(0)] = 0
    #: Minutes of training after which it stops at the end of an epoch; 0: no limit.
    minutes: NotNegative = 0.0
    #: Minutes between saved states inside an epoch; the end of an epoch is always saved.
    save_every: Positive = 5.0
    #: Also write logs that TensorBoard reads (needs the extra `train`).
    tensorboard: bool = False
    #: Seed of the first weights, the order of the images, sampling and augmentation.
    seed: int = 0

    def fingerprint(self) -> dict[str, object]:
        """Give the settings that the weights depend on."""
        free = ("out", "minutes", "save_every", "tensorboard", "calibration")
        return {key: value for key, value in to_table(self).items() if key not in free}


@dataclass(frozen=True)
class TrainSettings(LoopSettings):
    """How a model is trained from labels of whole images."""

    #: What is learned: the labels of whole images; or for the scorer, where in them is what is looked for
    #: (`positions`), which needs whole frames of `meteor-windows`.
    learn: Literal["labels", "positions"] = "labels"
    #: Learning rate of the scorer as a multiple of `learning_rate`. A start that comes from a prior is
    #: lost where the scorer learns too fast.
    scorer_rate: NotNegative = 1.0
    #: What is minimised: cross-entropy, or focal loss, which weakens what is already right.
    loss: Literal["cross-entropy", "focal"] = "cross-entropy"
    #: Exponent of the focal loss: how strongly what is already right is weakened.
    focal_gamma: NotNegative = 2.0
    #: Factor of the focal loss.
    focal_alpha: Positive = 1.0
    #: Part of the target that is spread over the other classes: curbs overconfidence.
    smoothing: Fraction = 0.0
    #: Weigh classes by their rarity, so that all count alike.
    class_weights: Literal["none", "balanced"] = "none"
    #: Make the probabilities of the best epoch right as often as they say, on the validation split: by one
    #: factor on the logits (`temperature`), or by a rising curve (`isotonic`; needs hundreds of images of
    #: each class). Stored with the model, with what a threshold costs there, for `recall` and
    #: `false_per_night` in a pipeline.
    calibration: Literal["none", "temperature", "isotonic"] = "temperature"
    #: Show images of rarer classes again until all classes have as many.
    oversample: bool = False
    #: What chooses the epoch to keep and when to stop, on the validation split.
    monitor: Literal["accuracy", "loss", "auc"] = "accuracy"


@dataclass(frozen=True)
class AugmentSettings:
    """How training images are varied. Targets stay as they are: allow only what keeps them right."""

    #: Fixed variants of each image made beside it before training (offline); every epoch shows all.
    copies: Annotated[int, Ge(0)] = 0
    #: Vary every image anew each time it is shown (online).
    online: bool = True
    #: Largest shift in y and in x, pixels; what is uncovered is zero.
    shift: Annotated[int, Ge(0)] = 0
    #: Largest turn either way, degrees.
    rotate: NotNegative = 0.0
    #: Largest change of size, as a part: 0.1 is 0.9 to 1.1.
    zoom: Fraction = 0.0
    #: Mirror left and right with probability 1/2.
    mirror_x: bool = False
    #: Mirror up and down with probability 1/2.
    mirror_y: bool = False
    #: Largest change of the factor that multiplies the image, as a part.
    contrast: Fraction = 0.0
    #: Largest value added to the image, either way, in its unit.
    brightness: NotNegative = 0.0
    #: Deviation of Gaussian noise added to the image, in its unit.
    noise: NotNegative = 0.0

    @property
    def changes(self) -> bool:
        """Whether anything is varied."""
        spatial = self.shift or self.rotate or self.zoom or self.mirror_x or self.mirror_y
        return bool(spatial or self.contrast or self.brightness or self.noise)


@dataclass(frozen=True)
class TransferSettings:
    """Start from a model that was trained before."""

    #: Checkpoint to begin with; absent: begin anew. Weights are taken where name and shape agree.
    weights: Path | None = None
    #: Parts of the model that keep their weights, by the beginning of their parameters' names.
    freeze: tuple[str, ...] = ()
    #: Epoch from which frozen parts learn too (fine tuning); 0: never.
    unfreeze_epoch: Annotated[int, Ge(0)] = 0
    #: Learning rate of the parts that were frozen, as a multiple.
    tune_rate: NotNegative = 0.1
