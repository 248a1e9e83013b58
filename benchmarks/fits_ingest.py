"""Frames per second from FITS files: this reader against astropy, in one run.

Writes frames of 1296 x 966 pixels (BITPIX 16, BZERO 32768), one per file, plain and RICE-compressed,
then reads all of them by each way in turn, several rounds; the table gives medians. Wall times count
threads; the column of CPU ratios counts work, where the machine is shared.

    python benchmarks/fits_ingest.py [--frames 130] [--tiled 30] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from timing import Row, measured, print_rows, row

from astrodetect.core.data import Recording
from astrodetect.methods.compiled import INSTALLED
from astrodetect.plugins.sources.fits import Fits

SHAPE = (966, 1296)
RING = 65


def write_frames(folder: Path, n_frames: int, tiled: bool) -> None:
    """Write frames as a 12-bit camera gives them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    base = rng.normal(300, 12, SHAPE)
    for index in range(n_frames):
        pixels = (base + rng.integers(0, 32)).clip(0, 4095).astype(np.uint16)
        header = fits.Header({"TELESCOP": "BENCH1", "EXPOSURE": 0.033, "SATURATE": 4095})
        header["DATE-OBS"] = f"2024-05-01T01:{index // 1800:02d}:{index / 30 % 60:07.4f}"
        path = folder / f"frame_{index:04d}.fits"
        if tiled:
            hdu = fits.CompImageHDU(pixels, header, compression_type="RICE_1")
            fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
        else:
            fits.PrimaryHDU(pixels, header).writeto(path)


def by_astropy(recording: Recording, hdu: int) -> None:
    """Read each file as astropy's documentation shows it."""
    for path in recording.file_paths:
        with fits.open(path) as hdus:
            np.array(hdus[hdu].data)


def by_source(recording: Recording, slots: Iterator[Any], threads: int) -> None:
    """Read by the source, headers and times included."""
    source = Fits(threads=threads)
    source.recording = recording
    source.stream = source.open(recording)
    for _ in source.frames_into(slots):
        pass
    source.close()


def by_readv(recording: Recording, buffer: Any) -> None:
    """Read the bytes and do nothing with them: the limit."""
    for path in recording.file_paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.readv(descriptor, [buffer])
        os.close(descriptor)


def rows_of(frames: int, tiled: int, rounds: int) -> list[Row]:
    """Measure all."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for kind, count, goals in (
            ("plain", frames, (1 / 4.5, 1 / 1.4)),
            ("RICE", tiled, (1 / 2.5, 1 / 1.8)),
        ):
            folder = Path(name) / kind
            write_frames(folder, count, kind == "RICE")
            (recording,) = Fits.find(folder)
            ready = INSTALLED or kind != "RICE"  # compressed files are decoded by compiled code
            one, ring = np.zeros(SHAPE, np.uint16), np.zeros((RING, *SHAPE), np.uint16)
            raw = memoryview(np.zeros(SHAPE[0] * SHAPE[1] * 2 + 4 * 2880, np.uint8))
            ways: dict[str, Callable[[], object]] = {
                "astropy": lambda r=recording, h=int(kind == "RICE"): by_astropy(r, h),
                "one thread": lambda r=recording, s=one: by_source(r, cycle([s]), 1),
                "two threads": lambda r=recording, s=one: by_source(r, cycle([s]), 2),
                "into a ring": lambda r=recording, s=ring: by_source(r, cycle(s), 1),
                "bare reads": lambda r=recording, b=raw: by_readv(r, b),
                "headers of all": lambda r=recording: Fits().open(r),
            }
            taken = measured(ways, rounds)
            together = goals[0] * goals[1] if kind == "RICE" and ready else None
            first = goals[0] if ready else None
            for way, goal in (("one thread", first), ("two threads", together), ("into a ring", None)):
                rate = f"{count / taken[way].wall:.0f} frames/s"
                half = 2.0 if kind == "plain" and way == "one thread" else None
                rows.append(row(f"FITS {kind}: {way}", taken, way, "astropy", "bare reads", goal, rate, half))
            over = goals[1] if ready else None
            rows.append(
                row(f"FITS {kind}: two threads over one", taken, "two threads", "one thread", goal=over)
            )
            rows.append(row(f"FITS {kind}: headers alone", taken, "headers of all", "astropy"))
    return rows


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=130)
    parser.add_argument("--tiled", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print_rows(rows_of(given.frames, given.tiled, given.rounds))


if __name__ == "__main__":
    main()
