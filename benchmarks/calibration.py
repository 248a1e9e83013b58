"""Calibrate real cameras from their stars, and compare with what others found for them.

    ASTRODETECT_DATA=/path/to/data python benchmarks/calibration.py [--only sony|magic|rms]

Needs ``calibration/`` (an all-sky picture with a list of named stars), ``allsky/`` (FITS frames, the star
catalogue) and ``rms/`` (FF files with platepars and FTPdetectinfo) in the folder that ``ASTRODETECT_DATA``
names.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect import Pipeline
from astrodetect.core.calibrating import load_calibration
from astrodetect.core.calibration import Floats, write_json
from astrodetect.core.data import Recording, Site
from astrodetect.core.registry import make_source
from astrodetect.core.windows import opened
from astrodetect.methods.fits_times import parse_utc
from astrodetect.pipelines import text as pipeline_text
from astrodetect.sky import frames
from astrodetect.sky import refraction as air
from astrodetect.sky.catalogue import StarCatalogue, read_star_catalogue
from astrodetect.sky.exposures import Exposure, read_exposures
from astrodetect.sky.fit_matches import in_frame, project
from astrodetect.sky.fit_model import Fit, free_numbers, refine, solve
from astrodetect.sky.fit_run import Result, calibrate
from astrodetect.sky.fit_start import pointed_lens
from astrodetect.sky.fit_views import View
from astrodetect.sky.lens import AllSkyLens
from astrodetect.sky.models import VectorCalibration
from astrodetect.sky.stars import StarList

#: The clock in the picture's name, and the place at which the list's azimuths and altitudes hold then.
SONY_TIME, SONY_SITE = "2020-12-11T20:09:33", Site(78.2248, 15.6622, 20.0)
LA_PALMA = Site(28.7619, -17.8900, 2200.0)


def warn(line: str) -> None:
    print(f"    warning: {line}")


def exposures_of(paths: Sequence[Path], time: float | None = None) -> list[Exposure]:
    """Give the averaged frames of some recordings."""
    found = list(Pipeline.from_toml("meteor").find(paths))
    return list(read_exposures(found, time=time, warn=warn))


def told(result: Result) -> str:
    """Give a fit in a line."""
    fit = result.fit
    return (
        f"{len(fit.matches)} stars of {result.n_sources} sources, rms {fit.rms:.2f} px "
        f"({fit.rms * result.scale:.1f} arcmin), {fit.n_free} numbers"
    )


def sky_grid(lowest: float) -> tuple[Floats, Floats]:
    """Give azimuths and altitudes over the sky (deg)."""
    az, alt = np.meshgrid(np.arange(0, 360, 5.0), np.arange(lowest, 90, 2.5))
    return az.ravel(), alt.ravel()


def distances(one: VectorCalibration, other: VectorCalibration, lowest: float) -> Floats:
    """Give how far two models put places on the sky apart (px)."""
    places = [model.horizon_to_pixel(*sky_grid(lowest)) for model in (one, other)]
    apart: Floats = np.hypot(*np.subtract(*places))
    return apart


def named_stars(folder: Path) -> tuple[list[str], View]:
    """Give the stars of the list as an exposure in which just they were found."""
    with (folder / "kho_sony_stars.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    az, seen = (np.array([float(row[name]) for row in rows]) for name in ("az_deg", "alt_deg"))
    x, y = (np.array([float(row[f"{name}_px_1based"]) - 1 for row in rows]) for name in ("col", "row"))
    alt, n = air.true_altitude(seen), len(rows)
    bright = np.full(n, 1e3)
    stars = StarList(
        x, y, bright, bright / 1e3, np.full(n, 2.5), np.zeros(n), bright, bright, np.zeros(n, dtype=bool)
    )
    points = frames.vectors(az, alt)
    view = View(
        "list", parse_utc(SONY_TIME)[0], stars, stars, np.arange(n), np.zeros(n), az, alt, points, points
    )
    return [row["name"] for row in rows], view


def fit_named(names: list[str], view: View, terms: int) -> Fit:
    """Fit a lens of so many terms to the list alone, from the middle of the frame."""
    start = AllSkyLens(
        projection="odd-polynomial", coefficients=(970.0, 1 / 24, *(0.0,) * (terms - 2)),
        x_centre=1415.5, y_centre=1415.5, rotation=330.0, shape=(2832, 2832), site=SONY_SITE,
    )  # fmt: skip
    fit = refine(start, [view])
    left = sorted(set(range(len(names))) - set(fit.matches.source.tolist()))
    x, y = fit.calibration.horizon_to_pixel(view.az, view.alt)
    away = np.hypot(x - view.stars.x, y - view.stars.y)
    print(
        f"  {len(fit.matches)} of {len(names)} named stars, {fit.n_free} numbers: rms {fit.rms:.2f} px, "
        f"largest {fit.matches.distance.max():.2f} px; {np.sum(away < 3)} of {len(names)} within 3 px"
    )
    print("    left out: " + ", ".join(f"{names[k]} {away[k]:.1f} px" for k in left))
    return fit


def uncertainty(fit: Fit) -> Floats:
    """Give the standard error (px) of where a fit puts places above 15 degrees, by leaving stars out."""
    free = [number for group in free_numbers(fit.calibration) for number in group]
    places = []
    for left_out in range(len(fit.matches)):
        rest = fit.matches[np.arange(len(fit.matches)) != left_out]
        model = solve(fit.calibration, fit.views, rest, free, 10.0)
        places.append(np.stack(model.horizon_to_pixel(*sky_grid(15.0))))
    n, spread = len(places), np.var(places, axis=0).sum(0)
    error: Floats = np.sqrt((n - 1) * spread)
    return error


def sony(data: Path, catalogue: StarCatalogue) -> None:
    """Compare the lens from named stars with the one found blind."""
    print("all-sky picture, Sony, 2832 x 2832 (JPEG):")
    names, view = named_stars(data / "calibration")
    picture = next((data / "calibration").glob("LYR-Sony-*.jpg"))
    exposures = exposures_of([picture], parse_utc(SONY_TIME)[0])
    result = calibrate(exposures, catalogue, SONY_SITE, made_from="Hipparcos", warn=warn)
    print(f"  blind: {told(result)}")
    x, y = result.calibration.horizon_to_pixel(view.az, view.alt)
    away = np.hypot(x - view.stars.x, y - view.stars.y)
    print(
        f"    the named stars from it: median {np.median(away):.2f} px, {np.sum(away < 3)} of 20 within 3 px"
    )
    blind = result.calibration
    assert isinstance(blind, AllSkyLens)
    wide = replace(blind, field=95.0)
    for terms in (3, 4):
        fit = fit_named(names, view, terms)
        apart = distances(wide, fit.calibration, 15.0)
        print(
            f"    apart from the blind one above 15 degrees: median {np.median(apart):.2f} px, "
            f"95 % {np.percentile(apart, 95):.2f} px, largest {apart.max():.2f} px; its own standard error "
            f"(jackknife): {uncertainty(fit).max():.2f} px at most"
        )


def magic(data: Path, catalogue: StarCatalogue) -> None:
    """Count the stars to V 4 above 30 degrees that are found near their places."""
    print("all-sky frames, MAGIC, 1392 x 1040 (12-bit FITS, 60 s):")
    paths = sorted((data / "allsky").glob("magic_images_*.fits"))
    for chosen in ([paths[0]], [paths[1]], paths):
        result = calibrate(exposures_of(chosen), catalogue, LA_PALMA, made_from="Hipparcos", warn=warn)
        print(f"  {' and '.join(path.name for path in chosen)}: {told(result)}")
        if result.photometry is not None:
            fitted = result.photometry
            print(
                f"    zero point {fitted.photometry.zero_point:.2f} mag, scatter {fitted.scatter:.2f} mag, "
                f"slope {fitted.slope:.2f}, {len(fitted.matches)} stars"
            )
        for view in result.fit.views:
            completeness(result.calibration, view, catalogue)


def completeness(model: VectorCalibration, view: View, catalogue: StarCatalogue) -> None:
    """Print which bright, high stars have a source within 2 px."""
    x, y = project(model, view)
    wanted = np.flatnonzero(in_frame(model, x, y) & (view.magnitude <= 4.0) & (view.alt > 30))
    away = np.hypot(view.stars.x[:, None] - x[wanted], view.stars.y[:, None] - y[wanted]).min(0)
    missed = ", ".join(
        f"{catalogue.name[view.index[k]]} (V {view.magnitude[k]:.1f}, at {x[k]:.0f}, {y[k]:.0f})"
        for k in wanted[away > 2][:8]
    )
    print(
        f"    {view.name}: {np.sum(away <= 2)} of {len(wanted)} stars to V 4 above 30 degrees within 2 px: "
        f"{np.mean(away <= 2):.1%}" + (f"; not: {missed}" if missed else "")
    )


def rms(data: Path, catalogue: StarCatalogue) -> None:
    """Refit the camera of FF files from rough starts, and compare with the shipped platepars."""
    shipped = load_calibration(data / "rms" / "UK0006_20220914" / "platepar_cmn2010.cal")
    assert shipped.site is not None
    rough: Any = replace(
        shipped, ra=shipped.ra + 3, dec=shipped.dec - 2, position_angle=shipped.position_angle + 3,  # type: ignore
        scale=1.03 * shipped.scale, x_poly=(0.0,) * len(shipped.x_poly),  # type: ignore
    )  # fmt: skip
    pointed = pointed_lens(240.0, 40.0, 88.0, 0.0, shipped.site, (720, 1280))
    for night in ("UK0006_20220914", "UK0006_20230421"):
        print(f"FF files of {night}:")
        recordings = list(Pipeline.from_toml("meteor").find([data / "rms" / night]))
        exposures = list(read_exposures(recordings, warn=warn))
        for name, start in (("platepar, 3 degrees off, no distortion", rough), ("pointing alone", pointed)):
            result = calibrate(exposures, catalogue, shipped.site, start=start, warn=warn)
            print(f"  from a {name}: {told(result)}")
            against_shipped(result.calibration, recordings, data / "rms" / night)
            if start is pointed:
                photometry(data / "rms" / night, recordings, result, "V of Hipparcos")
        stars = stars_of_platepars(data / "rms" / night)
        result = calibrate(exposures, stars, shipped.site, start=pointed, warn=warn)
        photometry(data / "rms" / night, recordings, result, "the network's own star magnitudes")


def against_shipped(model: VectorCalibration, recordings: Sequence[Recording], folder: Path) -> None:
    """Print how far each file's own platepar puts the sky from where the model puts it."""
    x, y = (side.ravel() for side in np.meshgrid(np.arange(20.0, 1280, 62), np.arange(20.0, 720, 62)))
    for recording in recordings:
        source = make_source(recording.source)
        with opened(source, recording) as stream:
            shipped = load_calibration(folder / "platepars_all_recalibrated.json", recording, stream)
            sky = model.pixel_to_sky(x, y, stream.start + 5)
            u, v = shipped.sky_to_pixel(sky.ra, sky.dec, stream.start + 5)
        high = sky.alt > 15
        away = np.hypot(u - x, v - y)[high]
        print(
            f"    {recording.files[0]}: from the shipped platepar median {np.nanmedian(away):.2f} px, "
            f"95 % {np.nanpercentile(away, 95):.2f} px, largest {np.nanmax(away):.2f} px"
        )


