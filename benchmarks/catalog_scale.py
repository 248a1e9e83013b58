"""A catalog of millions of detections: appending, size, opening, queries, growing.

    python benchmarks/catalog_scale.py [--detections 10000000] [--folder .] [--calibrated]

Twenty cameras, a hundred detections per recording, recordings of a camera in the order of time, as an
archive has them; without a calibration (the eight sky columns are NaN) unless asked for, which is the
harder case for the size. Measured are the journal (bulk appending, the cost of one recording at the
beginning and at the end), putting the catalog in place, the size against Parquet (Zstandard, and
Snappy, which is pyarrow's default) of the columns of ``/detections``, `catalog show`, queries, and
a run that adds one recording to all that.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.catalogs.journal import Journal
from astrodetect.catalogs.reader import Catalog
from astrodetect.core.columns import DETECTION_COLUMNS
from astrodetect.core.detections import Detections
from astrodetect.core.results import RecordingBlock

CAMERAS = 20
PER_RECORDING = 100
EPOCH = 1786600000.0
PROVENANCE = {"pipeline": "", "versions": "{}", "command": "benchmark", "created": ""}
LABELS = np.array(["slow", "noise", "aircraft", "satellite", "insect", "meteor"], dtype=object)
REASONS = np.array(["label not accepted", "below threshold", "recurring position"], dtype=object)


def make_block(number: int, n_recordings: int, sky: bool) -> RecordingBlock:
    """Give one recording with a hundred detections."""
    rng = np.random.default_rng(number)
    n = PER_RECORDING
    camera, event = divmod(number, -(-n_recordings // CAMERAS))
    begin = EPOCH + 300.0 * event + 7.1 * camera
    first = np.sort(rng.integers(0, 2500, n))
    last = first + rng.integers(3, 60, n)
    xs, ys = rng.uniform(0, 1280, (2, n)), rng.uniform(0, 720, (2, n))
    accepted = rng.random(n) < 0.3
    number_of = rng.integers(0, 6, n)
    columns: dict[str, Any] = {
        "detection_id": rng.integers(-(1 << 63), 1 << 63, n),
        "time_start": begin + first / 25, "time_end": begin + last / 25,
        "frame_start": first, "frame_end": last,
        "x_start": xs[0], "y_start": ys[0], "x_end": xs[1], "y_end": ys[1],
        "x_min": np.floor(xs.min(0)), "y_min": np.floor(ys.min(0)),
        "x_max": np.floor(xs.max(0)) + 1, "y_max": np.floor(ys.max(0)) + 1,
        "label": np.where(accepted, "meteor", LABELS[number_of]), "probability": rng.random(n),
        "accepted": accepted, "reason": np.where(accepted, "", REASONS[number_of % 3]),
        "score": rng.normal(8, 2, n), "n_frames": last - first + 1,
        "speed": np.hypot(xs[1] - xs[0], ys[1] - ys[0]) / (last - first),
        "peak": rng.integers(20, 4000, n).astype(float), "flux": rng.lognormal(8, 1, n),
        "snr": rng.lognormal(2, 0.5, n), "n_saturated": rng.poisson(0.1, n),
    }  # fmt: skip
    if sky:
        names = [c.name for c in DETECTION_COLUMNS if c.name[:3] in ("ra_", "dec", "az_", "alt")]
        columns |= {name: rng.uniform(0, 90, n) for name in names}
    row = {
        "recording_id": int(rng.integers(-(1 << 63), 1 << 63)),
        "path": f"CAM{camera:02d}/{event:08d}.avi", "root": "/archive", "source": "video",
        "camera": f"CAM{camera:02d}", "fingerprint": f"{number:032x}", "time_start": begin,
        "time_end": begin + 100, "frame_rate": 25.0, "width": 1280, "height": 720, "n_frames": 2560,
        "n_windows": 50, "n_candidates": 500, "status": "done", "message": "", "seconds": 3.1,
    }  # fmt: skip
    return RecordingBlock(row, Detections(columns))


def seconds(work: Callable[[], object]) -> float:
    """Give the time that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def best(work: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """Give the first and the best time that `work` takes, in milliseconds."""
    taken = [1000 * seconds(work) for _ in range(times)]
    return taken[0], min(taken)


def append(path: Path, n_recordings: int, sky: bool) -> None:
    """Fill a journal in batches, so that making the blocks is not in the times."""
    total, costs = 0.0, []
    with Journal.open(path, PROVENANCE) as journal:
        for first in range(0, n_recordings, 1000):
            batch = [make_block(n, n_recordings, sky) for n in range(first, min(first + 1000, n_recordings))]

            def work(batch: list[RecordingBlock] = batch) -> None:
                for block in batch:
                    journal.append(block)

            costs.append(seconds(work) / len(batch))
            total += costs[-1] * len(batch)
        total += seconds(journal.sync)
        n = n_recordings * PER_RECORDING
        print(f"append: {n / total:.0f} detections/s, fsync included", flush=True)
        tenth = max(1, len(costs) // 10)
        early, late = (1e6 * float(np.median(part)) for part in (costs[:tenth], costs[-tenth:]))
        print(f"  one recording: {early:.0f} us in the first tenth, {late:.0f} us in the last", flush=True)
        finish = seconds(journal.finish)
        print(f"put in place: {finish:.1f} s ({n / finish:.0f} detections/s)", flush=True)


def compare_size(path: Path) -> None:
    """Compare the catalog with Parquet of the same columns."""
    import pyarrow
    import pyarrow.parquet

    with Catalog(path) as catalog:
        names = list(catalog.columns())
        table = pyarrow.table({name: catalog.read_columns([name])[name] for name in names})
    size = path.stat().st_size
    print(f"size: {size / 1e6:.0f} MB, {size / table.num_rows:.1f} bytes per detection")
    for kind in ("zstd", "snappy"):
        other = path.with_suffix(".parquet")
        pyarrow.parquet.write_table(table, other, compression=kind)
        packed = other.stat().st_size
        print(f"  Parquet ({kind}): {packed / 1e6:.0f} MB, ratio {size / packed:.3f}")
        other.unlink()


def query(path: Path, n_recordings: int) -> None:
    """Time opening and queries."""
    opened, again = best(lambda: Catalog(path).close())
    print(f"open: {opened:.1f} ms, then {again:.1f} ms")
    middle = EPOCH + 150.0 * n_recordings / CAMERAS
    meteors = "label = meteor and probability > 0.9"
    with Catalog(path) as catalog:
        catalog.query(after=0, before=1)  # imports astropy
        asked: dict[str, dict[str, Any]] = {
            "ten minutes": {"after": middle, "before": middle + 600},
            "ten minutes, three columns": {
                "after": middle, "before": middle + 600, "columns": ["time_start", "label", "snr"],
            },
            "ten minutes, one camera": {"after": middle, "before": middle + 600, "camera": "CAM07"},
            "an hour": {"after": middle, "before": middle + 3600},
            "an hour, meteors": {"after": middle, "before": middle + 3600, "where": meteors},
            "one recording": {"recording": "CAM03/00000017.avi"},
            "all meteors, two columns": {"where": meteors, "columns": ["time_start", "snr"]},
        }  # fmt: skip
        for name, conditions in asked.items():
            found = len(catalog.query(**conditions))
            first, fastest = best(lambda c=conditions: catalog.query(**c), 3)  # type: ignore[misc]
            print(f"query, {name}: {first:.0f} ms, best {fastest:.0f} ms, {found} rows", flush=True)


def commands(path: Path) -> None:
    """Time commands as a user has them, with the start of Python."""
    for words in (["show"], ["query", "label = meteor and probability > 0.999", "--limit", "20"]):
        line = [sys.executable, "-m", "astrodetect", "catalog", words[0], str(path), *words[1:]]
        taken = seconds(lambda line=line: subprocess.run(line, check=True, capture_output=True))  # type: ignore[misc]
        print(f"astrodetect catalog {words[0]}: {taken:.2f} s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detections", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--calibrated", action="store_true")
    arguments = parser.parse_args()
    n_recordings = max(CAMERAS, arguments.detections // PER_RECORDING)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        path = Path(name) / "archive.h5"
        append(path, n_recordings, arguments.calibrated)
        query(path, n_recordings)
        commands(path)

        def grow() -> None:
            with Journal.open(path, PROVENANCE) as journal:
                print(f"  known again after {time.perf_counter() - start:.1f} s")
                journal.append(make_block(n_recordings, n_recordings, arguments.calibrated))
                journal.finish()

        start = time.perf_counter()
        print(f"one recording more, and in place: {seconds(grow):.1f} s", flush=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"largest memory so far: {peak:.0f} MB", flush=True)
        compare_size(path)


if __name__ == "__main__":
    main()
