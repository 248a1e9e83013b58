"""Draw what simulated stations record, to look at.

    python benchmarks/station_pictures.py stations.jpg [--seed 3] [--stations 9] [--frames 60]

One recording of each station: the maximum of its frames, stretched. Prints what is in them, and how long a
recording takes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from astrodetect.simulation.station.night import plan_station_night, simulate_station_recording
from astrodetect.simulation.station.station import draw_station

#: Tiles in a row.
_COLUMNS = 3


def stretched(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Give a picture with nearly all of its range in view."""
    low, high = np.percentile(image, (0.5, 99.8))
    return (np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)


def main() -> None:
    """Simulate, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--stations", type=int, default=9)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--shape", type=int, nargs=2, default=(480, 640))
    args = parser.parse_args()
    stations = [draw_station(args.seed, number, shape=tuple(args.shape)) for number in range(args.stations)]
    specs = plan_station_night(stations, args.stations, frames=args.frames, seed=args.seed)
    tiles = []
    for number, spec in enumerate(specs):
        begin = time.perf_counter()
        scene = simulate_station_recording(spec, 1000 * args.seed + number)
        highest = np.max(list(scene.frames()), axis=0)
        took = time.perf_counter() - begin
        tiles.append(stretched(highest))
        station = spec.station
        rows = "; ".join(f"{row.object} ({row.peak_snr:.0f})" for row in scene.truth)
        print(f"{station.name} {station.kind} {station.codec} {spec.weather}, {took:.1f} s: {rows}")
    while len(tiles) % _COLUMNS:
        tiles.append(np.zeros_like(tiles[0]))
    sheet = np.vstack([np.hstack(tiles[at : at + _COLUMNS]) for at in range(0, len(tiles), _COLUMNS)])
    picture = Image.fromarray(sheet)
    width = min(1500, sheet.shape[1])
    picture.resize((width, width * sheet.shape[0] // sheet.shape[1])).save(args.out, quality=80)


if __name__ == "__main__":
    main()
