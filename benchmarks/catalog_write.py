"""Detections per second through the writer that a run uses, against h5py row by row.

    python benchmarks/catalog_write.py [--recordings 2000] [--folder .]

Every recording holds ten detections (one event) with all columns of the contract and a track of five
points each. A recording counts as written when the death of the process cannot lose it.

* journal: `Journal.append` as the run calls it; blocks are forced to disk at most every
  `SYNC_SECONDS`, that cost included, and the last ones before the clock stops.
* journal, fsync each: the same, every recording forced to disk on its own.
* h5py, row by row: one compound row per append, flushed per row (no tracks, no fsync).
* h5py, ten rows: ten compound rows per append, flushed per event (no tracks, no fsync).

Also the time it takes to put the catalog in place, and to read an unfinished and a finished one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from astrodetect.catalogs import journal as journal_module
from astrodetect.catalogs.journal import Journal
from astrodetect.catalogs.reader import Catalog
from astrodetect.core.columns import DETECTION_COLUMNS, RECORDING_COLUMNS, TRACK_COLUMNS
from astrodetect.core.data import stable_id
from astrodetect.core.detections import ROW, Detections
from astrodetect.core.results import RecordingBlock

PER_EVENT = 10
POINTS = 5
PROVENANCE = {"pipeline": "", "versions": "{}", "command": "benchmark", "created": ""}


def make_block(number: int) -> RecordingBlock:
    """Give one recording with ten detections."""
    rng = np.random.default_rng(number)
    n = PER_EVENT
    columns = {
        column.name: ["meteor"] * n if column.dtype == "str" else (rng.random(n) * 100).astype(column.dtype)
        for column in DETECTION_COLUMNS
    }
    columns["detection_id"] = np.array([stable_id(number, i) for i in range(n)])
    columns["x_max"], columns["y_max"] = columns["x_min"] + 9, columns["y_min"] + 9
    columns["probability"] = rng.random(n)
    tracks = {
        c.name: rng.random(n * POINTS).astype(c.dtype) for c in TRACK_COLUMNS if c.name != "detection_id"
    }
    tracks["frame"] = np.tile(np.arange(POINTS), n)
    row = {column.name: "text" if column.dtype == "str" else 1 for column in RECORDING_COLUMNS}
    row.update(recording_id=stable_id(number), path=f"event_{number:06d}", status="done")
    return RecordingBlock(row, Detections(columns, {**tracks, ROW: np.repeat(np.arange(n), POINTS)}))


def seconds(work: Callable[[], object]) -> float:
    """Give the time that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def write_journal(path: Path, blocks: list[RecordingBlock]) -> float:
    """Append all blocks; the journal stays."""
    with Journal.open(path, PROVENANCE) as journal:

        def work() -> None:
            for block in blocks:
                journal.append(block)
            journal.sync()

        return seconds(work)


def write_rows(path: Path, blocks: list[RecordingBlock], per_append: int) -> float:
    """Append compound rows to one dataset, flushing after each append."""
    fields = [
        (column.name, h5py.string_dtype() if column.dtype == "str" else column.dtype)
        for column in DETECTION_COLUMNS
    ]
    rows = [np.empty(PER_EVENT, dtype=fields) for _ in blocks]
    for table, block in zip(rows, blocks, strict=True):
        for column in DETECTION_COLUMNS:
            table[column.name] = block.detections[column.name]
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("detections", (0,), rows[0].dtype, maxshape=(None,), chunks=(1024,))

        def work() -> None:
            for table in rows:
                for first in range(0, PER_EVENT, per_append):
                    n = len(dataset)
                    dataset.resize(n + per_append, axis=0)
                    dataset[n:] = table[first : first + per_append]
                    file.flush()

        return seconds(work)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=2000)
    parser.add_argument("--folder", type=Path, default=Path())
    arguments = parser.parse_args()
    blocks = [make_block(number) for number in range(arguments.recordings)]
    n = PER_EVENT * len(blocks)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        few = blocks[: max(1, len(blocks) // 10)]
        slow = PER_EVENT * len(few) / write_rows(folder / "rows.h5", few, 1)
        tens = PER_EVENT * len(few) / write_rows(folder / "tens.h5", few, PER_EVENT)
        fast = n / write_journal(folder / "night.h5", blocks)
        journal_module.SYNC_SECONDS = 0.0
        synced = PER_EVENT * len(few) / write_journal(folder / "synced.h5", few)
        print(f"{n} detections in {len(blocks)} recordings of {PER_EVENT}; detections/s and ratio")
        for title, rate in (
            ("h5py, row by row, flushed", slow),
            ("h5py, ten rows, flushed", tens),
            ("journal, fsync each", synced),
            ("journal", fast),
        ):
            print(f"  {title:28s} {rate:9.0f} {rate / slow:7.1f}")
        unfinished = seconds(lambda: Catalog(folder / "night.h5").detections)
        with Journal.open(folder / "night.h5", PROVENANCE) as journal:
            finish = seconds(journal.finish)
        finished = seconds(lambda: Catalog(folder / "night.h5").detections)
    print(f"catalog put in place in {finish:.2f} s ({n / finish:.0f} detections/s)")
    print(f"all detections read: unfinished {unfinished:.2f} s, finished {finished:.2f} s")


if __name__ == "__main__":
    main()
