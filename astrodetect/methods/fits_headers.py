"""Read FITS headers without a library: a frame's cards in some tens of microseconds.

FITS standard 4.0: blocks of 2880 bytes, cards of 80, values in columns 11-80 (section 4); the
convention of tile compression is section 10.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

BLOCK = 2880
#: A frame of more pixels is taken for a damaged header.
MAX_PIXELS = 1 << 36
#: Planes of a cube beyond which a header is taken for damaged.
MAX_PLANES = 1 << 31
_MAX_AXES = 999  # of the standard
_MAX_DATA_BYTES = 1 << 62
_SEXAGESIMAL = re.compile(r"^\s*([-+]?)(\d{1,3})[:\s]\s*(\d{1,2})(?:[:\s]\s*([\d.]+))?\s*$")
#: Value of the exposure when it varied within a freeture event.
_VARIED_EXPOSURE = 999999.0
_CAMERA = ("TELESCOP", "STATION", "STATION_", "STATIONID", "CAMERA", "CAMERAID", "INSTRUME", "DETNAM")
_EXPOSURE = ("EXPTIME", "EXPOSURE", "XPOSURE", "EXP_TIME", "ITIME")
_SATURATION = ("SATURATE", "SATLEVEL", "SATURATI", "SATLVL")
_RATE = ("FRAMERAT", "FPS", "FRATE", "CAMFPS", "FRMRATE")
_SITES = (
    ("SITELAT", "SITELONG", "SITEELEV"),
    ("LAT-OBS", "LONG-OBS", "ALT-OBS"),
    ("OBSLAT", "OBSLONG", "OBSALT"),
    ("OBS-LAT", "OBS-LONG", "OBS-ELEV"),
    ("OBSGEO-B", "OBSGEO-L", "OBSGEO-H"),
    ("GEOLAT", "GEOLON", "GEOALT"),
    ("LATITUDE", "LONGITUD", "ALTITUDE"),
    ("SITELAT", "SITELON", "SITEALT"),
    ("OBSLAT", "OBSLON", "OBSELEV"),
    ("SITELAT", "SITELONG", "ELEVATIO"),
)
_WCS_CARD = re.compile(r"^(WCSAXES|CTYPE\d|CRPIX\d|CRVAL\d|CDELT\d|CUNIT\d|CROTA\d|CD\d_\d|PC\d_\d|K[12])$")


class Header(Mapping[str, Any]):
    """The cards of one header: raw text by keyword, values made when asked for.

    Parameters
    ----------
    data : bytes
        Whole blocks up to and including ``END``.
    """

    def __init__(self, data: bytes = b"") -> None:
        text = data.decode("latin-1")
        self._cards = {
            text[i : i + 8].rstrip(): text[i + 10 : i + 80]
            for i in range(0, len(text), 80)
            if text[i + 8 : i + 10] == "= "
        }

    def __getitem__(self, name: str) -> Any:
        return parse_value(self._cards[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def __contains__(self, name: object) -> bool:
        return name in self._cards

    def get(self, name: str, default: Any = None) -> Any:
        """Give a value; `default` if the card is absent or empty."""
        raw = self._cards.get(name)
        value = None if raw is None else parse_value(raw)
        return default if value is None else value

    def integer(self, name: str, default: int) -> int:
        """Give an integer; `default` if it is absent, and a `ValueError` if it is something else."""
        value = self.get(name, default)
        whole = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1 << 62
        if not whole or value != int(value):
            raise ValueError(f"{name} = {value!r}, expected an integer")
        return int(value)

    def over(self, primary: Header) -> Header:
        """Give this header with what it lacks taken from the primary one."""
        return Header.of({**primary._cards, **self._cards})

    @classmethod
    def of(cls, cards: dict[str, str]) -> Header:
        """Make a header from raw values by keyword."""
        header = cls.__new__(cls)
        header._cards = cards
        return header

    def with_raw(self, name: str, raw: str) -> Header:
        """Give this header with other text in columns 11-80 of a card."""
        return Header.of({**self._cards, name: raw})

    def raw(self, names: tuple[str, ...]) -> tuple[str | None, ...]:
        """Give columns 11-80 of some cards; None for those that are absent."""
        return tuple(map(self._cards.get, names))


def parse_value(raw: str) -> Any:
    """Turn columns 11-80 of a card into str, bool, int or float; None if it has no value.

    Examples
    --------
    >>> parse_value(" 'It''s  '           / text"), parse_value("   1.5D2 / x"), parse_value("  T")
    ("It's", 150.0, True)
    """
    text = raw.strip()
    if text[:1] == "'":
        end = text.find("'", 1)
        while end >= 0 and text[end + 1 : end + 2] == "'":
            end = text.find("'", end + 2)
        return text[1 : end if end > 0 else None].replace("''", "'").rstrip()
    text = text.split("/", 1)[0].strip()
    if not text:
        return None
    if text in {"T", "F"}:
        return text == "T"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text.replace("D", "E").replace("d", "e"))
    except ValueError:
        return text


class PixelType(NamedTuple):
    """How stored numbers become pixels.

    ``stored`` is the big-endian type in the file, ``dtype`` the native type given; if `flip` is
    set, that bit of the stored integer is inverted (the unsigned convention); if `scaled`, pixels
    are ``zero + scale * stored`` in floating point.
    """

    stored: np.dtype[Any]
    dtype: np.dtype[Any]
    flip: int = 0
    scaled: bool = False


_STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
#: (BITPIX, BZERO) of integers of the other sign: stored type, and type given.
_OTHER_SIGN = {
    (8, -128.0): ("u1", "i1"),
    (16, 32768.0): (">u2", "u2"),
    (32, 2147483648.0): (">u4", "u4"),
    (64, 9223372036854775808.0): (">u8", "u8"),
}


def pixel_type(bitpix: int, zero: float, scale: float, blank: int | None = None) -> PixelType:
    """Give the type of pixels from BITPIX, BZERO, BSCALE and BLANK.

    Unscaled integers keep their type, with the convention for the other sign
    (uint16 is BITPIX 16 with BZERO 32768); scaled integers, and those with undefined pixels, become
    float32.

    Raises
    ------
    ValueError
        BITPIX is none of 8, 16, 32, 64, -32, -64.

    Examples
    --------
    >>> pixel_type(16, 32768, 1).dtype, pixel_type(16, 32767, 1).dtype, pixel_type(8, -128, 1).dtype
    (dtype('uint16'), dtype('float32'), dtype('int8'))
    """
    if bitpix not in _STORED:
        raise ValueError(f"BITPIX = {bitpix}, expected 8, 16, 32, 64, -32 or -64")
    stored = np.dtype(_STORED[bitpix])
    plain = scale == 1 and zero == 0
    if bitpix < 0:
        return PixelType(stored, stored.newbyteorder("="), scaled=not plain)
    if blank is None and plain:
        return PixelType(stored, stored.newbyteorder("="))
    if blank is None and scale == 1 and (bitpix, float(zero)) in _OTHER_SIGN:
        other, given = _OTHER_SIGN[bitpix, float(zero)]
        return PixelType(np.dtype(other), np.dtype(given), flip=1 << (bitpix - 1))
    return PixelType(stored, np.dtype("f4"), scaled=True)


@dataclass(frozen=True)
class ImageLayout:
    """Where and how the pixels of an image HDU are stored.

    Attributes
    ----------
    planes : int
        Planes of a cube; 1 for an image.
    shape : (int, int)
        Height and width.
    pixels : PixelType
        Stored and native type.
    zero, scale : float
        BZERO and BSCALE.
    blank : int or None
        Stored value of undefined pixels.
    tiled : bool
        Tile-compressed.
    """

    planes: int
    shape: tuple[int, int]
    pixels: PixelType
    zero: float
    scale: float
    blank: int | None
    tiled: bool

    @property
    def plane_bytes(self) -> int:
        """Bytes of one plane as stored without compression."""
        return self.shape[0] * self.shape[1] * self.pixels.stored.itemsize


def is_tiled(header: Header) -> bool:
    """Tell whether an HDU is a tile-compressed image."""
    return header.get("XTENSION") == "BINTABLE" and header.get("ZIMAGE") is True


#: Cards that say how an image is stored.
_STRUCTURE = (
    *("XTENSION", "GROUPS", "BZERO", "BSCALE", "BLANK", "ZIMAGE"),
    *(prefix + name for prefix in ("", "Z") for name in ("BITPIX", "NAXIS")),
    *(f"{prefix}NAXIS{axis}" for prefix in ("", "Z") for axis in range(1, 10)),
)


def image_layout(header: Header) -> ImageLayout | None:
    """Give how an HDU's image is stored, or None if it holds none of two dimensions.

    Raises
    ------
    ValueError
        The image has no pixels, or absurdly many, or a card of the structure is wrong.
    """
    return _layout_of(header.raw(_STRUCTURE))


@lru_cache(maxsize=64)  # the files of a sequence agree in these cards
def _layout_of(cards: tuple[str | None, ...]) -> ImageLayout | None:
    header = Header.of({name: raw for name, raw in zip(_STRUCTURE, cards, strict=True) if raw is not None})
    tiled = is_tiled(header)
    if not tiled and (header.get("XTENSION", "IMAGE") != "IMAGE" or header.get("GROUPS") is True):
        return None
    prefix = "Z" if tiled else ""
    axes = header.integer(f"{prefix}NAXIS", 0)
    if axes < 2:
        return None
    if axes > _MAX_AXES:
        raise ValueError(f"{prefix}NAXIS = {axes}, expected at most {_MAX_AXES}")
    sizes = [header.integer(f"{prefix}NAXIS{axis}", -1) for axis in range(1, axes + 1)]
    width, height, planes = sizes[0], sizes[1], math.prod(sizes[2:])
    if min(sizes) <= 0:
        raise ValueError(f"an image of {' x '.join(map(str, sizes))} pixels")
    if width * height > MAX_PIXELS or planes > MAX_PLANES:
        raise ValueError(f"an image of {' x '.join(map(str, sizes))} pixels; the header must be damaged")
    zero, scale = float(header.get("BZERO", 0)), float(header.get("BSCALE", 1))
    bitpix = header.integer(f"{prefix}BITPIX", 0)
    blank = header.integer("BLANK", 0) if "BLANK" in header and bitpix > 0 else None
    if tiled and bitpix < 0:  # quantised: the scale is applied tile by tile
        zero, scale = 0.0, 1.0
    pixels = pixel_type(bitpix, zero, scale, blank)
    return ImageLayout(planes, (height, width), pixels, zero, scale, blank, tiled)


def data_bytes(header: Header) -> int:
    """Give the bytes of an HDU's data, without padding."""
    axes = header.integer("NAXIS", 0)
    if axes <= 0:
        return 0
    if axes > _MAX_AXES:
        raise ValueError(f"NAXIS = {axes}, expected at most {_MAX_AXES}")
    sizes = [header.integer(f"NAXIS{axis}", 0) for axis in range(1, axes + 1)]
    if header.get("GROUPS") is True and sizes[0] == 0:
        sizes = sizes[1:]
    count = math.prod(sizes) + header.integer("PCOUNT", 0)
    size = abs(header.integer("BITPIX", 8)) // 8 * header.integer("GCOUNT", 1) * count
    if min(sizes, default=0) < 0 or not 0 <= size < _MAX_DATA_BYTES:
        raise ValueError(f"an HDU of {size} bytes")
    return size


