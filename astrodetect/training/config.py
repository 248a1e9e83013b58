"""A training file, read and checked: data, model, training."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrodetect.core import settings
from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.core.registry import nearest
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.training.data.candidates import Candidates
from astrodetect.training.data.files import LabelledImages
from astrodetect.training.data.megapixel import MegapixelMnist
from astrodetect.training.data.meteor_windows import MeteorWindows
from astrodetect.training.data.needle import NeedleMnist
from astrodetect.training.data.splits import DataSet
from astrodetect.training.data.streaks import StreakPatches
from astrodetect.training.data.tracks import Tracks
from astrodetect.training.settings import AugmentSettings, TrainSettings, TransferSettings

if TYPE_CHECKING:
    from astrodetect.training.boxes.plan import BoxPlan
    from astrodetect.training.data.splits import Split
    from astrodetect.training.labels import LabelTask

#: Data sets by the name that ``[data] use`` gives.
DATA_SETS: dict[str, type[DataSet]] = {
    "needle-mnist": NeedleMnist,
    "megapixel-mnist": MegapixelMnist,
    "images": LabelledImages,
    "meteor-windows": MeteorWindows,
    "streak-patches": StreakPatches,
    "tracks": Tracks,
    "candidates": Candidates,
}
_TABLES = ("data", "model", "train", "augment", "transfer")
#: What the data set knows better than the file.
_FROM_DATA = ("n_classes", "multilabel", "labels")


@dataclass(frozen=True)
class TrainingPlan:
    """A checked training file.

    Attributes
    ----------
    name : str
        The file, for messages.
    data : DataSet
    model : ModelConfig
        With the classes of the data set.
    train, augment, transfer
        The tables of those names.
    """

    name: str
    data: DataSet
    model: ModelConfig
    train: TrainSettings
    augment: AugmentSettings
    transfer: TransferSettings

    def fingerprint(self) -> dict[str, Any]:
        """Give all settings that the weights depend on, as JSON holds them."""
        return {
            "data": {"kind": type(self.data).__name__, **settings.to_table(self.data)},
            "model": settings.to_table(self.model),
            "train": self.train.fingerprint(),
            "augment": settings.to_table(self.augment),
            "transfer": settings.to_table(self.transfer),
        }

    def into(self, out: Path) -> TrainingPlan:
        """Give the same training in another folder."""
        return replace(self, train=replace(self.train, out=out))

    def prepare(self, tell: Callable[[str], None]) -> None:
        """Make what the splits are read from, if it is not there yet; `tell` gets lines for the user."""
        self.data.prepare(tell)

    def task(self, train_split: Split | None = None) -> LabelTask:
        """Read the splits and give what the trainer needs; `train_split` stands in for that of the data."""
        from astrodetect.training.labels import LabelTask
        from astrodetect.training.positions import PositionTask

        return (PositionTask if self.train.learn == "positions" else LabelTask)(self, train_split)


def read_plan(path: Path) -> TrainingPlan | BoxPlan:
    """Read a training file of any kind: for labels of whole images, or for boxes.

    Raises
    ------
    AstrodetectError, ConfigurationError
        As `read_training`.
    """
    from astrodetect.training.boxes.plan import is_for_boxes, plan_of

    tables = _tables(path)
    return plan_of(path, tables) if is_for_boxes(tables) else _checked(path, tables)


def read_training(path: Path) -> TrainingPlan:
    """Read a training file for labels of whole images.

    Parameters
    ----------
    path : Path
        TOML with the tables ``[data]``, ``[model]``, ``[train]`` and, if wanted, ``[augment]`` and
        ``[transfer]``. Paths in it are relative to its folder.

    Returns
    -------
    TrainingPlan

    Raises
    ------
    AstrodetectError
        The file cannot be read.
    ConfigurationError
        With every mistake in it.
    """
    return _checked(path, _tables(path))


def _checked(path: Path, tables: dict[str, Any]) -> TrainingPlan:
    problems = [
        f"{path}: [{table}]: unknown table{nearest(table, _TABLES)}"
        for table in tables
        if table not in _TABLES
    ]
    problems += [
        f"{path}: {table} must be written as [{table}]"
        for table in _TABLES
        if not isinstance(tables.get(table, {}), dict)
    ]
    if problems:
        raise ConfigurationError(problems)
    return _plan(path, tables)


def read_data(path: Path) -> DataSet:
    """Read the table [data] of a training file; the others are not looked at.

    Raises
    ------
    ConfigurationError
        With every mistake in it.
    """
    problems: list[str] = []

    def built(table: str, cls: type[Any], given: dict[str, Any]) -> Any:
        return settings.build(cls, given, f"{path}: [{table}]", path.parent, problems)

    table = _tables(path).get("data", {})
    data: DataSet = _data(path, table if isinstance(table, dict) else {}, problems, built)
    if problems:
        raise ConfigurationError(problems)
    return data


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise AstrodetectError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"{path}: not valid TOML: {error}"]) from error


def _plan(path: Path, tables: dict[str, Any]) -> TrainingPlan:
    problems: list[str] = []

    def built(table: str, cls: type[Any], given: dict[str, Any]) -> Any:
        return settings.build(cls, given, f"{path}: [{table}]", path.parent, problems)

    data = _data(path, tables.get("data", {}), problems, built)
    model_table = tables.get("model", {})
    problems += [
        f"{path}: [model] {key} = {model_table[key]!r}: comes from the data set; leave it out"
        for key in _FROM_DATA
        if key in model_table
    ]
    given = {key: value for key, value in model_table.items() if key not in _FROM_DATA}
    model = built("model", ModelConfig, given)
    train = built("train", TrainSettings, tables.get("train", {}))
    how = built("augment", AugmentSettings, tables.get("augment", {}))
    transfer = built("transfer", TransferSettings, tables.get("transfer", {}))
    if problems:
        raise ConfigurationError(problems)
    classes = data.classes
    if len(classes) < 2 and not data.several_labels:
        raise ConfigurationError(
            [f"{path}: [data]: only the class {', '.join(classes)}; two at least are needed"]
        )
    model = replace(model, n_classes=len(classes), multilabel=data.several_labels, labels=classes)
    return TrainingPlan(str(path), data, model, train, how, transfer)


def _data(path: Path, table: dict[str, Any], problems: list[str], built: Any) -> Any:
    use = table.get("use")
    if use not in DATA_SETS:
        what = f"use = {use!r}: no such data set" if use is not None else "use is missing"
        near = nearest(str(use or ""), DATA_SETS)
        problems.append(f"{path}: [data] {what}{near}")
        return None
    return built("data", DATA_SETS[use], {key: value for key, value in table.items() if key != "use"})
