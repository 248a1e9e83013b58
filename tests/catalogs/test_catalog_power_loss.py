"""Power cuts at every instant, full disks and quotas: what was made durable is there, once, and readable."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catalog_samples import PROVENANCE, make_block, make_id
from power_loss import Disk

from astrodetect.archive.log import RunLog
from astrodetect.catalogs import journal as journal_module
from astrodetect.catalogs.checks import verify
from astrodetect.catalogs.journal import Journal, backup_of, parts_of
from astrodetect.catalogs.merging import merge
from astrodetect.catalogs.reader import Catalog
from astrodetect.core.errors import AstrodetectError, StoppedError

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names of open files are looked up in /proc")


def ids_in(path: Path) -> list[int]:
    with Catalog(path) as catalog:
        found: list[int] = catalog.read_columns(["recording_id"], "recordings")["recording_id"].tolist()
    return found


def instants(disk: Disk, rng: random.Random, number: int) -> list[int]:
    """Give the instants of power cuts: before so many of the writes, and twice as many other events."""
    writes = [cut for cut, event in enumerate(disk.events) if event[0] == "write"]
    others = [cut for cut, event in enumerate(disk.events) if event[0] != "write"]
    few = [*rng.sample(others, min(2 * number, len(others))), *rng.sample(writes, min(number, len(writes)))]
    return sorted({*few, len(disk.events)})


def work(path: Path, disk: Disk, safe: list[tuple[int, set[int]]]) -> None:
    """Make a catalog in three runs, one of them broken off, one of them fresh at its end.

    `safe` says which recordings are durable from which event on.
    """
    done: set[int] = set()
    for numbers, finish in ((range(3), True), (range(3, 6), False), (range(6, 9), True)):
        with Journal.open(path, PROVENANCE) as journal:
            for number in numbers:
                journal.append(make_block(number, 2))
                journal.sync()
                done = done | {make_id(number)}
                safe.append((len(disk.events), done))
            if finish:
                journal.finish()


@pytest.mark.parametrize("number", [8, pytest.param(400, marks=pytest.mark.slow)])
def test_a_power_cut_at_any_instant_loses_nothing_that_was_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    disk, safe = Disk(root), [(0, set[int]())]
    with monkeypatch.context() as patch:
        disk.watch(patch)
        work(root / "n.h5", disk, safe)
    assert sum(event[0] == "sync" for event in disk.events) > 10
    everything = safe[-1][1]
    rng = random.Random(1)
    for cut in instants(disk, rng, number):
        target = tmp_path / "after"
        disk.after_power_cut(cut, rng, target)
        path = target / "n.h5"
        durable = [ids for at, ids in safe if at <= cut][-1]
        if durable:
            found = ids_in(path)
            assert durable <= set(found), cut
            assert len(found) == len(set(found)), cut
            assert set(found) <= everything
        if path.exists() and cut % 3 == 0:
            assert [line for line in verify(path) if "left out" not in line] == [], cut
        if cut % 8 == 0:  # the next run goes on
            with Journal.open(path, PROVENANCE) as journal:
                for missing in range(9):
                    if make_id(missing) not in journal.done:
                        journal.append(make_block(missing, 2))
                journal.finish()
            assert sorted(ids_in(path)) == sorted(everything)
            assert verify(path) == []
            assert [entry.name for entry in target.iterdir()] == ["n.h5"]
        shutil.rmtree(target)


def test_a_power_cut_while_starting_over_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    disk, path = Disk(root), root / "n.h5"
    with monkeypatch.context() as patch:
        disk.watch(patch)
        with Journal.open(path, PROVENANCE) as journal:
            journal.append(make_block(1))
            journal.finish()
        begin = len(disk.events)
        with Journal.open(path, PROVENANCE, fresh=True) as journal:
            journal.append(make_block(2))
            journal.finish()
    rng = random.Random(2)
    for cut in [cut for cut in instants(disk, rng, 20) if cut >= begin]:
        target = tmp_path / "after"
        disk.after_power_cut(cut, rng, target)
        held = set()
        for place in (target / "n.h5", backup_of(target / "n.h5")):
            if place.exists() or parts_of(place).exists():
                try:
                    held |= set(ids_in(place))
                except Exception:
                    assert not place.exists(), cut  # a journal without a whole header holds nothing yet
        assert held & {make_id(1), make_id(2)}, cut
        shutil.rmtree(target)


FULL = """
import sys
sys.path.insert(0, {here!r})
from catalog_samples import PROVENANCE, make_block
from astrodetect.catalogs.journal import Journal
from astrodetect.core.errors import AstrodetectError, StoppedError
try:
    with Journal.open({path!r}, PROVENANCE) as journal:
        for number in range({first}, {last}):
            if True:
                journal.append(make_block(number, 40))
                print(number, flush=True)
        journal.finish()
        print("whole")
