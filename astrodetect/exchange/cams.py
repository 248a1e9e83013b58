"""CAMS: sites of cameras, calibrations, and FTPdetectinfo of eight columns."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.ftpdetectinfo import FtpDetectInfo
from astrodetect.exchange.model import Content, Fault, Item, Observed
from astrodetect.exchange.outgoing import safe_name, unique_names
from astrodetect.exchange.text import number, read_text

_KEY = re.compile(r"\s*([A-Za-z][^=]*?)\s*=\s*(.*?)\s*")
_NUMBER_KEY, _DATE_KEY = "Camera number", "Calibration date"
_PLACE = ("Latitude +north (deg)", "Longitude +west (deg)", "Height above WGS84 (km)")
#: First word of the rows of the table of coefficients in a CAL file.
_TERMS = ("1", "x", "y", "xx", "xy", "yy", "xxx", "xxy", "xyy", "yyy", "rx", "ry")


class Cams(FtpDetectInfo):
    """Files of CAMS: ``CameraSites.txt``, ``CAL_*.txt``; written with FTPdetectinfo of eight columns.

    In both, longitude counts to the west and height is in kilometres.
    """

    name = "cams"
    description = "CAMS: CameraSites.txt and CAL_*.txt; written with FTPdetectinfo of 8 columns, a folder"
    observes = False
    _width = 8

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the name, or by the keys of a CAL file."""
        text = head.decode("latin-1")
        is_sites = path.name.lower().startswith("camerasites") and "=" not in text
        return is_sites or (_NUMBER_KEY in text and _DATE_KEY in text)

    def read(self, path: Path) -> Content:
        """Read sites, or a calibration.

        Raises
        ------
        AstrodetectError
            A row is cut off or no site, or a mandatory key of a calibration is missing.
        """
        lines = [Item(i, line) for i, line in enumerate(read_text(path).split("\n"), 1)]
        if any(_DATE_KEY in text for _, text in lines):
            return _calibration(path, lines)
        return _sites(path, lines)

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give FTPdetectinfo, ``CameraSites.txt``, ``CameraTimeOffsets.txt``, and the calibrations read.

        Raises
        ------
        AstrodetectError
            As FTPdetectinfo; or it is not known where a camera stands.
        """
        sites: dict[str, Site] = {}
        for recording in content.recordings:
            code = safe_name(recording.camera or "unknown")
            if recording.site is not None:
                sites.setdefault(code, recording.site)
            elif len(recording.detections) and code not in sites:
                unknown = f"it is not known where the camera {code} stands"
                raise AstrodetectError(f"{self.name}: {unknown}; give --site LAT,LON,ELEVATION")
        yield from super().write(content)
        if sites:
            yield "CameraSites.txt", _sites_text(sites)
            rows = "".join(f"{code:<8} {0.0:8.4f}\n" for code in sorted(sites))
            yield (
                "CameraTimeOffsets.txt",
                f"Camera   Time offset (s)\n-------- ---------------\n{rows}".encode(),
            )
        yield from unique_names(_cal_files(content.calibrations))


def _sites(path: Path, lines: list[Item]) -> Content:
    found, faults = [], []
    for line, text in lines[2:]:
        cells = text.split()
        if not cells or text.startswith("#"):
            continue
        try:
            latitude, longitude, height = (number(cell) for cell in cells[1:4])
            if not (abs(latitude) <= 90 and abs(longitude) <= 360):
                raise ValueError
        except ValueError:
            raise AstrodetectError(
                f"{path}, line {line}: {text.strip()[:40]!r} is no site; expected camera, latitude, "
                "longitude (degrees, west positive), height (km)"
            ) from None
        if height > 9:
            faults.append(Fault(line, f"a height of {height:g} km; metres, surely, but taken as kilometres"))
        found.append(Observed("", camera=cells[0], site=Site(latitude, -longitude, height * 1000)))
    if not found:
        raise AstrodetectError(
            f"{path}: no site in it; expected two lines of header and a line for each camera"
        )
    return Content(tuple(found), faults=tuple(faults))


def _sites_text(sites: Mapping[str, Site]) -> bytes:
    rows = [
        f"{code:<8} {site.latitude:11.6f} {-site.longitude + 0.0:12.6f} {site.elevation / 1000:9.5f}"
        for code, site in sorted(sites.items())
    ]
    head = ["Camera   Latitude N  Longitude W  Height km", "-" * 43]
    return "".join(f"{line}\n" for line in [*head, *rows]).encode()


def _calibration(path: Path, lines: list[Item]) -> Content:
    values: dict[str, Any] = {}
    terms: dict[str, list[float]] = {}
    for line, text in lines:
        cells = text.split()
        if len(cells) == 3 and cells[0] in _TERMS and "=" not in text:
            try:
                terms[cells[0]] = [number(cell) for cell in cells[1:]]
            except ValueError:
                raise AstrodetectError(
                    f"{path}, line {line}: {text.strip()!r}: expected two coefficients"
                ) from None
        elif (match := _KEY.fullmatch(text)) and match[1] not in values:
            values[match[1]] = match[2]
    place = []
    for key in (_NUMBER_KEY, *_PLACE):
        try:
            place.append(number(values[key]))
        except KeyError:
            raise AstrodetectError(f"{path}: {key!r} is missing; expected a CAL file of CAMS") from None
        except ValueError:
            raise AstrodetectError(f"{path}: {key} is {values[key]!r}; expected a number") from None
    camera = values[_NUMBER_KEY].strip()
    if not terms or any(map(math.isnan, place)):
        raise AstrodetectError(f"{path}: cut off: the table of coefficients, or the site, is missing")
    site = Site(place[1], -place[2], place[3] * 1000)
    calibration = {**values, "terms": terms}
    return Content((Observed("", camera=camera, site=site),), calibrations={camera: calibration})


def _cal_files(calibrations: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    for camera, values in calibrations.items():
        if _NUMBER_KEY not in values or "terms" not in values:
            continue
        lines = [f" {key:<24} = {value}" for key, value in values.items() if key != "terms"]
        lines += ["", " Term       Xcoef            Ycoef", " ----  ---------------  ---------------"]
        lines += [f" {term:<5} {x!r}    {y!r}" for term, (x, y) in values["terms"].items()]
        when = re.sub(r"\D+", "", str(values.get(_DATE_KEY, "")))
        yield (
            f"CAL_{safe_name(camera):0>6}_{when}.txt",
            "".join(f"{line}\n" for line in [*lines, ""]).encode(),
        )
