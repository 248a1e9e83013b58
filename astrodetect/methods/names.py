"""Times and cameras from the names that meteor cameras and networks give their files.

======================================================  ==========  ===================================
name                                                    zone        written by
======================================================  ==========  ===================================
``FF_UK0006_20230421_212224_982_0115712.fits``          utc         RMS, CAMS (``FF499_...``)
``CZ0003_20210307_021710_233167.mp4``                   utc         RMS
``CODOGNO_20190415T194950_UT``                          utc         freeture, FRIPON, PRISMA
``2022-09-14T19_49_11_RMS_UK0006.ecsv``                 utc         Global Fireball Exchange
``2022_01_31_05_23_01_000_010001.mp4``                  utc         AllSky7
``M20200711_000453_EastBarnet_NE.avi``                  local       UFOCapture: the clock of the PC
``cam_2021-03-07T02:17:10.5Z``, ``...+0100``            utc         anybody
``20210307_021710``, ``2021-03-07_02-17-10``            unknown     anybody
======================================================  ==========  ===================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

Zone = Literal["utc", "local", "unknown"]


class NameTime(NamedTuple):
    """What a name says: ``time`` in Unix seconds (of `zone`'s clock, read as UTC), ``zone``, ``camera``."""

    time: float
    zone: Zone
    camera: str


_DATE = r"(?P<Y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)"
_TIME = r"(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)"
#: Three or six digits after an underscore are a fraction of a second; other counts are numbers.
_FRACTION = r"(?:[.,](?P<f>\d{1,9})|[_-](?P<g>\d{6}|\d{3}))?(?!\d)"
_ZONE = r"(?:_?(?P<z>Z|UTC?)(?![A-Za-z])|(?P<o>[+-]\d\d:?\d\d)(?!\d))?"
_LONG = (
    r"(?P<Y>(?:19|20)\d\d)(?P<s>[-_.])(?P<m>\d\d)(?P=s)(?P<d>\d\d)(?:[Tt_ -]|%20)"
    r"(?P<H>\d\d)[-_:.h]?(?P<M>\d\d)[-_:.m]?(?P<S>\d\d)"
)

#: Files that make a folder one of an RMS or CAMS night.
_RMS_NIGHT = re.compile(r"FF_?[A-Za-z0-9]+_\d{8}_\d{6}_\d+.*\.(fits|bin)|(FTPdetectinfo|CALSTARS)_.*")

#: Tried in order; the first that matches and is a valid time counts.
_CONVENTIONS: tuple[tuple[Zone, re.Pattern[str]], ...] = (
    ("utc", re.compile(rf"^F[FRST]_?(?P<c>[A-Za-z0-9]+)_{_DATE}_{_TIME}{_FRACTION}")),
    ("local", re.compile(rf"^M{_DATE}_{_TIME}_(?P<c>[^.]+)")),
    ("utc", re.compile(rf"^(?P<c>.+)_{_DATE}T{_TIME}_UT(?![A-Za-z])")),
    ("utc", re.compile(rf"^(?P<c>[A-Z]{{2}}[A-Z0-9]{{4}})_{_DATE}_{_TIME}_(?P<g>\d{{6}}|\d{{3}})(?!\d)")),
    (
        "utc",
        re.compile(
            r"^(?P<Y>20\d\d)_(?P<m>\d\d)_(?P<d>\d\d)_(?P<H>\d\d)_(?P<M>\d\d)_(?P<S>\d\d)_(?P<g>\d{3})_(?P<c>\d{6})"
        ),
    ),
    ("utc", re.compile(rf"^{_LONG}(?:[._](?P<f>\d+))?_(?:ASC|CAMS|DFN|FRIPON|METREC|RMS|UFO)_(?P<c>[^.]+)")),
    ("unknown", re.compile(rf"^(?P<c>.*?)(?<!\d){_LONG}{_FRACTION}{_ZONE}")),
    ("unknown", re.compile(rf"^(?P<c>.*?)(?<!\d){_DATE}[Tt_ -]?{_TIME}{_FRACTION}{_ZONE}")),
)

#: Beginnings of names that say what a file is, not which camera wrote it.
_NO_CAMERA = re.compile(
    r"(avi|cap|capture|clip|dsc|event|ff|frame|image|img|meteor|mov|movie|m|night|pxl|rec|record|recording"
    r"|screenshot|snapshot|stack|still|t|vid|video)[0-9]*",
    re.IGNORECASE,
)


def time_from_name(name: str) -> NameTime | None:
    """Give the time and the camera that a file or folder name states.

    Parameters
    ----------
    name : str
        Name without folders.

    Returns
    -------
    NameTime or None
        None if the name holds no date with a time. Where ``zone`` is not ``"utc"``, nothing in the
        name says which clock it is.

    Examples
    --------
    >>> time_from_name("CZ0003_20210307_021710_233167.mp4")
    NameTime(time=1615083430.233167, zone='utc', camera='CZ0003')
    >>> time_from_name("M20200711_000453_EastBarnet_NE.avi").zone
    'local'
    >>> time_from_name("meteor1.avi") is None
    True
    """
    for zone, pattern in _CONVENTIONS:
        match = pattern.search(name)
        if match is None:
            continue
        time = _unix(match)
        if time is None:
            continue
        groups = match.groupdict()
        if groups.get("o"):
            time -= _offset(groups["o"])
        stated = groups.get("z") or groups.get("o")
        return NameTime(time, "utc" if stated else zone, _camera(groups.get("c") or "", zone))
    return None


def is_rms_night(names: Iterable[str]) -> bool:
    """Say whether the files of a folder make it a night of an RMS or CAMS camera.

    Examples
    --------
    >>> is_rms_night(["mask.bmp", "FF_UK0006_20230421_212224_982_0115712.fits"])
    True
    >>> is_rms_night(["mask.bmp", "meteor1.avi"])
    False
    """
    return any(_RMS_NIGHT.match(name) for name in names)


def parse_time(text: str) -> float:
    """Give the Unix seconds of an ISO 8601 text; without a zone it is UTC.

    Raises
    ------
    ValueError
        It is no date with a time.

    Examples
    --------
    >>> parse_time("2021-03-07T02:17:10.5"), parse_time("2021-03-07 03:17:10.5+01:00")
    (1615083430.5, 1615083430.5)
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def _unix(match: re.Match[str]) -> float | None:
    groups = match.groupdict()
    year, month, day, hour, minute, second = (int(groups[key]) for key in "YmdHMS")
    digits = groups.get("f") or groups.get("g") or "0"
    if second > 60:
        return None
    try:
        moment = datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)
    except ValueError:
        return None
    return moment.timestamp() + float(f"0.{digits}")


def _offset(text: str) -> float:
    sign = -1 if text[0] == "-" else 1
    return sign * (int(text[1:3]) * 3600 + int(text[-2:]) * 60)


def _camera(text: str, zone: Zone) -> str:
    text = text.strip("_-. ")
    if zone != "unknown":
        return text
    named = re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{1,23}", text) and not _NO_CAMERA.fullmatch(text)
    return text if named else ""
