"""The checks of FTPdetectinfo, and the corrected text."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from astrodetect.events.directions import Floats
from astrodetect.exchange.ftp_text import COLUMNS, HEADER_LINES, FtpMeteor, FtpText, parse
from astrodetect.exchange.model import Fault
from astrodetect.exchange.text import number, read_text
from astrodetect.lint.agreement import check_agreement
from astrodetect.lint.calibrated import Rows, check_platepar
from astrodetect.lint.ftp_fix import corrected
from astrodetect.lint.image import sense_of
from astrodetect.lint.notes import Notes
from astrodetect.lint.positions import Positions
from astrodetect.lint.times import check_times
from astrodetect.lint.values import check_sky_values
from astrodetect.methods.names import time_from_name

#: Frames of an FF file.
_FRAMES = 256
#: Relative difference between the stated frame rate and that of the counters in the names of the FF files.
_RATE = 0.02
#: What a fault of the reader is by our rules: a piece of its text, and the rule.
_FORM = (
    ("no 'Meteor Count", "header-lines"),
    ("Meteor Count", "meteor-count"),
    ("segments are stated", "segment-count"),
    ("is no number", "not-a-number"),
    ("a row of", "column-count"),
    ("cut off", "no-rows"),
)
_SKY = ("ra", "dec", "azimuth", "altitude")


def check(path: Path, notes: Notes) -> str | None:
    """Write down what is wrong with a file; give the corrected text, or None where nothing is corrected.

    Parameters
    ----------
    path : Path
        The file.
    notes : Notes
        Where to write it.

    Raises
    ------
    AstrodetectError
        It cannot be read, or is no text.
    """
    text = parse(path)
    lines = read_text(path).split("\n")
    for fault in text.faults:
        _note_form(fault, text, notes)
    _check_header(lines, notes)
    _check_heads(text, notes)
    _check_copies(text.meteors, notes)
    for meteor in text.meteors:
        _check_rows(meteor, notes)
    _check_counters(text.meteors, notes)
    _check_positions(path, text.meteors, notes)
    return corrected(lines, text, notes) if notes.rebuild else None


def _note_form(fault: Fault, text: FtpText, notes: Notes) -> None:
    rule = next((rule for piece, rule in _FORM if piece in fault.text), "unreadable")
    lost = any(other.fatal for other in text.faults if other is not fault)
    # More meteors or rows than stated: the count is wrong. Fewer: something is missing.
    sure = rule in ("meteor-count", "segment-count") and not fault.fatal and not lost
    if sure and rule == "meteor-count":
        notes.lines[fault.line] = f"Meteor Count = {len(text.meteors):06d}"
    if sure and rule == "segment-count":
        meteor = next(m for m in text.meteors if m.head.line == fault.line)
        notes.cells[fault.line, "segments"] = f"{len(meteor.rows):04d}"
    remedy = (
        "" if sure or rule not in ("meteor-count", "segment-count") else "get the file again: it is cut off"
    )
    notes.add(rule, fault.line, fault.text, remedy, fixable=sure)


def _check_header(lines: Sequence[str], notes: Notes) -> None:
    at = next((i for i, line in enumerate(lines, 1) if line.lower().startswith("per segment")), 0)
    if at != HEADER_LINES:
        found = f"ends in line {at}" if at else "is not there"
        what = f"the header {found}; expected {HEADER_LINES} lines, 'Per segment: ...' the last"
        notes.add("header-lines", at, what, fixable=at > 0)


def _check_heads(text: FtpText, notes: Notes) -> None:
    """Look at the name of the FF file and the line above the rows."""
    numbers: dict[str, int] = {}
    for meteor in text.meteors:
        name, head = meteor.ff_name, meteor.head
        named = time_from_name(name.text)
        if named is None:
            what = f"{name.text!r} says no time; expected FF_STATION_YYYYMMDD_hhmmss_mmm_frame.fits"
            notes.add("ff-name", name.line, what)
        elif named.camera and not _same_camera(named.camera, head.cells["camera"]):
            what = f"the station is {head.cells['camera']}, but the FF file is of {named.camera}"
            notes.add("camera-name", head.line, what)
        camera = head.cells["camera"]
        numbers[camera] = numbers.get(camera, 0) + 1
        if int(head.cells["meteor"]) <= 0:
            notes.add("meteor-number", head.line, f"the meteor has the number {head.cells['meteor']}")
        if not 0.1 <= _value(head.cells["fps"]) <= 10_000:
            what = f"{head.cells['fps']} frames per second; expected a frame rate"
            notes.add("frame-rate", head.line, what)


def _same_camera(in_name: str, in_head: str) -> bool:
    """CAMS writes numbers with and without leading zeros; picks by hand say ``manual``."""
    return in_head == "manual" or in_name.lstrip("0").upper() == in_head.lstrip("0").upper()


def _value(text: str) -> float:
    try:
        return number(text)
    except ValueError:
        return math.nan


def _check_copies(meteors: Sequence[FtpMeteor], notes: Notes) -> None:
    """Find meteors that have at least half of their points in common."""
    owner: dict[tuple[str, ...], int] = {}
    for k, meteor in enumerate(meteors):
        points = [
            (meteor.ff_name.text, row.cells["frame"], row.cells["x"], row.cells["y"]) for row in meteor.rows
        ]
        shared = Counter(owner[point] for point in points if point in owner)
        for other, n in shared.most_common(1):
            if 2 * n >= min(len(points), len(meteors[other].rows)):
                where = f"the meteor in line {meteors[other].head.line}"
                what = f"{n} of its {len(points)} points are those of {where}"
                notes.add("duplicate", meteor.head.line, what)
        owner.update((point, k) for point in points if point not in owner)


def _check_rows(meteor: FtpMeteor, notes: Notes) -> None:
    if not meteor.rows:
        return
    lines = [row.line for row in meteor.rows]
    columns = {
        name: np.array([_value(row.cells.get(name, "")) for row in meteor.rows]) for name in COLUMNS[:7]
    }
    frame = columns["frame"]
    if "FF" in meteor.ff_name.text[:2] and not np.all((frame >= 0) & (frame < _FRAMES + 1)):
        off = np.flatnonzero(~((frame >= 0) & (frame < _FRAMES + 1)))
        what = [f"frame {frame[i]:g} of an FF file; expected 0 to {_FRAMES - 1}" for i in off]
        notes.add_rows("frame-range", [lines[i] for i in off], what)
    check_times(lines, frame, None, math.nan, notes)
    if _is_uncalibrated(columns):
        notes.add("uncalibrated", meteor.head.line, "all positions on the sky are 0: not calibrated")
    else:
        check_sky_values(lines, {name: columns[name] for name in _SKY}, notes)
    zero = [line for line, x, y in zip(lines, columns["x"], columns["y"], strict=True) if x == 0 == y]
    notes.add_rows(
        "zero-pixels", zero, ["column and row are 0"] * len(zero), "leave the row out, or measure it"
    )
    out = [i for i, (x, y) in enumerate(zip(columns["x"], columns["y"], strict=True)) if min(x, y) < -1]
    what = [f"({columns['x'][i]:g}, {columns['y'][i]:g}) lies outside of the frame" for i in out]
    notes.add_rows("outside-image", [lines[i] for i in out], what)


def _is_uncalibrated(columns: dict[str, Floats]) -> bool:
    return not any(np.any(columns[name]) for name in _SKY)


def _check_counters(meteors: Sequence[FtpMeteor], notes: Notes) -> None:
    """Compare the frame rate with the counters of frames and the times in the names of the FF files."""
    points: dict[str, list[tuple[float, int, float, int]]] = {}
    for meteor in meteors:
        counter = re.search(r"_(\d{7,})\.(?:fits|bin)$", meteor.ff_name.text)
        named = time_from_name(meteor.ff_name.text)
        if counter and named is not None:
            row = (named.time, int(counter[1]), _value(meteor.head.cells["fps"]), meteor.head.line)
            points.setdefault(meteor.head.cells["camera"], []).append(row)
    for rows in points.values():
        rates = [
            (after[1] - before[1]) / (after[0] - before[0])
            for before, after in pairwise(rows)
            if after[0] - before[0] > 30.0 and after[1] > before[1]
        ]
        stated = float(np.median([row[2] for row in rows]))
        if len(rates) >= 2 and stated > 0 and abs(float(np.median(rates)) / stated - 1.0) > _RATE:
            what = f"{stated:g} frames per second are stated; the FF files say {np.median(rates):.3f}"
            notes.add("frame-rate", rows[0][3], what)


def _check_positions(path: Path, meteors: Sequence[FtpMeteor], notes: Notes) -> None:
    """Compare RA and Dec with azimuth and altitude, and the sense of the image, camera by camera."""
    by_camera: dict[str, list[FtpMeteor]] = {}
    for meteor in meteors:
        by_camera.setdefault(meteor.head.cells["camera"], []).append(meteor)
    for members in by_camera.values():
        _check_camera(path, members, notes)


def _check_camera(path: Path, meteors: Sequence[FtpMeteor], notes: Notes) -> None:
    from astrodetect.plugins.sources._rms_files import read_site

    lines: list[int] = []
    table: list[list[float]] = []
    texts = {}
    owner: list[int] = []
    for k, meteor in enumerate(meteors):
        named = time_from_name(meteor.ff_name.text)
        rate = _value(meteor.head.cells["fps"])
        for row in meteor.rows:
            values = [_value(row.cells[name]) for name in ("frame", "x", "y", *_SKY)]
            time = named.time + values[0] / rate if named is not None and rate > 0 else math.nan
            texts.update({(row.line, name): row.cells[name] for name in _SKY})
            if math.isfinite(sum(values) + time) and any(values[3:]):
                lines.append(row.line)
                table.append([*values[1:], time])
                owner.append(k)
    if not table:
        return
    x, y, ra, dec, az, alt, time = np.array(table).T
    site = read_site(path.parent, meteors[0].ff_name.text)
    names = dict(zip(("ra", "dec", "az", "alt"), _SKY, strict=True))
    right = check_agreement(lines, Positions(ra, dec, az, alt, time, site), names, {}, notes, texts)
    if right is None:
        return
    rows = {k: np.flatnonzero(np.array(owner) == k) for k in sorted(set(owner))}
    calibrated = [
        Rows(meteors[k].ff_name.text, [lines[i] for i in r], x[r], y[r], right.ra[r], right.dec[r], time[r])
        for k, r in rows.items()
    ]
    if check_platepar(path.parent, calibrated, "y", notes):
        return
    if sense_of([(x[r], y[r], right.az[r], right.alt[r]) for r in rows.values()]) < 0:
        what = "rows (y) count from the bottom, or the image is mirrored: the tracks show the sky turned over"
        notes.add("y-from-bottom", meteors[0].head.line, what, "write Y_res - 1 - y, and check the platepar")
