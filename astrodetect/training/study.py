"""Which feature network: variants of one architecture, cross-validated, in one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from astrodetect.core.errors import AstrodetectError
from astrodetect.core.registry import nearest
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.features import FeatureNet
from astrodetect.training.data.loading import Loader
from astrodetect.training.data.splits import DataSet, Split
from astrodetect.training.folds import folds
from astrodetect.training.losses import Loss, balanced_weights
from astrodetect.training.metrics import mean_and_deviation, score
from astrodetect.training.optimisation import parameter_groups, rate, set_rates
from astrodetect.training.predict import predict
from astrodetect.training.settings import AugmentSettings

#: Filters of the blocks, and units of the dense layer, of Nicolini (2022), tables 6.5 and 6.6.
_STANDARD = (
    ((32, 128, 128, 32), 0),
    ((64, 128, 128, 128), 256),
    ((128, 64), 0),
    ((64, 64, 64), 0),
    ((64, 64), 0),
    ((16, 32, 64), 256),
    ((32, 32, 64), 256),
    ((64, 64, 64), 256),
    ((64, 64, 64), 128),
)
_SEPARABLE = (
    ((32, 128), 256),
    ((64, 128, 64, 64), 256),
    ((128, 128, 32), 256),
    ((128, 128), 0),
    ((128, 64), 0),
)

Convolution = Literal["standard", "separable"]


@dataclass(frozen=True)
class Variant:
    """One network of the study.

    Attributes
    ----------
    name : str
        ``standard-8``, for example.
    convolution : {"standard", "separable"}
        Ordinary or depthwise separable.
    filters : tuple of int
        Of each block: a convolution of 3 x 3, ReLU, maximum over 2 x 2.
    dense_units : int
        Of a dense layer behind the global pooling; 0: none.
    """

    name: str
    convolution: Convolution
    filters: tuple[int, ...]
    dense_units: int = 0

    def config(self, dropout: float = 0.0) -> ModelConfig:
        """Give the settings of the network."""
        return ModelConfig(
            convolution=self.convolution,
            feature_channels=self.filters,
            feature_shrink=(1,) * len(self.filters),
            feature_kernel=3,
            feature_stem="pool",
            feature_norm=False,
            dense_units=self.dense_units,
            dropout=dropout,
            white=255.0,
        )


def _variants() -> Iterator[Variant]:
    sets: tuple[tuple[Convolution, Any], ...] = (("standard", _STANDARD), ("separable", _SEPARABLE))
    for convolution, networks in sets:
        for number, (filters, units) in enumerate(networks):
            yield Variant(f"{convolution}-{number}", convolution, filters, units)


#: The networks of Nicolini (2022), section 6.2.1, by name.
VARIANTS = {variant.name: variant for variant in _variants()}


@dataclass(frozen=True)
class StudySettings:
    """How each network is trained.

    Attributes
    ----------
    folds : int
        Of the cross-validation.
    grouped : bool
        Keep groups of images together. Without, copies of one event come to both sides, and figures
        are too good.
    epochs, batch : int
    learning_rate, dropout : float
    balance : {"none", "weights", "oversample"}
        What is done about rare classes.
    repeats : int
        Timed inferences of ten patches.
    seed : int
    """

    folds: int = 7
    grouped: bool = True
    epochs: int = 12
    batch: int = 64
    learning_rate: float = 2e-3
    dropout: float = 0.0
    balance: Literal["none", "weights", "oversample"] = "none"
    repeats: int = 50
    seed: int = 0


class PatchClassifier(nn.Module):
    """A feature network with a linear classifier behind it.

    Parameters
    ----------
    config : ModelConfig
        Of the network.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.features = FeatureNet(config)
        self.linear = nn.Linear(self.features.size, config.n_outputs)

    def forward(self, images: Tensor) -> Any:
        """Give an object with the logits (B, n) of patches (B, C, h, w)."""
        scaled = (images.float() - self.config.black) / (self.config.white - self.config.black)
        return _Said(self.linear(self.features(scaled)))


@dataclass(frozen=True)
class _Said:
    logits: Tensor


