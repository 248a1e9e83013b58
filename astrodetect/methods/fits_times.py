"""When a FITS image was taken, from the cards that cameras write."""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_ISO = re.compile(
    r"^\s*(\d{4})[-/]?(\d{2})[-/]?(\d{2})"
    r"(?:[T ]\s*(\d{1,2}):?(\d{2})(?::?([\d.]+(?:[eE][-+]?\d+)?))?)?\s*(Z|UTC?|[-+]\d{2}:?\d{2})?\s*$"
)
_DAY_FIRST = re.compile(r"^\s*(\d{1,2})/(\d{1,2})/(\d{2,4})\s*$")
_CLOCK = re.compile(r"^\s*(\d{1,2}):(\d{2})(?::([\d.]+(?:[eE][-+]?\d+)?))?\s*(?:Z|UTC?)?\s*$")
#: Cards that hold a time of day beside a date without one.
_TIME_CARDS = ("TIME-OBS", "UTSTART", "UTC-OBS", "UT-OBS", "UTC", "UT", "TM-START", "TIME-BEG")
#: Start of the exposure, first the usual ones.
_DATE_CARDS = ("DATE-OBS", "DATE-BEG", "DATE_OBS", "DATEOBS")
#: Unix time of Julian Date 0 and Modified Julian Date 0 (s).
_JD_ZERO = -210866760000.0
_MJD_ZERO = -3506716800.0


def parse_utc(text: str) -> tuple[float, bool]:
    """Turn a date, with or without a time of day, into Unix seconds.

    Accepts ISO 8601 in extended and basic form, the old FITS form ``dd/mm/yy`` (years count from
    1900, also with three digits), seconds such as ``60``, ``7`` or ``01e-05`` that strict parsers
    refuse, and offsets from UTC.

    Parameters
    ----------
    text : str
        The value of ``DATE-OBS``, or the date of a line of ``positions.txt``.

    Returns
    -------
    (float, bool)
        UTC Unix seconds (NaN if it is no date), and whether there was a time of day.

    Examples
    --------
    >>> parse_utc("2019-04-15T19:49:60")
    (1555357800.0, True)
    >>> parse_utc("2019-04-15T19:49:01e-05")[0] - parse_utc("2019-04-15T19:49")[0] < 2e-5
    True
    >>> parse_utc("26/10/92")
    (720057600.0, False)
    """
    match = _ISO.match(text)
    if match is None:
        return _day_first(text), False
    year, month, day, hour, minute, second, zone = match.groups()
    start = _midnight(int(year), int(month), int(day))
    if hour is None:
        return start, False
    return start + _seconds(int(hour), int(minute), second) - _offset(zone), True


def parse_clock(text: str) -> float:
    """Turn ``hh:mm:ss.s`` into seconds of the day; NaN if it is none."""
    match = _CLOCK.match(text)
    return _seconds(int(match[1]), int(match[2]), match[3]) if match else math.nan


def observation_time(values: Mapping[str, Any], exposure: float = math.nan) -> float:
    """Give the start of the exposure from the cards of a header.

    ``DATE-OBS`` (or ``DATE-BEG``), with the time of day in it or in ``TIME-OBS`` and its relatives;
    else ``MJD-OBS``, ``JD``; else ``DATE-AVG`` less half the exposure. A date without any time of
    day is no time.

    Parameters
    ----------
    values : mapping
        Header values by keyword.
    exposure : float
        Seconds.

    Returns
    -------
    float
        UTC Unix seconds; NaN if unknown.
    """
    for name in _DATE_CARDS:
        time = _dated(values, name)
        if not math.isnan(time):
            return time
    for name, zero in (("MJD-OBS", _MJD_ZERO), ("MJD-BEG", _MJD_ZERO), ("JD", _JD_ZERO)):
        day = values.get(name)
        if isinstance(day, (int, float)) and not isinstance(day, bool) and day > 0:
            return zero + 86400.0 * day
    middle = _dated(values, "DATE-AVG")
    return middle - exposure / 2


def _dated(values: Mapping[str, Any], name: str) -> float:
    text = values.get(name)
    if not isinstance(text, str):
        return math.nan
    time, has_clock = parse_utc(text)
    if has_clock or math.isnan(time):
        return time
    for card in _TIME_CARDS:
        clock = values.get(card)
        if isinstance(clock, str):
            seconds = parse_clock(clock)
            if not math.isnan(seconds):
                return time + seconds
    return math.nan


def _day_first(text: str) -> float:
    match = _DAY_FIRST.match(text)
    if match is None:
        return math.nan
    year = int(match[3]) if len(match[3]) == 4 else 1900 + int(match[3])
    return _midnight(year, int(match[2]), int(match[1]))


@lru_cache(maxsize=16)
def _midnight(year: int, month: int, day: int) -> float:
    if not (1 <= month <= 12 and 1 <= day <= calendar.monthrange(max(year, 1), month)[1]):
        return math.nan
    return float(calendar.timegm((year, month, day, 0, 0, 0)))


def _seconds(hour: int, minute: int, second: str | None) -> float:
    try:
        value = float(second or 0)
    except ValueError:
        return math.nan
    if hour > 24 or minute > 59 or value >= 61:
        return math.nan
    return 3600.0 * hour + 60.0 * minute + value


def _offset(zone: str | None) -> float:
    if not zone or zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "")
    return (1 if zone[0] == "+" else -1) * (3600.0 * int(digits[:2]) + 60.0 * int(digits[2:]))
