"""Platepars from files: one, or one for each FF file of a night; and which meaning their pointing has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from astrodetect.core.calibration import Floats, Photometry
from astrodetect.core.data import Site
from astrodetect.methods.names import time_from_name
from astrodetect.sky import frames
from astrodetect.sky.platepar import Platepar, Pointing

#: From here on (2024-06-28, UTC) RMS takes the pointing for one of date: what an undecided file is taken for.
NEW_RULE = 1719532800.0
#: The better meaning must leave half of the other's residual, or the stars do not decide.
_CLEARLY = 0.5
#: Median of a Rayleigh distribution of unit width.
_RAYLEIGH = 1.1774
_JD_UNIX = 2440587.5
#: Stars from which a residual means something.
_FEWEST = 4


@dataclass(frozen=True)
class Stars:
    """The stars that a platepar was fitted to.

    Attributes
    ----------
    time : (n,) float64 array
        UTC Unix seconds.
    x, y : (n,) float64 array
        Pixels.
    ra, dec : (n,) float64 array
        J2000 (deg).
    """

    time: Floats
    x: Floats
    y: Floats
    ra: Floats
    dec: Floats

    def __len__(self) -> int:
        return len(self.x)


def pick_entry(values: Mapping[str, Any], name: str, time: float) -> tuple[Mapping[str, Any], str]:
    """Give the platepar of one recording from a file of one, or of one per FF file.

    Parameters
    ----------
    values : mapping
        What the JSON file holds.
    name : str
        Name of the FF file; may be empty.
    time : float
        UTC Unix seconds of the recording; NaN if unknown.

    Returns
    -------
    entry : mapping
        The platepar: that of the FF file, or else the one nearest in time.
    key : str
        Its key; empty if the file holds one platepar alone.

    Raises
    ------
    ValueError
        There is none.
    """
    if "X_res" in values or "x_poly" in values or "x_poly_fwd" in values:
        return values, ""
    entries = {key: entry for key, entry in values.items() if isinstance(entry, dict) and "X_res" in entry}
    if not entries:
        raise ValueError("holds no platepar: expected X_res, Y_res, RA_d, dec_d, x_poly_fwd and so on")
    if name in entries:
        return entries[name], name
    times = {key: named.time for key in entries if (named := time_from_name(key)) is not None}
    if not times or not np.isfinite(time):
        key = sorted(entries)[0]
    else:
        key = min(sorted(times), key=lambda item: abs(times[item] - time))
    return entries[key], key


def platepar_from(values: Mapping[str, Any], pointing: Pointing = "plain") -> Platepar:
    """Make a platepar from the keys of its JSON; those that are not needed are ignored.

    Parameters
    ----------
    values : mapping
        Keys as RMS writes them.
    pointing : {"plain", "precessed"}
        What the pointing means.

    Raises
    ------
    ValueError
        A key is missing or wrong: which, and what was expected.
    """
    number, flag = _getter(values)
    lists = [_numbers(values, name) for name in ("x_poly", "y_poly")]
    return Platepar(
        width=int(number("X_res")),
        height=int(number("Y_res")),
        site=Site(number("lat"), number("lon"), number("elev")),
        ra=number("RA_d"),
        dec=number("dec_d"),
        hour_angle=number("Ho"),
        position_angle=number("pos_angle_ref"),
        scale=number("F_scale"),
        distortion=str(values.get("distortion_type", "poly3+radial")),
        x_poly=lists[0],
        y_poly=lists[1],
        equal_aspect=flag("equal_aspect"),
        fixed_centre=flag("force_distortion_centre"),
        asymmetric=flag("asymmetry_corr"),
        refraction=flag("refraction"),
        pointing=pointing,
        photometry=_photometry(values),
        camera=str(values.get("station_code") or ""),
    )


def _getter(values: Mapping[str, Any]) -> tuple[Callable[[str], float], Callable[[str], bool]]:
    def number(name: str) -> float:
        value = values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
            raise ValueError(f"{name} = {value!r}: expected a number")
        return float(value)

    def flag(name: str) -> bool:
        value = values.get(name, False)
        if not isinstance(value, bool):
            raise ValueError(f"{name} = {value!r}: expected true or false")
        return value

    return number, flag


def _numbers(values: Mapping[str, Any], name: str) -> tuple[float, ...]:
    given = values.get(f"{name}_fwd", values.get(name))  # files of version 1 have one list for both ways
    if not isinstance(given, list) or not all(isinstance(item, (int, float)) for item in given):
        raise ValueError(f"{name}_fwd: expected a list of numbers")
    return tuple(float(item) for item in given)


def _photometry(values: Mapping[str, Any]) -> Photometry | None:
    def number(name: str, otherwise: float) -> float:
        value = values.get(name)
        return float(value) if isinstance(value, (int, float)) else otherwise

    level = number("mag_lev", float("nan"))
    if not np.isfinite(level):
        return None
    return Photometry(
        zero_point=level,
        zero_point_error=number("mag_lev_stddev", float("nan")),
        vignetting=number("vignetting_coeff", 0.0),
        extinction=number("extinction_scale", 1.0),
        law="green",
        band=str(values.get("mag_band_string") or ""),
    )


def stars_of(values: Mapping[str, Any]) -> Stars:
    """Give the ``star_list`` of a platepar, as its rows stand; those that are no seven numbers are left out.

    Rows are time, x, y, intensity, RA, Dec, magnitude where a person has fitted it, and time, **y, x**
    and so on where RMS has recalibrated it by itself; `star_residual` takes either.
    """
    rows: Sequence[Any] = values.get("star_list") or ()
    kept = [
        row[:7]
        for row in rows
        if isinstance(row, list) and len(row) >= 7 and all(isinstance(item, (int, float)) for item in row[:7])
    ]
    columns = np.array(kept, dtype=np.float64).reshape(-1, 7).T
    return Stars((columns[0] - _JD_UNIX) * 86400, columns[1], columns[2], columns[4], columns[5])


def star_residual(platepar: Platepar, stars: Stars) -> float:
    """Give the standard deviation along one axis (px) of the stars a platepar was fitted to.

    From the median distance, which strays do not move; NaN for fewer than four stars. Of the two
    orders of x and y that occur, the one that fits.
    """
    if len(stars) < _FEWEST:
        return float("nan")
    there = frames.vectors(stars.ra, stars.dec)
    medians = []
    for x, y in ((stars.x, stars.y), (stars.y, stars.x)):
        off = np.linalg.norm(platepar.directions(x, y, stars.time) - there, axis=-1)
        medians.append(float(np.median(np.nan_to_num(off, nan=np.pi))))
    return float(np.degrees(min(medians)) * platepar.scale / _RAYLEIGH)


def decided(
    values: Mapping[str, Any], time: float, pointing: Literal["auto", "plain", "precessed"] = "auto"
) -> tuple[Platepar, str]:
    """Make a platepar and decide what its pointing means.

    The meaning by which the stars of the platepar leave clearly less is taken; where they do not
    tell, the one that RMS had at the time.

    Parameters
    ----------
    values : mapping
        Keys as RMS writes them.
    time : float
        UTC Unix seconds of the recording; NaN if unknown.
    pointing : {"auto", "plain", "precessed"}
        Decide, or take this.

    Returns
    -------
    Platepar
        With its residual.
    str
        What is doubtful, for the user; empty if nothing is.

    Raises
    ------
    ValueError
        As `platepar_from`.
    """
    first = platepar_from(values)
    stars = stars_of(values)
    both = {name: replace(first, pointing=name) for name in get_args(Pointing)}
    left = {name: star_residual(each, stars) for name, each in both.items()}
    if pointing != "auto":
        return replace(both[pointing], residual=left[pointing]), ""
    best = min(left, key=lambda name: left[name])
    if left[best] <= _CLEARLY * max(left.values()):
        return replace(both[best], residual=left[best]), ""
    newest = max([*stars.time, *([time] if np.isfinite(time) else [])], default=0.0)
    chosen: Pointing = "precessed" if newest >= NEW_RULE else "plain"
    told = (
        f"its {len(stars)} stars leave {left['plain']:.1f} or {left['precessed']:.1f} px"
        if len(stars) >= _FEWEST
        else f"it has only {len(stars)} stars"
    )
    doubt = (
        f"{told}, which does not tell whether its pointing is to be precessed; taken as {chosen} by the date"
    )
    return replace(both[chosen], residual=left[chosen]), doubt
