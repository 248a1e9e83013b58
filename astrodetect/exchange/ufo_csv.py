"""UFOOrbit CSV of the version R91: one row a meteor, its beginning and its end."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import NAN, Content, Observed, detections_of
from astrodetect.exchange.outgoing import Outgoing, on_the_sky
from astrodetect.exchange.text import number, read_text, to_moment

_HEADER = "Ver,Y,M,D,h,m,s,Mag,Dur,Az1,Alt1,Az2,Alt2, Ra1, Dec1, Ra2, Dec2,ID,Long,Lat,Alt,Tz"
_NAMES = tuple(name.strip() for name in _HEADER.split(","))
#: Stands for a magnitude that is not known.
_NO_MAGNITUDE = 99.0


class UfoCsv(Format):
    """UFOOrbit CSV. Azimuth counts there from south through west, the time is local by ``Tz`` hours."""

    name = "ufo-csv"
    description = "UFOOrbit CSV R91: beginning and end of each meteor on the sky, one file for all"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the first line."""
        first = head.split(b"\n")[0].replace(b" ", b"").strip().lower()
        return first.startswith(b"ver,y,m,d,h,m,s,mag,dur,az1")

    def read(self, path: Path) -> Content:
        """Read a file; every row becomes a recording of its own.

        Raises
        ------
        AstrodetectError
            A row has another number of columns, or what should be a number or a time is none.
        """
        text = read_text(path)
        rows = list(csv.reader(text.split("\n"), skipinitialspace=True))
        if not rows or tuple(cell.strip() for cell in rows[0])[: len(_NAMES)] != _NAMES:
            raise AstrodetectError(f"{path}, line 1: expected the columns {_HEADER}")
        found = []
        for line, row in enumerate(rows[1:], 2):
            if not any(cell.strip() for cell in row):
                continue
            cells = row[:-1] if len(row) == len(_NAMES) + 1 and not row[-1].strip() else row
            if len(cells) != len(_NAMES):
                raise AstrodetectError(f"{path}, line {line}: {len(cells)} columns; expected {len(_NAMES)}")
            found.append(_meteor(path, line, dict(zip(_NAMES, cells, strict=True))))
        return Content(tuple(found))

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give one file of all detections.

        Raises
        ------
        AstrodetectError
            Detections have no absolute time, no position on the sky, or no known site.
        """
        lines = [_HEADER, *map(_line, on_the_sky(self.name, content))]
        yield "astrodetect_R91.csv", "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _meteor(path: Path, line: int, cells: dict[str, str]) -> Observed:
    values = {}
    for name in _NAMES[1:]:
        if name == "ID":
            continue
        try:
            values[name] = number(cells[name])
        except ValueError:
            raise AstrodetectError(
                f"{path}, line {line}: {name} is {cells[name]!r}; expected a number"
            ) from None
    try:
        year, month, day, hour, minute = (int(values[name]) for name in ("Y", "M", "D", "h", "m"))
        start = datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() + values["s"]
        if not 0 <= values["s"] < 61:
            raise ValueError
    except ValueError:
        shown = " ".join(cells[name] for name in ("Y", "M", "D", "h", "m", "s"))
        raise AstrodetectError(f"{path}, line {line}: {shown!r} is no time") from None
    start -= 3600 * (values["Tz"] if math.isfinite(values["Tz"]) else 0.0)
    duration = values["Dur"] if values["Dur"] > 0 else 0.0
    track = {"time": np.array([start, start + duration])}
    for ours, name in (("ra", "Ra"), ("dec", "Dec"), ("alt", "Alt")):
        track[ours] = np.array([values[f"{name}1"], values[f"{name}2"]])
    track["az"] = np.array([(values[f"Az{n}"] + 180) % 360 for n in (1, 2)])
    place = (values["Lat"], values["Long"], values["Alt"])
    magnitude = NAN if values["Mag"] >= _NO_MAGNITUDE else values["Mag"]
    return Observed(
        f"{path.name}:{line}",
        detections_of([track], {"peak_magnitude": [magnitude]}),
        camera=cells["ID"].strip(),
        site=None if any(map(math.isnan, place)) else Site(*place),
        time_start=start,
        meta={"tz": values["Tz"]} if values["Tz"] else {},
    )


def _line(item: Outgoing) -> str:
    track, site = item.track, item.site
    zone = _zone(item.recording.meta.get("tz"))
    moment = to_moment(track["time"][0] + 3600 * zone, 2)
    seconds = moment.second + moment.microsecond / 1e6
    ends: list[float] = []
    for row in (0, -1):
        ends += [(track["az"][row] - 180) % 360, track["alt"][row]]
    for row in (0, -1):
        ends += [track["ra"][row], track["dec"][row]]
    cells = [
        "R91", f"{moment.year:4d}", f"{moment.month:2d}", f"{moment.day:2d}", f"{moment.hour:2d}",
        f"{moment.minute:2d}", f"{seconds:4.2f}", f"{_magnitude(item):.2f}",
        f"{track['time'][-1] - track['time'][0]:.3f}", *(f"{value:.7f}" for value in ends),
        item.recording.camera.replace(",", " "), f"{site.longitude:.6f}", f"{site.latitude:.6f}",
        f"{site.elevation:.1f}", f"{zone:.1f}", "",
    ]  # fmt: skip
    return ",".join(cells)


def _zone(value: Any) -> float:
    try:
        zone = float(value)
    except (TypeError, ValueError):
        return 0.0
    return zone if abs(zone) <= 24 else 0.0


def _magnitude(item: Outgoing) -> float:
    peak = float(item.value("peak_magnitude", math.nan))
    track = item.track.get("magnitude")
    if math.isfinite(peak):
        return peak
    known = track[np.isfinite(track)] if track is not None else ()
    return float(min(known)) if len(known) else _NO_MAGNITUDE
