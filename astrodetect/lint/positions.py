"""RA and Dec against azimuth and altitude: do they agree, and if not, which mistake would explain it?

Both say where the meteor stood; site and time lead from one to the other. Every usual mistake (azimuth from
the south, hours for degrees, local time ...) is undone in turn, and in pairs; the first that makes the two
agree is what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Site
from astrodetect.events.directions import (
    Floats,
    celestial_to_earth,
    horizontal_to_earth,
    separation,
)
from astrodetect.events.sites import site_from_positions

#: Degrees by which the two may differ: aberration, nutation and rounding, each done or left out.
TOLERANCE = 0.012
#: A single row that is off by more (deg), and by ten times what is usual in the file, is wrong by itself.
OUTLIER = 0.1
#: An explanation has to bring the two nearer by this factor.
_BETTER = 3.0
#: Rows that are looked at for the kind of mistake; more say the same.
_MOST_ROWS = 400


@dataclass(frozen=True)
class Positions:
    """Positions in both systems, n rows without gaps.

    Attributes
    ----------
    ra, dec, az, alt : (n,) float64 array
        Degrees, as the file has them.
    time : (n,) float64 array
        UTC Unix seconds.
    site : Site or None
        Where the camera stands.
    of_date : bool
        `ra` and `dec` are of date.
    """

    ra: Floats
    dec: Floats
    az: Floats
    alt: Floats
    time: Floats
    site: Site | None
    of_date: bool = False

    def take(self, rows: NDArray[np.integer[Any]]) -> Positions:
        """Give some rows."""
        columns = {name: getattr(self, name)[rows] for name in ("ra", "dec", "az", "alt", "time")}
        return replace(self, **columns)

    def __len__(self) -> int:
        return len(self.time)

    def misses(self) -> Floats:
        """Give the angles (n,) between the two places, in degrees."""
        site = self.site
        if site is None:
            worked_out = site_from_positions(self.ra, self.dec, self.az, self.alt, self.time)
            if worked_out is None:
                return np.full(len(self), 180.0)
            site = worked_out.site
        if not (abs(site.latitude) <= 90 and np.all(np.abs(self.dec) <= 90.001)):
            return np.full(len(self), 180.0)
        earth = celestial_to_earth(self.ra, self.dec, self.time, of_date=self.of_date)
        return separation(earth, horizontal_to_earth(self.az, self.alt, site))


Mistake = Callable[[Positions], Positions]


def _true_altitude(alt: Floats) -> Floats:
    from astrodetect.sky.refraction import true_altitude

    return true_altitude(alt)


def _with_site(change: Callable[[Site], Site]) -> Mistake:
    return lambda p: p if p.site is None else replace(p, site=change(p.site))


#: How each mistake is undone. The order is that in which they are tried: what is frequent first.
UNDO: dict[str, Mistake] = {
    "azimuth-from-south": lambda p: replace(p, az=(p.az + 180.0) % 360.0),
    "of-date": lambda p: replace(p, of_date=True),
    "azimuth-reversed": lambda p: replace(p, az=-p.az % 360.0),
    "azimuth-south-reversed": lambda p: replace(p, az=(180.0 - p.az) % 360.0),
    "hours": lambda p: replace(p, ra=15.0 * p.ra),
    "radians": lambda p: replace(
        p, ra=np.degrees(p.ra), dec=np.degrees(p.dec), az=np.degrees(p.az), alt=np.degrees(p.alt)
    ),
    "zenith-distance": lambda p: replace(p, alt=90.0 - p.alt),
    "longitude-sign": _with_site(lambda s: s._replace(longitude=-s.longitude)),
    "latitude-sign": _with_site(lambda s: s._replace(latitude=-s.latitude)),
    "site-swapped": _with_site(lambda s: Site(s.longitude, s.latitude, s.elevation)),
    "refraction": lambda p: replace(p, alt=_true_altitude(p.alt)),
}
#: Without a site these cannot be told from another site.
_NEED_SITE = {"of-date", "longitude-sign", "latitude-sign", "site-swapped", "refraction"}
#: Offsets of clocks that run on local time (s).
_ZONES = [sign * 900.0 * quarter for quarter in range(2, 57, 2) for sign in (1, -1)]


@dataclass(frozen=True)
class Explanation:
    """How the two kinds of positions come to agree.

    Attributes
    ----------
    mistakes : tuple of str
        Keys of `UNDO`, or ``time-zone``; empty where they agree as they are, None where nothing helps.
    corrected : Positions
        With the mistakes undone.
    miss : float
        Median angle that remains (deg).
    zone : float
        Seconds by which the times are ahead of UTC.
    """

    mistakes: tuple[str, ...] | None
    corrected: Positions
    miss: float
    zone: float = 0.0


def explain(positions: Positions) -> Explanation:
    """Find the mistakes that make RA and Dec disagree with azimuth and altitude.

    Parameters
    ----------
    positions : Positions
        At least one row; at least two far enough from each other where the site is not known.
    """
    some = positions.take(np.linspace(0, len(positions) - 1, min(len(positions), _MOST_ROWS)).astype(int))
    as_it_is = _miss(some)
    if as_it_is <= TOLERANCE:
        return Explanation((), positions, as_it_is)
    names = [name for name in UNDO if positions.site is not None or name not in _NEED_SITE]
    for chosen in _attempts(names):
        miss = _miss(_undone(some, chosen))
        if miss <= min(TOLERANCE, as_it_is / _BETTER):
            return Explanation(chosen, _undone(positions, chosen), miss)
    if positions.site is not None:
        misses = [_miss(replace(some, time=some.time - zone)) for zone in _ZONES]
        best = int(np.argmin(misses))
        if misses[best] <= TOLERANCE:
            corrected = replace(positions, time=positions.time - _ZONES[best])
            return Explanation(("time-zone",), corrected, misses[best], _ZONES[best])
    return Explanation(None, positions, as_it_is)


def _attempts(names: list[str]) -> Iterator[tuple[str, ...]]:
    yield from ((name,) for name in names)
    yield from combinations(names, 2)


def _undone(positions: Positions, names: tuple[str, ...]) -> Positions:
    for name in names:
        positions = UNDO[name](positions)
    return positions


def _miss(positions: Positions) -> float:
    return float(np.median(positions.misses()))


def outliers(positions: Positions) -> NDArray[np.intp]:
    """Give the rows (k,) at which the two disagree, of positions that agree otherwise."""
    misses = positions.misses()
    return np.flatnonzero(misses > max(OUTLIER, 10.0 * float(np.median(misses))))