def number(values: Mapping[str, Any], names: tuple[str, ...]) -> float:
    """Give the first of some cards that holds a number, also as text; NaN if none does."""
    for name in names:
        value = values.get(name)
        if isinstance(value, bool) or value is None:
            continue
        try:
            return float(value)
        except (TypeError, ValueError):
            continue
    return math.nan


def exposure_time(values: Mapping[str, Any]) -> float:
    """Give the exposure of a frame in seconds; NaN if unknown, or if it varied."""
    exposure = number(values, _EXPOSURE)
    return exposure if 0 <= exposure < _VARIED_EXPOSURE else math.nan


def saturation_level(values: Mapping[str, Any], dtype: np.dtype[Any]) -> float:
    """Give the value from which a pixel is saturated (ADU).

    Without a card that says so it is the largest value of integers of 8 and 16 bits: a camera of
    fewer bits saturates before. NaN for other types.
    """
    level = number(values, _SATURATION)
    if level > 0:
        return level
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" and dtype.itemsize <= 2 else math.nan


def frame_rate_card(values: Mapping[str, Any]) -> float:
    """Give frames per second as the header states it; NaN if it does not."""
    rate = number(values, _RATE)
    if rate > 0:
        return rate
    if str(values.get("PROGRAM", "")).lower() == "freeture":
        rate = number(values, ("CD3_3",))
        if rate > 0:
            return rate
    step = number(values, ("CDELT3",))
    if step > 0 and str(values.get("CUNIT3", "")).strip() in {"s", "sec"}:
        return 1.0 / step
    return math.nan


