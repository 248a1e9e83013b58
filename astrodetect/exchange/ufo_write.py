"""Writing the XML of UFOAnalyzer."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from astrodetect import __version__
from astrodetect.exchange.model import SKY
from astrodetect.exchange.outgoing import Outgoing, frame_rate, safe_name
from astrodetect.exchange.text import to_moment

_CLIP = re.compile(r"M\d{8}_\d{6}_\S+")
_CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def analysis(items: Sequence[Outgoing]) -> tuple[str, bytes]:
    """Give name and bytes of the analysis of one clip: positions on the sky.

    Times are rounded to whole frames, or to fields if that is closer.
    """
    rate, numbers = _numbers(items)
    fields = 2 if any(np.any(np.abs(n - np.round(n)) > 0.2) for n in numbers) else 1
    clip, values = _record(items, rate, numbers)
    values |= {"version": "200", "clip_name": clip, "o": len(items), "tme": "0", "interlaced": fields - 1,
               "ua": f"astrodetect {__version__}"}  # fmt: skip
    lines = [f"<ufoanalyzer_record {_attributes(values)}>", "<ua2_objects>"]
    for item, number in zip(items, numbers, strict=True):
        lines += _object(item, np.round(number * fields).astype(np.int64), rate * fields)
    return f"{safe_name(clip)}A.XML", _xml([*lines, "</ua2_objects>", "</ufoanalyzer_record>"])


def capture(items: Sequence[Outgoing]) -> tuple[str, bytes]:
    """Give name and bytes of the record of a capture: what was seen in pixels, of all detections together."""
    rate, numbers = _numbers(items)
    clip, values = _record(items, rate, numbers)
    n = sum(map(len, numbers))
    lines = [
        f"<ufocapture_record {_attributes({'version': '215', **values})}>",
        f'<ufocapture_paths hit="{n}">',
    ]
    for item, number in zip(items, numbers, strict=True):
        empty = np.zeros(len(number))
        kept = [item.track.get(name, empty) for name in ("ono", "n_pixels", "peak")]
        rows = zip(np.round(number), *kept, item.track["x"], item.track["y"], strict=True)
        for fno, ono, pixels, peak, x, y in rows:
            whole = {"fno": int(fno), "ono": f"{ono:g}", "pixel": f"{pixels:g}", "bmax": f"{peak:g}"}
            lines.append(f"<uc_path {_attributes({**whole, 'x': _text(x), 'y': _text(y)})}></uc_path>")
    return f"{safe_name(clip)}.xml", _xml([*lines, "</ufocapture_paths>", "</ufocapture_record>"])


def _xml(lines: Sequence[str]) -> bytes:
    return "\n".join(['<?xml version="1.0" encoding="UTF-8" ?>', *lines, ""]).encode("utf-8", "replace")


def _start(items: Sequence[Outgoing]) -> float:
    """Give the time of frame 0, or of the first point where that is not known."""
    start = items[0].recording.time_start
    return start if math.isfinite(start) else float(min(item.track["time"][0] for item in items))


def _numbers(items: Sequence[Outgoing]) -> tuple[float, list[Any]]:
    """Give the frame rate, and the frame of each point of each detection."""
    rate = frame_rate(items[0])
    return rate, [(item.track["time"] - _start(items)) * rate for item in items]


def _record(items: Sequence[Outgoing], rate: float, numbers: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Give the name of the clip, and what both kinds of records say of it.

    The time of the record is that of the first frame of the first meteor, and ``head`` the frames before
    it, so that programs that take it for the trigger and programs that take it for the beginning of the
    meteor find the same times.
    """
    recording = items[0].recording
    head = recording.meta.get("head")
    head = head if isinstance(head, int) else max(0, math.floor(min(n[0] for n in numbers) + 1e-3))
    lid, _, sid = recording.camera.rpartition("_")
    lid, sid = (lid, sid) if lid else (recording.camera, "")
    zone = _zone(recording.meta.get("tz"))
    moment = to_moment(_start(items) + head / rate) + timedelta(hours=zone)
    values: dict[str, Any] = {
        "y": moment.year, "mo": moment.month, "d": moment.day, "h": moment.hour, "m": moment.minute,
        "s": f"{moment.second + moment.microsecond / 1e6:.6f}", "tz": f"{zone:g}", "lid": lid, "sid": sid,
        "cx": recording.width, "cy": recording.height, "fps": repr(float(rate)), "frames": recording.n_frames,
        "head": head, "tail": 0, "drop": -1, "u2": recording.meta.get("u2", 0), "bbf": 0,
    }  # fmt: skip
    if recording.site is not None:
        values |= dict(zip(("lat", "lng", "alt"), (repr(float(v)) for v in recording.site), strict=True))
    for key in ("observer", "cam", "lens", "cap", "comment", "memo"):
        values[key] = recording.meta.get(key, "")
    made = f"M{moment:%Y%m%d_%H%M%S}_{safe_name(recording.camera or 'unknown')}"
    return _clip_name(recording.path, made), values


