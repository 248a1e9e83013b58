"""What stands in the header of a model's file; imports no torch."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrodetect.core.errors import AstrodetectError

#: Bytes of the length that a safetensors file begins with, and what its header is filled up to a multiple of.
_LENGTH = 8
#: Longest header that is read.
_MOST = 100_000_000


def read_info(path: Path) -> dict[str, Any]:
    """Read what was stored beside the weights of a model.

    Raises
    ------
    AstrodetectError
        The file cannot be read, or is no model.
    """
    metadata = _header(path)[0].get("__metadata__", {})
    try:
        info: dict[str, Any] = json.loads(metadata.get("info", "{}"))
    except ValueError as error:
        raise AstrodetectError(f"{path}: the header of the model is damaged: {error}") from error
    return info


def write_info(path: Path, more: Mapping[str, Any]) -> None:
    """Add to what is stored beside the weights of a model; the weights stay as they are, to the byte.

    Parameters
    ----------
    path : Path
        The model; replaced in one step.
    more : mapping
        Values of JSON types by name; replace those of the same name.

    Raises
    ------
    AstrodetectError
        The file cannot be read or written, or is no model.
    """
    info = {**read_info(path), **more}
    header, end = _header(path)
    header["__metadata__"] = {**header.get("__metadata__", {}), "info": json.dumps(info)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _LENGTH)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(struct.pack("<Q", len(text)) + text + path.read_bytes()[end:])
        os.replace(part, path)
    except OSError as error:
        raise AstrodetectError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Give the header of a safetensors file, and where the tensors begin."""
    try:
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(_LENGTH).ljust(_LENGTH, b"\xff"))[0]
            if length > _MOST:
                raise ValueError("no header")
            header = json.loads(file.read(length))
            if not isinstance(header, dict):
                raise ValueError("no header")
    except OSError as error:
        raise AstrodetectError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise AstrodetectError(f"{path}: damaged, or not a safetensors file: {error}") from error
    return header, _LENGTH + length
