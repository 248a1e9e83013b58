"""World coordinate systems of FITS headers, and of the text headers that SCAMP writes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from astrodetect.core.calibration import Floats, Photometry
from astrodetect.core.data import Site
from astrodetect.methods.fits_headers import exposure_time
from astrodetect.methods.fits_times import observation_time
from astrodetect.sky import frames
from astrodetect.sky.models import VectorCalibration

#: Whether the camera stands fast or follows the stars.
Mount = Literal["fixed", "tracking"]
#: Fields wider than this (deg) are those of cameras that stand fast, unless said otherwise.
WIDE_FIELD = 10.0
_CARDS = re.compile(
    r"WCSAXES|(CTYPE|CUNIT|CRPIX|CRVAL|CDELT|CROTA|CNAME)\d|(CD|PC)\d_\d|P[VS]\d_\d+|LONPOLE|LATPOLE"
    r"|RADE(C)?SYS|EQUINOX|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)|NAXIS[12]?"
)
#: Axes of right ascension and declination, or of galactic, ecliptic and other longitudes and latitudes.
_ON_THE_SKY = re.compile(r"RA--|DEC-|.LON-|.LAT-")
#: A header with a table of distortions cannot be understood without the table.
_TABLES = re.compile(r"(CPDIS|CQDIS|D2IMDIS|DP|D2IM)\d")
#: Cards that hold the scatter of a solution in degrees (the FITS standard; SCAMP).
_SCATTER = (("CRDER1", "CRDER2"), ("ASTRRMS1", "ASTRRMS2"), ("ASTIRMS1", "ASTIRMS2"))


@dataclass(frozen=True)
class FitsWcs(VectorCalibration):
    """A plate solution as the FITS standard describes it, with SIP or TPV distortion (`astropy.wcs`).

    Attributes
    ----------
    cards : dict
        Values by keyword; FITS counts pixels from 1.
    mount : {"fixed", "tracking"}
        A fixed camera sees the sky turn: the solution, made at `time`, is one over the ground. A
        tracking one sees the same stars at all times.
    time : float
        UTC Unix seconds for which the solution was made; a fixed camera needs it.
    flipped : bool
        Rows count from the bottom, y of ours from the top.
    shape, site, residual, made_by, photometry, camera
        See `astrodetect.core.calibration.Calibration`.
    """

    model: ClassVar[str] = "wcs"

    cards: dict[str, bool | int | float | str]
    mount: Mount = "tracking"
    time: float = float("nan")
    flipped: bool = False
    shape: tuple[int, int] | None = None
    site: Site | None = None
    residual: float = float("nan")
    made_by: str = ""
    photometry: Photometry | None = None
    camera: str = ""

    def __post_init__(self) -> None:
        if self.flipped and self.shape is None:
            raise ValueError("rows that count from the bottom need the height of the frame")
        if self.mount == "fixed" and (self.site is None or not np.isfinite(self.time)):
            raise ValueError('mount = "fixed" needs the site, and the time for which the solution was made')
        _ = self._wcs  # is it one?

    @property
    def native(self) -> Literal["icrs", "horizon"]:
        """The ground for a fixed camera, else the stars."""
        return "horizon" if self.mount == "fixed" else "icrs"

    def directions(self, x: Floats, y: Floats, time: Floats) -> Floats:
        """Give unit vectors of pixels."""
        del time
        points = self._sky(x, self._rows(y))
        if self.site is None or self.mount == "tracking":
            return points
        return frames.to_horizon(points, np.full(len(points), self.time), self.site)

    def pixels(self, points: Floats, time: Floats) -> tuple[Floats, Floats]:
        """Give the pixels of unit vectors; NaN where the solution cannot be inverted."""
        del time
        if self.site is not None and self.mount == "fixed":
            points = frames.to_icrs(points, np.full(len(points), self.time), self.site)
        longitude, latitude = frames.angles(points @ self._to_icrs)
        wcs = self._wcs
        given = [latitude, longitude] if wcs.wcs.lng == 1 else [longitude, latitude]
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of points that all lie behind the camera
            x, rows = wcs.all_world2pix(*given, 0, quiet=True)
            back = self._sky(x, rows)
        good = np.linalg.norm(back - points, axis=-1) < 1e-3 * self.pixel_scale
        return np.where(good, x, np.nan), np.where(good, self._rows(rows), np.nan)

    @cached_property
    def pixel_scale(self) -> float:
        """Side of a pixel at the reference point (rad)."""
        return float(np.radians(np.sqrt(abs(np.linalg.det(self._wcs.pixel_scale_matrix)))))

    @property
    def field(self) -> float:
        """Width of the field (deg), as far as the scale at the reference point tells; NaN if unknown."""
        return float("nan") if self.shape is None else float(np.degrees(self.pixel_scale)) * max(self.shape)

    def _rows(self, y: Floats) -> Floats:
        return self.shape[0] - 1 - y if self.flipped and self.shape is not None else y

    def _sky(self, x: Floats, rows: Floats) -> Floats:
        world = self._wcs.all_pix2world(x, rows, 0)
        points = frames.vectors(world[self._wcs.wcs.lng], world[self._wcs.wcs.lat])
        turned: Floats = points @ self._to_icrs.T
        return turned

    @cached_property
    def _wcs(self) -> Any:
        from astropy.io.fits import Header
        from astropy.wcs import WCS

        header = Header()
        for name, value in self.cards.items():
            header[name] = value
        with warnings.catch_warnings():  # astropy tells of every card that it understands in another form
            warnings.simplefilter("ignore")
            try:
                wcs = WCS(header)
                wcs = wcs if wcs.naxis == 2 else wcs.celestial
            except Exception as error:  # wcslib has some ten of its own
                raise ValueError(f"no world coordinate system: {' '.join(str(error).split())}") from error
        if wcs.wcs.lng < 0 or wcs.wcs.lat < 0:
            raise ValueError("no celestial coordinate system: expected CTYPE such as RA---TAN and DEC--TAN")
        return wcs

    @cached_property
    def _to_icrs(self) -> Floats:
        """Rotation from the system of the header (FK5, FK4, galactic ...) to ICRS."""
        from astropy.coordinates import ICRS, SkyCoord
        from astropy.wcs.utils import wcs_to_celestial_frame

        from astrodetect.sky.offline import stay_offline

        stay_offline()
        frame = wcs_to_celestial_frame(self._wcs)
        if isinstance(frame, ICRS):
            return np.eye(3)
        axes = SkyCoord([0.0, 90.0, 0.0], [0.0, 0.0, 90.0], unit="deg", frame=frame).icrs
        return frames.vectors(axes.ra.deg, axes.dec.deg).T


def wcs_from(
    values: Mapping[str, Any],
    *,
    mount: Literal["auto", "fixed", "tracking"] = "auto",
    site: Site | None = None,
    time: float = float("nan"),
    shape: tuple[int, int] | None = None,
    flipped: bool = False,
    made_by: str = "",
) -> FitsWcs | None:
    """Make a calibration from the cards of a header.

    Parameters
    ----------
    values : mapping
        Header values by keyword.
    mount : {"auto", "fixed", "tracking"}
        Auto: fixed if the field is wider than 10 degrees, and site and time are known.
    site, time, shape : optional
        What the header does not say: where the camera stands, when the middle of the exposure was,
        height and width of the frames.
    flipped : bool
        Rows of the header count from the bottom of our frames.
    made_by : str
        For people.

    Returns
    -------
    FitsWcs or None
        None if the header holds no world coordinate system, or the nominal one of freeture.

    Raises
    ------
    ValueError
        It holds one that cannot be used: why.
    """
    axes = [str(values.get(name, "")) for name in ("CTYPE1", "CTYPE2", "CTYPE3")]
    if not any(_ON_THE_SKY.match(axis) for axis in axes) or is_nominal(values):
        return None
    if any(_TABLES.fullmatch(name) for name in values):
        raise ValueError("its distortion is a table in other extensions; SIP and TPV can be read")
    cards = {name: _plain(value) for name, value in values.items() if _CARDS.fullmatch(name)}
    if "-TAN" in str(cards["CTYPE1"]) and any(name.startswith(("PV1_", "PV2_")) for name in cards):
        # SCAMP wrote its polynomials under TAN before TPV was registered.
        cards |= {name: re.sub("-TAN$", "-TPV", str(cards[name])) for name in ("CTYPE1", "CTYPE2")}
    exposure = exposure_time(values)
    taken = observation_time(values, exposure) + (exposure / 2 if np.isfinite(exposure) else 0.0)
    height, width = (values.get(name) for name in ("NAXIS2", "NAXIS1"))
    if "IMAGEH" in values:
        height, width = values["IMAGEH"], values.get("IMAGEW")
    if isinstance(height, int) and isinstance(width, int):
        shape = (height, width)
    time = taken if np.isfinite(taken) else time
    made = FitsWcs(cards, "tracking", time, flipped, shape, site, float("nan"), made_by)
    if mount == "auto":
        known = site is not None and np.isfinite(time)
        mount = "fixed" if known and made.field > WIDE_FIELD else "tracking"
    residual = _scatter(values) / np.degrees(made.pixel_scale)
    return FitsWcs(cards, mount, time, flipped, shape, site, float(residual), made_by)


def is_nominal(values: Mapping[str, Any]) -> bool:
    """Say whether a header's coordinates are those that freeture writes without any calibration."""
    by_freeture = "freeture" in str(values.get("PROGRAM", "")).lower() or {"K1", "K2"} <= set(values)
    return by_freeture and str(values.get("CTYPE1", "")).endswith("ARC")


def read_head(text: str) -> dict[str, Any]:
    """Give the cards of a header written as text, one per line, up to the first ``END``, as SCAMP does.

    Raises
    ------
    ValueError
        There is no card in it.
    """
    from astropy.io.fits import Header

    lines = [line.rstrip() for line in text.splitlines()]
    end = next((i for i, line in enumerate(lines) if line == "END"), len(lines))
    kept = [line[:80] for line in lines[:end] if line[8:9] == "="]
    if not kept:
        raise ValueError("holds no FITS cards: expected lines such as CTYPE1  = 'RA---TPV'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = Header.fromstring("\n".join(kept), sep="\n")
        return {name: header[name] for name in header}


def _scatter(values: Mapping[str, Any]) -> float:
    """Give the scatter of a solution along one axis (deg); NaN if the header does not say."""
    for names in _SCATTER:
        found = [values[name] for name in names if isinstance(values.get(name), (int, float))]
        if found and all(item > 0 for item in found):
            return float(np.sqrt(np.mean(np.square(found))))
    return float("nan")


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
