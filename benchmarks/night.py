"""A night of synthetic frames: how much faster than the camera it is worked on, by the core.

    python benchmarks/night.py [--minutes 10] [--hours 8] [--jobs 1]

Events of 650 frames of 1296 x 966 as FITS files (one set of files, linked into as many folders as make up
the minutes), run with ``astrodetect run`` into one catalog, the whole process. Processor time of all
workers counts as cores; what a night of so many hours takes is worked out from it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from end_to_end import command_line, measured, write_event
from timing import Row, print_rows

FRAMES, RATE = 650, 30


def link_events(first: Path, count: int) -> None:
    """Link the files of an event into more folders beside it."""
    for number in range(1, count):
        folder = first.parent / f"event_{number:04d}"
        folder.mkdir()
        for path in first.iterdir():
            os.link(path, folder / path.name)


def rows_of(minutes: float, hours: float, jobs: int) -> list[Row]:
    """Run them all."""
    count = max(1, round(minutes * 60 * RATE / FRAMES))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "night"
        write_event(root / "event_0000", FRAMES)
        link_events(root / "event_0000", count)
        command = [*command_line(root, Path(name) / "night.h5"), "--jobs", str(jobs)]
        wall, cpu, memory = measured(command)
    sky = count * FRAMES / RATE
    note = f"{count} events, {count * FRAMES / wall:.0f} frames/s; a night of {hours:g} h in"
    each = f"{sky / cpu:.1f} x real time and core"
    return [
        Row(f"a night: {sky / 60:.1f} min of sky, {jobs} at a time", wall, cpu, sky, reference_name="the sky",
            note=f"{note} {hours * wall / sky:.2f} h; {sky / wall:.1f} x real time, {each}"),
        Row("a night: peak memory", memory, None, unit="MiB", note="of the largest process"),
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    if given.minutes <= 0:
        sys.exit("--minutes must be more than 0")
    print_rows(rows_of(given.minutes, given.hours, given.jobs))


if __name__ == "__main__":
    main()
