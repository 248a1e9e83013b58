"""From the text of kernels to machine code, by nvcc; kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from astrodetect.cuda.device import CudaError

OPTIONS = ("-std=c++17", "-O3")
#: Oldest cards that are served, as (major, minor).
OLDEST = (7, 5)
#: Where the toolkit is installed by default.
USUAL_FOLDER = Path("/usr/local/cuda/bin")


def compiled(source: str, capability: tuple[int, int]) -> bytes:
    """Give machine code for a card.

    Parameters
    ----------
    source : str
        Text of the kernels.
    capability : (int, int)
        Compute capability of the card.

    Returns
    -------
    bytes
        A cubin; for a card that nvcc does not know, the PTX for the newest one before it that it
        knows, which the driver translates. From the cache where it was compiled before.

    Raises
    ------
    CudaError
        The card is older than `OLDEST`, there is no nvcc, or it fails.
    """
    check_capability(capability)
    kept = _kept(source, capability)
    try:
        return kept.read_bytes()
    except OSError:
        pass
    code = compile_for(source, _arguments(capability, known_targets(find_nvcc())))
    _keep(kept, code)
    return code


def check_compiler(source: str, capability: tuple[int, int]) -> None:
    """Refuse where a text is neither in the cache nor can be compiled.

    Raises
    ------
    CudaError
        There is no nvcc.
    """
    if not _kept(source, capability).exists():
        find_nvcc()


def check_capability(capability: tuple[int, int], name: str = "the card") -> None:
    """Refuse a card that is too old.

    Raises
    ------
    CudaError
        It is.
    """
    if capability < OLDEST:
        given, wanted = (".".join(map(str, version)) for version in (capability, OLDEST))
        raise CudaError(f"{name} has compute capability {given}; the CUDA kernels need {wanted} or newer")


def cache_folder() -> Path:
    """Give the folder of compiled kernels: ``astrodetect/cuda`` in the user's cache folder."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "astrodetect" / "cuda"


def find_nvcc() -> str:
    """Give the path of nvcc: ``CUDA_HOME``, ``CUDA_PATH``, the search path, or where CUDA is installed.

    Raises
    ------
    CudaError
        There is none.
    """
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH")]
    for folder in (*(Path(home) / "bin" for home in homes if home), None, USUAL_FOLDER):
        found = shutil.which("nvcc", path=str(folder) if folder else None)
        if found:
            return found
    raise CudaError(
        "the CUDA kernels are compiled at first use and nvcc was not found; install the CUDA toolkit "
        "or set CUDA_HOME to its folder"
    )


@lru_cache(maxsize=4)
def known_targets(nvcc: str) -> tuple[int, ...]:
    """Give the cards that an nvcc compiles for, as 75 for sm_75, in rising order."""
    told = _run([nvcc, "--list-gpu-code"]).stdout.decode()
    numbers = (word.removeprefix("sm_") for word in told.split())
    return tuple(sorted({int(number) for number in numbers if number.isdigit()}))


def compile_for(source: str, arguments: Sequence[str]) -> bytes:
    """Run nvcc on a text and give what it writes.

    Parameters
    ----------
    source : str
        Text of the kernels.
    arguments : sequence of str
        What to make and for which cards.

    Raises
    ------
    CudaError
        There is no nvcc, or it fails; with its first complaint.
    """
    with tempfile.TemporaryDirectory() as name:
        text, made = Path(name, "kernels.cu"), Path(name, "kernels.bin")
        text.write_text(source, encoding="utf-8")
        result = _run([find_nvcc(), *OPTIONS, *arguments, str(text), "-o", str(made)])
        if result.returncode or not made.exists():
            told = (result.stderr + result.stdout).decode(errors="replace").splitlines()
            first = next((line for line in told if "error" in line.lower() or "fatal" in line), "no message")
            raise CudaError(f"nvcc could not compile the CUDA kernels: {first.strip()}")
        return made.read_bytes()


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise CudaError(f"{command[0]} cannot be run: {error.strerror}") from error


def _arguments(capability: tuple[int, int], known: tuple[int, ...]) -> list[str]:
    number = capability[0] * 10 + capability[1]
    if number in known or not known:
        return ["-cubin", f"-arch=sm_{number}"]
    older = [target for target in known if target < number]
    if not older:
        raise CudaError(f"nvcc knows no card as old as sm_{number}, only from sm_{known[0]} on")
    return ["-ptx", f"-arch=compute_{older[-1]}"]


def _kept(source: str, capability: tuple[int, int]) -> Path:
    """Give the file in the cache for a text and a card."""
    target = f"sm_{capability[0]}{capability[1]}"
    digest = hashlib.sha256("\n".join((source, target, *OPTIONS)).encode()).hexdigest()
    return cache_folder() / f"{digest}.bin"


def _keep(path: Path, code: bytes) -> None:
    """Write to the cache whole or not at all; a folder that cannot be written is no fault."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            part.write(code)
        os.replace(part.name, path)
    except OSError:
        pass
