"""Whole process, 650 frames of 1296 x 966 as FITS files, against a careful user's script.

    python benchmarks/end_to_end.py [--frames 650] [--repeats 5]

Both processes start from nothing, read the same files from the page cache, and run the same
detection; wall times are medians of alternating runs, memory is the peak resident set of the process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

SHAPE = (966, 1296)


def write_event(folder: Path, n_frames: int) -> None:
    """Write 12-bit frames of noise with one moving spot, as plain 16-bit FITS files."""
    from astropy.io import fits

    rng = np.random.default_rng(1)
    noise = rng.normal(300, 8, (20, *SHAPE)).astype(np.float32)
    rows, columns = np.indices((41, 41)) - 20
    spot = 600 * np.exp(-(rows**2 + columns**2) / 4.0)
    folder.mkdir(parents=True)
    for index in range(n_frames):
        frame = noise[rng.integers(20)] + rng.integers(0, 2)
        if 200 <= index < 230:
            x, y = 300 + 9 * (index - 200), 250 + 6 * (index - 200)
            frame[y - 20 : y + 21, x - 20 : x + 21] += spot
        header = fits.Header({"SATURATE": 4095, "EXPOSURE": 1 / 30, "TELESCOP": "BENCH"})
        seconds = index / 30
        header["DATE-OBS"] = f"2026-01-02T01:{int(seconds // 60):02d}:{seconds % 60:09.6f}"
        fits.writeto(folder / f"frame_{index:04d}.fit", frame.clip(0, 4095).astype(np.uint16), header)


def measured(command: list[str]) -> tuple[float, float]:
    """Give wall seconds and peak memory (MiB) of a process."""
    start = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=650)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "event"
        write_event(folder, given.frames)
        script = Path(__file__).with_name("careful_script.py")
        run = [
            sys.executable,
            "-m",
            "astrodetect",
            "run",
            "--pipeline",
            "meteor",
            str(folder),
            "--fresh",
            "--quiet",
        ]
        commands = {
            "careful script": [sys.executable, str(script), str(folder)],
            "astrodetect run": [*run, "--out", str(Path(name) / "event.h5")],
        }
        results: dict[str, list[tuple[float, float]]] = {label: [] for label in commands}
        for _ in range(given.repeats):
            for label, command in commands.items():
                results[label].append(measured(command))
    reference = statistics.median(seconds for seconds, _ in results["careful script"])
    print(f"{'process':20s}{'wall s':>8s}{'ratio':>8s}{'frames/s':>10s}{'peak MiB':>10s}")
    for label, values in results.items():
        seconds = statistics.median(value for value, _ in values)
        memory = max(value for _, value in values)
        print(
            f"{label:20s}{seconds:8.2f}{seconds / reference:8.2f}{given.frames / seconds:10.0f}{memory:10.0f}"
        )


if __name__ == "__main__":
    main()