except StoppedError as error:
    print(error)
    sys.exit(3)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can make a small file system")
    line = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    made = subprocess.run(line, check=False, capture_output=True)
    if made.returncode:
        pytest.skip("no file system can be made here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def run_until_full(path: Path, first: int, last: int) -> tuple[int, list[str]]:
    code = FULL.format(here=str(HERE), path=str(path), first=first, last=last)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_a_full_disk_stops_the_run_and_the_next_one_completes_it(small_disk: Path) -> None:
    path = small_disk / "n.h5"
    status, lines = run_until_full(path, 0, 400)
    assert status == 3
    assert "No space left on device" in lines[-1]
    finished = {make_id(int(line)) for line in lines[:-1]}
    assert len(finished) > 20
    assert set(ids_in(path)) == finished
    assert verify(path) == []
    status, lines = run_until_full(path, 400, 401)  # still full: nothing is spoilt
    assert status == 3
    assert finished <= set(ids_in(path))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    status, lines = run_until_full(path, 400, 402)
    assert (status, lines[-1]) == (0, "whole")
    assert set(ids_in(path)) == finished | {make_id(400), make_id(401)}
    assert verify(path) == []


def test_a_disk_that_is_full_when_the_catalog_is_put_together(small_disk: Path) -> None:
    path = small_disk / "n.h5"
    with Journal.open(path, PROVENANCE) as journal:
        for number in range(20):
            journal.append(make_block(number, 40))
        filler = small_disk / "filler"
        free = os.statvfs(small_disk)
        filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 65536))
        with pytest.raises(StoppedError, match=r"No space left.*20 finished recordings are kept"):
            journal.finish()
    assert not path.exists()
    assert len(ids_in(path)) == 20
    filler.unlink()
    with Journal.open(path, PROVENANCE) as journal:
        journal.finish()
    assert len(ids_in(path)) == 20
    assert verify(path) == []


def test_a_quota_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EDQUOT and EIO come from few file systems here, so they are raised where the system would."""
    import errno

    path = tmp_path / "n.h5"
    for number in (errno.EDQUOT, errno.EIO, errno.ENOSPC):
        with Journal.open(path, PROVENANCE) as journal:
            journal.append(make_block(number))

            def refuse(_: int, number: int = number) -> None:
                raise OSError(number, os.strerror(number))

            with monkeypatch.context() as patch:
                patch.setattr(journal_module.os, "fsync", refuse)
                with pytest.raises(StoppedError, match=os.strerror(number)):
                    journal.finish()
        assert make_id(number) in ids_in(path)
    with Journal.open(path, PROVENANCE) as journal:
        journal.finish()
    assert np.unique(ids_in(path)).size == 3


def test_merge_into_a_folder_that_is_missing_or_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "n.h5"
    with Journal.open(path, PROVENANCE) as journal:
        journal.append(make_block(1))
        journal.finish()
    with pytest.raises(AstrodetectError, match=r"the folder .*absent does not exist"):
        merge(tmp_path / "absent/m.h5", [path])

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("astrodetect.catalogs.hdf5._Guarded", refuse)
    with pytest.raises(AstrodetectError, match=r"m\.h5: cannot be written: Permission denied") as told:
        merge(tmp_path / "m.h5", [path])
    assert not isinstance(told.value, StoppedError)


def test_a_log_on_a_full_disk_is_told_and_holds_whole_lines(small_disk: Path) -> None:
    path = small_disk / "run.jsonl"
    (small_disk / "filling").write_bytes(b"x" * ((2 << 20) - 8192))
    told = pytest.raises(AstrodetectError, match=r"run\.jsonl: the log cannot be written: No space left")
    with told, RunLog(path) as log:
        while True:
            log.write("warning", message="x" * 60)
    lines = path.read_text().splitlines()
    assert len(lines) > 10
    assert all(json.loads(line)["event"] == "warning" for line in lines)
