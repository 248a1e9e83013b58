"""Writing Global Fireball Exchange ECSV as the standard states it."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import yaml

from astrodetect import __version__
from astrodetect.exchange.model import SKY, Observed
from astrodetect.exchange.outgoing import Outgoing, safe_name
from astrodetect.exchange.text import iso_text

#: What stands for us in names of files.
SOFTWARE = "ASTRODETECT"
_PLAIN = re.compile(r"-?\d+(\.\d+)?")


def file_name(item: Outgoing) -> str:
    """Give ``YYYY-MM-DDTHH_MM_SS_SOFTWARE_Station.ecsv``."""
    moment = iso_text(math.floor(item.track["time"][0]), 0).replace(":", "_")
    return f"{moment}_{SOFTWARE}_{safe_name(item.recording.camera or 'unknown')}.ecsv"


def ecsv(item: Outgoing) -> bytes:
    """Give the file of one detection, of which position, time and site are known."""
    columns = list(_columns(item.track))
    meta = _meta(item)
    lines = ["%ECSV 0.9", "---", "datatype:"]
    for name, unit, kind, _ in columns:
        lines.append(f"- {{name: {name}, {f'unit: {unit}, ' if unit else ''}datatype: {kind}}}")
    lines += ["delimiter: ','", "meta: !!omap"]
    lines += [f"- {{{key}: {_scalar(value)}}}" for key, value in meta.items()]
    lines.append("schema: astropy-2.0")
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in lines)
    table = csv.writer(text, lineterminator="\n")
    table.writerow([name for name, *_ in columns])
    table.writerows(zip(*(values for *_, values in columns), strict=True))
    return text.getvalue().encode("utf-8", "replace")


def _scalar(value: Any) -> str:
    """Give a value as YAML; what looks like a number stays one."""
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    if isinstance(value, int) or _PLAIN.fullmatch(text):
        return text
    text = text.encode("utf-8", "replace").decode()
    quoted: str = yaml.safe_dump(text, default_style="'", allow_unicode=True, width=1 << 30)
    return quoted.strip()


def _meta(item: Outgoing) -> dict[str, Any]:
    """Give the keys of the head: mandatory ones, what the recording brought along, ours at the end."""
    recording = item.recording
    site = {name: _degrees(value) for name, value in zip(
        ("obs_latitude", "obs_longitude"), item.site, strict=False)}  # fmt: skip
    meta: dict[str, Any] = {**site, "obs_elevation": float(item.site.elevation)}
    meta["origin"] = f"astrodetect {__version__}"
    meta["camera_id"] = recording.camera
    if recording.width > 0 and recording.height > 0:
        meta.update(cx=recording.width, cy=recording.height)
    meta["image_file"] = recording.path
    if np.isfinite(recording.time_start):
        meta["isodate_start_obs"] = iso_text(recording.time_start)
    if np.isfinite(recording.frame_rate):
        meta["frame_rate"] = float(recording.frame_rate)
    meta["mag_label"] = "mag_data" if _has(item.track, "magnitude") else "no_mag_data"
    kept = {key: value for key, value in _known(recording).items() if key not in meta}
    return {**meta, **kept, "file_standard": "GFE_1.2"}


def _known(recording: Observed) -> Mapping[str, Any]:
    """Give what the recording says of itself in words that stand in a head."""
    return {
        key: value
        for key, value in recording.meta.items()
        if key != "source"  # which of our readers it was
        and re.fullmatch(r"[A-Za-z_]\w*", key)
        and isinstance(value, str | int | float)
    }


def _degrees(value: float) -> str:
    """Give degrees with at least the six decimals that the standard asks for."""
    text = repr(float(value))
    return f"{value:.6f}" if "e" in text or len(text.partition(".")[2]) < 6 else text


def _columns(track: Mapping[str, Any]) -> Iterator[tuple[str, str, str, list[str]]]:
    """Give name, unit, type and texts of each column."""
    yield "datetime", "", "string", [iso_text(value) for value in track["time"]]
    for name, ours in zip(("ra", "dec", "azimuth", "altitude"), SKY, strict=True):
        yield name, "deg", "float64", _numbers(track[ours])
    for name, ours in (("x_image", "x"), ("y_image", "y")):  # WMPL loads no file without them
        yield name, "pix", "float64", _numbers(track.get(ours, np.full(len(track["time"]), np.nan)))
    if _has(track, "magnitude"):
        yield "mag_data", "mag", "float64", _numbers(track["magnitude"])
    for name, ours, unit in _ERRORS:
        if _has(track, ours):
            yield name, unit, "float64", _numbers(track[ours] * _per_coordinate(track, ours))
    for name, ours in (
        ("integrated_pixel_value", "flux"),
        ("background_pixel_value", "background"),
        ("snr", "snr"),
    ):
        if _has(track, ours):
            yield name, "", "float64", _numbers(track[ours])
    saturated = track.get("n_saturated")
    if saturated is not None and (saturated >= 0).all():
        yield "saturated_pixels", "", "bool", [str(bool(value)) for value in saturated]
    frames = track.get("frame")
    if frames is not None and (frames >= 0).all():
        yield "frame", "", "int64", [str(value) for value in frames]


#: Columns of errors: name in the file, ours, unit. An error of ours is symmetric.
_ERRORS = tuple(
    (f"err_{sign}_{name}", f"{ours}_error", unit)
    for name, ours, unit in (
        ("azimuth", "az", "deg"),
        ("altitude", "alt", "deg"),
        ("mag", "magnitude", "mag"),
    )
    for sign in ("minus", "plus")
)


def _per_coordinate(track: Mapping[str, Any], name: str) -> Any:
    """Give what turns our error of azimuth, which is along the great circle, into one of the angle."""
    return 1 / np.cos(np.radians(track["alt"])) if name == "az_error" else 1.0


def _has(track: Mapping[str, Any], name: str) -> bool:
    values = track.get(name)
    return values is not None and bool(np.isfinite(values).any())


def _numbers(values: Any) -> list[str]:
    """Give the shortest texts that are read back as the same numbers; ``nan`` for what is not known."""
    return [repr(float(value)) if np.isfinite(value) else "nan" for value in values]
