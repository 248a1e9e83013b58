"""Kill a run over an archive at random instants, some hundreds of times, and compare what is left.

    python benchmarks/kills.py [--kills 300] [--batch 60] [--seed 0] [--folder .]

The archive grows by a batch of small recordings whenever a run has come to its end, so that kills fall
on reading, on the journal and on putting the catalog together alike. Killed by SIGKILL is, drawn anew
each time, the run with its workers, the run alone, or one of its workers; with one process or two. After
each kill the catalog must open and hold everything that was reported as finished. In the end one run
goes through, and its catalog is compared, value by value, with that of a run that nobody disturbed.
Exit status 1 if anything is lost, doubled or unreadable.
"""

from __future__ import annotations

import argparse
import array
import fcntl
import os
import random
import signal
import sys
import tempfile
import termios
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astrodetect.archive.job import How, Job
from astrodetect.catalogs.checks import verify
from astrodetect.catalogs.reader import Catalog
from astrodetect.pipeline import Pipeline

#: Differs from run to run.
_TIMES = {"seconds", "summary", "cpu_seconds", "memory", "peak_memory"}


def write_recording(path: Path, number: int) -> None:
    """Write a cube of 40 frames with a point that moves."""
    rng = np.random.default_rng(number)
    frames = rng.normal(40, 3, (40, 128, 160))
    y, x = np.indices((128, 160))
    for k in range(8, 30):
        x0, y0 = 20 + 3.3 * (k - 5), 20 + (1 + number % 3) * 0.7 * (k - 5)
        frames[k] += (90 + number % 50) * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 3)
    header = fits.Header()
    header.update(
        {"DATE-OBS": f"2026-08-12T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"}
    )
    header.update({"EXPOSURE": 0.04, "TELESCOP": f"CAM{number % 5}", "FPS": 25.0})
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(np.clip(frames, 0, 255).astype(np.uint8), header).writeto(path)


def start(archive: Path, out: Path, jobs: int) -> tuple[int, Any]:
    """Start a run in a process of its own; give its id, and what tells of finished recordings."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(read)
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        status = 1
        try:
            for block in Job(Pipeline.from_toml("meteor"), (archive,), out, how=How(jobs=jobs)).run():
                os.write(write, f"{block.recording_id}\n".encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    return pid, os.fdopen(read, "rb")


def waiting_lines(pipe: Any) -> int:
    """Give about how many ids wait in a pipe."""
    held = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, held)
    return held[0] // 20


def children(pid: int) -> list[int]:
    """Give the processes that a process has started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def kill_at_random(pid: int, pipe: Any, rng: random.Random, told: Counter[str]) -> bool:
    """Wait a while and kill; False if the run came to its end before.

    The while is some time, or some time after some recordings were finished: one or the other alone
    would leave out the beginning, or much of the rest on a slow machine.
    """
    number = 0 if rng.random() < 0.4 else rng.randint(1, 12)
    delay = rng.uniform(0, 1.5) if number == 0 else rng.uniform(0, 0.15)
    end = time.monotonic() + (delay if number == 0 else 60)
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            told["came to the end"] += 1
            return False
        time.sleep(0.001)
        if number and waiting_lines(pipe) >= number:
            number, end = 0, time.monotonic() + delay
    workers = children(pid)
    victim = rng.choice(("run and workers", "run alone", *(["a worker"] * bool(workers))))
    told[victim] += 1
    if victim == "a worker":
        os.kill(rng.choice(workers), signal.SIGKILL)
        time.sleep(rng.uniform(0, 0.3))
    if victim == "run alone":
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def stored(out: Path) -> list[int]:
    """Give the ids of the recordings in a catalog, finished or not."""
    with Catalog(out) as catalog:
        ids: list[int] = catalog.read_columns(["recording_id"], "recordings")["recording_id"].tolist()
    return ids