def stars_of_platepars(folder: Path) -> StarCatalogue:
    """Give all stars of the platepars of a night, with the magnitudes that the network gives them."""
    import json

    table = json.loads((folder / "platepars_all_recalibrated.json").read_text(encoding="utf-8"))
    rows = np.array([row[-3:] for plate in table.values() for row in plate["star_list"]], dtype=np.float64)
    rows = np.unique(rows.round(4), axis=0)
    rows = rows[np.argsort(rows[:, 2], kind="stable")]
    zero = np.zeros(len(rows))
    return StarCatalogue(
        rows[:, 0], rows[:, 1], rows[:, 2], zero, zero, np.full(len(rows), ""), band="network"
    )


def photometry(folder: Path, recordings: Sequence[Recording], result: Result, band: str) -> None:
    """Print how the magnitudes of the meteors differ from those in the FTPdetectinfo."""
    fitted = result.photometry
    if fitted is None:
        print(f"  magnitudes by {band}: none")
        return
    print(
        f"  magnitudes by {band}: zero point {fitted.photometry.zero_point:.2f}, extinction "
        f"{fitted.photometry.extinction:.2f}, {len(fitted.matches)} stars, scatter {fitted.scatter:.2f} mag"
    )
    theirs = dict(detectinfo(folder))
    every: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "calibration.json"
        write_json(result.calibration, place)
        table = f'[calibrate]\nfile = "{place.as_posix()}"\n'
        pipeline = Pipeline.from_toml(f"{pipeline_text('meteor')}\n{table}")
        for block in pipeline.results(recordings):
            name = Path(block.recording["path"]).name
            if block.recording["message"]:
                print(f"    {name}: {block.recording['message']}")
            for row in range(len(block.detections)):
                track = block.detections.track(row)
                if block.detections["accepted"][row]:
                    every += differences(name, track, theirs.get(name, []))
    if every:
        print(f"    all frames: median {np.median(every):+.2f} mag ({len(every)} frames)")


