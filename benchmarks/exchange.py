"""Files of networks read, written and read again; what a run exports against what the network had found.

``python benchmarks/exchange.py FOLDER [--catalog night.h5]``: every file below FOLDER that a format knows is
read and, if the format can, written and read again. With a catalog of the same recordings, its meteors as
exported to FTPdetectinfo are compared frame by frame with those of the FTPdetectinfo files below FOLDER.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect import Catalog
from astrodetect.core.errors import AstrodetectError
from astrodetect.exchange import Content, format_named, format_of_file, read
from astrodetect.exchange.catalogs import content_of
from astrodetect.exchange.joining import read_together
from astrodetect.exchange.model import SKY

_BESIDE = {"classes.txt", "images.csv", "CameraSites.txt", "CameraTimeOffsets.txt"}


def again(content: Content, name: str) -> Content:
    """Write and read."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for file_name, data in format_named(name).write(content):
            paths.append(Path(folder) / file_name)
            paths[-1].write_bytes(data)
        found = read_together(path for path in paths if path.name not in _BESIDE)
    return Content(tuple(recording for entry in found for recording in entry.content.recordings))


def values(content: Content) -> dict[str, Any]:
    """Give all numbers of all tracks, sorted by recording."""
    columns: dict[str, list[Any]] = {}
    for recording in sorted(content.recordings, key=lambda r: (r.path.partition(":")[2], r.path)):
        for name, column in recording.detections.tracks.items():
            if column.dtype.kind in "fi":
                columns.setdefault(name, []).append(column.astype(float))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def round_trips(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Give format, file and the largest difference of any number (times: s, else its own unit)."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in {".txt", ".xml", ".json", ".cal", ".ecsv", ".csv"}:
            continue
        try:
            name = format_of_file(path).name
            content = read(path)
        except AstrodetectError:
            continue
        try:
            one, other = values(content), values(again(content, name))
        except AstrodetectError:  # triggers in pixels alone have no analysis, an empty night no camera
            yield name, path.name, np.nan
            continue
        yield (
            name,
            path.name,
            max((float(np.nanmax(np.abs(one[n] - other[n]), initial=0)) for n in one), default=0),
        )


def agreement(folder: Path, catalog: Path) -> None:
    """Print how far our exported points lie from those of the network in the same frames."""
    with Catalog(catalog) as opened:
        ours = again(content_of(opened), "ftpdetectinfo")
    theirs = {
        Path(recording.path).name: recording
        for path in sorted(folder.rglob("FTPdetectinfo*"))
        if "manual" not in path.name
        for recording in read(path).recordings
    }
    pixels: list[float] = []
    seconds: list[float] = []
    degrees: dict[str, list[float]] = {"ra, dec": [], "az, alt": []}
    for mine in ours.recordings:
        other = theirs.get(Path(mine.path).name)
        if other is None:
            print(f"  {mine.path}: not in the network's file")
            continue
        for a, b in pairs(mine.detections, other.detections):
            pixels.append(float(np.hypot(a["x"] - b["x"], a["y"] - b["y"])))
            seconds.append(abs(a["time"] - b["time"]))
            for key, (lon, lat) in (("ra, dec", SKY[:2]), ("az, alt", SKY[2:])):
                degrees[key].append(separation(a[lon], a[lat], b[lon], b[lat]))
    print(f"  {len(pixels)} points in common; median distance {np.median(pixels):.2f} px, ", end="")
    print(f"times within {max(seconds):.4f} s (rolling shutter)")
    for key, apart in degrees.items():
        print(f"  {key}: median {np.median(apart) * 60:.2f} arcmin")


def pairs(mine: Any, other: Any) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
    """Give points of the same frame of each of our meteors and the nearest of theirs."""
    for row in range(len(mine)):
        track = mine.track(row)
        best: list[tuple[dict[str, float], dict[str, float]]] = []
        for number in range(len(other)):
            known = other.track(number)
            common = np.intersect1d(track["frame"], known["frame"])
            found = [(point(track, frame), point(known, frame)) for frame in common]
            near = [p for p in found if np.hypot(p[0]["x"] - p[1]["x"], p[0]["y"] - p[1]["y"]) < 20]
            best = max(best, near, key=len)
        yield from best


def point(track: dict[str, Any], frame: int) -> dict[str, float]:
    """Give the first point of a frame."""
    row = int(np.flatnonzero(track["frame"] == frame)[0])
    return {name: float(column[row]) for name, column in track.items()}


def separation(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Give the angle between two directions in degrees."""
    a, b, c, d = np.radians([lon, lat, other_lon, other_lat])
    haversine = np.sin((d - b) / 2) ** 2 + np.cos(b) * np.cos(d) * np.sin((c - a) / 2) ** 2
    return float(np.degrees(2 * np.arcsin(np.sqrt(haversine))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--catalog", type=Path)
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    worst: dict[str, float] = {}
    for name, _, apart in round_trips(given.folder):
        kind = f"{name} (read only: nothing to write)" if np.isnan(apart) else name
        counts[kind] += 1
        worst[kind] = max(worst.get(kind, 0.0), 0.0 if np.isnan(apart) else apart)
    for name, n in sorted(counts.items()):
        print(f"  {n:4d} {name}: largest difference after read, write, read {worst[name]:.1e}")
    if given.catalog is not None:
        agreement(given.folder, given.catalog)


if __name__ == "__main__":
    main()
