"""Runs over archives: scaling over processes, overhead, many small recordings, memory.

    python benchmarks/archive.py [scaling] [overhead] [tiny] [follow] [--repeats 3] [--copies 6]

* scaling: whole runs of one and of two worker processes, against one process held to one core.
* overhead: a job with journal and catalog against a bare loop over the same recordings.
* tiny: 20,000 recordings of one small frame; the cost of each beyond its processing, and the growth
  of memory while 10,000 of them go through.
* follow: event folders are copied into a tree that is watched; the time from the last file to the
  result in the journal.

Wall times are medians over alternating rounds.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import ClassVar

import numpy as np
import psutil

from astrodetect import Detections, Detector, Frame, FrameSource, Pipeline, Stream
from astrodetect.archive.job import How, Job
from astrodetect.core.hooks import HookCaller
from astrodetect.core.runner import Runner

N_TINY = 20_000


@dataclass
class Tiny(FrameSource):
    """Files that stand for one small frame each."""

    suffixes: ClassVar[tuple[str, ...]] = (".tiny",)

    def open(self, recording, device="cpu") -> Stream:
        """Know all without reading."""
        return Stream((8, 8), np.dtype("uint8"), 2, 1.0, 0.0)

    def frames(self) -> Iterator[Frame]:
        """Give two frames: one alone is a still, which gets a background."""
        for index in range(2):
            yield Frame(np.zeros((8, 8), np.uint8), index, float(index))


@dataclass
class One(Detector):
    """One detection in every window."""

    def detect(self, window) -> Detections:
        """Find the same every time."""
        box = {name: [value] for name, value in (("x_min", 1), ("y_min", 1), ("x_max", 3), ("y_max", 3))}
        return Detections({**box, "label": ["meteor"], "probability": [0.9]})


TINY = '[source]\nuse = "archive:Tiny"\n[detect]\nuse = "archive:One"\n'


def write_archive(root: Path, copies: int) -> None:
    """Simulate recordings and give each several names, which makes them different ones."""
    first = root / "0"
    command = [sys.executable, "-m", "astrodetect", "simulate", str(first), "--format", "freeture"]
    subprocess.run([*command, "--recordings", "4", "--frames", "100"], check=True, stdout=subprocess.DEVNULL)
    for number in range(1, copies):
        shutil.copytree(first, root / str(number), copy_function=os.link)


def run(root: Path, out: Path, *options: str, cores: list[int] | None = None) -> float:
    """Run the command and give its wall time."""
    command = [
        sys.executable,
        "-m",
        "astrodetect",
        "run",
        "--pipeline",
        "meteor",
        str(root),
        "--fresh",
        "--quiet",
    ]
    start = perf_counter()
    subprocess.run(
        [*command, "--out", str(out), *options],
        check=True,
        preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
    )
    return perf_counter() - start


def scaling(folder: Path, repeats: int, copies: int) -> None:
    """One process on one core, one on all, two on all."""
    root = folder / "archive"
    write_archive(root, copies)
    core = sorted(os.sched_getaffinity(0))[0]
    times: dict[str, list[float]] = {"one on one core": [], "one": [], "two": []}
    for _ in range(repeats):
        times["one on one core"].append(run(root, folder / "a.h5", cores=[core]))
        times["one"].append(run(root, folder / "b.h5"))
        times["two"].append(run(root, folder / "c.h5", "--jobs", "2"))
    for name, seconds in times.items():
        told = ", ".join(f"{value:.1f}" for value in seconds)
        print(f"scaling: {name:16} {statistics.median(seconds):6.2f} s   ({told})")
    for name in ("one on one core", "one"):
        ratio = statistics.median(times[name]) / statistics.median(times["two"])
        print(f"scaling: two against {name}: {ratio:.2f} x")


def overhead(folder: Path, repeats: int) -> None:
    """A job against a bare loop, in this process."""
    root = folder / "overhead"
    write_archive(root, 3)
    pipeline = Pipeline.from_toml("meteor")
    recordings = list(pipeline.find(root))
    runner = Runner(pipeline.plan)
    runner.process(recordings[0])
    bare: list[float] = []
    whole: list[float] = []
    for number in range(repeats):
        start = perf_counter()
        for recording in recordings:
            runner.process(recording)
        bare.append(perf_counter() - start)
        start = perf_counter()
        job = Job(Pipeline.from_toml("meteor"), (root,), folder / f"overhead{number}.h5")
        for _ in job.run(HookCaller(load=False)):
            pass
        whole.append(perf_counter() - start)
    share = statistics.median(whole) / statistics.median(bare) - 1
    least = min(whole) / min(bare) - 1
    print(f"overhead: bare {statistics.median(bare):.2f} s, job {statistics.median(whole):.2f} s: "
          f"{100 * share:+.1f} % (of the shortest: {100 * least:+.1f} %)")  # fmt: skip


def tiny(folder: Path) -> None:
    """Many small recordings."""
    root = folder / "tiny"
    for number in range(N_TINY):
        event = root / f"{number // 500:03d}" / f"E{number}"
        event.mkdir(parents=True)
        (event / "x.tiny").write_bytes(number.to_bytes(4, "big"))
    pipeline = Pipeline(TINY)
    runner = Runner(pipeline.plan)
    sample = [recording for recording, _ in zip(pipeline.find(root), range(2000), strict=False)]
    start = perf_counter()
    for recording in sample:
        runner.process(recording)
    bare = (perf_counter() - start) / len(sample)
    for jobs in (1, 2):
        process, sizes = psutil.Process(), {}
        start = perf_counter()
        job = Job(Pipeline(TINY), (root,), folder / f"tiny{jobs}.h5", how=How(jobs=jobs))
        for number, _ in enumerate(job.run(HookCaller(load=False)), 1):
            if number % 1000 == 0:
                sizes[number] = process.memory_info().rss / 2**20
        each = (perf_counter() - start) / N_TINY
        print(f"tiny: {N_TINY} recordings, {jobs} jobs: {1e3 * each:.2f} ms each, bare {1e3 * bare:.2f} ms, "
              f"overhead {1e3 * (each - bare):.2f} ms")  # fmt: skip
        told = ", ".join(f"{sizes[number]:.1f}" for number in (1000, 10000, 20000))
        print(f"tiny: memory at 1000, 10000, 20000: {told} MiB; "
              f"when the catalog is put together {process.memory_info().rss / 2**20:.1f}")  # fmt: skip
    start = perf_counter()
    job = Job(Pipeline(TINY), (root,), folder / "tiny1.h5")
    assert not list(job.run(HookCaller(load=False)))
    print(f"tiny: nothing to do: {1e3 * (perf_counter() - start) / N_TINY:.2f} ms each")


def follow(folder: Path, n_events: int = 12) -> None:
    """Events that arrive one by one at a station."""
    events = folder / "events"
    write_archive(events, 1)
    found = sorted(path for path in (events / "0").rglob("events/*") if path.is_dir())
    night, log = folder / "night", folder / "follow.jsonl"
    night.mkdir()
    command = [sys.executable, "-m", "astrodetect", "run", "--pipeline", "meteor", str(night), "--follow"]
    options = ["--quiet", "--timeout", "300", "--out", str(folder / "follow.h5"), "--log", str(log)]
    station = subprocess.Popen([*command, *options])
    complete: dict[str, float] = {}
    try:
        for number in range(n_events):
            time.sleep(4)
            name = f"E{number}_{found[number % len(found)].name}"
            shutil.copytree(found[number % len(found)], night / name)
            complete[name] = time.time()
        time.sleep(10)
    finally:
        station.terminate()
        station.wait()
    told = [json.loads(line) for line in log.read_text().splitlines()]
    for event in ("recording_started", "recording_done"):
        at = {e["path"]: datetime.fromisoformat(e["time"]).timestamp() for e in told if e["event"] == event}
        late = [at[name] - moment for name, moment in complete.items()]
        told_of = f"{statistics.median(late):.2f} s after the last file, at most {max(late):.2f} s"
        print(f"follow: {event} {told_of} ({len(late)} events)")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=["scaling", "overhead", "tiny", "follow", []], default=[])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--copies", type=int, default=6, help="four recordings each, for scaling")
    given = parser.parse_args()
    parts = given.parts or ["scaling", "overhead", "tiny", "follow"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "scaling" in parts:
            scaling(folder, given.repeats, given.copies)
        if "overhead" in parts:
            overhead(folder, given.repeats)
        if "tiny" in parts:
            tiny(folder)
        if "follow" in parts:
            follow(folder)


if __name__ == "__main__":
    # stages are found under the name of this module, also in worker processes
    sys.path.insert(0, str(Path(__file__).parent))
    main()
