"""The state of a training on disk: tensors as safetensors, the rest as JSON in its header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrodetect.core.errors import AstrodetectError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

_FORMAT = "astrodetect-training-state"


def write_state(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and facts to one file, whole or not at all.

    Parameters
    ----------
    path : Path
        Replaced in one step once the new file is on the disk.
    tensors : dict of str to Tensor
        Of any device.
    facts : dict
        What JSON can hold.
    """
    from safetensors.torch import save_file

    partial = path.with_name(path.name + ".partial")
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(plain, partial, metadata={"format": _FORMAT, "facts": json.dumps(facts)})
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    os.replace(partial, path)


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_state` wrote.

    Raises
    ------
    AstrodetectError
        The file is missing, damaged, or something else.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise AstrodetectError(f"{path}: there is no saved state to resume from")
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            names = opened.keys()
            tensors = {name: opened.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise AstrodetectError(f"{path}: the saved state is damaged: {error}") from error
    if metadata.get("format") != _FORMAT:
        raise AstrodetectError(f"{path}: is no state of a training")
    facts: dict[str, Any] = json.loads(metadata["facts"])
    return tensors, facts


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Give the moments and step counts of an optimizer, named after the parameters."""
    return {
        f"optimizer/{name}/{kind}": value
        for group in optimizer.param_groups
        for name, parameter in zip(group["names"], group["params"], strict=True)
        for kind, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put saved moments and step counts back."""
    saved: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, name, kind = key.split("/")
            saved.setdefault(name, {})[kind] = value
    for group in optimizer.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            # The step count stays on the CPU, where AdamW keeps it; the moments go to the parameter.
            optimizer.state[parameter] = {
                kind: value if kind == "step" else value.to(parameter.device)
                for kind, value in saved.get(name, {}).items()
            }


def restore_model(model: nn.Module, tensors: dict[str, Tensor], prefix: str, path: Path) -> None:
    """Put saved weights back.

    Raises
    ------
    AstrodetectError
        They are those of another model.
    """
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    try:
        model.load_state_dict(own)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise AstrodetectError(f"{path}: is the state of another model: {reason}") from error