def differences(name: str, track: dict[str, Any], meteors: Sequence[Floats]) -> list[float]:
    """Give our magnitude less theirs, frame by frame, of the meteor that a track is of."""
    for meteor in meteors:
        frame = np.floor(meteor[:, 0]).astype(np.int64)
        _, i, j = np.intersect1d(frame, track["frame"], return_indices=True)
        apart = np.hypot(meteor[i, 1] - track["x"][j], meteor[i, 2] - track["y"][j])
        if len(i) < 3 or np.median(apart) > 10:
            continue
        off = track["magnitude"][j] - meteor[i, 8]
        print(
            f"    {name}: median {np.nanmedian(off):+.2f} mag over {len(i)} frames, peak "
            f"{np.nanmin(track['magnitude']):.2f} against {meteor[:, 8].min():.2f}, "
            f"{int(np.sum(track['n_saturated']))} saturated pixels"
        )
        return off[np.isfinite(off)].tolist()
    return []


def detectinfo(folder: Path) -> Iterator[tuple[str, list[Floats]]]:
    """Give the rows of each meteor of a night's FTPdetectinfo, by file."""
    path = next(p for p in sorted(folder.glob("FTPdetectinfo_*.txt")) if "manual" not in p.name)
    found: dict[str, list[Floats]] = {}
    for block in path.read_text(encoding="utf-8").split("-" * 55 + "\n")[1:]:
        lines = block.splitlines()
        rows = [line.split()[:9] for line in lines[3:] if re.match(r"\d+\.\d+ ", line)]
        found.setdefault(lines[0].strip(), []).append(np.array(rows, dtype=np.float64))
    yield from found.items()


def main() -> None:
    """Run all parts, or one."""
    parts = {"sony": sony, "magic": magic, "rms": rms}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=parts, help="this part alone")
    only = parser.parse_args().only
    folder = os.environ.get("ASTRODETECT_DATA")
    if not folder:
        sys.exit("ASTRODETECT_DATA is not set: no real recordings to calibrate")
    data = Path(folder)
    catalogue = read_star_catalogue(data / "allsky" / "hipparcos.fits.gz", 6.5)
    for name, part in parts.items():
        if only in (None, name):
            part(data, catalogue)


if __name__ == "__main__":
    main()
