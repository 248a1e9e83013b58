"""Platepars of RMS: the astrometric calibration of a camera, as data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.data import Site
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange.formats import Format
from astrodetect.exchange.model import Content, Observed
from astrodetect.exchange.structured import dumps, items, mapping, read_json, real

#: What every platepar has.
_KEYS = ("X_res", "Y_res", "F_scale", "RA_d", "dec_d")
_STAR = ("time", "x", "y", "flux", "ra", "dec", "magnitude")
#: Julian date of the Unix epoch.
_JD_EPOCH = 2440587.5


class Platepar(Format):
    """One platepar, or a dictionary of them by the names of FF files.

    All keys are kept, also those that no version of RMS knows. The list of stars, if there is one, becomes
    `Content.stars`. What a platepar means is the business of `astrodetect.sky`.
    """

    name = "platepar"
    description = "RMS platepar JSON, one or all of a night: kept as it is, with site and list of stars"
    observes = False

    def sniff(self, path: Path, head: bytes) -> bool:
        """Tell by the keys."""
        return (head.lstrip()[:1] == b"{" and b'"X_res"' in head) or b'"F_scale"' in head

    def read(self, path: Path) -> Content:
        """Read one or many.

        Raises
        ------
        AstrodetectError
            It is no JSON, or a mandatory key is missing or no number.
        """
        value = mapping(path, read_json(path), "the file")
        single = any(key in value for key in _KEYS)
        platepars = {str(value.get("station_code") or path.stem): value} if single else value
        recordings: list[Observed] = []
        stars: list[dict[str, Any]] = []
        for name, platepar in platepars.items():
            recordings.append(_observed(path, name, mapping(path, platepar, name), single))
            stars += _stars(path, name, platepar)
        if not platepars:
            raise AstrodetectError(f"{path}: no platepar in it")
        columns = {n: np.array([star[n] for star in stars]) for n in ("recording", *_STAR)} if stars else {}
        return Content(tuple(recordings), columns, platepars)

    def write(self, content: Content) -> Iterator[tuple[str, bytes]]:
        """Give a file: of a single platepar ``platepar_cmn2010.cal``, of many the one of a night.

        Raises
        ------
        AstrodetectError
            There is none.
        """
        platepars = {
            name: value for name, value in content.calibrations.items() if all(key in value for key in _KEYS)
        }
        if not platepars:
            raise AstrodetectError(
                "platepar: no platepar to write; only what was read from one can be written"
            )
        if len(platepars) == 1 and not next(iter(platepars)).startswith("FF"):
            yield "platepar_cmn2010.cal", dumps(next(iter(platepars.values())))
        else:
            yield "platepars_all_recalibrated.json", dumps(platepars)


def _observed(path: Path, name: str, platepar: Mapping[str, Any], single: bool) -> Observed:
    numbers = {}
    for key in (*_KEYS, "lat", "lon", "elev"):
        numbers[key] = real(path, platepar.get(key), f"{name}: {key}")
        if key in _KEYS and math.isnan(numbers[key]):
            raise AstrodetectError(f"{path}: {name}: {key} is missing; expected a platepar of RMS")
    width, height = numbers["X_res"], numbers["Y_res"]
    if not (1 <= width <= 1e5 and 1 <= height <= 1e5 and numbers["F_scale"] > 0):
        raise AstrodetectError(
            f"{path}: {name}: X_res, Y_res, F_scale are {width:g}, {height:g}, {numbers['F_scale']:g}; "
            "expected a frame of 1 to 100000 pixels and a scale above 0"
        )
    place = [numbers[key] for key in ("lat", "lon", "elev")]
    camera = str(platepar.get("station_code") or "") or (name.split("_")[1] if name.count("_") > 2 else "")
    return Observed(
        "" if single else name,
        camera=camera,
        site=None if any(map(math.isnan, place)) else Site(*place),
        width=int(width),
        height=int(height),
    )


def _stars(path: Path, name: str, platepar: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for row in items(path, platepar.get("star_list"), f"{name}: star_list"):
        values = [real(path, value, f"{name}: star_list") for value in items(path, row, "star_list")]
        if len(values) < len(_STAR):
            raise AstrodetectError(f"{path}: {name}: a star of {len(values)} numbers; expected {len(_STAR)}")
        star = dict(zip(_STAR, values, strict=False))
        yield {"recording": name, **star, "time": (star["time"] - _JD_EPOCH) * 86400}
