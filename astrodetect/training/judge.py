"""What ``astrodetect evaluate`` does with models: figures, tables and plots of one or several runs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.checkpoints import load
from astrodetect.training import plots
from astrodetect.training.calibration import calibrated_by
from astrodetect.training.config import read_data
from astrodetect.training.data.splits import DataSet, Split, SplitName, require_classes
from astrodetect.training.explaining import draw_explanation
from astrodetect.training.logs import read_history
from astrodetect.training.metrics import Curve, Reliability, Scores, mean_and_deviation, score
from astrodetect.training.pictures import draw_decision
from astrodetect.training.predict import predict
from astrodetect.training.tables import confusion_text, figures_text, put, table_csv

if TYPE_CHECKING:
    from astrodetect.plugins.models.fcn import FcnMil
    from astrodetect.plugins.models.model import PatchModel

    Model = PatchModel | FcnMil


@dataclass(frozen=True)
class How:
    """How models are judged.

    Attributes
    ----------
    split : {"train", "validation", "test"}
        On which images.
    k : int or None
        Patches per image instead of those of the model.
    prior_only : bool
        Replace the score by the prior alone: what the model owes to it.
    threshold : float
        From which probability on the second of two classes is said.
    batch : int
        Images at a time.
    pictures : int
        Images of which attention and patches are drawn.
    """

    split: SplitName = "test"
    k: int | None = None
    prior_only: bool = False
    threshold: float = 0.5
    batch: int = 16
    pictures: int = 4


@dataclass(frozen=True)
class Judgement:
    """What came out.

    Attributes
    ----------
    runs : list of Scores
        One for each model.
    seconds : list of float
        Per image, inference on whole images, rendering included.
    """

    runs: list[Scores]
    seconds: list[float]

    @property
    def spread(self) -> dict[str, tuple[float, float]]:
        """Mean and deviation of each figure over the runs."""
        return mean_and_deviation([run.figures for run in self.runs])

    def to_text(self) -> str:
        """Give the figures and the confusion matrix of the first run as text."""
        times = 1000 * float(np.mean(self.seconds))
        return (
            figures_text(self.runs, self.spread)
            + f"{'inference per image':<28} {times:.1f} ms\n\n"
            + confusion_text(self.runs[0])
        )

    def to_dict(self) -> dict[str, Any]:
        """Give everything that JSON holds; what is not defined is null."""
        return {
            "runs": [{**_known(run.figures), "confusion": run.confusion.tolist()} for run in self.runs],
            "mean": _known({name: mean for name, (mean, _) in self.spread.items()}),
            "deviation": _known({name: deviation for name, (_, deviation) in self.spread.items()}),
            "seconds_per_image": self.seconds,
        }


def _known(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}


def judge(
    paths: Sequence[Path], config: Path, how: How, device: str = "cpu", out: Path | None = None
) -> Judgement:
    """Compare models with the labels of a split.

    Parameters
    ----------
    paths : sequence of Path
        Checkpoints; several are runs of one recipe, of which mean and deviation are given.
    config : Path
        A training file; only its table [data] is read.
    how : How
        On what, and how.
    device : str
        A torch device.
    out : Path or None
        Folder for tables and plots.

    Returns
    -------
    Judgement

    Raises
    ------
    AstrodetectError
        A model cannot be read or is for other classes, or the split has one class only.
    """
    data = read_data(config)
    split = data.split(how.split)
    require_classes(split.targets, data.classes, f"{config}: the split {how.split!r}")
    runs, seconds, said = [], [], []
    for path in paths:
        model = _model(path, data, how, device)
        started = time.perf_counter()
        stated = predict(model, split, torch.device(device), how.batch)
        seconds.append((time.perf_counter() - started) / len(split))
        said.append(calibrated_by(path, stated, several=data.several_labels))
        runs.append(score(split.targets, said[-1], data.classes, how.threshold))
    found = Judgement(runs, seconds)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        _write_tables(out, found, data, split, said)
        plots.plot_scores(runs, out / "scores.png")
        _draw(out, paths[0], _model(paths[0], data, how, device), split, data, how.pictures)
    return found


def _model(path: Path, data: DataSet, how: How, device: str) -> Model:
    """Read a model, checked against the data, with the settings of `how`."""
    model = load(path, device).model
    config = model.config
    if config.labels != data.classes or config.multilabel != data.several_labels:
        raise AstrodetectError(
            f"{path}: is a model for the classes {', '.join(config.labels) or config.n_classes}; "
            f"the data have {', '.join(data.classes)}"
        )
    changes: dict[str, Any] = {} if how.k is None else {"k": how.k}
    if how.prior_only:
        changes["prior_only"] = True
    if not changes:
        return model
    try:
        other = build_model(replace(config, **changes))
    except ValueError as error:
        raise AstrodetectError(f"{path}: {error}") from error
    other.load_state_dict(model.state_dict())
    return other.to(device).eval()


def _write_tables(
    out: Path, found: Judgement, data: DataSet, split: Split, said: list[NDArray[np.float64]]
) -> None:
    first = found.runs[0]
    tables: dict[str, Sequence[Mapping[str, Any]]] = {
        "figures": [
            {"figure": name, "mean": mean, "deviation": deviation}
            for name, (mean, deviation) in found.spread.items()
        ],
        "confusion": [
            {"truth": row, **{f"said_{column}": int(n) for column, n in enumerate(counts)}}
            for row, counts in enumerate(first.confusion)
        ],
        "classes": [{"class": name, **figures} for name, figures in first.per_class.items()],
        "predictions": _predictions(split, said[0], data.classes),
        "reliability": _bins(first.reliability),
        "roc": _points(first.roc, "false_positive_rate", "true_positive_rate"),
        "precision_recall": _points(first.precision_recall, "recall", "precision"),
    }
    for name, rows in tables.items():
        put(out / f"{name}.csv", table_csv(rows))
    put(out / "figures.txt", found.to_text())
    put(out / "figures.json", json.dumps(found.to_dict(), indent=2, allow_nan=False))


def _predictions(split: Split, said: NDArray[np.float64], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Give a row for each image: the truth, and the probability of each class."""
    return [
        {
            "image": number,
            "truth": " ".join(np.atleast_1d(split.targets[number]).astype(int).astype(str)),
            **{f"p_{name}": float(p) for name, p in zip(classes, said[number], strict=True)},
        }
        for number in range(len(split))
    ]


def _bins(reliability: Reliability) -> list[dict[str, float]]:
    columns = (reliability.confidence, reliability.accuracy, reliability.counts)
    values = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(zip(("confidence", "accuracy", "images"), row, strict=True)) for row in values]


def _points(curve: Curve, x: str, y: str) -> list[dict[str, float]]:
    return [{x: float(a), y: float(b)} for a, b in zip(curve.x, curve.y, strict=True)]


def _draw(out: Path, path: Path, model: Model, split: Split, data: DataSet, n: int) -> None:
    """Draw the learning curve beside the model, if it is there, and the attention of the first images."""
    history = path.with_name("history.csv")
    if history.is_file():
        plots.plot_history(read_history(history), out / "history.png")
    if model.config.method == "track":
        return  # there is no image to draw
    for number in range(min(n, len(split))):
        image = split.image(number)
        if model.config.method != "verify":  # it chooses no regions
            draw_decision(model, image, data, split.targets[number], out / f"image-{number}.png")
        if not data.several_labels:
            label = data.classes[int(split.targets[number])]
            title = f"image {number}: what speaks for {label!r}, which it is"
            draw_explanation(model, image, label, title, out / f"explanation-{number}.png")
