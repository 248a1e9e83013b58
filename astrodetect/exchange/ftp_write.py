"""Writing FTPdetectinfo: nights of cameras, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from astrodetect import __version__
from astrodetect.exchange.model import SKY
from astrodetect.exchange.outgoing import Outgoing, frame_rate, safe_name
from astrodetect.exchange.text import to_moment
from astrodetect.methods.names import time_from_name

_RULE, _SEPARATOR = "-" * 53, "-" * 55
_COLUMNS = {
    8: "Frame# Col Row RA Dec Azim Elev Inten",
    9: "Frame# Col Row RA Dec Azim Elev Inten Mag",
    12: "Frame# Col Row RA Dec Azim Elev Inten Mag Bcknd SNR NSatPx",
}
_FORMATS = (
    "09.4f", "07.2f", "07.2f", "010.6f", "+010.6f", "010.6f", "+010.6f", "09d",
    "+06.2f", "06d", "05.2f", "06d",
)  # fmt: skip


def nights(items: Sequence[Outgoing]) -> Iterator[tuple[str, list[Outgoing]]]:
    """Give the detections of each camera and night, from noon to noon of local mean time, in order of time.

    The name is that of an RMS night: camera, date and time of the first recording.
    """
    groups: dict[tuple[str, Any], list[Outgoing]] = {}
    for item in items:
        site = item.recording.site
        longitude = 0.0 if site is None else site.longitude
        local = to_moment(item.track["time"][0]) + timedelta(hours=longitude / 15 - 12)
        groups.setdefault((item.recording.camera, local.date()), []).append(item)
    for (camera, _), members in sorted(groups.items(), key=lambda group: (group[0][0], group[0][1])):
        members.sort(key=_start)  # stable: meteors of a recording stay in their order
        first = to_moment(min(_start(item) for item in members))
        yield f"{_code(camera)}_{first:%Y%m%d_%H%M%S_%f}", members


def night_text(name: str, items: Sequence[Outgoing], width: int = 0) -> bytes:
    """Give the file of a night.

    Parameters
    ----------
    name : str
        Of the night.
    items : sequence of Outgoing
        Its detections, with times and pixels.
    width : int
        Number of columns: 8, 9 or 12; 0: 12 if any background or saturation is known, else 9.
    """
    if not width:
        names = ("background", "snr")
        known = any(np.isfinite(item.track.get(n, np.nan)).any() for item in items for n in names)
        counted = any(np.max(item.track.get("n_saturated", -1)) >= 0 for item in items)
        width = 12 if known or counted else 9
    lines = [
        f"Meteor Count = {len(items):06d}", _RULE, f"Processed with astrodetect {__version__}", _RULE,
        f"FF  folder = {name}", f"CAL folder = {name}", _RULE, "FF  file processed", "CAL file processed",
        "Cam# Meteor# #Segments fps hnr mle bin Pix/fm Rho Phi", f"Per segment:  {_COLUMNS[width]}",
    ]  # fmt: skip
    numbers: dict[str, int] = {}
    for item in items:
        ff_name = name_of(item)
        numbers[ff_name] = numbers.get(ff_name, 0) + 1
        lines += _meteor(item, ff_name, numbers[ff_name], width)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def name_of(item: Outgoing) -> str:
    """Give the name of the FF file, or the one that an FF file of this recording would have."""
    name = PurePosixPath(item.recording.path).name
    named = time_from_name(name)
    if name.startswith("FF") and named is not None and not any(c.isspace() for c in name):
        return name
    moment = to_moment(_start(item), 3)
    code, fraction = _code(item.recording.camera), moment.microsecond // 1000
    return f"FF_{code}_{moment:%Y%m%d_%H%M%S}_{fraction:03d}_0000000.fits"


def _code(camera: str) -> str:
    """Give a camera as one word; underscores part the words of a name."""
    return safe_name(camera or "unknown").replace("_", "-")


def _start(item: Outgoing) -> float:
    """Give the time of frame 0, by the name of an FF file if it is one: that is what readers take."""
    start = item.recording.time_start
    if math.isfinite(start):
        return start
    return float(item.track["time"][0])


def _meteor(item: Outgoing, ff_name: str, number: int, width: int) -> Iterator[str]:
    track, rate = item.track, frame_rate(item)
    named = time_from_name(ff_name)
    start = _start(item) if named is None else named.time
    sky = [track.get(name, np.full(len(track["time"]), np.nan)) for name in SKY]
    calibrated = bool(np.isfinite(sum(sky)).any())
    status = item.value("calibration") or ("Calibrated with astrodetect" if calibrated else "Uncalibrated")
    rho, phi = _line(item)
    speed = _finite(float(item.value("speed", math.nan)))
    yield _SEPARATOR
    yield ff_name
    yield status if calibrated else "Uncalibrated"
    yield (
        f"{_code(item.recording.camera)} {number:04d} {len(track['time']):04d} {rate:07.2f} "
        f"000.0 000.0  00.0 {speed:05.1f} {rho:06.1f} {phi:06.1f}"
    )
    none = np.full(len(track["time"]), np.nan)
    columns = [(track["time"] - start) * rate, track["x"], track["y"], *sky]
    columns += [track.get(name, none) for name in ("flux", "magnitude", "background", "snr")]
    columns.append(np.maximum(track.get("n_saturated", none), 0))
    for row in zip(*columns, strict=True):
        yield " ".join(_cell(value, form) for value, form in zip(row[:width], _FORMATS, strict=False))


def _cell(value: float, form: str) -> str:
    value = _finite(float(value))
    if form == "05.2f":
        value = min(value, 99.99)
    return format(round(value), form) if form.endswith("d") else format(value, form)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _line(item: Outgoing) -> tuple[float, float]:
    """Give distance from the centre and angle of the normal (deg) of the line of a meteor, y upward."""
    given = [float(item.value(name, math.nan)) for name in ("rho", "phi")]
    if all(map(math.isfinite, given)):
        return given[0], given[1]
    x, y = item.track["x"], item.track["y"]
    recording = item.recording
    if recording.width <= 0 or recording.height <= 0 or len(x) < 2:
        return 0.0, 0.0
    angle = math.atan2(x[-1] - x[0], y[-1] - y[0])
    rho = math.cos(angle) * (x[0] - recording.width / 2) - math.sin(angle) * (y[0] - recording.height / 2)
    if rho < 0:
        rho, angle = -rho, angle + math.pi
    return rho, math.degrees(math.atan2(math.sin(angle), math.cos(angle)))