def camera_name(values: Mapping[str, Any]) -> str:
    """Give the camera or station; empty if the header names none."""
    for name in _CAMERA:
        text = str(values.get(name, "")).strip()
        if text:
            return text
    return ""


def parse_degrees(value: Any) -> float:
    """Turn degrees, decimal or sexagesimal, into a number; NaN if it is none.

    Examples
    --------
    >>> parse_degrees("-32:22:30"), parse_degrees(7.5)
    (-32.375, 7.5)
    """
    match = _SEXAGESIMAL.match(value) if isinstance(value, str) else None
    if match:
        degrees = int(match[2]) + int(match[3]) / 60 + float(match[4] or 0) / 3600
        return -degrees if match[1] == "-" else degrees
    return number({"": value}, ("",))


def site_of(values: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Give latitude and longitude (deg, north and east positive) and height (m), or None.

    A height that is not given is NaN. Both angles zero means that nobody filled them in.
    """
    for names in _SITES:
        latitude, longitude = (parse_degrees(values.get(name)) for name in names[:2])
        if abs(latitude) <= 90 and abs(longitude) <= 360 and (latitude or longitude):
            elevation = number(values, (names[2],))
            return latitude, (longitude + 180) % 360 - 180, elevation
    return None


def without_nominal_wcs(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the cards without a world coordinate system that is no solution.

    The program freeture writes configured values there, with projections that do not exist.
    """
    nominal = str(values.get("PROGRAM", "")).lower() == "freeture" or values.get("CTYPE1") == "RA---ARC"
    return {name: value for name, value in values.items() if not (nominal and _WCS_CARD.match(name))}
