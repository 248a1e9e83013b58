"""What ``astrodetect simulate --scene station`` does."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.command import (
    MARK,
    SETTINGS_FILE,
    check_format,
    check_room,
    counted,
    prepare_folder,
    progress_bar,
)
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.station.night import StationSpec, plan_station_night, write_station_night
from astrodetect.simulation.station.station import LensKind, Station, draw_station
from astrodetect.simulation.writers import FORMATS
from astrodetect.sky.catalogue import read_star_catalogue

#: What the stations are, by name.
STATIONS_FILE = "stations.json"


def run(
    out: Path,
    *,
    recordings: int = 8,
    stations: int = 4,
    format: str = "freeture",  # noqa: A002
    shape: tuple[int, int] = (480, 640),
    frames: int = 100,
    frame_rate: float | None = None,
    bits: str | None = None,
    sky: str = "mixed",
    lens: LensKind | None = None,
    objects: Sequence[str] = (),
    distractors: int = 3,
    stars: Path | None = None,
    seed: int = 0,
    force: bool = False,
    quiet: bool = False,
) -> None:
    """Simulate recordings of stations as the command line asks; see the command's help for the options.

    Raises
    ------
    AstrodetectError
        A value is wrong, the folder is not empty, or the disk has no room.
    """
    if stations < 1:
        raise AstrodetectError(f"stations is {stations}; at least 1 is needed")
    if seed < 0:
        raise AstrodetectError(f"seed is {seed}; a number from 0 is needed")
    deep = int(bits) if bits else 8 if FORMATS[format].bits == 8 else None
    check_format(format, frames, deep or 12)
    check_room(out, recordings, Settings(shape=shape, frames=frames, bits=deep or 12), format)
    drawn = [
        draw_station(seed, number, shape=shape, frame_rate=frame_rate, bits=deep, lens=lens)
        for number in range(min(stations, max(recordings, 1)))
    ]
    specs = plan_station_night(
        drawn, recordings, frames=frames, weather=sky, distractors=distractors, seed=seed,
        kinds=tuple(objects), stars=read_star_catalogue(stars, 9.0) if stars else None,
    )  # fmt: skip
    prepare_folder(out, force=force)
    out.mkdir(parents=True, exist_ok=True)
    _write_settings(out, drawn, specs, f"format = {format}\nseed = {seed}\nsky = {sky}\n")
    with progress_bar(recordings, quiet) as bar:
        write_station_night(out, specs, format, seed, progress=lambda _: bar.update())
    if not quiet:
        megabytes = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
        sys.stdout.write(
            f"{out}: {counted(recordings, 'recording')} of {counted(len(drawn), 'station')} "
            f"({format}, {frames} frames of {shape[0]}x{shape[1]}), {megabytes:.0f} MB; "
            f"truth in {out / 'truth.csv'}\n"
        )


def _write_settings(out: Path, stations: Sequence[Station], specs: Sequence[StationSpec], more: str) -> None:
    head = f"{MARK}\nscene = station\nrecordings = {len(specs)}\nstations = {len(stations)}\n{more}"
    (out / SETTINGS_FILE).write_text(head, encoding="utf-8")
    described = {station.name: station.describe() for station in stations}
    text = json.dumps(described, indent=1, allow_nan=False, default=list) + "\n"
    (out / STATIONS_FILE).write_text(text, encoding="utf-8")
