"""The record that UFOCapture writes beside a clip: time zone, seconds, site."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from astrodetect.core.data import Site

_HEAD_BYTES = 8192


@dataclass(frozen=True)
class UfoRecord:
    """What the ``ufocapture_record`` of a clip says: ``camera``, ``site``, and times in UTC Unix seconds.

    ``time`` is that of the trigger; ``start`` that of the first frame, ``head`` frames before it.
    """

    time: float
    start: float
    camera: str
    site: Site | None


def read_ufo_record(clip: Path) -> UfoRecord | None:
    """Read the XML file that belongs to a UFOCapture clip or to its picture.

    Parameters
    ----------
    clip : Path
        ``M..._NE.avi``, or the peak-hold picture ``M..._NEP.jpg``.

    Returns
    -------
    UfoRecord or None
        None if there is no record, or no time in it.
    """
    stem = clip.stem
    names = [stem] if clip.suffix.lower() == ".avi" else [stem.removesuffix("P"), stem]
    if not stem.startswith("M"):
        return None
    for path in (clip.with_name(f"{name}{suffix}") for name in names for suffix in (".xml", ".XML")):
        try:
            with path.open("rb") as file:
                text = file.read(_HEAD_BYTES).decode("latin-1")
        except OSError:
            continue
        match = re.search(r"<ufocapture_record\b([^>]*)>", text)
        if match:
            return _record(dict(re.findall(r'(\w+)="([^"]*)"', match[1])))
    return None


def _record(values: dict[str, str]) -> UfoRecord | None:
    try:
        minute = datetime(*(int(values[key]) for key in ("y", "mo", "d", "h", "m")), tzinfo=UTC)  # type: ignore[misc, arg-type]
        moment = minute + timedelta(seconds=float(values["s"])) - timedelta(hours=float(values["tz"]))
    except (KeyError, ValueError, OverflowError):
        return None
    try:
        site = Site(float(values["lat"]), float(values["lng"]), float(values["alt"]))
    except (KeyError, ValueError):
        site = None
    camera = "_".join(values[key] for key in ("lid", "sid") if values.get(key))
    time = moment.timestamp()
    return UfoRecord(time, time - _lead(values), camera, site)


def _lead(values: dict[str, str]) -> float:
    """Give the seconds of a clip that lie before its trigger; 0 where the record does not say."""
    try:
        lead = float(values["head"]) / float(values["fps"])
    except (KeyError, ValueError, ZeroDivisionError):
        return 0.0
    return lead if 0 <= lead < math.inf else 0.0
