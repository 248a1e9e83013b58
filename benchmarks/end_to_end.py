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

import numpy as np
from timing import Row, print_rows

from astrodetect.core.cores import VARIABLE
from astrodetect.methods.fast_tier import INSTALLED, compiled

SHAPE = (966, 1296)


def write_event(folder: Path, n_frames: int, shape: tuple[int, int] = SHAPE) -> None:
    """Write 12-bit frames of noise with one moving spot, as plain 16-bit FITS files."""
    from astropy.io import fits

    rng = np.random.default_rng(1)
    noise = rng.normal(300, 8, (20, *shape)).astype(np.float32)
    rows, columns = np.indices((41, 41)) - 20
    spot = 600 * np.exp(-(rows**2 + columns**2) / 4.0)
    folder.mkdir(parents=True)
    for index in range(n_frames):
        frame = noise[rng.integers(20)] + rng.integers(0, 2)
        if 200 <= index < 230:
            x, y = 30 + 9 * (index - 200), 30 + 5 * (index - 200)
            if x + 21 <= shape[1] and y + 21 <= shape[0]:
                frame[y - 20 : y + 21, x - 20 : x + 21] += spot
        header = fits.Header({"SATURATE": 4095, "EXPOSURE": 1 / 30, "TELESCOP": "BENCH"})
        seconds = index / 30
        header["DATE-OBS"] = f"2026-01-02T01:{int(seconds // 60):02d}:{seconds % 60:09.6f}"
        fits.writeto(folder / f"frame_{index:04d}.fit", frame.clip(0, 4095).astype(np.uint16), header)


#: Runs a command and tells wall seconds, CPU seconds and peak memory (MiB). A process of its own: a child
#: begins with the peak memory of its parent, and this one is small.
LAUNCHER = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - start
print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(command: list[str], env: dict[str, str] | None = None) -> tuple[float, float, float]:
    """Give wall seconds, CPU seconds and peak memory (MiB) of a process."""
    launch = [sys.executable, "-S", "-c", LAUNCHER, *command]
    done = subprocess.run(
        launch, check=False, capture_output=True, text=True, env={**os.environ, **(env or {})}
    )
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr.strip()}")
    wall, cpu, memory = (float(value) for value in done.stdout.split())
    return wall, cpu, memory


def command_line(folder: Path, out: Path) -> list[str]:
    """Give the command that processes a folder."""
    run = [sys.executable, "-m", "astrodetect", "run", "--pipeline", "meteor", str(folder)]
    return [*run, "--fresh", "--quiet", "--out", str(out)]


def _measured_all(frames: int, few: int, repeats: int) -> dict[str, list[tuple[float, float, float]]]:
    with tempfile.TemporaryDirectory() as name:
        folder, short, out = Path(name) / "event", Path(name) / "short", Path(name) / "event.h5"
        write_event(folder, frames)
        write_event(short, few)
        script = str(Path(__file__).with_name("careful_script.py"))
        commands = {
            "careful": [sys.executable, script, str(folder)],
            "ours": command_line(folder, out),
            "short": command_line(short, out),
            "ours, one core": command_line(folder, out),
            "short, one core": command_line(short, out),
            "start": [
                sys.executable,
                "-c",
                "from astrodetect.pipeline import Pipeline as P; P.from_toml('meteor').plan",
            ],
        }
        if INSTALLED:  # machine code is kept from run to run
            compiled(np.zeros((3, 2, 2), np.uint16), "numba")
        results: dict[str, list[tuple[float, float, float]]] = {label: [] for label in commands}
        for _ in range(repeats):
            for label, command in commands.items():
                alone = {VARIABLE: "1"} if label.endswith("one core") else None
                results[label].append(measured(command, alone))
    return results


def rows_of(frames: int, repeats: int) -> list[Row]:
    """Measure the whole process, a process of few frames, and what is between: the steady state."""
    few = 65
    results = _measured_all(frames, few, repeats)
    wall, cpu = (
        {label: statistics.median(value[k] for value in values) for label, values in results.items()}
        for k in (0, 1)
    )
    memory = max(value[2] for value in results["ours"])
    steady = (wall["ours"] - wall["short"]) / (frames - few)
    cores = (cpu["ours"] - cpu["short"]) / (frames - few)
    alone = (cpu["ours, one core"] - cpu["short, one core"]) / (frames - few)
    with_numba = ", numba" if INSTALLED else ""
    goal = 0.32 if INSTALLED else 0.5
    ratio = cpu["ours"] / cpu["careful"]
    note = f"{frames / wall['ours']:.0f} frames/s"
    name = f"end to end: {frames} FITS frames{with_numba}"
    # What is wanted of two cores holds for the compiled tier, and for plain NumPy of one.
    fast, slow = (1.0, None) if INSTALLED else (None, 1.0)
    return [
        Row(name, wall["ours"], cpu["ours"], wall["careful"], ratio, reference_name="careful script",
            goal=goal, note=note),
        Row("end to end: a steady frame", steady, cores, 1 / 1100, reference_name="1,100 frames/s, 2 cores",
            goal=fast, note=f"{1 / steady:.0f} frames/s, {1 / steady / 30:.1f} x real time"),
        Row("end to end: a steady frame, one core", alone, alone, 1 / 350, reference_name="350 frames/s",
            goal=slow, note=f"{1 / alone:.0f} frames/s, {1 / alone / 30:.1f} x real time"),
        Row("end to end: peak memory", memory, None, 600.0, reference_name="600 MiB", goal=1.0, unit="MiB"),
        Row("end to end: start-up", wall["start"], cpu["start"], 0.5, reference_name="0.5 s", goal=1.0),
    ]  # fmt: skip


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=650)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print_rows(rows_of(given.frames, given.repeats))


if __name__ == "__main__":
    main()
