"""Writes events as the program freeture saves them, with the oddities of each version."""

from __future__ import annotations

import gzip
import math
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

Frames = np.ndarray[Any, Any]
#: Saturation by bits of the camera.
_SATURATION = {8: 255, 12: 4095}


def freeture_date(time: float) -> str:
    """Write a date as freeture does: six significant digits of seconds, so 60 and 01e-05 occur."""
    minute = math.floor(time / 60 + 1e-12) * 60
    seconds = max(0.0, time - minute)
    if seconds < 1e-7:
        seconds = 0.0
    text = f"{seconds:.6g}"
    return f"{datetime.fromtimestamp(minute, UTC):%Y-%m-%dT%H:%M:}{'0' if seconds < 10 else ''}{text}"


def event_folder_name(station: str, time: float) -> str:
    """Name of the folder of an event."""
    return f"{station}_{datetime.fromtimestamp(math.floor(time), UTC):%Y%m%dT%H%M%S}_UT"


def header_of(
    date: str, *, bits: int = 12, telescope: str = "CODOGNO", exposure: float = 0.0333
) -> fits.Header:
    """Cards of a frame, in the order in which freeture writes them; with its WCS that is none."""
    header = fits.Header()
    cards: list[tuple[str, Any]] = [
        ("FILENAME", "frame.fit"),
        ("DATE", "20190415T195101"),
        ("DATE-OBS", date),
        ("OBS_MODE", "SINGLE"),
        ("ELAPTIME", 0.0),
        ("EXPOSURE", exposure),
        ("TELESCOP", telescope),
        ("INSTRUME", "PRISMA-CAM"),
        ("CAMERA", "Basler scA1300-gm"),
        ("FOCAL", 1.55),
        ("SITELONG", 9.7),
        ("SITELAT", 45.15),
        ("SITEELEV", 70.0),
        ("SATURATE", _SATURATION[bits]),
        ("PROGRAM", "FreeTure"),
        ("TIMESYS", "UTC"),
        ("CTYPE1", "RA---ARC"),
        ("CTYPE2", "DEC--ARC"),
        ("CD1_1", 0.17),
        ("CD2_2", -0.17),
        ("CD3_3", 30),
        ("CRVAL1", 120.0),
        ("CRVAL2", 45.15),
        ("K1", 1.0),
    ]
    header.extend(cards)
    return header


def write_image(
    path: Path,
    frames: Frames,
    header: fits.Header,
    *,
    packed: bool = False,
    tiled: bool = False,
) -> Path:
    """Write a frame or a cube given in camera orientation: the bottom row goes first."""
    stored = np.ascontiguousarray(frames[..., ::-1, :])
    if tiled:
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(stored, header)])
    else:
        hdus = fits.HDUList([fits.PrimaryHDU(stored, header)])
    hdus.writeto(path)
    if packed:
        target = path.with_name(path.name + ".gz")
        with path.open("rb") as plain, gzip.open(target, "wb", 1) as stream:
            shutil.copyfileobj(plain, stream)
        path.unlink()
        path = target
    return path


def write_positions(folder: Path, points: Sequence[tuple[int, float, float, float]], height: int) -> Path:
    """Write ``positions.txt`` from (index, x, row from the top, time)."""
    lines = [
        f"{index:<22d}({x:.0f};{height - row:.0f})      {freeture_date(time)}"
        for index, x, row, time in points
    ]
    path = folder / "positions.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_event(
    folder: Path,
    frames: Frames,
    times: Sequence[float],
    *,
    station: str = "ITTEST01",
    telescope: str = "CODOGNO",
    bits: int = 12,
    packed: bool = False,
    tiled: bool = False,
    cube: bool = False,
    frame_files: bool = True,
    positions: Sequence[tuple[int, float, float, float]] | None = None,
    extras: bool = True,
    exposure: float = 0.0333,
) -> Path:
    """Write an event folder.

    Parameters
    ----------
    folder : Path
        Where the folder ``STATION_YYYYMMDDThhmmss_UT`` is made.
    frames : (n, H, W) uint8 or uint16 array
        In the orientation of the camera.
    times : n floats
        UTC Unix seconds.
    positions : sequence of (index, x, row from the top, time), optional
        Lines of ``positions.txt``.

    Returns
    -------
    Path
        The event folder.
    """
    event = folder / event_folder_name(station, times[0])
    event.mkdir(parents=True)
    dates = [freeture_date(time) for time in times]
    cards = {"bits": bits, "telescope": telescope, "exposure": exposure}
    if frame_files:
        (event / "fits2D").mkdir()
        digits = len(str(len(frames)))
        for index, (frame, date) in enumerate(zip(frames, dates, strict=True)):
            path = event / "fits2D" / f"frame_{index:0{digits}d}.fit"
            write_image(path, frame, header_of(date, **cards), packed=packed, tiled=tiled)
    if cube:
        write_image(event / "fitscube.fit", frames, header_of(dates[0], **cards))
    if positions is not None:
        write_positions(event, positions, frames.shape[1])
    if extras:
        total = frames.astype(np.float32).sum(axis=0)
        written = datetime.fromtimestamp(math.floor(times[-1]) + 7, UTC)
        write_image(
            event / f"{telescope}_{written:%Y%m%dT%H%M%S}_UT.fit", total, header_of(dates[0], **cards)
        )
        for name in ("GeMap.bmp", "DirMap.bmp", f"{event.name}.jpg"):
            (event / name).write_bytes(b"a picture")
    return event


def write_avi(path: Path, frames: Frames) -> Path:
    """Write 8-bit MJPEG at 5 fps, each frame stretched by itself, as freeture does."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuvj420p"
        for frame in frames.astype(np.float64):
            stretched = 255 * (frame - frame.min()) / max(1.0, float(np.ptp(frame)))
            picture = av.VideoFrame.from_ndarray(stretched.astype(np.uint8), format="gray").reformat(
                format="yuvj420p"
            )
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path