def _zone(text: Any) -> float:
    try:
        zone = float(text)
    except (TypeError, ValueError):
        return 0.0
    return zone if abs(zone) <= 24 else 0.0


def _clip_name(path: str, made: str) -> str:
    stem = PurePosixPath(path).stem
    return stem if _CLIP.fullmatch(stem) else made


def _attributes(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={quoteattr(_CONTROL.sub('?', str(value)))}" for key, value in values.items())


def _object(item: Outgoing, numbers: Any, rate: float) -> list[str]:
    track, height = item.track, item.recording.height
    n = len(numbers)
    empty = np.full(n, np.nan)
    az, alt, ra, dec = (track[name] for name in (SKY[2], SKY[3], SKY[0], SKY[1]))
    magnitude, flux = track.get("magnitude", empty), track.get("flux", empty)
    known = magnitude[np.isfinite(magnitude)]
    peak = float(item.value("peak_magnitude", math.nan))
    values: dict[str, Any] = {
        "fs": numbers[0], "fe": numbers[-1], "fN": numbers[-1] - numbers[0] + 1, "sN": n,
        "sec": f"{(numbers[-1] - numbers[0]) / rate:.6f}", "av": _text(_speed(ra, dec, numbers, rate)),
        "mag": _text(peak if math.isfinite(peak) else (known.min() if len(known) else math.nan)),
        "class": item.value("ufo_class"),
    }  # fmt: skip
    x, y = track.get("x", empty), track.get("y", empty)
    for row, end in ((0, 1), (-1, 2)):
        values |= {
            f"x{end}": _text(x[row]), f"y{end}": _text(height - 0.5 - y[row] if height > 0 else math.nan),
            f"az{end}": _text(az[row]), f"ev{end}": _text(alt[row]), f"ra{end}": _text(ra[row]),
            f"dc{end}": _text(dec[row]),
        }  # fmt: skip
    lines = [f"<ua2_object {_attributes(values)}>", "<ua2_objpath>"]
    names = ("fno", "Lsum", "mag", "az", "ev", "ra", "dec")
    for number, *values_of in zip(numbers, flux, magnitude, az, alt, ra, dec, strict=True):
        cells = dict(zip(names, [number, *map(_text, values_of)], strict=True))
        lines.append(f"<ua2_fdata2 {_attributes(cells)}></ua2_fdata2>")
    return [*lines, "</ua2_objpath>", "</ua2_object>"]


def _speed(ra: Any, dec: Any, numbers: Any, rate: float) -> float:
    """Give degrees per second between the ends, along the great circle."""
    if numbers[-1] <= numbers[0]:
        return math.nan
    a, d = np.radians(ra[[0, -1]]), np.radians(dec[[0, -1]])
    points = np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    apart = 2 * math.asin(min(1.0, float(np.linalg.norm(points[:, 1] - points[:, 0])) / 2))
    return math.degrees(apart) * rate / float(numbers[-1] - numbers[0])


def _text(value: float) -> str:
    """Give a number; nothing for one that is not known."""
    return repr(float(value)) if math.isfinite(value) else ""
