"""Frames per second from plain FITS files: this reader against astropy, in one run.

Writes frames of 1296 x 966 pixels (BITPIX 16, BZERO 32768), one per file, then reads all of them by
each way in turn, several rounds; the table gives medians.

    python benchmarks/fits_ingest.py [--frames 130] [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astrodetect.core.data import Recording
from astrodetect.plugins.sources.fits import Fits

SHAPE = (966, 1296)
RING = 65


def write_frames(folder: Path, n_frames: int) -> None:
    """Write frames as a 12-bit camera gives them."""
    rng = np.random.default_rng(0)
    base = rng.normal(300, 12, SHAPE)
    for index in range(n_frames):
        pixels = (base + rng.integers(0, 32)).clip(0, 4095).astype(np.uint16)
        header = fits.Header()
        header["DATE-OBS"] = f"2024-05-01T01:{index // 1800:02d}:{index / 30 % 60:07.4f}"
        header["TELESCOP"] = "BENCH1"
        header["EXPOSURE"] = 0.033
        header["SATURATE"] = 4095
        fits.PrimaryHDU(pixels, header).writeto(folder / f"frame_{index:04d}.fit")


def by_astropy(recording: Recording) -> int:
    """Read each file as astropy's documentation shows it."""
    total = 0
    for path in recording.file_paths:
        with fits.open(path) as hdus:
            total += int(np.array(hdus[0].data)[0, 0])
    return total


def by_source(recording: Recording, slots: Iterator[Any]) -> int:
    """Read by the source, headers and times included."""
    source = Fits()
    source.recording = recording
    source.stream = source.open(recording)
    total = sum(int(frame.data[0, 0]) for frame in source.frames_into(slots))
    source.close()
    return total


def by_readv(recording: Recording, buffer: Any) -> int:
    """Read the bytes and do nothing with them: the limit."""
    for path in recording.file_paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.readv(descriptor, [buffer])
        os.close(descriptor)
    return 0


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=130)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_frames(folder, given.frames)
        (recording,) = Fits.find(folder)
        one = np.zeros(SHAPE, np.uint16)
        ring = np.zeros((RING, *SHAPE), np.uint16)
        raw = memoryview(np.zeros(SHAPE[0] * SHAPE[1] * 2 + 2 * 2880, np.uint8))
        ways: dict[str, Callable[[], int]] = {
            "astropy fits.open(...)[0].data": lambda: by_astropy(recording),
            "fits source, one buffer": lambda: by_source(recording, cycle([one])),
            f"fits source, ring of {RING}": lambda: by_source(recording, cycle(ring)),
            "os.readv alone (limit)": lambda: by_readv(recording, raw),
            "finding the recording": lambda: len(list(Fits.find(folder))),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(given.rounds):
            sums = set()
            for way, read in ways.items():
                start = time.perf_counter()
                total = read()
                seconds[way].append(time.perf_counter() - start)
                if "fits" in way:
                    sums.add(total)
            if len(sums) != 1:
                raise SystemExit("the readers do not give the same pixels")
    reference = statistics.median(seconds["astropy fits.open(...)[0].data"])
    print(f"{given.frames} files of {SHAPE[1]} x {SHAPE[0]} uint16, medians of {given.rounds} rounds")
    print(f"{'':34}{'frames/s':>10}{'ratio':>8}")
    for way, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{way:34}{given.frames / median:10.0f}{reference / median:8.2f}")


if __name__ == "__main__":
    main()