def content(out: Path) -> dict[str, dict[str, Any]]:
    """Give all values of a catalog that do not depend on the time a run takes."""
    with Catalog(out) as catalog:
        return {
            table: {
                name: catalog.read_columns([name], table)[name]
                for name in catalog.columns(table)
                if name not in _TIMES
            }
            for table in ("recordings", "detections", "tracks")
        }


def differences(out: Path, undisturbed: Path) -> list[str]:
    """Compare two catalogs value by value."""
    ours, theirs = content(out), content(undisturbed)
    found = []
    for table, columns in theirs.items():
        for name, values in columns.items():
            other = ours[table].get(name)
            same = other is not None and len(other) == len(values)
            if same and values.dtype.kind == "f":
                same = np.array_equal(other, values, equal_nan=True)
            elif same:
                same = bool(np.array_equal(other, values))
            found += [] if same else [f"/{table}/{name}"]
    return found


class Torment:
    """Runs, kills and checks; `lost`, `doubled` and `unreadable` count what must not happen."""

    def __init__(self, folder: Path, batch: int, seed: int) -> None:
        self.archive, self.out, self.batch = folder / "archive", folder / "n.h5", batch
        self.rng = random.Random(seed)
        self.kills = self.lost = self.doubled = self.unreadable = self.written = 0
        self.finished: set[int] = set()
        self.told: Counter[str] = Counter()

    def grow(self) -> None:
        """Add a batch to the archive."""
        for number in range(self.written, self.written + self.batch):
            write_recording(self.archive / f"night{number // 200:02d}" / f"r{number:05d}.fits", number)
        self.written += self.batch

    def run(self, jobs: int, *, kill: bool) -> bool:
        """Run once; True if it came to its end."""
        pid, told = start(self.archive, self.out, jobs)
        if kill:
            killed = kill_at_random(pid, told, self.rng, self.told)
        else:
            killed = os.waitpid(pid, 0)[1] != 0
        self.finished |= {int(line) for line in told.read().split(b"\n")[:-1]}
        told.close()
        self.kills += killed and kill
        self.check()
        return not killed

    def check(self) -> None:
        """Hold what can be read against what was reported."""
        if not self.finished:
            return
        try:
            ids = stored(self.out)
        except Exception as error:
            print(f"after {self.kills} kills: {error}")
            self.unreadable += 1
            return
        self.lost += len(self.finished - set(ids))
        self.doubled += len(ids) - len(set(ids))


def main() -> None:
    """Torment, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--batch", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path())
    arguments = parser.parse_args()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        torment = Torment(Path(name), arguments.batch, arguments.seed)
        torment.grow()
        while torment.kills < arguments.kills:
            if torment.run(torment.rng.choice((1, 2)), kill=True):
                torment.grow()
            if torment.kills % 25 == 0:
                print(f"{torment.kills} kills, {len(torment.finished)} finished", flush=True)
        completed = torment.run(1, kill=False)
        undisturbed = Path(name) / "undisturbed.h5"
        pid, told = start(torment.archive, undisturbed, 1)
        told.read()
        os.waitpid(pid, 0)
        findings = verify(torment.out) + differences(torment.out, undisturbed)
        left = sorted(entry.name for entry in Path(name).iterdir())
        print(f"{torment.kills} kills ({dict(torment.told)}) in {time.perf_counter() - begin:.0f} s")
        print(f"{torment.written} recordings; {torment.lost} lost, {torment.doubled} doubled, "
              f"{torment.unreadable} times unreadable")  # fmt: skip
        print(f"the last run {'came to its end' if completed else 'FAILED'}; left behind: {left}")
        print(f"verify, and comparison with the undisturbed catalog: {findings or 'no difference'}")
        with Catalog(undisturbed) as catalog:
            print(f"that holds {len(catalog.recordings)} recordings, {len(catalog.detections)} detections")
    sound = completed and not findings and not (torment.lost or torment.doubled or torment.unreadable)
    sys.exit(not sound)


if __name__ == "__main__":
    main()
