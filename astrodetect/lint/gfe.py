"""The checks of Global Fireball Exchange ECSV: its form, and what single values must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from astrodetect.core.data import Site
from astrodetect.events.directions import Floats
from astrodetect.exchange.gfe_text import MANDATORY_COLUMNS, MANDATORY_META, GfeText
from astrodetect.exchange.model import Fault
from astrodetect.exchange.text import iso_time, number
from astrodetect.lint.agreement import check_agreement
from astrodetect.lint.calibrated import Rows, check_platepar
from astrodetect.lint.image import Pointing, check_image
from astrodetect.lint.notes import Notes
from astrodetect.lint.positions import Positions
from astrodetect.lint.times import check_times
from astrodetect.lint.values import check_sky_values
from astrodetect.methods.names import time_from_name

#: Units that the standard asks for.
_UNITS = {"ra": "deg", "dec": "deg", "azimuth": "deg", "altitude": "deg", "x_image": "pix", "y_image": "pix"}
#: Other spellings of the same.
_SAME_UNIT = {"pix": ("pix", "pixel", "pixels"), "deg": ("deg", "degree", "degrees")}
_MAGNITUDES = ("mag_data", "mag", "magnitude", "FLUX_AUTO")
#: What a fault of the reader is by our rules: a piece of its text, the rule, whether `--fix` corrects it.
_FORM = (
    ("%ECSV", "not-ecsv", True),
    ("not valid YAML", "bad-head", True),
    ("a head of", "bad-head", False),
    ("no table", "no-rows", False),
    ("is there twice", "repeated-column", False),
    ("cut off, or wrong", "column-count", False),
    ("is not declared", "undeclared-column", True),
    ("is declared, but", "absent-column", True),
    ("in another order", "column-order", True),
)


def check(text: GfeText, notes: Notes) -> None:
    """Write down what is wrong with a file.

    Parameters
    ----------
    text : GfeText
        The file as text.
    notes : Notes
        Where to write it.
    """
    for fault in text.faults:
        _note_form(fault, notes)
    if not text.rows:
        if "no-rows" not in notes.rules:
            notes.add("no-rows", text.header.line, "no rows below the names of the columns")
        return
    _check_head(text, notes)
    _check_units(text, notes)
    columns = {name: _numbers(text, name, notes) for name in _numeric(text)}
    time = _times(text, notes)
    lines = [row.line for row in text.rows]
    check_sky_values(lines, columns, notes)
    check_times(lines, time, columns.get("frame"), _rate(text), notes)
    _check_start(text, time, notes)
    site = _site(text)
    agreement = _agreement(text, columns, time, site, notes)
    if agreement is not None and _by_platepar(text, columns, agreement, notes):
        agreement = None  # it is known from where y counts
    check_image(lines, columns, _size(text, notes), _pointing(text, agreement), notes)


def _note_form(fault: Fault, notes: Notes) -> None:
    for piece, rule, fixable in _FORM:
        if piece in fault.text:
            notes.add(rule, fault.line, fault.text, fixable=fixable)
            return
    notes.add("unreadable", fault.line, fault.text)


def _check_head(text: GfeText, notes: Notes) -> None:
    if text.delimiter != ",":
        notes.add("delimiter", 0, f"columns are separated by {text.delimiter!r}, not by commas", fixable=True)
    for key in MANDATORY_META:
        item = text.meta.get(key)
        if item is None or not item.text:
            notes.add("missing-key", item.line if item else 0, f"the mandatory key {key} is missing")
        elif not math.isfinite(_value(item.text)):
            notes.add("not-a-number", item.line, f"{key} is {item.text!r}; expected a number")
    for name in MANDATORY_COLUMNS:
        if name not in text.columns:
            notes.add("missing-column", text.header.line, f"the mandatory column {name} is missing")
    if not any(text.meta[key].text for key in ("camera_id", "dfn_camera_codename") if key in text.meta):
        notes.add("no-camera", 0, "neither camera_id nor dfn_camera_codename is there")
    _check_decimals(text, notes)
    _check_label(text, notes)


def _check_decimals(text: GfeText, notes: Notes) -> None:
    for key in ("obs_latitude", "obs_longitude"):
        item = text.meta.get(key)
        if item is not None and re.fullmatch(r"[-+]?\d+(\.\d{0,5})?", item.text):
            notes.meta[key] = f"{float(item.text):.6f}"
            what = f"{key} is {item.text}: fewer than six decimals"
            notes.add("site-decimals", item.line, what, fixable=True)


def _check_label(text: GfeText, notes: Notes) -> None:
    item = text.meta.get("mag_label")
    if item is None or item.text in text.columns or item.text == "no_mag_data":
        return
    there = [name for name in _MAGNITUDES if name in text.columns]
    if len(there) == 1:
        notes.meta["mag_label"] = there[0]
    found = f"; there is {', '.join(there)}" if there else ""
    what = f"mag_label is {item.text!r}, which is no column{found}"
    notes.add("magnitude-label", item.line, what, fixable=len(there) == 1)


def _check_units(text: GfeText, notes: Notes) -> None:
    for name, unit in _UNITS.items():
        declared = text.declared.get(name)
        if declared is None or name not in text.columns:
            continue
        if declared.unit not in _SAME_UNIT[unit]:
            stated = f"the unit {declared.unit!r}" if declared.unit else "no unit"
            # Angles in a unit that exists are looked at as numbers: see hours and radians.
            sure = declared.unit not in ("rad", "radian", "hourangle", "hour", "h", "arcsec", "arcmin")
            if sure:
                notes.units[name] = unit
            notes.add("unit", declared.line, f"{name} has {stated}; expected {unit}", fixable=sure)
        if declared.datatype and not re.match(r"(float|int)\d+", declared.datatype):
            what = f"{name} is declared as {declared.datatype}; expected float64"
            notes.add("datatype", declared.line, what, fixable=True)


def _value(text: str) -> float:
    try:
        return number(text)
    except ValueError:
        return math.nan


def _numeric(text: GfeText) -> Iterator[str]:
    for name in text.columns:
        declared = text.declared.get(name)
        if name in _UNITS or (declared is not None and re.match(r"(float|int)\d*", declared.datatype)):
            yield name


def _column(text: GfeText, name: str, convert: Callable[[str], float], wrong: Callable[..., None]) -> Floats:
    values = np.full(len(text.rows), np.nan)
    for i, row in enumerate(text.rows):
        try:
            values[i] = convert(row.cells[name])
        except ValueError:
            wrong(row.line, row.cells[name])
    return values


def _numbers(text: GfeText, name: str, notes: Notes) -> Floats:
    bad: list[tuple[int, str]] = []
    values = _column(text, name, number, lambda line, cell: bad.append((line, cell)))
    empty = [
        row.line for row in text.rows if name in MANDATORY_COLUMNS and row.cells[name].lower() in ("", "nan")
    ]
    notes.add_rows(
        "not-a-number",
        [line for line, _ in bad],
        [f"{name} is {cell!r}; expected a number" for _, cell in bad],
    )
    notes.add_rows("not-a-number", empty, [f"{name} is not there; it is mandatory"] * len(empty))
    return values


_STANDARD_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:([0-5]\d)\.(\d{3,})")


def _times(text: GfeText, notes: Notes) -> Floats:
    """Give the times (n,), NaN where there is none, and say what is wrong with how they are written."""
    if "datetime" not in text.columns:
        return np.full(len(text.rows), np.nan)
    bad: list[tuple[int, str]] = []
    times = _column(text, "datetime", iso_time, lambda line, cell: bad.append((line, cell)))
    notes.add_rows(
        "time-format",
        [line for line, _ in bad],
        [f"datetime is {cell!r}: no ISO 8601 time" for _, cell in bad],
    )
    odd, short = [], []
    for row, time in zip(text.rows, times, strict=True):
        cell = row.cells["datetime"]
        if not math.isfinite(time) or _STANDARD_TIME.fullmatch(cell):
            continue
        if re.fullmatch(r"[^.]*|.*:\d\d\.\d{0,2}", cell) and "e" not in cell.lower():
            short.append((row.line, cell))
        else:
            odd.append((row.line, cell, float(time)))
    _note_odd(odd, notes)
    what = [f"datetime is {cell!r}: fewer than three decimals of a second" for _, cell in short]
    notes.add_rows("time-decimals", [line for line, _ in short], what)
    return times


def _note_odd(odd: list[tuple[int, str, float]], notes: Notes) -> None:
    from astrodetect.exchange.text import iso_text

    for line, _, time in odd:
        notes.cells[line, "datetime"] = iso_text(time)
    what = [f"datetime is {cell!r}; expected {iso_text(time)}" for _, cell, time in odd]
    notes.add_rows("time-format", [line for line, *_ in odd], what, fixable=True)


def _rate(text: GfeText) -> float:
    return next((_value(text.meta[key].text) for key in ("frame_rate", "fps") if key in text.meta), math.nan)


def _check_start(text: GfeText, time: Floats, notes: Notes) -> None:
    first = float(np.nanmin(time)) if np.any(np.isfinite(time)) else math.nan
    item = text.meta.get("isodate_start_obs")
    if item is not None and item.text:
        try:
            start = iso_time(item.text)
        except ValueError:
            notes.add("time-format", item.line, f"isodate_start_obs is {item.text!r}: no ISO 8601 time")
        else:
            if not -0.5 <= first - start <= 7200.0 and math.isfinite(first):
                what = f"isodate_start_obs is {item.text}, {start - first:+.1f} s from the first row"
                notes.add("start-time", item.line, what)
    named = time_from_name(text.path.name)
    if named is not None and named.zone == "utc" and abs(named.time - first) > 60.0:
        notes.add("file-time", 0, f"the name of the file is {named.time - first:+.0f} s from the first row")


def _site(text: GfeText) -> Site | None:
    values = [_value(text.meta[key].text) if key in text.meta else math.nan for key in MANDATORY_META]
    values[2] = values[2] if math.isfinite(values[2]) else 0.0
    return Site(*values) if all(map(math.isfinite, values)) and abs(values[1]) <= 360 else None


def _agreement(
    text: GfeText, columns: dict[str, Any], time: Floats, site: Site | None, notes: Notes
) -> Positions | None:
    if any(name not in columns for name in MANDATORY_COLUMNS[1:]):
        return None
    table = np.stack([*(columns[name] for name in MANDATORY_COLUMNS[1:]), time])
    zero = np.all(table[:2] == 0, axis=0) | np.all(table[2:4] == 0, axis=0)
    good = np.flatnonzero(np.all(np.isfinite(table), axis=0) & ~zero)
    ra, dec, az, alt, times = table[:, good]
    positions = Positions(ra, dec, az, alt, times, site)
    lines = [text.rows[i].line for i in good]
    names = dict(zip(("ra", "dec", "az", "alt"), MANDATORY_COLUMNS[1:], strict=True))
    places = {key: text.meta[key].line for key in MANDATORY_META if key in text.meta}
    return check_agreement(lines, positions, names, places, notes)


def _by_platepar(text: GfeText, columns: dict[str, Any], right: Positions, notes: Notes) -> bool:
    """Compare with a platepar beside the file; True if that tells from where y counts."""
    if "x_image" not in columns or "y_image" not in columns or len(right) != len(text.rows):
        return False
    x, y = columns["x_image"], columns["y_image"]
    if not np.all(np.isfinite(x + y)) or np.any((x == 0) & (y == 0)) or right.of_date:
        return False
    name = text.meta["image_file"].text if "image_file" in text.meta else ""
    rows = Rows(name, [row.line for row in text.rows], x, y, right.ra, right.dec, right.time)
    return check_platepar(text.path.parent, [rows], "y_image", notes)


def _size(text: GfeText, notes: Notes) -> tuple[float, float]:
    size = []
    for key in ("cx", "cy"):
        item = text.meta.get(key)
        value = _value(item.text) if item is not None and item.text not in ("", "None") else math.nan
        if item is not None and item.text not in ("", "None") and not value > 0:
            notes.add("frames-size", item.line, f"{key} is {item.text!r}; expected pixels")
        size.append(value if value > 0 else math.nan)
    return size[0], size[1]


def _pointing(text: GfeText, agreement: Positions | None) -> Pointing:
    keys = ("obs_az", "obs_ev", "obs_rot", "fov_horiz", "fov_vert")
    az, alt, rotation, width, height = (
        _value(text.meta[key].text) if key in text.meta else math.nan for key in keys
    )
    return Pointing(az, alt, rotation, width, height, agreement)
