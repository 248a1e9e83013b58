"""Trained models: those that come with the package, by name, and any other by its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from astrodetect.core.errors import AstrodetectError

if TYPE_CHECKING:
    from astrodetect.plugins.models.yolo.model import Yolo

#: Names of the models that come with the package.
Shipped = Literal["galaxy-v1"]
SHIPPED: tuple[str, ...] = get_args(Shipped)
_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Trained:
    """A model that is ready, and what is known of it: how it was trained, thresholds, calibration."""

    model: Yolo
    info: dict[str, Any]


def path_of(weights: str | Path) -> Path:
    """Give the file of a model that is named or given as a file."""
    return _FOLDER / f"{weights}.safetensors" if weights in SHIPPED else Path(weights)


def load(weights: str | Path, device: str = "cpu") -> Trained:
    """Read a model.

    Parameters
    ----------
    weights : str or path
        One of `SHIPPED`, or a file that `astrodetect train` wrote.
    device : str
        Where the model goes.

    Raises
    ------
    AstrodetectError
        The file is missing, damaged, or of another method.
    """
    import torch

    from astrodetect.plugins.models.checkpoints import fill, read
    from astrodetect.plugins.models.yolo.model import Yolo
    from astrodetect.plugins.models.yolo.settings import YoloConfig

    path = path_of(weights)
    stored = read(path)
    method = stored.config.get("method")
    if method != "yolo":
        raise AstrodetectError(f'{path}: a model of method "{method}"; expected "yolo"')
    config = YoloConfig.from_table(stored.config, f"{path}: [model]")
    with torch.random.fork_rng(devices=[]):
        model = Yolo(config)
    fill(model, stored.tensors, path)
    return Trained(model.to(device).eval(), stored.info)
