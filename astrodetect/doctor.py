"""Look at the machine: would astrodetect work here, and what would it lack?"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal, NamedTuple

#: Codecs of the cameras that are known, with what delivers them.
CODECS = {
    "h264": "MP4 of most cameras", "hevc": "MP4 of newer cameras", "mpeg4": "AVI of freeture", "mjpeg": "AVI",
    "rawvideo": "AVI without loss", "ffv1": "archives without loss", "huffyuv": "AVI without loss",
}  # fmt: skip
#: Less space than this on the disk (bytes) is worth a word.
_LITTLE_SPACE = 1 << 30
_TORCH = """
import torch
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print(torch.__version__, torch.version.cuda or "", "; ".join(names), sep="|")
"""


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes
    ----------
    area : str
        ``python``, ``packages``, ``extras``, ``gpu``, ``codecs``, ``plugins``, ``files``.
    status : {"ok", "note", "fail"}
        Fine; something that is not there and need not be; something that must be mended.
    text : str
        One line, with what to do about it.
    """

    area: str
    status: Literal["ok", "note", "fail"]
    text: str


def examine(folder: Path | None = None) -> Iterator[Finding]:
    """Look at everything.

    Parameters
    ----------
    folder : Path, optional
        Where catalogs are to be written; the working directory by default.

    Yields
    ------
    Finding
    """
    yield from _python()
    yield from _packages()
    yield from _gpu()
    yield from _codecs()
    yield from _plugins()
    yield from _files(Path.cwd() if folder is None else folder)


def _python() -> Iterator[Finding]:
    from astrodetect import __version__

    machine = f"{platform.system()} {platform.release()}, {platform.machine()}"
    good = sys.version_info >= (3, 11)
    advice = "" if good else "; 3.11 or newer is needed"
    yield Finding("python", "ok", f"astrodetect {__version__} in {Path(__file__).parent}")
    text = f"Python {platform.python_version()} ({sys.executable}){advice}"
    yield Finding("python", "ok" if good else "fail", text)
    yield Finding("python", "ok", f"{machine}, {os.cpu_count() or 1} cores{_memory()}")


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return ""
    return f", {size / 2**30:.1f} GiB of memory"


def _packages() -> Iterator[Finding]:
    """Compare what is installed with what the distribution asks for."""
    from astrodetect.core.versions import meets

    core: list[str] = []
    extras: dict[str, list[str]] = {}
    for requirement in requires("astrodetect") or ():
        needed, _, marker = requirement.partition(";")
        name = _name(needed)
        extra = marker.partition("extra ==")[2].strip(" '\"")
        try:
            found = version(name)
        except PackageNotFoundError:
            found = ""
        fits = bool(found) and meets(found, needed)
        if extra:
            extras.setdefault(extra, []).append(f"{name} {found}" if fits else f"{name} missing")
        elif fits:
            core.append(f"{name} {found}")
        else:
            what = f"{found} is installed, {needed.strip()} is needed" if found else "is not installed"
            yield Finding("packages", "fail", f"{name} {what}; pip install --upgrade {needed.strip()!r}")
    yield Finding("packages", "ok", ", ".join(sorted(core)))
    for extra, names in sorted(extras.items()):
        if extra not in {"test", "docs", "dev"}:
            lacking = any(name.endswith("missing") for name in names)
            advice = f'; pip install "astrodetect[{extra}]"' if lacking else ""
            text = f"{extra}: {', '.join(sorted(names))}{advice}"
            yield Finding("extras", "note" if lacking else "ok", text)


def _name(requirement: str) -> str:
    from re import match

    found = match(r"[\w.-]+", requirement.strip())
    return found[0] if found else requirement


def _gpu() -> Iterator[Finding]:
    """Ask torch in a process of its own: a broken driver can take its process with it."""
    command = [sys.executable, "-c", _TORCH]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("gpu", "note", f"torch cannot be asked: {error}")
        return
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding(
            "gpu", "note", f"torch cannot be imported ({last}); pipelines without a model need none"
        )
        return
    found, cuda, names = done.stdout.strip().splitlines()[-1].split("|")
    if names:
        yield Finding("gpu", "ok", f"{names} by torch {found} (CUDA {cuda})")
    else:
        kind = f"built for CUDA {cuda}, and no GPU is seen" if cuda else "the CPU build"
        yield Finding("gpu", "note", f"none: torch {found} is {kind}; --device cuda will not work")
    driver = shutil.which("nvidia-smi")
    if driver and not names:
        text = "nvidia-smi is there, but torch sees no GPU: install a CUDA build of torch"
        yield Finding("gpu", "note", text)


def _codecs() -> Iterator[Finding]:
    try:
        import av
    except ImportError as error:
        yield Finding("codecs", "fail", f"videos cannot be read: {error}")
        return
    known = av.codecs_available
    missing = [f"{name} ({use})" for name, use in CODECS.items() if name not in known]
    there = ", ".join(name for name in CODECS if name in known)
    yield Finding("codecs", "ok", f"PyAV {av.__version__}: {there}")
    if missing:
        text = f"cannot decode {', '.join(missing)}; the wheels of PyAV from PyPI can"
        yield Finding("codecs", "note", text)


def _plugins() -> Iterator[Finding]:
    from astrodetect.core.registry import list_plugins

    listings = list_plugins()
    failing = [listing for listing in listings if listing.failure]
    yield Finding("plugins", "ok", f"{len(listings) - len(failing)} can be used")
    for listing in failing:
        plugin = listing.plugin
        yield Finding("plugins", "fail", f"{plugin.distribution} {plugin.version}: {listing.failure}")


def _files(folder: Path) -> Iterator[Finding]:
    """Write, lock and rename as a run does."""
    from astrodetect.catalogs.hdf5 import put_in_place, whole_file
    from astrodetect.catalogs.lock import Lock

    try:
        with tempfile.TemporaryDirectory(prefix=".astrodetect-doctor-", dir=folder) as name:
            place = Path(name)
            Lock(place / "lock", name).release(remove=True)
            with whole_file(place / "catalog.tmp") as file:
                file["column"] = [1, 2, 3]
            put_in_place(place / "catalog.tmp", place / "catalog.h5")
        yield Finding("files", "ok", f"catalogs can be written to {folder.absolute()}")
        free = shutil.disk_usage(folder).free
        status: Literal["ok", "note"] = "ok" if free > _LITTLE_SPACE else "note"
        yield Finding("files", status, f"{free / 2**30:.1f} GiB free")
    except OSError as error:
        reason = error.strerror or error
        yield Finding("files", "fail", f"{folder.absolute()}: catalogs cannot be written: {reason}")
