"""A training file for a detector of boxes, read and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrodetect.core import settings
from astrodetect.core.errors import ConfigurationError
from astrodetect.core.registry import nearest
from astrodetect.plugins.models.yolo.settings import AssociationSettings, LossSettings, YoloConfig
from astrodetect.training.boxes.datasets import BoxDataSet
from astrodetect.training.boxes.known import BOX_DATA_SETS
from astrodetect.training.boxes.settings import BoxTrainSettings
from astrodetect.training.boxes.vary import BoxAugmentSettings
from astrodetect.training.settings import TransferSettings

if TYPE_CHECKING:
    from astrodetect.training.boxes.task import BoxTask

_TABLES: dict[str, type[Any]] = {
    "model": YoloConfig,
    "association": AssociationSettings,
    "loss": LossSettings,
    "train": BoxTrainSettings,
    "augment": BoxAugmentSettings,
    "transfer": TransferSettings,
}
#: What the data set knows better than the file.
_FROM_DATA = ("channels", "labels", "parameters", "flux_range", "size_range")


@dataclass(frozen=True)
class BoxPlan:
    """A checked training file.

    Attributes
    ----------
    name : str
        The file, for messages.
    data : BoxDataSet
    model : YoloConfig
        With channels, classes and parameters of the data set.
    association, loss, train, augment, transfer
        The tables of those names.
    """

    name: str
    data: BoxDataSet
    model: YoloConfig
    association: AssociationSettings
    loss: LossSettings
    train: BoxTrainSettings
    augment: BoxAugmentSettings
    transfer: TransferSettings

    def fingerprint(self) -> dict[str, Any]:
        """Give all settings that the weights depend on, as JSON holds them."""
        return {
            "data": {"kind": type(self.data).__name__, **settings.to_table(self.data)},
            "train": self.train.fingerprint(),
            **{
                name: settings.to_table(getattr(self, name))
                for name in ("model", "association", "loss", "augment", "transfer")
            },
        }

    def into(self, out: Path) -> BoxPlan:
        """Give the same training in another folder."""
        return replace(self, train=replace(self.train, out=out))

    def prepare(self, tell: Callable[[str], None]) -> None:
        """Do nothing: images are made or read when they are needed."""

    def task(self) -> BoxTask:
        """Give what the trainer needs."""
        from astrodetect.training.boxes.task import BoxTask

        return BoxTask(self)


def is_for_boxes(tables: dict[str, Any]) -> bool:
    """Tell whether the tables of a training file are those of a detector of boxes."""
    model = tables.get("model", {})
    return isinstance(model, dict) and model.get("method") == "yolo"


def plan_of(path: Path, tables: dict[str, Any]) -> BoxPlan:
    """Check the tables of a training file.

    Parameters
    ----------
    path : Path
        The file; paths in it are relative to its folder.
    tables : dict
        What it holds.

    Raises
    ------
    ConfigurationError
        With every mistake in it.
    """
    known = ("data", *_TABLES)
    problems = [
        f"{path}: [{name}]: unknown table{nearest(name, known)}" for name in tables if name not in known
    ]
    problems += [
        f"{path}: {name} must be written as [{name}]"
        for name in known
        if not isinstance(tables.get(name, {}), dict)
    ]
    if problems:
        raise ConfigurationError(problems)

    def built(name: str, cls: type[Any], given: dict[str, Any]) -> Any:
        return settings.build(cls, given, f"{path}: [{name}]", path.parent, problems)

    data = _data(path, tables.get("data", {}), problems, built)
    given = dict(tables["model"])
    problems += [
        f"{path}: [model] {key} = {given.pop(key)!r}: comes from the data set; leave it out"
        for key in _FROM_DATA
        if key in given
    ]
    parts = {
        name: built(name, cls, given if name == "model" else tables.get(name, {}))
        for name, cls in _TABLES.items()
    }
    if problems:
        raise ConfigurationError(problems)
    try:
        return _joined(str(path), data, parts)
    except ValueError as error:
        raise ConfigurationError([f"{path}: {error}"]) from error


def _data(path: Path, table: dict[str, Any], problems: list[str], built: Any) -> Any:
    use = table.get("use")
    if use not in BOX_DATA_SETS:
        what = f"use = {use!r}: no such data set" if use is not None else "use is missing"
        problems.append(f"{path}: [data] {what}{nearest(str(use or ''), BOX_DATA_SETS)}")
        return None
    return built("data", BOX_DATA_SETS[use], {key: value for key, value in table.items() if key != "use"})


def _joined(name: str, data: BoxDataSet, parts: dict[str, Any]) -> BoxPlan:
    """Tell the model what the data set knows, and check that the weights of the loss fit."""
    from astrodetect.plugins.models.yolo.settings import check_weights

    shape = data.shape_parameters
    ranges = {} if shape is None else {"flux_range": shape.flux, "size_range": shape.size}
    model = replace(
        parts["model"],
        channels=data.channels,
        labels=data.classes,
        parameters=() if shape is None else shape.names,
        **ranges,
    )
    check_weights(model, parts["loss"])
    return BoxPlan(name, data, **{**parts, "model": model})
