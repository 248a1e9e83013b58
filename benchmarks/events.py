"""How well and how fast meteors are found that several cameras saw.

Simulated nights with truth: recall and purity of pairs of cameras, by how dense the meteors are and how wrong
the clocks; then the time for many detections; then the real nights in the folder that ASTRODETECT_DATA names.

    python benchmarks/events.py [--detections 100000]
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from astrodetect.events.grouping import Event, group
from astrodetect.events.listing import event_lines
from astrodetect.events.pairs import Rules
from astrodetect.events.search import find_events, read_all
from astrodetect.events.shapes import shapes_of
from astrodetect.events.sightings import Sighting
from astrodetect.simulation.network import observe, random_network

START = 1723334400.0  # the night of the Perseids of 2024


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detections", type=int, default=100_000)
    arguments = parser.parse_args()
    print("meteors            clocks  detections  events  recall  purity")
    for name, shower, seconds in (
        ("sporadics, 30 s", "", 30.0), ("shower, 10 s", "PER", 10.0), ("shower, 3 s", "PER", 3.0),
        ("outburst, 1 s", "PER", 1.0), ("outburst, 0.5 s", "PER", 0.5),
    ):  # fmt: skip
        for clock in (0.1, 1.0):
            quality(name, shower, seconds, clock)
    speed(arguments.detections)
    folder = os.environ.get("ASTRODETECT_DATA")
    if folder:
        real(Path(folder) / "ftp")


def quality(name: str, shower: str, seconds: float, clock: float) -> None:
    """Print what is found of 500 meteors, one in `seconds` on average, by 8 cameras."""
    rng = np.random.default_rng(1)
    network = random_network(rng, 8, clock=clock)
    times = np.sort(rng.uniform(START, START + 500 * seconds, 500))
    truth, sightings = zip(*observe(network, rng, times, shower), strict=True)
    events = group(shapes_of(sightings), Rules())
    recall, purity = pairs_right(truth, events)
    row = f"{name:18} {clock:4.1f} s  {len(sightings):10d}  {len(events):6d}  {recall:6.3f}  {purity:6.3f}"
    print(row)


def pairs_right(truth: tuple[int, ...], events: list[Event]) -> tuple[float, float]:
    """Give the share of true pairs that are found, and that of found pairs that are true."""
    found = right = 0
    for event in events:
        counts = Counter(truth[i] for i in event.members)
        found += len(event.members) * (len(event.members) - 1) // 2
        right += sum(n * (n - 1) // 2 for n in counts.values())
    there = sum(n * (n - 1) // 2 for n in Counter(truth).values())
    return right / there, right / max(found, 1)


def speed(number: int) -> None:
    """Print the time for many detections: the same outburst in one night after the other."""
    rng = np.random.default_rng(2)
    network = random_network(rng, 20, clock=0.2)
    times = np.sort(rng.uniform(START, START + 1200, 400))
    night: list[Sighting] = [sighting for _, sighting in observe(network, rng, times, "PER")]
    for n in (number // 10, number):
        many = [
            replace(s, points={**s.points, "time": s.points["time"] + 86400.0 * day})
            for day in range(n // len(night) + 1)
            for s in night
        ][:n]
        started = time.process_time()
        found = find_events(many, {}, Rules())
        took = time.process_time() - started
        print(f"{n} detections of 20 cameras: {len(found.events)} events, {took:.1f} s of one core")


def real(folder: Path) -> None:
    """Print the events of real files."""
    sightings, _, read = read_all([folder])
    found = find_events(sightings, {}, Rules())
    print(f"{folder}: {len(read)} files, {len(sightings)} detections, {len(found.events)} events")
    print("\n".join(event_lines(found)))


if __name__ == "__main__":
    main()
