"""Positions on the sky: how exact, and how many a second.

python benchmarks/sky.py
ASTRODETECT_DATA=/data python benchmarks/sky.py    # also against the network's own numbers
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from astrodetect.core.calibration import Calibration
from astrodetect.core.data import Site
from astrodetect.methods.names import time_from_name
from astrodetect.sky import frames
from astrodetect.sky.lens import AllSkyLens
from astrodetect.sky.platepar import Platepar
from astrodetect.sky.platepar_files import platepar_from
from astrodetect.sky.wcs import wcs_from

N = 100_000
TIME = 1.68e9
SITE = Site(51.88, -1.31, 80.0)


def models() -> dict[str, Calibration]:
    """One calibration of each kind, for frames of 1280 x 720."""
    tan = {
        "NAXIS1": 1280, "NAXIS2": 720, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRPIX1": 640.0,
        "CRPIX2": 360.0, "CRVAL1": 30.0, "CRVAL2": 60.0, "CD1_1": -0.03, "CD1_2": 0.0, "CD2_1": 0.0,
        "CD2_2": 0.03, "A_ORDER": 2, "A_2_0": 1e-6, "A_1_1": 2e-6, "B_ORDER": 2, "B_0_2": -3e-6,
    }  # fmt: skip
    terms = {"PV1_1": 1.001, "PV1_4": 0.01, "PV2_1": 1.0, "PV2_5": -0.02, "PV2_7": 0.01}
    tpv = {name: value for name, value in tan.items() if name[:2] not in ("A_", "B_")} | terms
    tpv |= {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"}
    numbers = (-0.018, 0.097, 0.008, -1.38, 0.069, 0.0067, 0.0082)
    platepar = Platepar(
        1280, 720, SITE, 92.4, 15.8, 135.2, 29.3, 15.65, "radial7-odd", numbers, equal_aspect=True,
        asymmetric=True, refraction=True, residual=0.2,
    )  # fmt: skip
    lens = AllSkyLens(
        "odd-polynomial", (420.0, 0.02, -0.01), 640.0, 360.0, 20.0, 3.0, site=SITE, residual=0.3
    )
    sip, tpv_model = (wcs_from(values, site=SITE, time=TIME, mount="fixed") for values in (tan, tpv))
    assert sip is not None
    assert tpv_model is not None
    return {"platepar": platepar, "all-sky lens": lens, "WCS, SIP": sip, "WCS, TPV": tpv_model}


def seconds(work: Callable[[], Any]) -> float:
    """Least processor time of three passes: others on the machine do not count."""
    work()
    times = []
    for _ in range(3):
        start = process_time()
        work()
        times.append(process_time() - start)
    return min(times)


def speed_and_round_trip() -> None:
    """Print both for every kind of calibration."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(200, 1080, N), rng.uniform(50, 670, N)
    time = TIME + np.arange(N) / 25.0
    print(f"{N} points of tracks, each at its own time, with errors; one core, processor time")
    for name, model in models().items():
        sky = model.pixel_to_sky(x, y, time, np.eye(2))
        there = seconds(lambda model=model: model.pixel_to_sky(x, y, time, np.eye(2)))
        back = seconds(lambda model=model, sky=sky: model.sky_to_pixel(sky.ra, sky.dec, time))
        again = model.sky_to_pixel(sky.ra, sky.dec, time)
        off = np.hypot(again[0] - x, again[1] - y).max()
        rates = f"to the sky {N / there:9.0f}/s   to pixels {N / back:9.0f}/s"
        print(f"  {name:14s} {rates}   there and back {off:.1e} px")


def rows_of(path: Path) -> Iterator[tuple[str, float, list[float]]]:
    """File, seconds since its start, and x, y, RA, Dec, azimuth, altitude of the points of FTPdetectinfo."""
    name, rate = "", 0.0
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("FF_"):
            name = line.strip()
        elif len(words) == 10 and name and "." in words[3]:
            rate = float(words[3])
        elif len(words) in (9, 12) and re.fullmatch(r"\d+\.\d+", words[0]):
            yield name, float(words[0]) / rate, [float(word) for word in words[1:7]]


def against_the_network(folder: Path) -> None:
    """Print how far the positions in FTPdetectinfo files are from those computed from x and y."""
    for night in sorted((folder / "rms").glob("UK0006_*")):
        entries = json.loads((night / "platepars_all_recalibrated.json").read_text())
        listed = [path for path in sorted(night.glob("FTPdetectinfo_*.txt")) if "manual" not in path.name]
        equatorial, horizontal, pixels = [], [], []
        for name, after, (x, y, ra, dec, az, alt) in rows_of(listed[0]):
            named = time_from_name(name)
            assert named is not None
            model, time = platepar_from(entries[name]), named.time + after
            sky = model.pixel_to_sky(x, y, time)
            for found, ours, theirs in (
                (equatorial, (sky.ra, sky.dec), (ra, dec)),
                (horizontal, (sky.az, sky.alt), (az, alt)),
            ):
                chord = np.linalg.norm(frames.vectors(*ours) - frames.vectors(*theirs))
                found.append(3600 * np.degrees(chord))
            again = model.sky_to_pixel(sky.ra, sky.dec, time)
            pixels.append(np.hypot(again[0][0] - x, again[1][0] - y))
        print(f"{night.name}: {len(equatorial)} points of {listed[0].name}")
        for what, off in (("RA, Dec", equatorial), ("azimuth, altitude", horizontal)):
            print(f"  {what:18s} median {np.median(off):.3f} maximum {max(off):.3f} arcsec")
        print(f"  there and back     maximum {max(pixels):.1e} px")


def main() -> None:
    """Measure."""
    speed_and_round_trip()
    folder = os.environ.get("ASTRODETECT_DATA")
    if folder:
        against_the_network(Path(folder))
    else:
        print("ASTRODETECT_DATA is not set: nothing real to compare with", file=sys.stderr)


if __name__ == "__main__":
    main()
