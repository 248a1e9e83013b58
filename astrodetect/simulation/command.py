"""What ``astrodetect simulate`` does: checks before the work, progress, summary."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.night import plan_night, simulate_night
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.writers import FF_FRAMES, FORMATS

#: Says with what settings a folder was made, and marks it as a simulation.
SETTINGS_FILE = "settings.txt"
#: Its first line.
MARK = "# astrodetect simulate"


def run(
    out: Path,
    *,
    recordings: int = 8,
    format: str = "freeture",  # noqa: A002
    shape: tuple[int, int] = (480, 640),
    frames: int = 100,
    frame_rate: float = 30.0,
    bits: str | None = None,
    sky: str = "mixed",
    distractors: int = 5,
    seed: int = 0,
    force: bool = False,
    quiet: bool = False,
) -> None:
    """Simulate a night as the command line asks; see the command's help for the options.

    Raises
    ------
    AstrodetectError
        A value is wrong, the folder is not empty, or the disk has no room.
    """
    settings = Settings(
        shape=shape, frames=frames, frame_rate=frame_rate, distractors=distractors,
        bits=FORMATS[format].bits if bits is None else 8 if bits == "8" else 12,
    )  # fmt: skip
    if seed < 0:
        raise AstrodetectError(f"seed is {seed}; a number from 0 is needed")
    check_format(format, frames, settings.bits)
    check_room(out, recordings, settings, format)
    specs = plan_night(recordings, settings, sky, seed)
    prepare_folder(out, force=force)
    out.mkdir(parents=True, exist_ok=True)
    head = f"{MARK}\nrecordings = {recordings}\nformat = {format}\nseed = {seed}\nsky = {sky}\n"
    (out / SETTINGS_FILE).write_text(head + settings.describe() + "\n", encoding="utf-8")
    with progress_bar(recordings, quiet) as bar:
        simulate_night(
            out, format=format, seed=seed, specs=specs, progress=lambda _: bar.update(), bits=settings.bits
        )
    if not quiet:
        meteors = sum(len(spec.meteors) for spec in specs)
        megabytes = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
        sys.stdout.write(
            f"{out}: {counted(recordings, 'recording')} "
            f"({format}, {frames} frames of {shape[0]}x{shape[1]}), "
            f"{counted(meteors, 'meteor')}, {megabytes:.0f} MB; truth in {out / 'truth.csv'}\n"
        )


def counted(number: int, word: str) -> str:
    """Give a number with its noun, such as ``3 fields``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def check_format(format: str, frames: int, bits: int) -> None:  # noqa: A002
    """Make sure that a format holds so many frames of so many bits.

    Raises
    ------
    AstrodetectError
        It does not.
    """
    if format == "ff" and (frames > FF_FRAMES or bits != 8):
        raise AstrodetectError(
            f"an FF file holds at most {FF_FRAMES} frames of 8 bits, not {frames} of {bits}"
        )


def progress_bar(total: int, quiet: bool) -> Any:
    """Give a bar that counts recordings on standard error."""
    from tqdm import tqdm

    return tqdm(total=total, unit="recording", disable=True if quiet else None, file=sys.stderr, leave=False)


def prepare_folder(out: Path, *, force: bool) -> None:
    """Make sure that a folder can be written to; with `force`, take an earlier simulation away.

    Raises
    ------
    AstrodetectError
        It is a file, or not empty and `force` is not given.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise AstrodetectError(f"{out}: is a file; expected a folder that is empty or does not exist")
    if next(out.iterdir(), None) is None:
        return
    if not force:
        raise AstrodetectError(
            f"{out}: is not empty; give another folder, or --force to replace a simulation in it"
        )
    mark = out / SETTINGS_FILE
    if mark.is_file() and mark.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        _remove_recordings(out)


def _remove_recordings(out: Path) -> None:
    """Remove the recordings that an earlier simulation lists, and nothing else."""
    import csv

    paths: set[str] = set()
    for listed in (out / "truth.csv", out / "recordings.csv"):
        if listed.is_file():
            with listed.open(newline="", encoding="utf-8") as file:
                paths.update(row.get("path") or "" for row in csv.DictReader(file))
    root = out.resolve()
    for name in sorted(paths - {""}):
        path = (out / name).resolve()
        if root not in path.parents:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def check_room(out: Path, recordings: int, settings: Settings, format: str) -> None:  # noqa: A002
    """Make sure that the disk has room.

    Raises
    ------
    AstrodetectError
        It has not.
    """
    pixels = settings.shape[0] * settings.shape[1]
    per_frame = pixels * (2 if settings.bits > 8 else 1) + 8640
    needed = recordings * (4 * pixels + 20160 if format == "ff" else settings.frames * per_frame)
    folder = next(parent for parent in (out.absolute(), *out.absolute().parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise AstrodetectError(f"{out}: {needed / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free")
