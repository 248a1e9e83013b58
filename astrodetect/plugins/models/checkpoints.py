"""Models in files: safetensors, with the configuration in the header; nothing is unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.models.build import build_model
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.fcn import FcnMil
from astrodetect.plugins.models.model import PatchModel

if TYPE_CHECKING:
    from astrodetect.plugins.models.yolo.model import Yolo

#: What stands in the header of a file.
FORMAT, VERSION = "astrodetect-model", "1"


@dataclass(frozen=True)
class Checkpoint:
    """A model and what is known of it.

    Attributes
    ----------
    model : PatchModel or FcnMil
        Ready for inference.
    info : mapping
        What was stored beside it, of JSON types.
    """

    model: PatchModel | FcnMil
    info: Mapping[str, Any] = field(default_factory=dict)


def save(model: PatchModel | FcnMil | Yolo, path: Path | str, info: Mapping[str, Any] | None = None) -> None:
    """Write a model.

    Parameters
    ----------
    model : PatchModel, FcnMil or Yolo
        What `astrodetect.plugins.models.build.build_model` made, or a detector of boxes.
    path : path
        Replaced in one step: a reader sees the old file or the whole new one.
    info : mapping, optional
        Values of JSON types to keep with it.
    """
    from safetensors.torch import save_file

    header = {
        "format": FORMAT,
        "format_version": VERSION,
        "config": model.config.to_json(),
        "info": json.dumps(dict(info or {})),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, part, header)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load(path: Path | str, device: str = "cpu") -> Checkpoint:
    """Read a model.

    Parameters
    ----------
    path : path
        A file that `save` wrote.
    device : str
        Where the model goes.

    Returns
    -------
    Checkpoint
        Its model is in evaluation mode.

    Raises
    ------
    AstrodetectError
        The file is missing, damaged, from another program or version, or does not fit itself.
    """
    path = Path(path)
    stored = read(path)
    method = stored.config.get("method")
    if method == "yolo":
        raise AstrodetectError(f'{path}: a model of method "yolo"; expected one of patches')
    model = build_model(ModelConfig.from_table(stored.config, f"{path}: [model]"))
    fill(model, stored.tensors, path)
    if device == "cpu" and isinstance(model, PatchModel):  # as `by_pixels` gives patches
        model.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Checkpoint(model.to(device).eval(), stored.info)


@dataclass(frozen=True)
class Stored:
    """What stands in a file: the configuration of a model, what is known of it, its weights."""

    config: dict[str, Any]
    info: dict[str, Any]
    tensors: dict[str, Tensor]


def read(path: Path) -> Stored:
    """Read a file that `save` wrote, whatever model it holds.

    Raises
    ------
    AstrodetectError
        The file is missing, damaged, or from another program or version.
    """
    header, tensors = _read(path)
    if header.get("format") != FORMAT:
        raise AstrodetectError(f"{path}: not a model of astrodetect: its header says nothing of {FORMAT!r}")
    if header.get("format_version") != VERSION:
        version = header.get("format_version")
        raise AstrodetectError(f"{path}: a model of format version {version}; this program knows {VERSION}")
    try:
        config, info = json.loads(header["config"]), json.loads(header.get("info", "{}"))
    except (KeyError, ValueError) as error:
        raise AstrodetectError(f"{path}: the header of the model is damaged: {error}") from None
    return Stored(config, info, tensors)


def _read(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise AstrodetectError(f"{path}: damaged, or not a safetensors file: {error}") from None
    except OSError as error:
        raise AstrodetectError(f"{path}: cannot be read: {error.strerror or error}") from None


def fill(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put tensors into a model, every one of them.

    Raises
    ------
    AstrodetectError
        They are those of another model, or hold values that are not numbers.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(wanted.keys() | given.keys()):
        if wanted.get(name) != given.get(name):
            raise AstrodetectError(
                f"{path}: the weights do not fit the configuration in the header: {name} is "
                f"{given.get(name, 'missing')}, expected {wanted.get(name, 'no such weights')}"
            )
        if not bool(torch.isfinite(tensors[name]).all()):
            raise AstrodetectError(f"{path}: damaged: {name} holds values that are not numbers")
    model.load_state_dict(dict(tensors))
