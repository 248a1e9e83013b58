"""Event folders as freeture writes them (PRISMA, FRIPON)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from astrodetect.simulation.writers import Array, FitsWriter, Job


def seconds_text(seconds: float) -> str:
    """Give seconds as freeture prints them: two digits before the point, six significant digits.

    Examples
    --------
    >>> [seconds_text(value) for value in (5.123451, 50.12341, 7.0, 59.99999, 0.00001)]
    ['05.12345', '50.1234', '07', '60', '01e-05']
    """
    return ("0" if seconds < 10 else "") + f"{seconds:.6g}"


def time_text(when: datetime) -> str:
    """Give a time as in ``DATE-OBS`` and ``positions.txt``."""
    return f"{when:%Y-%m-%dT%H:%M:}" + seconds_text(when.second + when.microsecond * 1e-6)


def write_event(frames: Iterator[Array], job: Job) -> Path:
    """Write an event: ``fits2D`` with a file per frame, rows from the bottom up, and ``positions.txt``."""
    begin = job.when(0)
    day = job.out / f"{job.name}_{begin:%Y%m%d}" / "events"
    folder = day / f"{job.name}_{begin:%Y%m%dT%H%M%S}_UT"
    (folder / "fits2D").mkdir(parents=True, exist_ok=True)
    digits = len(str(job.n_frames))
    written = (begin + timedelta(seconds=job.n_frames / job.frame_rate + 2)).strftime("%Y%m%dT%H%M%S")
    writer: FitsWriter | None = None
    height = 0
    for index, data in enumerate(frames):
        height = data.shape[0]
        writer = writer or FitsWriter(data, _cards(job, written), flip=True, scale_at_end="CREATOR")
        name = f"frame_{index:0{digits}d}.fit"
        changed = {"FILENAME": name, "DATE-OBS": time_text(job.when(index))}
        writer.write(folder / "fits2D" / name, data, changed)
    if job.positions:
        lines = [
            f"{point.frame}               ({_even(point.x)};{height - _even(point.y)})"
            f"                 {time_text(job.when(point.frame))}\n"
            for point in job.positions
        ]
        (folder / "positions.txt").write_text("".join(lines), encoding="ascii")
    return folder


def _even(value: float) -> int:
    """Round to twice a pixel of the half-scale frame in which freeture looks."""
    return 2 * int(value // 2)


_OPTICS: tuple[tuple[str, Any, str], ...] = (
    ("FOCAL", 1.55, "[mm]"),
    ("APERTURE", 2.0, "f-number"),
    ("SITELONG", 7.76, "[deg] east"),
    ("SITELAT", 45.04, "[deg] north"),
    ("SITEELEV", 620.0, "[m]"),
    ("XPIXEL", 3.75, "[um]"),
    ("YPIXEL", 3.75, "[um]"),
    ("GAINDB", 400, "gain setting"),
)


def _cards(job: Job, written: str) -> list[tuple[str, Any, str]]:
    exposure = round(1 / job.frame_rate, 6)
    return [
        ("FILENAME", "frame_0.fit", "name of the file"),
        ("DATE", written, "date of writing"),
        ("DATE-OBS", time_text(job.when(0)), "UTC, acquisition of the frame"),
        ("OBS_MODE", "SINGLE", "SINGLE, SUM or AVERAGE"),
        ("ELAPTIME", 0.0, "[s] end minus start"),
        ("EXPOSURE", exposure, "[s] one frame"),
        ("ONTIME", exposure, "[s] summed exposure"),
        ("FILTER", "NONE", ""),
        ("TELESCOP", job.name, "station"),
        ("OBSERVER", "astrodetect", ""),
        ("INSTRUME", "SIMULATED-CAM", ""),
        ("CAMERA", "simulated", ""),
        *_OPTICS,
        ("SATURATE", (1 << job.bits) - 1, "[adu]"),
        ("PROGRAM", "FreeTure", ""),
        ("CREATOR", "", ""),
        ("RADESYS", "ICRS", ""),
        ("TIMESYS", "UTC", ""),
        ("EQUINOX", 2000.0, "[yr]"),
        ("CTYPE1", "RA---ARC", ""),
        ("CTYPE2", "DEC--ARC", ""),
        ("TIMEUNIT", "s", ""),
        ("CD1_1", 0.17, "[deg/px] nominal"),
        ("CD1_2", 0.0, "[deg/px] nominal"),
        ("CD2_1", 0.0, "[deg/px] nominal"),
        ("CD2_2", -0.17, "[deg/px] nominal"),
        ("CD3_3", job.frame_rate, "[Hz] frames per second"),
        ("CRPIX1", 0, ""),
        ("CRPIX2", 0, ""),
        ("CRVAL1", 0.0, "[deg] sidereal time"),
        ("CRVAL2", 45.04, "[deg]"),
        ("K1", 0.0, "lens model"),
        ("K2", 0.0, "lens model"),
    ]
