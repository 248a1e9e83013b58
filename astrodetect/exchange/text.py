"""Text of other programs: bytes, encodings, numbers and times, each refused in one line."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from astrodetect.core.errors import AstrodetectError

#: Larger files are refused: a year of a network in one file is a tenth of this.
MAX_BYTES = 256 << 20
#: Tried in this order where a file does not say how it is encoded. The second is Shift-JIS as Windows has
#: it; the last takes everything.
ENCODINGS = ("utf-8", "cp932", "latin-1")
_ISO = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)[T ](\d\d?):(\d\d?):(\d\d?(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*(Z|[+-]\d\d:?\d\d)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_bytes(path: Path | str) -> bytes:
    """Read a whole file.

    Raises
    ------
    AstrodetectError
        It cannot be read, is empty, or is larger than `MAX_BYTES`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise AstrodetectError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise AstrodetectError(f"{path}: larger than {MAX_BYTES >> 20} MiB; expected a file of detections")
    if not data.strip():
        raise AstrodetectError(f"{path}: empty; expected a file of detections")
    return data


def decode(data: bytes, declared: str = "") -> str:
    """Give the text of bytes whose encoding may be anything.

    Parameters
    ----------
    data : bytes
        With or without a byte-order mark, which counts first.
    declared : str
        What the file says of itself; tried first.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    for encoding in (declared, *ENCODINGS):
        if encoding:
            try:
                return data.decode(encoding)
            except (UnicodeDecodeError, LookupError):
                continue
    return data.decode("latin-1")


def read_text(path: Path | str) -> str:
    """Read a text file in whatever encoding; line ends become ``\\n``.

    Raises
    ------
    AstrodetectError
        As `read_bytes`, or it is not text.
    """
    text = decode(read_bytes(path))
    if "\0" in text:
        raise AstrodetectError(f"{path}: is not a text file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def number(text: str) -> float:
    """Give the number of a text; NaN for an empty one and for what is not finite.

    Raises
    ------
    ValueError
        It is no number.

    Examples
    --------
    >>> number(" +08.4746 "), number("")
    (8.4746, nan)
    """
    text = text.strip()
    if "_" in text:
        raise ValueError(f"{text!r} is no number")
    value = float(text) if text else math.nan
    return value if math.isfinite(value) else math.nan


def iso_time(text: str) -> float:
    """Give UTC Unix seconds of an ISO 8601 time; without a zone it is UTC.

    Seconds may be written as ``60`` (a leap second, or rounded up: the next minute) or ``1e-05``.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> iso_time("2016-12-31T23:59:60.5") - iso_time("2017-01-01T00:00:00")
    0.5
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no ISO 8601 time")
    year, month, day, hour, minute = (int(match[i]) for i in range(1, 6))
    seconds = float(match[6])
    if not 0 <= seconds < 61:
        raise ValueError(f"{text!r} has {seconds:g} seconds")
    try:
        start = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    zone = match[7] or "Z"
    offset = 0 if zone == "Z" else (int(zone[1:3]) * 60 + int(zone[-2:])) * (-60 if zone[0] == "-" else 60)
    return (start - _EPOCH).total_seconds() - offset + seconds


def to_moment(unix: float, decimals: int = 6) -> datetime:
    """Give the moment of Unix seconds, rounded, never with a second of 60.

    Raises
    ------
    ValueError
        It is not finite, or outside of the years 1 to 9999.
    """
    if not math.isfinite(unix):
        raise ValueError("no time")
    whole = math.floor(unix)
    fraction = round((unix - whole) * 10**decimals)
    try:
        return _EPOCH + timedelta(seconds=whole) + timedelta(microseconds=fraction * 10 ** (6 - decimals))
    except OverflowError:
        raise ValueError(f"{unix:g} s is not a time of the calendar") from None


def iso_text(unix: float, decimals: int = 6) -> str:
    """Give the ISO 8601 text (UTC, without a zone) of Unix seconds.

    Raises
    ------
    ValueError
        As `to_moment`.

    Examples
    --------
    >>> iso_text(1483228799.9999999)
    '2017-01-01T00:00:00.000000'
    """
    text = to_moment(unix, decimals).replace(tzinfo=None).isoformat(timespec="microseconds")
    return text[: len(text) - 6 + decimals] if decimals else text[:-7]
