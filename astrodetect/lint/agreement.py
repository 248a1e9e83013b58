"""What follows for a file from RA and Dec that do not agree with azimuth and altitude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from astrodetect.events.sites import determines_site, site_from_positions
from astrodetect.lint.notes import Notes
from astrodetect.lint.positions import Explanation, Positions, explain, outliers
from astrodetect.lint.values import written

#: Which columns a mistake is corrected in; those that are missing here cannot be corrected surely.
_COLUMNS = {
    "azimuth-from-south": ("az",), "azimuth-reversed": ("az",), "azimuth-south-reversed": ("az",),
    "zenith-distance": ("alt",), "refraction": ("alt",), "hours": ("ra",),
    "radians": ("ra", "dec", "az", "alt"),
}  # fmt: skip
_SITE = {"longitude-sign": ("obs_longitude",), "latitude-sign": ("obs_latitude",),
         "site-swapped": ("obs_latitude", "obs_longitude")}  # fmt: skip
_WHAT = {
    "azimuth-from-south": "azimuth counts from the south",
    "azimuth-reversed": "azimuth grows to the west",
    "azimuth-south-reversed": "azimuth counts from the south, to the east",
    "hours": "ra is in hours",
    "radians": "positions are in radians",
    "zenith-distance": "altitude is the distance from the zenith",
    "refraction": "altitude has refraction in it",
    "longitude-sign": "the longitude has the wrong sign",
    "latitude-sign": "the latitude has the wrong sign",
    "site-swapped": "latitude and longitude are swapped",
    "of-date": "ra and dec are of date, not of J2000",
    "time-zone": "the times are not in UTC",
}


def check_agreement(
    lines: Sequence[int],
    positions: Positions,
    names: Mapping[str, str],
    site_lines: Mapping[str, int],
    notes: Notes,
    texts: Mapping[tuple[int, str], str] | None = None,
) -> Positions | None:
    """Compare the two kinds of positions of a file.

    Parameters
    ----------
    lines : sequence of int
        Lines of the n rows.
    positions : Positions
        Of these rows.
    names : mapping of str to str
        Names of the columns ``ra, dec, az, alt`` in the file.
    site_lines : mapping of str to int
        Lines of the keys ``obs_latitude, obs_longitude``, where the file holds them.
    notes : Notes
        Where to write findings and corrections.
    texts : mapping of (int, str) to str, optional
        Cells as they are written, by line and name of the column; corrections get as many decimals.

    Returns
    -------
    Positions or None
        Corrected as far as the mistakes are understood; None where nothing could be compared.
    """
    if len(positions) == 0 or (positions.site is None and not _comparable(positions)):
        return None
    found = explain(positions)
    if found.mistakes is None:
        _note_contradiction(lines, positions, found, notes)
        return None
    for mistake in found.mistakes:
        _note_mistake(mistake, lines[0], positions, found, site_lines, notes)
        for column in _COLUMNS.get(mistake, ()):
            values = getattr(found.corrected, column)
            for line, value in zip(lines, values, strict=True):
                like = (texts or {}).get((line, names[column]), "")
                notes.cells[line, names[column]] = written(float(value), like)
    rows = outliers(found.corrected)
    misses = found.corrected.misses()
    what = [f"ra and dec are {misses[i]:.3f} deg from azimuth and altitude" for i in rows]
    notes.add_rows("outlier", [lines[int(i)] for i in rows], what)
    good = np.ones(len(positions), dtype=bool)
    good[rows.astype(int)] = False
    return found.corrected if good.any() else None


def _comparable(positions: Positions) -> bool:
    p = positions
    return determines_site(p.ra, p.dec, p.az, p.alt, p.time)


def _note_mistake(
    mistake: str, line: int, positions: Positions, found: Explanation, site_lines: Mapping[str, int],
    notes: Notes,
) -> None:  # fmt: skip
    before = float(np.median(positions.misses()))
    what = f"{_WHAT[mistake]}: with that, ra and dec agree with azimuth and altitude to {found.miss:.4f} deg"
    what += f", and are {before:.3f} deg off without" if positions.site is not None else ""
    remedy = ""
    fixable = mistake in _COLUMNS
    if mistake == "time-zone":
        hours = found.zone / 3600.0
        remedy = f"take {hours:+g} h off the times; or the longitude is {hours * 15.041:+.2f} deg too small"
    if mistake == "of-date":
        remedy = (
            "precess ra and dec to J2000; if they are right, azimuth and altitude were made of them without "
            "precession: only whoever made the file can tell"
        )
    if mistake in _SITE:
        keys = _SITE[mistake]
        line, fixable = site_lines.get(keys[0], 0), all(key in site_lines for key in keys)
        site = found.corrected.site
        if site is not None and fixable:
            values = {"obs_latitude": site.latitude, "obs_longitude": site.longitude}
            notes.meta.update({key: f"{values[key]:.6f}" for key in keys})
    notes.add(mistake, line, what, remedy, fixable=fixable)


def _note_contradiction(lines: Sequence[int], positions: Positions, found: Explanation, notes: Notes) -> None:
    p = positions
    what = f"ra and dec are {found.miss:.3f} deg (median) from azimuth and altitude; no usual mistake fits"
    remedy = "check the site, the time, and how the positions were computed"
    place = site_from_positions(p.ra, p.dec, p.az, p.alt, p.time)
    if place is not None:
        remedy = (
            f"they would agree for a camera at {place.site.latitude:.3f} N, {place.site.longitude:.3f} E "
            f"(within {max(1, round(place.error))} km): check the site, or the time"
        )
    if p.site is None:
        what = "ra and dec contradict azimuth and altitude, wherever the camera stands"
    notes.add("inconsistent", lines[0], what, remedy)
