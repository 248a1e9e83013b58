"""Star catalogues: any table of positions and magnitudes, its columns recognised, its units checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError

Floats = NDArray[np.float64]

#: Names of columns, in lower case, without ``_``, ``-`` and blanks; the first that is there counts.
_RA = ("ra", "raicrs", "raj2000", "rade", "raicrs(icrs)", "alpha", "radeg", "rightascension")
_DEC = ("dec", "de", "deicrs", "decicrs", "dej2000", "decj2000", "delta", "decdeg", "declination")
_MAG = ("vmag", "magv", "v", "vtmag", "johnsonv", "mag", "magnitude", "photgmeanmag", "gmag", "hpmag")
_PM_RA = ("pmra", "pmraicrs", "mualpha", "muracosdec", "pmracosdec")
_PM_DEC = ("pmdec", "pmde", "pmdeicrs", "mudelta", "mudec")
_COLOUR = ("bv", "b-v", "bprp", "color", "colour")
_NAME = ("hip", "name", "id", "sourceid", "tyc", "hr", "hd", "designation", "identifier")
#: Seconds of a Julian year, and J2000 in Unix seconds.
_YEAR, _J2000 = 31557600.0, 946727935.816
#: Brighter planets can be taken for stars.
PLANETS = ("mercury", "venus", "mars", "jupiter", "saturn")


@dataclass(frozen=True)
class StarCatalogue:
    """Stars, the brightest first.

    Attributes
    ----------
    ra, dec : (N,) float64 arrays
        ICRS at `epoch` (deg).
    magnitude : (N,) float64 array
        In `band`.
    pm_ra, pm_dec : (N,) float64 arrays
        Proper motion, ``cos(dec)`` included (arcsec per year); 0 where the table has none.
    name : (N,) str array
        Identifiers; empty where the table has none.
    epoch : float
        Julian year of the positions.
    band : str
        Name of the column of magnitudes.
    """

    ra: Floats
    dec: Floats
    magnitude: Floats
    pm_ra: Floats
    pm_dec: Floats
    name: NDArray[np.str_]
    epoch: float = 2000.0
    band: str = "V"

    def __len__(self) -> int:
        return len(self.ra)

    def brighter(self, limit: float) -> StarCatalogue:
        """Give the stars up to a magnitude."""
        return self._some(self.magnitude <= limit)

    def _some(self, index: Any) -> StarCatalogue:
        names = ("ra", "dec", "magnitude", "pm_ra", "pm_dec", "name")
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def at(self, time: float) -> tuple[Floats, Floats]:
        """Give right ascension and declination at a time, proper motion applied.

        Parameters
        ----------
        time : float
            UTC Unix seconds.

        Returns
        -------
        ra, dec : (N,) float64 arrays
            ICRS (deg).
        """
        years = 2000.0 + (time - _J2000) / _YEAR - self.epoch
        ra, dec = np.radians(self.ra), np.radians(self.dec)
        east = np.stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)])
        north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
        place = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
        moved = place + np.radians(years / 3600) * (self.pm_ra * east + self.pm_dec * north)
        moved_dec = np.arctan2(moved[2], np.hypot(moved[0], moved[1]))
        return np.degrees(np.arctan2(moved[1], moved[0])) % 360, np.degrees(moved_dec)


def read_star_catalogue(path: Path | str, limit: float = 7.0) -> StarCatalogue:
    """Read a star catalogue from a table in any form that astropy knows (FITS, VOTable, ECSV, CSV).

    Parameters
    ----------
    path : Path or str
        The file, may be packed.
    limit : float
        Faintest magnitude that is kept.

    Returns
    -------
    StarCatalogue
        Rows without a position or a magnitude are left out.

    Raises
    ------
    AstrodetectError
        It cannot be read; a column is missing, or its unit or range is not that of its name; no star is
        left.
    """
    path = Path(path)
    table = _read_table(path)
    ra_name = _column(table, _RA, path, "right ascension")
    dec_name = _column(table, _DEC, path, "declination")
    mag_name = _column(table, _MAG, path, "magnitude")
    ra, dec = _angles(table, ra_name, path, 360.0), _angles(table, dec_name, path, 90.0)
    magnitude = _values(table, mag_name)
    pm_ra, pm_dec = (_motion(table, names, path) for names in (_PM_RA, _PM_DEC))
    name = _find(table, _NAME)
    catalogue = StarCatalogue(
        ra, dec, magnitude, pm_ra, pm_dec,
        name=_names(table, name) if name else np.full(len(ra), ""),
        epoch=_epoch(table, ra_name, path), band=mag_name,
    )  # fmt: skip
    good = np.isfinite(ra) & np.isfinite(dec) & (magnitude <= limit)
    order = np.argsort(magnitude, kind="stable")
    kept = catalogue._some(order[good[order]])
    if not len(kept):
        raise AstrodetectError(f"{path}: no star up to magnitude {limit:g} among {len(ra)} rows")
    return kept


def _read_table(path: Path) -> Any:
    import warnings

    from astropy.table import Table

    if not path.is_file():
        raise AstrodetectError(f"{path}: there is no such star catalogue")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits = ".fit" in path.name.lower()
            return Table.read(path, format="fits", hdu=1) if fits else Table.read(path)
    except Exception as error:  # astropy's readers raise what they like
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AstrodetectError(f"{path}: cannot be read as a table: {told}") from error


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def _find(table: Any, names: tuple[str, ...]) -> str | None:
    present = {_plain(name): name for name in reversed(table.colnames)}
    return next((present[name] for name in names if name in present), None)


def _column(table: Any, names: tuple[str, ...], path: Path, what: str) -> str:
    found = _find(table, names)
    if found is None:
        raise AstrodetectError(
            f"{path}: no column of {what}; expected one of {', '.join(names[:5])}, "
            f"found {', '.join(table.colnames[:12])}"
        )
    return found


def _values(table: Any, name: str) -> Floats:
    column = np.ma.asarray(table[name])
    values: Floats = np.ma.filled(column.astype(np.float64), np.nan)
    return values


def _angles(table: Any, name: str, path: Path, largest: float) -> Floats:
    """Give a column in degrees; its unit, or else its range, says what it is in."""
    from astropy import units

    try:
        values = _values(table, name)
    except (ValueError, TypeError) as error:
        raise AstrodetectError(f"{path}: column {name} is not a number; expected degrees") from error
    unit = table[name].unit
    if unit is not None:
        try:
            values *= float(units.Unit(unit).to(units.deg))
        except (ValueError, TypeError, units.UnitsError) as error:
            raise AstrodetectError(f"{path}: column {name} is in {unit}; expected an angle") from error
    seen = values[np.isfinite(values)]
    if seen.size and (np.abs(seen).max() > largest or (largest == 360 and seen.min() < -180)):
        raise AstrodetectError(
            f"{path}: column {name} reaches {np.abs(seen).max():g}; expected degrees up to {largest:g}"
        )
    if unit is None and largest == 360 and seen.size > 1000 and seen.max() <= 24:
        raise AstrodetectError(
            f"{path}: column {name} has no unit and ends at {seen.max():g}: hours? give it the unit hourangle"
        )
    return values


def _motion(table: Any, names: tuple[str, ...], path: Path) -> Floats:
    """Give a proper motion in arcsec per year; without a unit it is taken as mas per year."""
    from astropy import units

    name = _find(table, names)
    if name is None:
        return np.zeros(len(table))
    unit = table[name].unit or units.mas / units.yr
    try:
        factor = units.Unit(unit).to(units.arcsec / units.yr)
    except (ValueError, TypeError, units.UnitsError) as error:
        raise AstrodetectError(f"{path}: column {name} is in {unit}; expected an angle per year") from error
    motion: Floats = np.nan_to_num(_values(table, name) * factor)
    return motion


def _names(table: Any, name: str) -> NDArray[np.str_]:
    column = table[name]
    if column.dtype.kind in "fiu":
        numbers = np.nan_to_num(_values(table, name)).astype(np.int64)
        prefix = f"{name.upper()} " if _plain(name) in {"hip", "tyc", "hr", "hd"} else ""
        return np.asarray([f"{prefix}{number}" for number in numbers])
    return np.asarray([str(value).strip() for value in column])


def _epoch(table: Any, ra_name: str, path: Path) -> float:
    """Give the epoch of the positions: a column, a header card, or what is known of the catalogue."""
    name = _find(table, ("refepoch", "epoch"))
    given = float(np.nanmedian(_values(table, name))) if name else table.meta.get("EPOCH")
    if given is not None:
        if not (isinstance(given, (int, float)) and 1850 < given < 2100):
            raise AstrodetectError(f"{path}: the epoch {given!r} is no year")
        return float(given)
    # Positions of the Hipparcos catalogue are of 1991.25 unless a service has moved them to J2000.
    hipparcos = _find(table, ("hip",)) is not None and "2000" not in ra_name
    return 1991.25 if hipparcos else 2000.0


def planets_at(time: float) -> tuple[tuple[str, ...], Floats, Floats]:
    """Give where the bright planets and the Moon stand, to about a minute of arc (the Moon: a degree).

    Parameters
    ----------
    time : float
        UTC Unix seconds.

    Returns
    -------
    names : tuple of str
    ra, dec : float64 arrays
        ICRS (deg).
    """
    from astropy.coordinates import get_body
    from astropy.time import Time

    names = (*PLANETS, "moon")
    when = Time(time, format="unix")
    places = [get_body(name, when, ephemeris="builtin") for name in names]
    ra = np.array([place.ra.deg for place in places])
    return names, ra, np.array([place.dec.deg for place in places])