def chosen_variants(names: Sequence[str]) -> list[Variant]:
    """Give the variants of these names; of none, all.

    Raises
    ------
    AstrodetectError
        There is no such variant.
    """
    for name in names:
        if name not in VARIANTS:
            raise AstrodetectError(f"no network {name!r} in the study{nearest(name, VARIANTS)}")
    return [VARIANTS[name] for name in names] if names else list(VARIANTS.values())


def study(
    data: DataSet,
    variants: Sequence[Variant],
    how: StudySettings,
    report: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Cross-validate networks on the training split of a data set of patches.

    Parameters
    ----------
    data : DataSet
        Small images of two classes or more.
    variants : sequence of Variant
        Which networks.
    how : StudySettings
        How each is trained.
    report : callable, optional
        Is told a line for each network.

    Returns
    -------
    list of dict
        A row per network: parameters, milliseconds for ten patches, and mean and deviation over the
        folds of accuracy, precision, recall and area under the precision-recall curve.
    """
    split = data.split("train")
    if split.targets.ndim != 1:
        raise AstrodetectError("the study needs images of one class each; these have several labels")
    rows = []
    for variant in variants:
        row = _row(variant, split, data.classes, how)
        rows.append(row)
        if report is not None:
            report(f"{variant.name}: accuracy {row['accuracy']:.3f} ± {row['accuracy_deviation']:.3f}")
    return rows


def _row(variant: Variant, split: Split, classes: tuple[str, ...], how: StudySettings) -> dict[str, Any]:
    groups = split.groups if how.grouped else None
    runs = [
        _fold(variant, split, classes, how, train, test)
        for train, test in folds(split.targets, groups, how.folds, how.seed)
    ]
    spread = mean_and_deviation(runs)
    model = _network(variant, split, classes, how)
    row: dict[str, Any] = {
        "network": variant.name,
        "filters": " ".join(map(str, variant.filters)),
        "dense": variant.dense_units,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    row["ms"], row["ms_deviation"] = inference_time(model, split, how.repeats)
    for name in ("accuracy", "precision", "recall", "auc_pr"):
        row[name], row[f"{name}_deviation"] = spread[name]
    return row


def _network(variant: Variant, split: Split, classes: tuple[str, ...], how: StudySettings) -> PatchClassifier:
    config = replace(variant.config(how.dropout), n_classes=len(classes), channels=split.image(0).shape[0])
    torch.manual_seed(how.seed)
    return PatchClassifier(config)


def _fold(
    variant: Variant,
    split: Split,
    classes: tuple[str, ...],
    how: StudySettings,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> dict[str, float]:
    """Train on one part, and give the figures on the other."""
    model = _network(variant, split, classes, how).train()
    own = split.subset(train)
    weights = balanced_weights(own.targets, len(classes)) if how.balance == "weights" else None
    loss = Loss(weights=weights)
    loader = Loader(own, how.batch, how.seed, AugmentSettings(), how.balance == "oversample")
    optimizer = torch.optim.AdamW(parameter_groups(model, "scorer.", 0.01), lr=how.learning_rate)
    steps, done = how.epochs * loader.steps, 0
    for epoch in range(how.epochs):
        for batch in loader.batches(epoch):
            set_rates(optimizer.param_groups, how.learning_rate * rate(done, steps, 0.05, 0.0), 1.0)
            said = model(torch.from_numpy(batch.images)).logits
            optimizer.zero_grad()
            loss(said, torch.from_numpy(batch.targets)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            done += 1
    held = split.subset(test)
    p = predict(model, held, torch.device("cpu"), how.batch)
    return score(held.targets, p, classes).figures


def inference_time(model: PatchClassifier, split: Split, repeats: int) -> tuple[float, float]:
    """Give mean and deviation of the time for ten patches, in milliseconds; two runs warm up."""
    numbers = np.arange(10) % len(split)
    patches = torch.from_numpy(np.stack([split.image(int(number)) for number in numbers]))
    times = []
    model.eval()
    with torch.no_grad():
        for _ in range(repeats + 2):
            started = time.perf_counter()
            model(patches)
            times.append(1000 * (time.perf_counter() - started))
    return float(np.mean(times[2:])), float(np.std(times[2:]))
