"""Global Fireball Exchange (GFE) ECSV v1.2: one meteor of one station a file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.gfe_text import MANDATORY_COLUMNS, MANDATORY_META, GfeText, parse
from astrodetect.exchange.model import NAN, Content, Fault, Item, Observed, detections_of, refuse
from astrodetect.exchange.outgoing import on_the_sky, unique_names
from astrodetect.exchange.text import iso_time, number

#: Names in use for the camera, the first that is there counts.
_CAMERA = ("camera_id", "dfn_camera_codename", "telescope", "location")
#: Our names of the columns that are numbers.
_TRACK = {
    "ra": "ra", "dec": "dec", "azimuth": "az", "altitude": "alt", "x_image": "x", "y_image": "y",
    "integrated_pixel_value": "flux", "background_pixel_value": "background", "snr": "snr",
}  # fmt: skip
_MAGNITUDES = ("mag_data", "mag", "magnitude")


class Gfe(Format):
    """GFE ECSV: numbers are degrees and pixels whatever unit a file states; y counts from the top."""

    name = "gfe"
    description = "Global Fireball Exchange ECSV v1.2: one meteor of one station a file"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the columns of the standard in an ECSV file."""
        text = head.decode("latin-1")
        has_columns = all(re.search(rf"\b{name}\b", text) for name in ("datetime", "altitude"))
        return ("%ECSV" in text or "obs_latitude" in text) and has_columns

    def read(self, path: Path) -> Content:
        """Read a meteor.

        Raises
        ------
        AstrodetectError
            It has no times, a row is cut off, or what should be a number or a time is none.
        """
        text = parse(path)
        refuse(path, text.faults)
        if "datetime" not in text.columns or not text.rows:
            raise AstrodetectError(f"{path}: no column 'datetime', or no rows; expected a file of GFE")
        faults = [*text.faults, *_missing(text)]
        track = _track(text, faults)
        return Content((_observed(text, track, faults),), faults=tuple(faults), raw=text)

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give a file for each detection.

        Raises
        ------
        AstrodetectError
            Detections have no absolute time, no position on the sky, or no known site.
        """
        from astrodetect.exchange.gfe_write import ecsv, file_name

        known = on_the_sky(self.name, content)
        yield from unique_names((file_name(item), ecsv(item)) for item in known)


def _missing(text: GfeText) -> list[Fault]:
    keys = [
        Fault(0, f"the mandatory key {key!r} is missing") for key in MANDATORY_META if key not in text.meta
    ]
    return keys + [
        Fault(text.header.line, f"the mandatory column {name!r} is missing")
        for name in MANDATORY_COLUMNS
        if name not in text.columns
    ]


def _values(text: GfeText, name: str, convert: Any, what: str) -> Any:
    values = []
    for row in text.rows:
        try:
            values.append(convert(row.cells[name]))
        except ValueError:
            raise AstrodetectError(
                f"{text.path}, line {row.line}: {name} is {row.cells[name]!r}; expected {what}"
            ) from None
    return np.array(values, dtype=np.float64)


def _track(text: GfeText, faults: list[Fault]) -> dict[str, Any]:
    track: dict[str, Any] = {"time": _values(text, "datetime", iso_time, "an ISO 8601 time (UTC)")}
    for name, ours in _TRACK.items():
        if name in text.columns:
            track[ours] = _values(text, name, number, "a number")
    labelled = text.meta.get("mag_label", Item(0, "")).text
    magnitude = next(
        (n for n in (labelled, *_MAGNITUDES) if n in text.columns and "FLUX" not in n.upper()), None
    )
    if magnitude is not None and magnitude not in _TRACK:
        track["magnitude"] = _values(text, magnitude, number, "a number")
    elif labelled in text.columns and "flux" not in track:
        track["flux"] = _values(text, labelled, number, "a number")
    for name, ours in (("azimuth", "az"), ("altitude", "alt"), ("mag", "magnitude")):
        signs = [f"err_{sign}_{name}" for sign in ("minus", "plus") if f"err_{sign}_{name}" in text.columns]
        if signs and ours in track:
            larger = np.max([np.abs(_values(text, column, number, "a number")) for column in signs], axis=0)
            track[f"{ours}_error"] = larger * (np.cos(np.radians(track["alt"])) if ours == "az" else 1.0)
    if "x" in track and "y" in track and not (track["x"].any() or track["y"].any()):
        faults.append(Fault(text.header.line, "x_image and y_image are all 0: taken as not known"))
        track["x"] = track["y"] = np.full(len(text.rows), NAN)
    if "frame" in text.columns:
        frames = _values(text, "frame", number, "a number")
        track["frame"] = np.where(np.abs(frames) < 1e9, frames, -1).astype(np.int64)
    return track


def _observed(text: GfeText, track: dict[str, Any], faults: list[Fault]) -> Observed:
    meta = {key: item.text for key, item in text.meta.items()}
    camera = next((meta[key] for key in _CAMERA if meta.get(key)), "")
    place = [_meta_number(text, key, faults) for key in MANDATORY_META]
    size = [_meta_number(text, key, faults) for key in ("cx", "cy")]
    width, height = (int(v) if 0 < v < 1e6 else -1 for v in size)
    start = text.meta.get("isodate_start_obs", Item(0, ""))
    try:
        time_start = iso_time(start.text) if start.text else NAN
    except ValueError:
        faults.append(
            Fault(start.line, f"isodate_start_obs is {start.text!r}; expected an ISO 8601 time (UTC)")
        )
        time_start = NAN
    return Observed(
        meta.get("image_file") or text.path.name,
        detections_of([track], width=width, height=height),
        camera=camera,
        site=None if any(map(math.isnan, place)) else Site(*place),
        time_start=time_start,
        frame_rate=_meta_number(text, "frame_rate", faults),
        width=width,
        height=height,
        meta=meta,
    )


def _meta_number(text: GfeText, key: str, faults: list[Fault]) -> float:
    item = text.meta.get(key, Item(0, ""))
    try:
        return number(item.text)
    except ValueError:
        faults.append(Fault(item.line, f"{key} is {item.text!r}; expected a number"))
        return NAN
