"""FRIPON ``.met``: the track of one meteor of one station, as SExtractor writes tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import NAN, Content, Item, Observed, detections_of
from astrodetect.exchange.outgoing import (
    Outgoing,
    lacks_time,
    lacks_track,
    outgoing,
    require,
    safe_name,
    unique_names,
)  # fmt: skip
from astrodetect.exchange.text import iso_text, iso_time, number, read_text, to_moment

_HEAD = re.compile(r"#\s*(\d+)\s+(\S+)\s*(.*)")
_NAME = re.compile(r"(?P<time>\d{8}T\d{6})_UT_(?P<station>[^_.]+)(?:_(?P<reducer>[^.]*))?")
#: Column of the file, ours, comment and unit.
_COLUMNS = (
    ("NUMBER", "number", "Running object number", ""),
    ("FLUX_AUTO", "flux", "Flux within a Kron-like elliptical aperture", "count"),
    ("FLUXERR_AUTO", "flux_error", "RMS error for AUTO flux", "count"),
    ("XWIN_IMAGE", "x_fits", "Windowed position estimate along x", "pixel"),
    ("YWIN_IMAGE", "y_fits", "Windowed position estimate along y", "pixel"),
    ("ALPHAWIN_J2000", "ra", "Windowed right ascension (J2000)", "deg"),
    ("DELTAWIN_J2000", "dec", "Windowed declination (J2000)", "deg"),
)


class Fripon(Format):
    """FRIPON ``.met``. Pixels are those of FITS: from 1, y from the bottom.

    y from the top needs the height of the frame, which is not in the file; the numbers of the file are
    kept as ``x_fits`` and ``y_fits`` in the track. There is no site in it either.
    """

    name = "met"
    description = "FRIPON .met: the track of one meteor of one station, SExtractor table"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the names of the columns."""
        return b"ALPHAWIN_J2000" in head and b"TIME" in head

    def read(self, path: Path) -> Content:
        """Read a meteor.

        Raises
        ------
        AstrodetectError
            A column is missing, a row is cut off, or what should be a number or a time is none.
        """
        lines = [Item(i, line.strip()) for i, line in enumerate(read_text(path).split("\n"), 1)]
        columns: dict[str, int] = {}
        for _, text in lines:
            match = _HEAD.match(text)
            if match is not None and len(match[1]) < 4:
                columns[match[2]] = int(match[1]) - 1
        absent = [name for name in ("ALPHAWIN_J2000", "DELTAWIN_J2000", "TIME") if name not in columns]
        if absent:
            raise AstrodetectError(f"{path}: the column {absent[0]} is missing; expected a .met of FRIPON")
        rows = [(line, text.split()) for line, text in lines if text and not text.startswith("#")]
        if not rows:
            raise AstrodetectError(f"{path}: no rows")
        for line, cells in rows:
            if len(cells) <= max(columns.values()):
                expected = max(columns.values()) + 1
                raise AstrodetectError(
                    f"{path}, line {line}: cut off: {len(cells)} values; expected {expected}"
                )
        return Content((_observed(path, _track(path, rows, columns)),))

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give a file for each detection.

        Raises
        ------
        AstrodetectError
            Detections have no absolute time, or no position on the sky.
        """
        items = require(
            self.name, outgoing(content), no_track=lacks_track, no_absolute_time=lacks_time,
            no_position_on_the_sky=_lacks_radec,
        )  # fmt: skip
        yield from unique_names((_name(item), _text(item)) for item in items)


def _lacks_radec(item: Outgoing) -> bool:
    return not np.isfinite(item.track.get("ra", np.array(NAN)) + item.track.get("dec", np.array(NAN))).any()


def _track(path: Path, rows: list[tuple[int, list[str]]], columns: dict[str, int]) -> dict[str, Any]:
    track: dict[str, Any] = {}
    for name, ours, _, _ in _COLUMNS:
        if name in columns:
            track[ours] = _values(path, rows, columns[name], name, number)
    track["time"] = _values(path, rows, columns["TIME"], "TIME", iso_time)
    for axis in "xy":
        track.setdefault(f"{axis}_fits", np.full(len(rows), NAN))
    track["x"] = np.full(len(rows), NAN)
    track["y"] = np.full(len(rows), NAN)
    return track


def _values(path: Path, rows: list[tuple[int, list[str]]], column: int, name: str, convert: Any) -> Any:
    values = []
    for line, cells in rows:
        try:
            values.append(convert(cells[column]))
        except ValueError:
            raise AstrodetectError(
                f"{path}, line {line}: {name} is {cells[column]!r}; expected a value"
            ) from None
    return np.array(values, dtype=np.float64)


def _observed(path: Path, track: dict[str, Any]) -> Observed:
    match = _NAME.match(path.name)
    if match is None:
        return Observed(path.stem, detections_of([track]))
    station, reducer = match["station"], match["reducer"] or ""
    meta = {"reducer": reducer} if reducer else {}
    return Observed(f"{station}_{match['time']}_UT", detections_of([track]), camera=station, meta=meta)


def _name(item: Outgoing) -> str:
    recording = item.recording
    match = re.search(r"\d{8}T\d{6}", PurePosixPath(recording.path).name)
    stamp = match[0] if match else f"{to_moment(item.track['time'][0]):%Y%m%dT%H%M%S}"
    reducer = safe_name(str(recording.meta.get("reducer", "AD")))
    return f"{stamp}_UT_{safe_name(recording.camera or 'unknown').replace('_', '-')}_{reducer}.met"


def _text(item: Outgoing) -> bytes:
    track, height = item.track, item.recording.height
    n = len(track["time"])
    empty = np.full(n, NAN)
    values = {name: track.get(name, empty) for _, name, _, _ in _COLUMNS}
    if "number" not in track:
        values["number"] = np.arange(1.0, n + 1)
    if "x_fits" not in track and "x" in track:
        values["x_fits"] = track["x"] + 1
        values["y_fits"] = height - track["y"] if height > 0 else empty
    lines = [
        f"# {i:3d} {name:<22} {comment:<58} {f'[{unit}]' if unit else ''}".rstrip()
        for i, (name, _, comment, unit) in enumerate((*_COLUMNS, ("TIME", "", "Time of the frame", "ISO")), 1)
    ]
    kept = np.isfinite(values["ra"] + values["dec"])
    for row in np.flatnonzero(kept):
        cells = [f"{values[name][row]:.10g}" for _, name, _, _ in _COLUMNS[:3]]
        cells += [f"{values[name][row]:.4f}" for name in ("x_fits", "y_fits")]
        cells += [f"{values[name][row]:+.7f}" for name in ("ra", "dec")]
        lines.append("  ".join([*cells, iso_text(track["time"][row])]))
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
